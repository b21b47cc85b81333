package Sigra::Bench::Apache;

use v5.14;
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha1_base64);
use File::Path qw(make_path);
use HTTP::Tiny;
use IO::Socket::INET;
use POSIX ();
use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Nginx;

# Apache's own sessions in PostgreSQL, in its own folder and on its own port: event, mod_auth_form, mod_session_dbd.
# Returns a text instead of an object if it cannot be measured.

my $modules = '/usr/lib/apache2/modules';
my @modules = qw(mpm_event authz_core authz_user authn_core authn_file request session dbd session_dbd auth_form);

sub start {
    my ($class, $database, $sessions) = @_;
    my ($binary) = grep { -x } '/usr/sbin/apache2' or return 'Apache is not installed';
    my ($missing) = grep { !-e "$modules/mod_$_.so" } @modules;
    return "Apache has no mod_$missing" if $missing;
    return 'apr-util has no driver for PostgreSQL' unless glob '/usr/lib/*/apr-util-1/apr_dbd_pgsql*.so';
    fill($database, $sessions);
    my $root = scratch() . '/apache';
    make_path("$root/html", "$root/logs");
    my $port = Sigra::Nginx::free_port();
    write_file("$root/html/file", 'x' x 1023 . "\n");
    write_file("$root/htpasswd", 'ada:{SHA}' . sha1_base64('x') . "=\n");
    write_file("$root/apache.conf", configuration($root, $port, $database));
    write_file("$root/cookies", map { 'session=' . key_of($_) . "\n" } 1 .. $sessions);
    my $pid = on_core(server_core(), sub {
        my $pid = fork() // die "fork: $!\n";
        if (!$pid) {
            open STDOUT, '>', "$root/logs/output";
            open STDERR, '>&', \*STDOUT;
            exec { $binary } $binary, '-DFOREGROUND', '-f', "$root/apache.conf" or POSIX::_exit(127);
        }
        return $pid;
    });
    my $self = bless { root => $root, port => $port, pid => $pid, owner => $$ }, $class;
    await(20, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) })
        or die 'Apache does not start: ' . Sigra::Nginx::slurp("$root/logs/output") . Sigra::Nginx::slurp("$root/logs/error.log");
    my $status = sub { HTTP::Tiny->new->get($self->url, { headers => { cookie => "session=$_[0]" } })->{status} };
    $status->(key_of(1)) == 200 && $status->(key_of(0)) == 401
        or die 'Apache asks no session: ' . Sigra::Nginx::slurp("$root/logs/error.log");
    return $self;
}

sub url     { return "http://127.0.0.1:$_[0]{port}/file" }
sub cookies { return "$_[0]{root}/cookies" }

sub write_file {
    my ($name, @text) = @_;
    open my $out, '>', $name or die "$name: $!\n";
    print $out @text;
    close $out or die "$name: $!\n";
}

# A session's key is a UUID.
sub key_of { return md5_hex("session $_[0]") =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r }

sub fill {
    my ($database, $sessions) = @_;
    my $db = server_dbh($database, 'sigra');
    $db->do($_) for
        'CREATE TABLE session (key varchar(64) PRIMARY KEY, value text, expiry bigint)',
        "INSERT INTO session SELECT md5('session ' || i)::uuid::text, 'private-user=ada&private-pw=x', 0
         FROM generate_series(1, $sessions) i";
    $db->disconnect;
    server_dbh($database)->do('VACUUM ANALYZE session');
}

sub configuration {
    my ($root, $port, $database) = @_;
    my $params = "host=$ENV{SIGRA_TEST_PGHOST} port=$ENV{SIGRA_TEST_PGPORT} dbname=$database user=sigra";
    return join '', (map { "LoadModule ${_}_module $modules/mod_$_.so\n" } @modules), <<"END";
ServerRoot $root
ServerName localhost
Listen 127.0.0.1:$port
PidFile $root/logs/apache.pid
ErrorLog $root/logs/error.log
DefaultRuntimeDir $root/logs
Mutex file:$root/logs default
@{[ $> == 0 ? "User nobody\nGroup nogroup" : '' ]}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
DBDriver pgsql
DBDParams "$params"
DBDMin 8
DBDKeep 32
DBDMax 32
DBDPrepareSQL "SELECT value FROM session WHERE key = %s AND (expiry = 0 OR expiry > %lld)" selectsession
DBDPrepareSQL "DELETE FROM session WHERE key = %s" deletesession
DBDPrepareSQL "INSERT INTO session (value, expiry, key) VALUES (%s, %lld, %s)" insertsession
DBDPrepareSQL "UPDATE session SET value = %s, expiry = %lld, key = %s WHERE key = %s" updatesession
DBDPrepareSQL "DELETE FROM session WHERE expiry <> 0 AND expiry < %lld" cleansession
DocumentRoot $root/html
<Directory $root/html>
    Session On
    SessionDBDCookieName session path=/
    AuthType form
    AuthName private
    AuthFormProvider file
    AuthUserFile $root/htpasswd
    Require valid-user
</Directory>
END
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local ($?, $@, $!);
    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
}

1;
