package Sigra::WebSocket;

use v5.14;
use strict;
use warnings;

use Digest::SHA qw(sha1_base64);
use Exporter qw(import);
use IO::Socket::UNIX;
use Sigra::Phoenix qw(random_bytes);
use MIME::Base64 qw(encode_base64);

# As much of RFC 6455 as a test needs: a server behind nginx that echoes each text, and has endless event streams at its
# other paths; and a client on a Sigra::Wire.
#
#     start_application('/path/to/socket');
#     my $wire = upgrade(wire(upgrade_request('/socket', $ada->{header})));
#     say_text($wire, 'hello');
#     hear_text($wire);                                # undef: the connection is closed

our @EXPORT = qw(start_application upgrade_request upgrade say_text hear_text);

my @children;
my $owner = $$;
END { if ($$ == $owner) { local $?; kill KILL => @children; waitpid $_, 0 for @children } }

sub start_application {
    my ($path) = @_;
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 64) // die "$path: $!\n";
    chmod 0777, $path;
    my $pid = fork() // die "fork: $!\n";
    if ($pid) {
        push @children, $pid;
        return;
    }
    @SIG{qw(INT TERM HUP PIPE CHLD)} = (('DEFAULT') x 3, 'IGNORE', 'IGNORE');
    while (my $client = $listener->accept) {
        next if fork();
        close $listener;
        eval { serve($client) };
        require POSIX;
        POSIX::_exit(0);
    }
}

sub accepted { my ($key) = @_; return sha1_base64("${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11") . '=' }

sub serve {
    my ($client) = @_;
    my $head = '';
    until ($head =~ /\r\n\r\n/) { sysread $client, $head, 65536, length $head or die "cut short\n" }
    if ($head =~ /^Sec-WebSocket-Key: (\S+)/mi) {
        syswrite $client, join "\r\n", 'HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
            'Sec-WebSocket-Accept: ' . accepted($1), '', '';
        my $more = sub { my ($count) = @_; my $got = ''; while (length $got < $count) { sysread $client, $got, $count - length $got, length $got or die "closed\n" } $got };
        while (1) {
            my ($type, $length) = unpack 'CC', $more->(2);
            my $text = frame($more, $length);
            last if ($type & 15) == 8;
            syswrite $client, pack('CC/a*', 0x81, $text);
        }
        return;
    }
    syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: first\n\n";
    sysread $client, my $end, 1;    # until nginx closes the connection
}

sub frame {
    my ($more, $length) = @_;
    my $mask = $length & 128 ? $more->(4) : "\0" x 4;
    my $text = $more->($length & 127);
    return $text ^ substr $mask x 32, 0, length $text;
}

sub upgrade_request {
    my ($path, @headers) = @_;
    return join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', 'Upgrade: websocket', 'Connection: Upgrade',
        'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: ' . encode_base64(random_bytes(16), ''), @headers, '', '';
}

# Called after the request was sent; undef if it is refused.
sub upgrade {
    my ($wire) = @_;
    my $answer = $wire->answer // return;
    return $answer->{status} == 101 ? $wire : undef;
}

sub say_text {
    my ($wire, $text) = @_;
    my $mask = random_bytes(4);
    return $wire->send(pack('CC', 0x81, 128 | length $text) . $mask . ($text ^ substr $mask x 32, 0, length $text));
}

sub hear_text {
    my ($wire) = @_;
    my (undef, $length) = unpack 'CC', $wire->take(2) // return;
    return $wire->take($length);
}

{
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
}

1;
