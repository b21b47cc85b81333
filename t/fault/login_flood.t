# Many logins at once, and many sessions whose last_active_at must be written: the lookups of others do not fail.

use v5.14;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

# Sends each request over its own connection, all of them before the first answer is read. Returns the statuses of the
# answers. Clients that do not wait leave when they have sent.
sub at_once {
    my ($port, $waits, @requests) = @_;
    my @sockets = map {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 30) or die "connect: $@\n";
        syswrite $socket, $_;
        $socket;
    } @requests;
    my %status;
    for my $socket (@sockets) {
        if ($waits) {
            my $text = '';
            IO::Select->new($socket)->can_read(120) && sysread $socket, $text, 4096;
            $status{ $text =~ m{\AHTTP/1\.1 (\d{3})} ? $1 : 'none' }++;
        }
        close $socket;
    }
    return \%status;
}

# Password guesses for many users, with a lockout that counts them: three times 700, of which a third does not wait.
{
    my $nginx = gated_nginx(
        workers     => 1,
        connections => 4096,
        http        => 'auth_sigra_lockout threshold=5 duration=15m;
                        auth_sigra_password_hash argon2id m=8 t=1 p=1; auth_sigra_password_checks floor=5ms running=1 queue=64;',
        server      => gated_locations() . 'location = /users/log-in { auth_sigra_login; }',
        timeout     => 60,
    );
    my $guess = sub {
        my $state = csrf_state();
        my $body = "email=nobody-$_[0]\@example.com&password=wrong&_csrf_token=" . csrf_mask($state);
        return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Connection: close',
            'Cookie: ' . session_cookie({ _csrf_token => $state, user_token => pack('L8', map { rand 2**32 } 1 .. 8) }),
            'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body;
    };
    my @guesses = map { $guess->($_) } 1 .. 700;
    my $load = start_load(port => $nginx->port, clients => { clients() });
    for my $wave (1 .. 3) {
        my $from = now();
        my $got = at_once($nginx->port, $wave < 3, @guesses);
        ok(!$got->{none}, "wave $wave: all are answered");
        ok($got->{302} && $got->{503} || $wave == 3, "wave $wave: some are tried, the others get 503") or diag(explain($got));
        $load->await_everybody(30, $from);
    }
    $load->await_everybody(30, now());
    my @answers = $load->stop;
    sees_only('valid|other|optional|public', '200', 'under the flood', @answers);
    sees_only('unknown|anonymous', '302', 'under the flood', @answers);
    has_no_problems($nginx);
}

# The same with sessions that have been idle for a while.
{
    fresh_database('sigra_sessions', name => 'fault');
    my $nginx = Sigra::Nginx->new(
        workers     => 1,
        connections => 4096,
        http        => sigra_http_config(postgres => 'timeout=60s'),
        server      => gated_locations(),
        files       => { 'private.txt' => 'for ada', 'public.txt' => 'for all' },
    );
    my $ada = authenticated_fixture(idle => 600, age => 1000);
    my @idle = map { authenticated_fixture(user_id => $ada->{user_id}, email => $ada->{email}, idle => 600, age => 1000) } 1 .. 2500;
    my @requests = map { join "\r\n", 'GET /private HTTP/1.1', 'Host: localhost', 'Connection: close', $_->{header}, '', '' } @idle;
    my %got;
    while (my @some = splice @requests, 0, 500) {
        my $got = at_once($nginx->port, 1, @some);
        $got{$_} += $got->{$_} for keys %$got;
    }
    is_deeply(\%got, { 200 => 2500 }, 'sessions that were idle: all pass');
    ok(await(30, sub {
        !db()->selectrow_array(q(SELECT count(*) FROM user_sessions
             WHERE last_active_at < now() AT TIME ZONE 'utc' - interval '5 minutes' AND id <> ?), undef, $ada->{session_id});
    }), 'and are written as active');
    has_no_problems($nginx);
}

done_testing();
