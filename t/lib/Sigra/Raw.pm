package Sigra::Raw;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Sigra::Phoenix;
use Test::More ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

# Requests as an attacker writes them: byte for byte, and not made well-formed.
#
#     my $answer = ask('/private/%5c', 'Cookie: a=b');
#     $answer->{status}, $answer->{body}, header($answer, 'location'), kept($answer)->{user_return_to}

our @EXPORT = qw(raw_exchange ask header headers_named kept is_login_redirect is_anonymous is_served worker_memory);

sub server_port { return $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT} || 1984 }

# Sends the bytes and reads to the end. If there is no answer, the status is 0.
sub raw_exchange {
    my ($bytes, %option) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $deadline = clock_gettime(CLOCK_MONOTONIC) + ($option{timeout} // 120);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $option{port} // server_port())
        // die "cannot connect: $@\n";
    $socket->blocking(0);
    my $select = IO::Select->new($socket);
    my ($sent, $text) = (0, '');
    while (1) {
        my $left = $deadline - clock_gettime(CLOCK_MONOTONIC);
        my ($readable, $writable)
            = IO::Select->select($select, $sent < length $bytes ? $select : undef, undef, $left > 0 ? $left : 0);
        $readable or die "no answer in time\n";
        if (@$writable) {
            my $count = syswrite $socket, $bytes, length($bytes) - $sent, $sent;
            # The request was refused before it was complete; the server's answer can still be read.
            $sent = defined $count ? $sent + $count : $!{EAGAIN} ? $sent : length $bytes;
        }
        next unless @$readable;
        my $count = sysread $socket, $text, 65536, length $text;
        last if defined $count ? !$count : !$!{EAGAIN};
    }
    return parse($text);
}

sub parse {
    my ($text) = @_;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($line, @lines) = split /\r\n/, $head // '';
    my ($status) = ($line // '') =~ m{^HTTP/1\.[01] (\d{3})};
    if (($head // '') =~ /^Transfer-Encoding: chunked/mi) {
        my $rest = $body;
        $body = '';
        $body .= substr $rest, 0, hex $1, '' while $rest =~ s/\A(?:\r\n)?([0-9a-f]+)\r\n//i && hex $1;
    }
    return { status => $status // 0, body => $body // '', head => $head // '', lines => \@lines, text => $text };
}

# A target and more header lines; «METHOD target» if the method is not GET.
sub ask {
    my ($target, @headers) = @_;
    my $method = $target =~ s/\A([A-Z]{3,}) // ? $1 : 'GET';
    unshift @headers, 'Host: localhost' unless grep { /\AHost:/i } @headers;
    push @headers, 'Connection: close' unless grep { /\AConnection:/i } @headers;
    return raw_exchange(join "\r\n", "$method $target HTTP/1.1", @headers, '', '');
}

sub headers_named {
    my ($answer, $name) = @_;
    return map { /\A\Q$name\E:[ \t]*(.*)\z/si ? $1 : () } @{ $answer->{lines} };
}

sub header { return join ', ', headers_named(@_) }

# The session that the answer gives to the browser, or an empty one.
sub kept {
    my ($answer, %option) = @_;
    my $cookie = parse_set_cookies(headers_named($answer, 'Set-Cookie'))->{ $option{name} // session_cookie_name() };
    return $cookie ? open_session($cookie->{value}, %option) // {} : {};
}

sub is_login_redirect {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is("$answer->{status} " . header($answer, 'Location'), '302 /users/log-in', "$name - to the login page");
}

# The request was refused, and nothing protected was sent («for ada» is in every protected page of the tests).
sub is_anonymous {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_login_redirect($answer, $name);
    return Test::More::unlike($answer->{text}, qr/for ada|^id=\d/m, "$name - without the page");
}

sub is_served {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is("$answer->{status} " . $answer->{body} =~ s/\s+\z//r, '200 for ada', $name);
}

# The peak memory of a process, in kB.
sub worker_memory {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/status" or return 0;
    return (map { /^VmHWM:\s*(\d+)/ ? $1 : () } <$in>)[0] // 0;
}

1;
