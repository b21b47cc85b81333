package Test::Nginx::Exchange;

# Turns a block's sections into bytes to send, and the received bytes into a response.

use v5.14;
use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Exporter qw(import);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use Test::Nginx::Util;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(requests_of exchange exchange_by_curl parse_response header parse_time);

sub parse_time {
    my ($text) = @_;
    return undef unless defined $text;
    my ($number, $unit) = $text =~ /^\s*([\d.]+)\s*(ms|s)?\s*$/ or bail_out("a time is written like 2s or 50ms: $text");
    return ($unit // 's') eq 'ms' ? $number / 1000 : $number;
}

# All requests of a block, each a list of packets: {value, delay_before}.
sub requests_of {
    my ($block) = @_;
    if (defined(my $raw = $block->raw_request)) {
        return [map { { value => $_ } } ref $raw ? @$raw : $raw];
    }
    if (defined(my $pipelined = $block->pipelined_requests)) {
        ref $pipelined eq 'ARRAY' or bail_out($block->name . ' - pipelined_requests is an array');
        my @packets = map {
            @{ compose($block, $pipelined->[$_], $_, $_ == $#$pipelined ? 'close' : 'keep-alive') }
        } 0 .. $#$pipelined;
        return [{ value => join '', map { $_->{value} } @packets }];
    }
    my $request = $block->request // bail_out($block->name . ' - no request');
    my @requests = ref $request ? @$request : $request;
    return map { compose($block, $requests[$_], $_, 'close') } 0 .. $#requests;
}

sub more_headers {
    my ($block, $index) = @_;
    my $headers = $block->more_headers // '';
    if (ref $headers eq 'ARRAY') {
        $headers = $headers->[$index] // bail_out($block->name . " - more_headers has none for request $index");
    }
    # Only line ends are replaced: a value may contain any byte that a client can send.
    return map { s/\r$//r } grep { /\S/ && !/^\s*#/ } split /\n/, $headers;
}

# «METHOD [URL [VERSION]]» with a body below it, whole or in packets.
sub compose {
    my ($block, $request, $index, $connection) = @_;
    my @packets = map { ref $_ ? {%$_} : { value => $_ } } ref $request eq 'ARRAY' ? @$request : $request;
    my $text = join '', map { $_->{value} } @packets;
    $text =~ s/\A(?:\s*#[^\n]*\n)*\s*//;
    my ($line, $body) = split /\n/, $text, 2;
    my ($method, $url, $version) = split ' ', $line // '';
    defined $method or bail_out($block->name . ' - the request has no method');

    my @headers = more_headers($block, $index);
    my $given = join "\n", '', @headers;
    unshift @headers, "Connection: $connection" unless $given =~ /\nConnection:/i;
    unshift @headers, 'Host: ' . ($block->server_name // server_name()) unless $given =~ /\nHost:/i;
    $body //= '';
    if ($body ne '' && $given !~ /\n(?:Content-Length|Transfer-Encoding):/i) {
        $body =~ s/\A\s+|\s+\z//g;
        push @headers, 'Content-Length: ' . length $body;
    }
    my $head = join "\r\n", join(' ', $method, $url // '/', $version // 'HTTP/1.1'), @headers, '', '';

    # Every packet but the first keeps its length, counted from the end of the given text.
    my @values;
    for my $packet (reverse @packets[1 .. $#packets]) {
        my $size = length $packet->{value};
        $size = length $body if $size > length $body;
        unshift @values, $size ? substr($body, -$size, $size, '') : '';
    }
    unshift @values, $head . $body;
    $packets[$_]{value} = $values[$_] for 0 .. $#packets;
    return \@packets;
}

# Sends, and reads until the server closes the connection. The timeout applies to each wait. Returns what was received,
# and whether a timeout ended it.
sub exchange {
    my ($packets, %option) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $socket = IO::Socket::INET->new(
        PeerAddr => $option{address} // server_addr(),
        PeerPort => server_port_for_client(),
        Timeout  => $option{timeout},
    ) or return ('', "cannot connect: $@");
    $socket->blocking(0);
    my $select   = IO::Select->new($socket);
    my $response = '';

    # False when the peer has closed the connection.
    my $drain = sub {
        while (1) {
            my $count = sysread $socket, $response, 65536, length $response;
            return $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR} if !defined $count;
            return 0 if $count == 0;
        }
    };

    my $open = 1;
    for my $i (0 .. $#$packets) {
        my ($value, $delay) = @{ $packets->[$i] }{qw(value delay_before)};
        $delay //= $option{middle_delay} if $i;
        sleep $delay if $delay;
        my $sent = 0;
        while ($open && $sent < length $value) {
            my ($readable, $writable) = IO::Select->select($select, $select, undef, $option{timeout});
            return ($response, 'client socket timed out') unless $readable;
            $open = $drain->() if @$readable;
            next unless @$writable;
            my $count = syswrite $socket, $value, length($value) - $sent, $sent;
            $sent += $count // 0;
            last if !defined $count && !$!{EAGAIN} && !$!{EINTR};
        }
    }
    shutdown $socket, $option{shutdown} if defined $option{shutdown};
    while ($open) {
        return ($response, 'client socket timed out') unless $select->can_read($option{timeout});
        $open = $drain->();
    }
    return ($response, undef);
}

# HTTP/2 with prior knowledge.
sub exchange_by_curl {
    my ($block, $packets, $timeout) = @_;
    my $request = join '', map { $_->{value} } @$packets;
    my ($head, $body) = split /\r\n\r\n/, $request, 2;
    my ($line, @headers) = split /\r\n/, $head;
    my ($method, $url) = split ' ', $line;
    my $file;    # until curl has exited

    my @command = (qw(curl -i -sS --http2-prior-knowledge -H User-Agent: -H Accept:), '--max-time', $timeout);
    push @command, $method eq 'HEAD' ? '-I' : ('-X', $method);
    push @command, map { ('-H', s/^([^:]+):\s*$/$1;/r) } grep { !/^(?:Connection|Content-Length):/i } @headers;
    if (length $body) {
        push @command, '-H', 'Content-Type:' unless grep { /^Content-Type:/i } @headers;
        $file = File::Temp->new;
        binmode $file;
        print $file $body;
        close $file or bail_out("$file: $!");
        push @command, '--data-binary', "\@$file";
    }
    push @command, split ' ', $block->curl_options // '';
    my $scheme = $block->curl_protocol // 'http';
    push @command, '--path-as-is', "$scheme://" . server_addr() . ':' . server_port_for_client() . $url;

    local %ENV = %ENV;
    delete @ENV{qw(LD_PRELOAD http_proxy https_proxy all_proxy)};
    open my $pipe, '-|', @command or return ('', "curl: $!");
    binmode $pipe;
    my $response = do { local $/; <$pipe> } // '';
    close $pipe;
    return ($response, $? ? 'curl ended with code ' . ($? >> 8) : undef);
}

# The first response in the bytes, or undef. «rest» is what comes after it.
sub parse_response {
    my ($bytes, $method) = @_;
    $bytes =~ s{\AHTTP/1\.1 100 .*?\r\n\r\n}{}s;
    my ($head, $rest) = $bytes =~ /\A(.*?\r\n)\r\n(.*)\z/s or return undef;
    my ($line, @lines) = split /\r\n/, $head;
    my ($status) = $line =~ m{^HTTP/\d+(?:\.\d+)?[ ](\d{3})(?:[ ]|$)}x or return undef;
    my @headers = map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/s] } @lines;
    my %response = (status => $status, headers => \@headers, raw_headers => $head, body => '', rest => '');

    my $length = header(\%response, 'Content-Length');
    if ($method eq 'HEAD' || $status == 204 || $status == 304 || $status == 101) {
        $response{$status == 101 ? 'body' : 'rest'} = $rest;
    } elsif (lc(header(\%response, 'Transfer-Encoding') // '') eq 'chunked') {
        @response{qw(body rest problem)} = dechunk($rest);
    } elsif (defined $length) {
        $response{body} = substr $rest, 0, $length;
        $response{rest} = length $rest > $length ? substr $rest, $length : '';
        $response{problem} = "the body is cut short: $length bytes expected" if length $rest < $length;
    } else {
        $response{body} = $rest;
    }
    return \%response;
}

sub dechunk {
    my ($bytes) = @_;
    my $body = '';
    while ($bytes =~ s/\A([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r\n//) {
        my $size = hex $1;
        if ($size == 0) {
            return ($body, $bytes, undef) if $bytes =~ s/\A(?:[^\r\n]+\r\n)*\r\n//;
            last;
        }
        last if length $bytes < $size + 2;
        $body .= substr $bytes, 0, $size, '';
        $bytes =~ s/\A\r\n// or last;
    }
    return ($body, '', 'the chunked body is invalid or cut short');
}

# All values of a header, joined with commas; undef if there is none.
sub header {
    my ($response, $name) = @_;
    my @values = map { $_->[1] } grep { lc($_->[0] // '') eq lc $name } @{ $response->{headers} };
    return @values ? join(', ', @values) : undef;
}

1;
