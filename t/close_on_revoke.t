# auth_sigra_close_on_revoke: open requests end with their session. Two workers, each with its own connections.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::WebSocket;
use Sigra::Wire qw(wire get await);
use File::Temp ();
use IO::Select;
use Test::More;

fresh_database('sigra');
add_triggers();
my $place = File::Temp->newdir('sigra-close-XXXXXX', TMPDIR => 1);
chmod 0755, "$place";
my $socket = "$place/application.sock";
start_application($socket);

my ($cache, $nginx) = ('');
sub gate {
    my (%option) = @_;
    undef $nginx;
    $nginx = Sigra::Nginx->new(
        files => { 'long/file' => 'x' x 4_000_000, 'open/file' => 'x' x 4_000_000, 'short/file' => 'x' x 4_000_000, 'aging/file' => 'x' x 4_000_000 },
        http  => sigra_http_config(postgres => $option{postgres}, extra => "auth_sigra on; auth_sigra_unauthenticated status;\n$cache")
            . 'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }',
        server => <<"END",
listen 127.0.0.1:@{[ $option{h2} // 1 ]} http2;
add_header X-Worker \$pid always;
location /app/ { auth_sigra_close_on_revoke on; proxy_pass http://unix:$socket:; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_read_timeout 1h; }
location /plain/ { proxy_pass http://unix:$socket:; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_read_timeout 1h; }
location /long/ { auth_sigra_close_on_revoke on; limit_rate 10k; }
location /short/ { auth_sigra_close_on_revoke on; auth_sigra_session_ttl 1h; limit_rate 10k; }
location /open/ { limit_rate 10k; }
location /aging/ { auth_sigra_close_on_revoke on; auth_sigra_reissue_age 1h; limit_rate 10k; }
location /token/ { auth_sigra_bearer only; auth_sigra_close_on_revoke on; limit_rate 10k; alias html/long/; }
location = /users/log-out { auth_sigra_logout; }
location = /status { auth_sigra off; stub_status; }
END
    );
    return;
}

sub socket_of {
    my ($who, $path) = @_;
    return upgrade(wire(upgrade_request($path // '/app/socket', $who->{header}), port => $nginx->port));
}
sub echoes { my ($wire) = @_; say_text($wire, 'hello'); return (hear_text($wire) // 'closed') eq 'hello' }

# A stream or a download that has started.
sub begun {
    my ($path, $who) = @_;
    my $wire = wire(get($path, $who->{header}), port => $nginx->port);
    $wire->read_until(sub { $wire->{read} =~ /\r\n\r\n./s }) or die "nothing came\n";
    $wire->{read} =~ m{^HTTP/1.1 200 } or die "refused: $wire->{read}\n";
    return $wire;
}

# Reads until nginx closes the connection.
sub is_closed {
    my ($wire, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $closed = 0;
    my $deadline = Sigra::Nginx::now() + Sigra::Nginx::patience();
    while (!$closed && Sigra::Nginx::now() < $deadline) {
        $closed = 1 if IO::Select->new($wire->{socket})->can_read(1) && !sysread $wire->{socket}, my $rest, 1 << 20;
    }
    return ok($closed, $name);
}

sub listening {
    my ($count) = @_;
    return await { db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_trigger%')) >= $count } 'the listeners';
}

for ('', 'auth_sigra_cache zone=sessions:1m;') {
    $cache = $_;
    my $with = $cache ? 'with a cache' : 'without a cache';
    gate();
    my ($ada, $bob) = map { authenticated_fixture() } 1, 2;
    listening(2);
    my @ada = map { socket_of($ada) } 1 .. 6;
    my @bob = map { socket_of($bob) } 1 .. 6;
    my @streams   = map { begun('/app/events', $ada) } 1 .. 4;
    my @downloads = map { begun('/long/file', $ada) } 1 .. 4;
    my $unmarked  = socket_of($ada, '/plain/socket');
    my $open      = begun('/open/file', $ada);
    ok((!grep { !echoes($_) } @ada, @bob, $unmarked), "$with: all are open");
    revoke($ada);
    is_closed($_, "$with: a WebSocket is closed") for @ada;
    is_closed($_, "$with: an event stream") for @streams;
    is_closed($_, "$with: a download") for @downloads;
    ok(echoes($unmarked), "$with: not where it is off");
    ok((!grep { !echoes($_) } @bob), "$with: not another session's");
    is(socket_of($ada), undef, "$with: no new one");

    my ($token, $other) = map { api_token_fixture() } 1, 2;
    my ($program, $another) = map { begun('/token/file', $_) } $token, $other;
    db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $token->{token_id});
    is_closed($program, "$with: a program's download ends with its API token");
    db()->do('UPDATE users SET email = ? WHERE id = ?', undef, "no-more-$$@{[ rand ]}\@example.com", $other->{user_id});
    is_closed($another, "$with: or with the email that it was sent to");

    db()->do('UPDATE users SET email = ? WHERE id = ?', undef, "changed-$$@{[ rand ]}\@example.com", $bob->{user_id});
    my $eve = authenticated_fixture();
    my $late = socket_of($eve);
    revoke($eve);
    is_closed($late, "$with: what is notified after the change is received");
    ok((!grep { !echoes($_) } @bob), "$with: a user who changes is looked up, and stays");
    db()->do('TRUNCATE users_tokens');
    is_closed($_, "$with: everything is revoked") for @bob;
    $_->leave for $unmarked, $open;
    is($nginx->stop, 0, "$with: nginx ends as it should");
    my @problems = $nginx->problems;
    ok(!@problems, "$with: nothing to complain of") or diag(join "\n", @problems);
}

# A session expires.
{
    gate();
    my $ada = authenticated_fixture(age => 3580);    # time to send the request, and then to wait for the end
    my @wires = map { begun('/short/file', $ada) } 1 .. 3;
    my $long  = begun('/long/file', $ada);
    is_closed($_, 'the session is over') for @wires;
    ok(IO::Select->new($long->{socket})->can_read(Sigra::Nginx::patience()) && sysread($long->{socket}, my $some, 100), 'not where it is valid for longer');
}

# The channel is lost, a row is deleted meanwhile, the channel comes back. There are more sessions than are looked up at
# once.
{
    gate(postgres => 'connections=4');
    my ($ada, $bob) = map { authenticated_fixture() } 1, 2;
    my @ada = map { socket_of($ada) } 1 .. 70;
    my @bob = map { socket_of($bob) } 1 .. 70;
    my $admin = Sigra::Fixture::connect_to(database()->{name}, 'postgres');
    $admin->do('ALTER ROLE sigra_nginx NOLOGIN');
    kill_backends();
    $admin->do('DELETE FROM users_tokens WHERE id = ?', undef, $ada->{session_id});
    ok((!grep { !echoes($_) } @ada, @bob), 'nothing was received');
    $admin->do('ALTER ROLE sigra_nginx LOGIN');
    is_closed($_, 'looked up when the channel is back') for @ada;
    ok((!grep { !echoes($_) } @bob), 'a session with a row stays');

    # The old workers still listen after a reload.
    my @old = $nginx->reload;
    revoke($bob);
    is_closed($_, 'after a reload') for @bob;
    await { my %there = map { $_ => 1 } $nginx->workers; !grep { $there{$_} } @old } 'the end of the old workers';
    pass('and the old workers go');
}

# The request that got the new token continues, and ends with the log-out. What was opened with the old token is closed.
{
    gate();
    my $ada = authenticated_fixture(age => 7200);
    listening(2);
    my $before = socket_of($ada);
    my $download = begun('/aging/file', $ada);
    my ($cookie) = $download->{read} =~ /^Set-Cookie: (_my_app_key=[^;]+)/m;
    ok($cookie, 'a new token');
    is_closed($before, 'what was opened with the old one is closed');
    ok(IO::Select->new($download->{socket})->can_read(Sigra::Nginx::patience()) && sysread($download->{socket}, my $some, 100), 'the request that got the new one continues');
    my $session = open_session($cookie =~ s/^[^=]+=//r);
    my $after = socket_of({ header => "Cookie: $cookie" });
    ok(echoes($after), 'the new one opens');
    my $answer = client(port => $nginx->port)->delete('/users/log-out', '', { cookie => $cookie, 'x-csrf-token' => csrf_mask($session->{_csrf_token}) });
    is($answer->{status}, 302, 'logged out');
    is_closed($_, 'closed by the log-out') for $after, $download;
}

# HTTP/2: a stream ends, the connection stays open.
{
    my $h2 = Sigra::Nginx::free_port();
    gate(h2 => $h2);
    my $ada = authenticated_fixture();
    listening(2);
    my @command = ('nghttp', '-v', '-n', '-H', $ada->{header}, map { "http://127.0.0.1:$h2/$_/file" } qw(long open));
    my $pid = open my $said, '-|', @command or die "nghttp: $!\n";
    my $until = sub { my ($expected) = @_; while (my $line = <$said>) { return $1 if $line =~ $expected } return };
    my ($ended) = $until->(qr/recv DATA frame <.*stream_id=(\d+)>/);
    $until->(qr/recv DATA frame <.*stream_id=(?!$ended>)(\d+)>/);
    revoke($ada);
    my $reset = $until->(qr/recv RST_STREAM frame <.*stream_id=(\d+)>/);
    ok($reset, 'a stream is reset');
    isnt($until->(qr/recv (?:DATA frame <.*stream_id=(?!$reset>)|GOAWAY)(\d+)>/), undef, 'and another one of the same connection continues');
    kill TERM => $pid;
    close $said;
}

is($nginx->stop, 0, 'nginx ends as it should');
my @problems = $nginx->problems;
ok(!@problems, 'nothing to complain of') or diag(join "\n", @problems);
undef $nginx;
done_testing();
