package Sigra::Upstream;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::UNIX;

# Servers behind nginx that answer with what they got, one line for each header or variable: over HTTP the header as it
# arrived, over FastCGI and uwsgi NAME=VALUE. They run as long as the test file.
#
#     start_upstream(fastcgi => '/path/to/socket');

our @EXPORT = qw(start_upstream);

my @children;
my $owner = $$;
END { if ($$ == $owner) { local $?; kill KILL => @children; waitpid $_, 0 for @children } }

sub start_upstream {
    my ($protocol, $path) = @_;
    my $read = { http => \&read_http, fastcgi => \&read_fastcgi, uwsgi => \&read_uwsgi }->{$protocol}
        // die "no protocol $protocol\n";
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 64) // die "$path: $!\n";
    chmod 0777, $path;
    my $pid = fork() // die "fork: $!\n";
    if ($pid) {
        push @children, $pid;
        return;
    }
    @SIG{qw(INT TERM HUP PIPE)} = (('DEFAULT') x 3, 'IGNORE');
    while (my $client = $listener->accept) {
        my $said = eval { $read->($client) };
        answer($protocol, $client, $said) if defined $said;
        close $client;
    }
    require POSIX;
    POSIX::_exit(0);
}

sub bytes {
    my ($client, $count) = @_;
    my $text = '';
    while (length $text < $count) { sysread $client, $text, $count - length $text, length $text or die "cut short\n" }
    return $text;
}

sub read_http {
    my ($client) = @_;
    my $head = '';
    until ($head =~ /\r\n\r\n/) { sysread $client, $head, 65536, length $head or die "cut short\n" }
    return $head =~ s/\r\n/\n/gr;
}

sub lines { my (@pairs) = @_; my $text = ''; while (my ($n, $v) = splice @pairs, 0, 2) { $text .= "$n=$v\n" } return $text }

sub read_uwsgi {
    my ($client) = @_;
    my $size = unpack 'xv', bytes($client, 4);
    return lines(unpack '(v/a)*', bytes($client, $size));
}

sub read_fastcgi {
    my ($client) = @_;
    my $parameters = '';
    while (1) {
        my (undef, $type, undef, $size, $padding) = unpack 'CCnnC', bytes($client, 8);
        my $content = bytes($client, $size);
        bytes($client, $padding);
        $parameters .= $content if $type == 4;
        last if $type == 5 && !$size;    # the end of the body
    }
    my @pairs;
    while (length $parameters) {
        my @sizes = map {
            my $size = unpack 'C', $parameters;
            $size = unpack('N', $parameters) & 0x7fffffff if $size > 127;
            substr $parameters, 0, $size > 127 || ord($parameters) > 127 ? 4 : 1, '';
            $size;
        } 1 .. 2;
        push @pairs, map { substr $parameters, 0, $_, '' } @sizes;
    }
    return lines(@pairs);
}

sub answer {
    my ($protocol, $client, $said) = @_;
    my $head = "Content-Type: text/plain\r\nContent-Length: " . length($said) . "\r\n\r\n";
    if ($protocol eq 'fastcgi') {
        my $record = sub { pack('CCnnCC', 1, $_[0], 1, length $_[1], 0, 0) . $_[1] };
        print $client $record->(6, "Status: 200 OK\r\n$head$said"), $record->(6, ''), $record->(3, "\0" x 8);
    } else {
        print $client "HTTP/1.1 200 OK\r\nConnection: close\r\n$head$said";
    }
    $client->flush;
}

1;
