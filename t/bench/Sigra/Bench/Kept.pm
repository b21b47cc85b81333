package Sigra::Bench::Kept;

use v5.14;
use strict;
use warnings;

use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

# One keep-alive connection that reads the status and headers of an answer as quickly as Perl can.

sub new {
    my ($class, $port) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or die "connect: $@\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    return bless { socket => $socket, text => '' }, $class;
}

# {status, pid, verdict}: the headers X-Pid and X-Verdict of the answer.
sub get {
    my ($self, $path, $cookie) = @_;
    syswrite $self->{socket}, "GET $path HTTP/1.1\r\nHost: localhost\r\nCookie: $cookie\r\n\r\n" or die "write: $!\n";
    for (;;) {
        if ($self->{text} =~ /\A(.*?\r\n\r\n)/s) {
            my $head = $1;
            my ($length) = $head =~ /^Content-Length: (\d+)/mi;
            if (length $self->{text} >= length($head) + ($length // 0)) {
                substr $self->{text}, 0, length($head) + ($length // 0), '';
                my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
                my ($pid)     = $head =~ /^X-Pid: (\d+)/m;
                my ($verdict) = $head =~ /^X-Verdict: (\w+)/m;
                return { status => $status, pid => $pid // 0, verdict => $verdict // '' };
            }
        }
        sysread($self->{socket}, $self->{text}, 65536, length $self->{text}) or die "the connection ends: $!\n";
    }
}

1;
