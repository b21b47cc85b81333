package Sigra::Versions;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use File::Temp ();

# Requests over HTTP/2 and HTTP/3, and what the nginx and curl here support.
#
#     my $ask = over(2, port => 8080) or skip over_reason(2), 1;
#     my $answer = $ask->(POST => '/path', ['Cookie: a=b', 'Cookie: c=d'], 'body');
#     $answer->{status}, $answer->{headers}{location}, $answer->{cookies}, $answer->{body}, $answer->{exit}
#
# Over HTTP/2 the body of an answer is missing if the request has a body.

our @EXPORT = qw(nginx_at_least nginx_has nginx_knows http2_listen over over_reason download early_bytes);

sub nginx_says { state $text = do { my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx'; qx($nginx -V 2>&1) }; return $text }
sub curl_says  { state $text = qx(curl -V 2>/dev/null); return $text }
sub nginx_has  { return nginx_says() =~ /--with-\Q$_[0]\E\b/ }

# The version of the nginx that a fork is based on, if it prints it.
sub nginx_at_least {
    my ($version) = @_;
    my ($have) = nginx_says() =~ m{^nginx version: \S*/(\d+\.\d+\.\d+)}m;
    ($have) = nginx_says() =~ m{/(\d+\.\d+\.\d+)} unless defined $have;
    my @have = split /\./, $have;
    my @want = split /\./, $version;
    for my $i (0 .. 2) { return $have[$i] > $want[$i] if $have[$i] != $want[$i] }
    return 1;
}

# Whether nginx has this directive: a fork may have removed it. Other errors in this configuration do not matter.
sub nginx_knows {
    my ($directive) = @_;
    my $folder = File::Temp->newdir('sigra-knows-XXXXXX', TMPDIR => 1);
    open my $out, '>', "$folder/nginx.conf" or die "$folder: $!\n";
    print $out "events {}\nhttp { server { listen unix:$folder/socket; location / { $directive; } } }\n";
    close $out;
    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
    return qx($nginx -t -e stderr -p $folder/ -c nginx.conf 2>&1) !~ /unknown directive/;
}

# How a server block enables HTTP/2: since 1.25.1 with its own directive.
sub http2_listen {
    my ($address, @options) = @_;
    return nginx_at_least('1.25.1') ? "listen @{[join ' ', $address, @options]}; http2 on;" : "listen @{[join ' ', $address, @options]} http2;";
}

# The original Test::Nginx writes «http2 on» for every nginx, and none before 1.25.1 starts with it.
sub http2_blocks_start { return nginx_at_least('1.25.1') || !!Test::Nginx::Exchange->can('exchange') }

sub quic_client {
    my $lib = $ENV{NGINX_TESTS_LIB} // return;
    return eval { local @INC = ($lib, @INC); require Test::Nginx::HTTP3; no warnings 'redefine'; *Test::Nginx::HTTP3::port = sub { $_[0] }; 1 };
}

# Why such a client or server is missing; undef if both exist.
sub over_reason {
    my ($version) = @_;
    if ($version == 2) {
        return nginx_has('http_v2_module') ? curl_says() =~ /\bHTTP2\b/ ? undef : 'curl speaks no HTTP/2' : 'nginx speaks no HTTP/2';
    }
    return 'nginx speaks no HTTP/3' unless nginx_has('http_v3_module');
    return undef if curl_says() =~ /\bHTTP3\b/ || quic_client();
    return 'curl speaks no HTTP/3';
}

sub over {
    my ($version, %option) = @_;
    return if over_reason($version);
    return $version == 3 && curl_says() !~ /\bHTTP3\b/ ? over_perl(%option) : over_curl($version, %option);
}

sub curl_command {
    my ($version, $port) = @_;
    return ([qw(curl -sS -k --max-time 60), $version == 2 ? '--http2-prior-knowledge' : '--http3-only', '-H', 'User-Agent:'],
        ($version == 2 ? 'http' : 'https') . "://127.0.0.1:$port");
}

sub over_curl {
    my ($version, %option) = @_;
    my $once = sub {
        my ($method, $path, $headers, $body) = @_;
        my ($command, $base) = curl_command($version, $option{port});
        my $sent = File::Temp->new;
        print $sent $body // '';
        $sent->flush;
        my @words = (@$command, '-i', '-X', $method, (map { ('-H', $_) } @{ $headers // [] }),
            (defined $body ? ('--data-binary', "\@$sent") : ()), "$base$path");
        open my $pipe, '-|', @words or die "curl: $!\n";
        my $text = do { local $/; <$pipe> } // '';
        close $pipe;
        my $exit = $? >> 8;
        my ($head, $content) = split /\r\n\r\n/, $text, 2;
        my ($line, @lines) = split /\r\n/, $head // '';
        my ($spoken, $status) = ($line // '') =~ m{^HTTP/([\d.]+) (\d{3})};
        return answer($status, [map { [split /: */, $_, 2] } @lines], $content, $exit, $spoken);
    };
    return $once if $version != 2;
    # If nginx answers before it has read the body, it ends the stream without an error after the answer (RFC 9113,
    # 8.1), and curl before 8 may lose that answer. nghttp does not.
    return sub { return defined $_[3] ? over_nghttp(\%option, @_) : $once->(@_) };
}

# The body is printed between other lines, so it is not read.
sub over_nghttp {
    my ($option, $method, $path, $headers, $body) = @_;
    my $sent = File::Temp->new;
    print $sent $body;
    $sent->flush;
    my @words = (qw(nghttp -n -v --timeout=60), (map { ('-H', $_) } ":method: $method", @{ $headers // [] }),
        '-d', "$sent", "http://127.0.0.1:$option->{port}$path");
    open my $pipe, '-|', @words or die "nghttp: $!\n";
    my @fields = map { /\] recv \(stream_id=\d+\) ([^\n]*)/ ? [$1 =~ /^(:?[^:]+): ?(.*)/] : () } <$pipe>;
    close $pipe;
    my ($status) = map { $_->[1] } grep { $_->[0] eq ':status' } @fields;
    return answer($status, [grep { $_->[0] !~ /^:/ } @fields], '', $? >> 8, '2');
}

# The client of the nginx-tests project (NGINX_TESTS_LIB is its lib folder).
sub over_perl {
    my (%option) = @_;
    return sub {
        my ($method, $path, $headers, $body) = @_;
        my $client = Test::Nginx::HTTP3->new($option{port});
        my @fields = map { my ($name, $value) = split /: */, $_, 2; { name => lc $name, value => $value, mode => 4 } }
            @{ $headers // [] }, defined $body ? 'Content-Length: ' . length $body : ();
        my $stream = $client->new_stream({
            headers => [(map { { name => $_->[0], value => $_->[1], mode => 4 } }
                [':method', $method], [':scheme', 'https'], [':path', $path], [':authority', "127.0.0.1:$option{port}"]), @fields],
            (defined $body ? (body => $body) : ()),
        });
        my $frames = $client->read(all => [{ sid => $stream, fin => 1 }]);
        my ($head) = grep { $_->{type} eq 'HEADERS' } @$frames;
        my %got = %{ $head->{headers} // {} };
        my @lines = map { my $name = $_; map { [$name, $_] } ref $got{$name} ? @{ $got{$name} } : $got{$name} } grep { !/^:/ } sort keys %got;
        return answer($got{':status'}, \@lines, join('', map { $_->{data} // '' } grep { $_->{type} eq 'DATA' } @$frames), 0, '3');
    };
}

sub answer {
    my ($status, $lines, $body, $exit, $spoken) = @_;
    my %answer = (status => $status // 0, body => $body // '', exit => $exit, version => $spoken // '', headers => {}, cookies => {});
    for (@$lines) {
        my ($name, $value) = @$_;
        $answer{headers}{ lc $name } = $value;
        $answer{cookies}{$1} = $2 if lc $name eq 'set-cookie' && $value =~ /^([^=]+)=([^;]*)/;
    }
    return \%answer;
}

# Starts a download. Returns when a part of it has arrived, with a function that reads to its end and tells whether it
# was aborted.
sub download {
    my ($version, $port, $path, @headers) = @_;
    if ($version == 3 && curl_says() !~ /\bHTTP3\b/) {
        my $client = Test::Nginx::HTTP3->new($port);
        my $stream = $client->new_stream({
            headers => [map { { name => $_->[0], value => $_->[1], mode => 4 } } [':method', 'GET'], [':scheme', 'https'], [':path', $path],
                [':authority', "127.0.0.1:$port"], map { [lc((split /: */, $_, 2)[0]), (split /: */, $_, 2)[1]] } @headers]
        });
        $client->read(all => [{ sid => $stream, type => 'HEADERS' }]);
        return sub {
            my $frames = $client->read(all => [{ sid => $stream, type => 'RESET_STREAM' }], wait => 20);
            return !!grep { $_->{type} eq 'RESET_STREAM' } @$frames;
        };
    }
    my ($command, $base) = curl_command($version, $port);
    open my $pipe, '-|', @$command, '-N', (map { ('-H', $_) } @headers), "$base$path" or die "curl: $!\n";
    sysread $pipe, my $some, 1 or die "nothing came\n";
    return sub {
        1 while sysread $pipe, my $rest, 1 << 16;
        close $pipe;
        return $? != 0;
    };
}

# HTTP/2 as bytes, for a client that can send them as early data: without Huffman codes and dynamic table.
sub early_bytes {
    my (@pairs) = @_;
    my $block = join '', map { pack('C', 0) . join '', map { pack('C', length) . $_ } @$_ } @pairs;
    my $frame = sub { my ($type, $flags, $stream, $payload) = @_; substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload };
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . $frame->(4, 0, 0, '') . $frame->(1, 5, 1, $block);
}

1;
