# Which kinds of requests pass the gate unchanged: HEAD, bodies, pipelines, HTTP/2, WebSocket.

use Test::Nginx::Socket 'no_plan';
use Digest::SHA ();
use POSIX ();
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Server;
use Sigra::Fixture;
use Sigra::Versions ();
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;') . echo_upstream();
our $ada  = authenticated_fixture(email => 'ada@example.com');
our @bodies = map { $_ ? random_bytes($_) : '' } 0, 1, 100_000, 5_000_000;

# Accepts one connection, passes it to the code and exits with it. Returns the port.
our @children;
sub server {
    my ($code) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "listen: $!";
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        $SIG{ALRM} = sub { POSIX::_exit(1) };
        alarm 120;
        while (my $socket = $listener->accept) { $code->($socket); close $socket }
        POSIX::_exit(0);
    }
    push @children, $pid;
    return $listener->sockport;
}
add_cleanup_handler(sub { kill KILL => $_ and waitpid $_, 0 for splice @children });

# Answers with the length and digest of the body that it got.
our $digest_port = server(sub {
    my ($socket) = @_;
    my $read = '';
    until ($read =~ /\r\n\r\n/) { sysread $socket, $read, 65536, length $read or return }
    my ($head, $body) = split /\r\n\r\n/, $read, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < ($length // 0)) { sysread $socket, $body, 65536, length $body or return }
    my $answer = ($length // 'none') . ' ' . Digest::SHA::sha256_hex($body);
    print $socket "HTTP/1.0 200 OK\r\nContent-Length: ", length $answer, "\r\n\r\n$answer";
});

# Sends a greeting, then echoes frames.
our $websocket_port = server(sub {
    my ($socket) = @_;
    my ($handshake, $frame) = (Protocol::WebSocket::Handshake::Server->new, Protocol::WebSocket::Frame->new);
    until ($handshake->is_done) {
        sysread $socket, my $bytes, 4096 or return;
        $handshake->parse($bytes) or return;
    }
    print $socket $handshake->to_string, Protocol::WebSocket::Frame->new('hello')->to_bytes;
    $socket->flush;
    while (sysread $socket, my $bytes, 65536) {
        $frame->append($bytes);
        while (defined(my $message = $frame->next)) {
            print $socket Protocol::WebSocket::Frame->new("echo $message")->to_bytes;
            $socket->flush;
        }
    }
});

no_shuffle();
run_tests();

__DATA__

=== TEST 1: HEAD
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files
>>> private/page.txt
for ada
--- request
HEAD /private/page.txt
--- more_headers eval: $::ada->{header}
--- response_headers
Content-Length: 8
--- response_body
--- flow
my $answer = client()->request('HEAD', '/private/page.txt');
is($answer->{status}, 401, 'and anonymous');
ok(!length($answer->{content} // ''), 'no body');
my $wire = wire("HEAD /private/page.txt HTTP/1.1\r\nHost: x\r\n\r\n" . get('/private/page.txt', $::ada->{header}));
is($wire->answer('HEAD')->{status}, 401, 'HEAD, on a keep-alive connection');
is($wire->answer->{body}, "for ada\n", 'what follows is in its place');



=== TEST 2: bodies are passed on whole, or drained
--- http_config eval: $::http
--- config eval
"location /private/ { auth_sigra on; proxy_pass http://127.0.0.1:$::digest_port; }
location /streamed/ { auth_sigra on; proxy_request_buffering off; proxy_pass http://127.0.0.1:$::digest_port; }
location /file/ { auth_sigra on; client_body_in_file_only clean; proxy_pass http://127.0.0.1:$::digest_port; }"
--- request
GET /private/
--- error_code: 401
--- timeout: 20
--- flow
for my $path ('/private/', '/streamed/', '/file/') {
    for my $body (@::bodies) {
        my $digest = length($body) . ' ' . Digest::SHA::sha256_hex($body);
        my $answer = client()->post($path, $body, {cookie => $::ada->{cookie}, 'content-type' => 'application/octet-stream'});
        is("$answer->{status} $answer->{content}", "200 $digest", "$path " . length $body);
    }
}
my $post = sub {
    my ($path, $body, @headers) = @_;
    return join "\r\n", "POST $path HTTP/1.1", 'Host: x', 'Content-Length: ' . length $body, @headers, '', $body;
};
for my $body (@::bodies[0 .. 2]) {
    my $digest = length($body) . ' ' . Digest::SHA::sha256_hex($body);
    my $wire = wire($post->('/private/', $body) . $post->('/private/', $body, $::ada->{header}));
    is($wire->answer->{status}, 401, 'nobody, with ' . length $body);
    is($wire->answer->{body}, $digest, 'and the next request of the connection');
}
my $chunked = wire("POST /private/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n$::ada->{header}\r\n\r\n3\r\nabc\r\n");
$chunked->send("2\r\nde\r\n0\r\n\r\n");
is($chunked->answer->{body}, '5 ' . Digest::SHA::sha256_hex('abcde'), 'chunked');
my $expecting = wire($post->('/private/', '', 'Expect: 100-continue', $::ada->{header}) =~ s/Length: 0/Length: 5/r);
is($expecting->answer->{status}, 100, 'nginx asks for the body');
is($expecting->send('abcde')->answer->{body}, '5 ' . Digest::SHA::sha256_hex('abcde'), 'which then arrives');



=== TEST 3: a body that arrives during the lookup
--- http_config eval: $::http
--- config eval
"location /private/ { auth_sigra on; proxy_pass http://127.0.0.1:$::digest_port; }"
--- request
GET /private/
--- error_code: 401
--- timeout: 20
--- flow
for my $body (@::bodies[1 .. 3]) {
    my $lock = hold_lock();
    my $wire = wire(join "\r\n", 'POST /private/ HTTP/1.1', 'Host: x', 'Content-Length: ' . length $body, $::ada->{header}, '', '');
    await_lookup();
    $wire->send(substr $body, 0, 10_000);
    $lock->rollback;
    $wire->send(substr $body, 10_000) if length $body > 10_000;
    is($wire->answer->{body}, length($body) . ' ' . Digest::SHA::sha256_hex($body), length($body) . ' bytes');
}



=== TEST 4: twenty requests in a row on one connection
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files eval: [map { ["private/$_" => "page $_"] } 0 .. 19]
--- pipelined_requests eval: [map { "GET /private/$_" } 0 .. 19]
--- more_headers eval: [map { $_ % 3 ? $::ada->{header} : 'X-A: b' } 0 .. 19]
--- error_code eval: [map { $_ % 3 ? 200 : 401 } 0 .. 19]
--- response_body_like eval: [map { $_ % 3 ? "^page $_\$" : 'log in' } 0 .. 19]
--- flow
my $wire = wire();
for my $i (0 .. 19) {
    $wire->send(get("/private/$i", $i % 2 ? $::ada->{header} : ()));
    my $answer = $wire->answer;
    is("$answer->{status} " . ($answer->{headers}{connection} // ''), $i % 2 ? '200 keep-alive' : '401 keep-alive', "keep-alive, $i");
}



=== TEST 5: HTTP/2
--- http_config eval: $::http
--- http2
--- skip_eval: 1: !Sigra::Versions::http2_blocks_start()
--- config
location /private/ { auth_sigra on; proxy_pass http://echo; }
--- request
GET /private/
--- more_headers eval: $::ada->{header}
--- response_body_like: cookie=_my_app_key=SFM
--- flow
my $url = "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}/private/";
my $status = sub {
    open my $pipe, '-|', qw(curl -sS -o /dev/null -w), '%{http_code} %{http_version}', '--http2-prior-knowledge', @_, $url or die;
    return scalar <$pipe>;
};
is($status->('-H', $::ada->{header}), '200 2', 'ada');
is($status->(), '401 2', 'anonymous');
is($status->('-H', 'Cookie: a=b', '-H', $::ada->{header}, '-H', 'Cookie: c=d'), '200 2', 'cookies in fields of their own');
is($status->('-I'), '401 2', 'HEAD');
is($status->('-H', $::ada->{header}, '--data-binary', 'x' x 100_000), '200 2', 'POST');
my $report = qx(h2load -n 100 -c 2 -m 10 -H '$::ada->{header}' $url 2>&1);
like($report, qr/100 total, 100 started, 100 done, 100 succeeded/, 'a hundred streams');
like(qx(h2load -n 100 -c 2 -m 10 $url 2>&1), qr/status codes: 0 2xx, 0 3xx, 100 4xx/, 'of an anonymous client');



=== TEST 6: a WebSocket
--- http_config eval: $::http
--- config eval
"auth_sigra_unauthenticated auto;
location /socket {
    auth_sigra on;
    proxy_pass http://127.0.0.1:$::websocket_port;
    proxy_http_version 1.1;
    proxy_set_header Upgrade \$http_upgrade;
    proxy_set_header Connection upgrade;
}"
--- request
GET /socket
--- error_code: 302
--- flow
my @headers = ('Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13',
    'Origin: http://localhost');
is(wire(get('/socket', @headers))->answer->{status}, 401, 'anonymous');

my $wire = wire(get('/socket', @headers, $::ada->{header}));
my $answer = $wire->answer;
is($answer->{status}, 101, 'ada');
is($answer->{headers}{'sec-websocket-accept'}, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'the handshake');
my $frame = Protocol::WebSocket::Frame->new;
my $next = sub {
    my $message;
    until (defined($message = $frame->next)) {
        if (length $wire->{read}) { $frame->append(delete $wire->{read}); $wire->{read} = '' }
        else { $wire->more or return undef }
    }
    return $message;
};
is($next->(), 'hello', 'the greeting');
for my $text ('one', 'x' x 60_000) {
    $wire->send(Protocol::WebSocket::Frame->new(buffer => $text, masked => 1)->to_bytes);
    is($next->(), "echo $text", 'a frame of ' . length $text);
}
$wire->leave;
