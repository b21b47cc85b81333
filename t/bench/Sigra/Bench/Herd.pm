package Sigra::Bench::Herd;

use v5.14;
use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

# A reload while sessions are requested at full rate: a new worker does not trust entries that were stored before it
# listened, so it looks up each session again. The same with a file, from an nginx without a database, shows what a reload
# costs by itself.
my ($sessions, $connections) = (10_000, 32);

sub run {
    return skipped('a reload under load', 'nginx does not know auth_sigra_cache') unless knows('auth_sigra_cache');
    my $database = database_of(100_000);
    my $nginx = bench_nginx(
        http   => sigra_http_config(conninfo => conninfo_of($database), layout => 'phx_gen_auth'),
        server => 'location = /private { auth_sigra on; auth_sigra_cache zone=sessions:16m ttl=1h; alias html/file; }',
    );
    my $plain = bench_nginx(server => 'location = /static { alias html/file; }');
    my $round = sub {
        my ($path, $nginx) = @_;
        my @requests = map { "GET /$path HTTP/1.1\r\nHost: localhost\r\nCookie: " . cookie_of($_) . "\r\n\r\n" } 1 .. $sessions;
        my $ask = sub { return ask_all($nginx->port, \@requests, @_) };
        # One measurement: before the reload, and from the reload on.
        return sub {
            $ask->(seconds => 5);    # all of them are stored
            my $before = $ask->(seconds => seconds());
            my $after  = $ask->(seconds => seconds() + 2, begun => sub { $nginx->signal('HUP') });
            return { "$path before" => [percentile(99, @$before)], "$path longest" => [percentile(100, @$after)] };
        };
    };
    my %figures = interleaved(private => $round->('private', $nginx), static => $round->('static', $plain));
    my ($before, $longest, $static) = @figures{ 'private before', 'private longest', 'static longest' };
    my $p99 = median(@$before);
    return (
        result(what => "p99 of $sessions cached sessions at full rate", values => $before, unit => 'ms'),
        result(what => 'the longest answer from a reload on', values => $longest, unit => 'ms',
            ratios => [map { $_ / $p99 } @$longest], against => 'the p99 before', target => 'within 3 times, none fails', most => 3),
        result(what => 'the same of a file without authentication', values => $static, unit => 'ms'),
    );
}

# Milliseconds of each answer. The clients send without pause on keep-alive connections. A connection that the server
# closes before it answers is opened again, as browsers do; this counts as part of the request's time.
sub ask_all {
    my ($port, $requests, %option) = @_;
    my ($next, @times, %client) = (0);
    my $select = IO::Select->new;
    my $open = sub {
        my ($client) = @_;
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $@\n";
        setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
        $client->{socket} = $socket;
        $client{$socket} = $client;
        $select->add($socket);
    };
    my $send = sub {
        my ($client) = @_;
        $client->{text} = '';
        syswrite $client->{socket}, $client->{request};
    };
    my $again = sub {
        my ($client) = @_;
        $select->remove($client->{socket});
        delete $client{ $client->{socket} };
        close $client->{socket};
        $open->($client);
    };
    my $take = sub {
        my ($client) = @_;
        $client->{request} = $requests->[$next++ % @$requests];
        $client->{since} = now();
        $send->($client);
    };
    local $SIG{PIPE} = 'IGNORE';
    for (1 .. $connections) { my $client = {}; $open->($client); $take->($client) }
    my $end = now() + $option{seconds};
    $option{begun}->() if $option{begun};
    while (now() < $end) {
        for my $socket ($select->can_read(1)) {
            my $client = $client{$socket} // next;
            my $count = sysread $socket, $client->{text}, 65536, length $client->{text};
            if (!$count) {
                $client->{text} eq '' or die "half an answer\n";
                $again->($client);
                $send->($client);
                next;
            }
            my ($head) = $client->{text} =~ /\A(.*?\r\n\r\n)/s or next;
            $head =~ m{\AHTTP/1\.1 200 } or die "refused: $head\n";
            next if length $client->{text} < length($head) + 1024;
            push @times, (now() - $client->{since}) * 1000;
            $again->($client) if $head =~ /^Connection: close/mi;
            $take->($client);
        }
    }
    @times or die "no answers\n";
    return \@times;
}

1;
