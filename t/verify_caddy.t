# examples/caddy: Caddy asks auth_sigra_verify, written out and with forward_auth. Skipped without Caddy.

use v5.14;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire qw(await);
use Test::More;

my ($caddy) = grep { -x } map { "$_/caddy" } qw(/usr/bin /usr/local/bin);
plan skip_all => 'no caddy (Debian: caddy)' unless $caddy;
my $version = do { local $ENV{LD_PRELOAD}; delete $ENV{LD_PRELOAD}; `$caddy version` };
plan skip_all => "caddy below 2.6: $version" unless $version =~ /(\d+)\.(\d+)/ && ($1 > 2 || ($1 == 2 && $2 >= 6));

my $top = abs_path(dirname($0) . '/..');
fresh_database('sigra');
my $nginx = Sigra::Nginx->new(
    http   => sigra_http_config(extra => 'auth_sigra_login_url /users/log-in;'),
    server => <<'END',
underscores_in_headers on;
location = /verify { auth_sigra on; auth_sigra_verify trusted=127.0.0.1; }
location = /users/log-in { auth_sigra_login; }
location / { default_type text/plain; add_header Set-Cookie "theirs=1"; return 200 "id=$http_x_auth_user_id email=$http_x_auth_email all=$http_x_auth_admin $request_method $request_uri"; }
END
);

my $place = File::Temp->newdir('sigra-caddy-XXXXXX', TMPDIR => 1);
my $owner = $$;
my @pids;
END {
    local $?;
    if ($$ == $owner) { kill KILL => $_ and waitpid $_, 0 for @pids }
}

# Starts Caddy with this configuration, and returns its port.
sub start_caddy {
    my ($name, $text) = @_;
    my $port = Sigra::Nginx::free_port();
    $text =~ s{127\.0\.0\.1:(?:8080|4000)\b}{'127.0.0.1:' . $nginx->port}ge;
    $text =~ s{127\.0\.0\.1:8000\b}{127.0.0.1:$port}g;
    open my $out, '>', "$place/$name" or die;
    print $out $text;
    close $out;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', "$place/$name.log";
        open STDERR, '>&', \*STDOUT;
        delete $ENV{LD_PRELOAD};
        @ENV{qw(HOME XDG_DATA_HOME XDG_CONFIG_HOME)} = ("$place") x 3;
        exec { $caddy } $caddy, 'run', '--config', "$place/$name", '--adapter', 'caddyfile' or POSIX::_exit(127);
    }
    push @pids, $pid;
    await {
        waitpid($pid, POSIX::WNOHANG()) == 0 or die Sigra::Nginx::slurp("$place/$name.log");
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
    } 'caddy';
    return $port;
}

my $example = Sigra::Nginx::slurp("$top/examples/caddy/Caddyfile");
my $short = $example;
$short =~ s/\t\t\treverse_proxy 127\.0\.0\.1:8080 \{.*?^\t\t\t\}\n/\t\t\tforward_auth 127.0.0.1:8080 {\n\t\t\t\turi \/verify\n\t\t\t\tcopy_headers X-Auth-User-Id X-Auth-Email\n\t\t\t}\n/ms or die;
my %port = (example => start_caddy('Caddyfile', $example), forward_auth => start_caddy('Short', $short));

my $ada = authenticated_fixture(remember_me => 86400);
for my $name (sort keys %port) {
    my $port = $port{$name};
    my $page = sub { my (%headers) = @_; return client(port => $port)->get('/page?a=b', { accept => 'text/html', %headers }) };
    my %forged = map { ($_ => 'eve') } qw(x-auth-admin X-Auth-Email x_auth_email X_Auth-Admin x-auth_admin X-AUTH_EMAIL x-auth-user-id);
    my $answer = $page->(cookie => $ada->{cookie}, %forged);
    is("$answer->{status} $answer->{content}", "200 id=$ada->{user_id} email=$ada->{email} all= GET /page?a=b", "$name: a session, and nothing of the client");
    $answer = client(port => $port)->post('/page', { a => 'b' }, { cookie => $ada->{cookie} });
    is("$answer->{status} $answer->{content}", "200 id=$ada->{user_id} email=$ada->{email} all= POST /page", "$name: a POST is checked, and stays one");

    my $browser = client(port => $port);
    $answer = $browser->get('/page?a=b', { accept => 'text/html', %forged });
    is("$answer->{status} " . ($answer->{headers}{location} // ''), '302 /users/log-in', "$name: anonymous");
    is($browser->session->{user_return_to}, '/page?a=b', "$name: the path to return to");
    is($browser->get('/users/log-in')->{status}, 200, "$name: the login page is reached");

    $answer = $page->(accept => 'application/json');
    is("$answer->{status} $answer->{content}", '401 {"error":"You must log in to access this page."}', "$name: a program");

    $browser = client(port => $port);
    $browser->get('/page', { accept => 'text/html', 'x-forwarded-uri' => '/elsewhere', 'x-forwarded-method' => 'POST' });
    is($browser->session->{user_return_to}, '/page', "$name: a client's own headers are not trusted");

    $browser = client(port => $port)->use_cookie($ada->{remember_cookie});
    $answer = $browser->get('/page');
    is($answer->{status}, 200, "$name: a remember-me cookie");
    is($answer->{cookies}{theirs}{value}, 1, "$name: and a cookie of the application's");
    my $begun = $name eq 'example' ? $ada->{token} : undef;
    is(($browser->cookies->{ +session_cookie_name } ? $browser->session : {})->{user_token}, $begun,
        $begun ? "$name: the session that it begins" : "$name: begins no session, for Caddy drops its cookie");
}

is($nginx->stop, 0, 'nginx ends');
for my $name (sort keys %port) {
    like(client(port => $port{$name})->get('/page', { cookie => $ada->{cookie} })->{status}, qr/^50[23]$/, "$name: no answer: refused");
}
done_testing;
