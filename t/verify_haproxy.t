# examples/haproxy: HAProxy asks auth_sigra_verify. Skipped without HAProxy.

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

my ($haproxy) = grep { -x } map { "$_/haproxy" } qw(/usr/sbin /usr/local/sbin /usr/bin);
plan skip_all => 'no haproxy' unless $haproxy;
my $said = `$haproxy -vv`;
plan skip_all => 'haproxy below 2.6, or without Lua' unless $said =~ /version (\d+)\.(\d+)/ && "$1.$2" >= 2.6 && $said =~ /\+LUA|Lua/;

my $top = abs_path(dirname($0) . '/..');
fresh_database('sigra');
my $nginx = Sigra::Nginx->new(
    http   => sigra_http_config(extra => 'auth_sigra_login_url /users/log-in;'),
    server => <<'END',
location = /verify { auth_sigra on; auth_sigra_verify trusted=127.0.0.1; }
location = /users/log-in { auth_sigra_login; }
location / { default_type text/plain; return 200 "id=$http_x_auth_user_id email=$http_x_auth_email all=$http_x_auth_admin"; }
END
);

my $place = File::Temp->newdir('sigra-haproxy-XXXXXX', TMPDIR => 1);
my $port = Sigra::Nginx::free_port();
for my $name (qw(haproxy.cfg verify.lua)) {
    open my $in, '<', "$top/examples/haproxy/$name" or die;
    local $/;
    my $text = <$in>;
    $text =~ s{/etc/haproxy/}{$place/}g;
    $text =~ s{127\.0\.0\.1:(?:8080|4000)\b}{'127.0.0.1:' . $nginx->port}ge;
    $text =~ s{127\.0\.0\.1:8000\b}{127.0.0.1:$port}g;
    open my $out, '>', "$place/$name" or die;
    print $out $text;
    close $out;
}
my $owner = $$;
my $pid = fork() // die "fork: $!";
if (!$pid) {
    open STDOUT, '>', "$place/log";
    open STDERR, '>&', \*STDOUT;
    delete $ENV{LD_PRELOAD};
    exec { $haproxy } $haproxy, '-db', '-f', "$place/haproxy.cfg" or POSIX::_exit(127);
}
END {
    local $?;
    if ($pid && $$ == $owner) { kill KILL => $pid; waitpid $pid, 0 }
}
await { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 'haproxy';

sub page { my (%headers) = @_; return client(port => $port)->get('/page?a=b', { accept => 'text/html', %headers }) }

my $ada = authenticated_fixture(remember_me => 86400);
my $answer = page(cookie => $ada->{cookie}, 'x-auth-admin' => 'yes', 'x_auth_email' => 'eve@example.com');
is("$answer->{status} $answer->{content}", "200 id=$ada->{user_id} email=$ada->{email} all=", 'a session, and nothing of the client');

my $browser = client(port => $port);
$answer = $browser->get('/page?a=b', { accept => 'text/html' });
is("$answer->{status} " . ($answer->{headers}{location} // ''), '302 /users/log-in', 'anonymous');
is($browser->session->{user_return_to}, '/page?a=b', 'the path to return to');
is($browser->get('/users/log-in')->{status}, 200, 'the login page is reached');

$answer = page(accept => 'application/json');
is("$answer->{status} $answer->{content}", '401 {"error":"You must log in to access this page."}', 'a program');

$browser = client(port => $port)->use_cookie($ada->{remember_cookie});
is($browser->get('/page')->{status}, 200, 'a remember-me cookie');
is($browser->session->{user_token}, $ada->{token}, 'and the session that it begins');

my $forged = page('x-forwarded-uri' => '/elsewhere');
like($forged->{headers}{'set-cookie'} // '', qr/./, 'a client that sends HAProxy\'s headers');
$browser = client(port => $port);
$browser->get('/page', { accept => 'text/html', 'x-forwarded-uri' => '/elsewhere' });
is($browser->session->{user_return_to}, '/page', 'is not believed');

is($nginx->stop, 0, 'nginx ends');
is(page(cookie => $ada->{cookie})->{status}, 503, 'no answer: refused');
done_testing;
