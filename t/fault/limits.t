# A worker that has no more connections, descriptors or memory answers 503 or closes the connection. It lets nobody in,
# does not die, and recovers afterwards.

use v5.14;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Raw;
use Test::More;

my $slow = 'location /slow { limit_rate 1; try_files /slow.txt =404; }';

sub get {
    my ($nginx, $target, @headers) = @_;
    return raw_exchange(join("\r\n", "GET $target HTTP/1.1", 'Host: localhost', @headers, 'Connection: close', '', ''),
        port => $nginx->port);
}

# Connections that nginx cannot close to reuse them: each has an answer under way.
sub occupy {
    my ($nginx, $count) = @_;
    my @held;
    for (1 .. $count) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 10) or last;
        print $socket "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
        $socket->flush;
        my $head = '';
        IO::Select->new($socket)->can_read(patience()) && sysread $socket, $head, 1 or last;
        push @held, $socket;
    }
    return @held;
}

sub limit_process {
    my ($pid, $what, $value) = @_;
    system('prlimit', '--pid', $pid, "--$what=$value:") == 0 or die "prlimit: $?\n";
}

sub descriptors { return scalar(() = glob "/proc/$_[0]/fd/*") }

# The lowest limit of descriptors with which one more can be opened.
sub room_for_one {
    my ($pid) = @_;
    my %open = map { m{(\d+)\z} ? ($1 => 1) : () } glob "/proc/$pid/fd/*";
    my ($number, $free) = (0, 0);
    until ($free == 1) { $free++ unless $open{ $number++ } }
    return $number;
}

for my $limit ('connections', 'descriptors') {
    my $nginx = gated_nginx(
        workers => 1,
        server  => gated_locations() . $slow,
        files   => { 'private.txt' => 'for ada', 'public.txt' => 'for all', 'slow.txt' => 'x' x 100_000 },
        $limit eq 'connections' ? (connections => 8) : (),
    );
    my $header = user('ada')->{header};
    my ($worker) = $nginx->workers;
    get($nginx, '/public');
    my $before = descriptors($worker);
    is(get($nginx, '/private', $header)->{status}, 200, "$limit: well before");
    # The pool gives up its connections only when they are lost.
    kill_backends();
    ok(await(sub { descriptors($worker) == $before }), "$limit: no connection to the database is left");
    my @held;
    if ($limit eq 'connections') {
        @held = occupy($nginx, 20);
        cmp_ok(scalar @held, '<', 20, "$limit: all are taken");
        close pop @held;
        ok(await(sub { get($nginx, '/public')->{status} == 200 }), "$limit: there is one descriptor for a client");
    } else {
        limit_process($worker, nofile => room_for_one($worker));
    }
    my $from   = now();
    my $answer = get($nginx, '/private', $header);
    is($answer->{status}, 503, "$limit: none left for the database");
    is(header($answer, 'Set-Cookie'), '', "$limit: no cookie is touched");
    cmp_ok(now() - $from, '<', 4 * deadline(), "$limit: within the deadline, with room");
    close $_ for splice @held;
    limit_process($worker, nofile => 20000) if $limit eq 'descriptors';
    ok(await(sub { get($nginx, '/private', $header)->{status} == 200 }), "$limit: it works again with room");
    is_deeply([$nginx->workers], [$worker], "$limit: by the same worker");
    has_no_problems($nginx, qr/worker_connections are not enough/, qr/Too many open files/);
}

done_testing();
