# The harness with a plain nginx: blocks that pass. Blocks that must fail are in 00-harness-verdicts.t.
use Test::Nginx::Socket 'no_plan';
use Sigra::Versions ();

repeat_each(2);
no_long_string();
env_to_nginx('HARNESS=1');
$ENV{TEST_NGINX_HARNESS_ROOT} = server_root();

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value(request => 'GET /default') unless defined $block->request || defined $block->raw_request
        || defined $block->pipelined_requests;
});

my $checked = 0;
add_response_body_check(sub {
    my ($block, $body, $index, $repeat) = @_;
    $checked++ if defined $block->checked && $body eq "CHECKED\n";
});

no_shuffle();
run_tests();
is($checked, 2, 'response body checks run for each repeat');
our $started;
is($started, 'nginx runs', 'init runs once nginx has started');

__DATA__

=== TEST 1: a request, its headers, its logs
--- config
    location = /t {
        add_header X-Port $server_port;
        return 200 "$request_method $http_host $http_connection $http_x_foo\n";
    }
--- request
    GET /t
--- more_headers
# a comment
X-Foo: bar
--- response_body
GET localhost close bar
--- response_headers
Content-Type: text/plain
X-Port: $ServerPort
! X-Bar
--- raw_response_headers_like: ^HTTP/1\.1 200 OK\r\n.*X-Port: \d+\r\n
--- raw_response_headers_unlike: X-Foo
--- error_log eval
["GET /t", qr/http process request line/]
--- no_error_log
[error]
[warn]
--- access_log
GET /t HTTP/1.1
--- no_access_log
GET /other
--- grep_error_log eval: qr/http script copy: "GET [^"]*"|http request line: "[^"]*"/
--- grep_error_log_out
http request line: "GET /t HTTP/1.1"



=== TEST 2: the configuration of the block before, a default request
--- error_code: 404
--- response_body_like: 404 Not Found
--- error_log
open() "



=== TEST 3: several requests, values for each
--- config
    location = /t { return 302 /x; }
    location = /u { return 200 "$http_x_n\n"; }
--- request eval
["GET /t", "HEAD /t HTTP/1.0", "GET /u", "GET /nothing"]
--- more_headers eval
["X-N: 0", "X-N: 1", "X-N: 2\nHost: other", ""]
--- error_code eval
[302, 302, 200, 404]
--- response_headers_like eval
["Location: http://localhost.*/x", "Server: nginx.*", "Content-Length: \\d", "Content-Type: text/html"]
--- response_body_like eval
["302 Found", "^\$", "^2\$", "404"]



=== TEST 4: an unknown directive
--- config
    location = /t { nonsense; }
--- must_die
--- error_log
unknown directive "nonsense"
--- no_error_log
[alert]



=== TEST 5: an exit code
--- config
    location = /t { return a b c; }
--- must_die: 1
--- error_log
invalid number of arguments in "return" directive



=== TEST 6: pipelined
--- config
    location /t { return 200 "$uri $http_x_n $http_connection\n"; }
--- pipelined_requests eval
["GET /t1", "GET /t2", "POST /t3\nbody"]
--- more_headers eval
["X-N: 1", "X-N: 2", "X-N: 3"]
--- response_body eval
["/t1 1 keep-alive\n", "/t2 2 keep-alive\n", "/t3 3 close\n"]



=== TEST 7: a raw request in pieces
--- config
    location /t { return 200 "$uri $http_host\n"; }
--- raw_request eval
["GET /t3 HTTP/1.1\r\nHost: a\r\n", "Connection: close\r\n\r\n"]
--- raw_request_middle_delay: 0.01
--- response_body
/t3 a



=== TEST 8: a body in packets, chunked answers
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { return 200 "$content_length $http_content_type $http_x_body\n"; }
    }
--- config
    location /t {
        proxy_http_version 1.1;
        proxy_set_header X-Body $request_body;
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        sub_filter 4 four;
        sub_filter_types *;
    }
--- request eval
[["POST /t\nab", {value => "c", delay_before => 0.01}, "d"], "POST /t\nabcd"]
--- more_headers
Content-Type: text/x
--- response_headers eval
["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]
--- response_body eval
["four text/x abcd\n", "four text/x abcd\n"]



=== TEST 9: HTTP/2
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { return 200 "$http_x_protocol $http_x_foo $content_length\n"; }
    }
--- config
    location /t {
        proxy_set_header X-Protocol $server_protocol;
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    }
--- http2
--- skip_eval: 2: !Sigra::Versions::http2_blocks_start()
--- request
POST /t
hello
--- more_headers
X-Foo: a b
--- response_body
HTTP/2.0 a b 5



=== TEST 10: files
--- config
    location /files { alias $TEST_NGINX_HARNESS_ROOT/html/; }
--- user_files
>>> a.txt
A file.
>>> b/c.txt 199801171935.33
Another.
--- request eval
["GET /files/a.txt", "GET /files/b/c.txt", "GET /a.txt"]
--- response_body eval
["A file.\n", "Another.\n", "A file.\n"]
--- response_headers eval
["! X", "Last-Modified: Sat, 17 Jan 1998 19:35:33 GMT", "! X"]



=== TEST 11: an expected timeout
--- config
    location /t { return 200 ok; }
--- raw_request eval
"GET /t HTTP/1.1\r\n"
--- timeout: 50ms
--- abort
--- ignore_response



=== TEST 12: shutting down the sending half
--- config
    location /t { return 200 ok; }
--- raw_request eval
"GET /t HTTP/1.1\r\nHost: a\r\n"
--- shutdown
--- ignore_response
--- error_log
client prematurely closed connection



=== TEST 13: skipped
--- skip_nginx: 2: > 1.0.0
--- config
    location /t { return 500; }



=== TEST 14: not skipped
--- skip_nginx2: 1: < 1.0.0 or >= 99.0.0
--- skip_eval: 1: 0
--- config
    location = /default { return 200 "checked\n"; }
--- checked
--- response_body_filters: uc
--- response_body
CHECKED



=== TEST 15: the log at the end, and an expected alert
--- config
    location = /default { proxy_pass http://unix:/nonexistent; }
--- error_code_like: ^50
--- error_log
[crit]
No such file or directory
--- shutdown_error_log
exit
--- no_shutdown_error_log
[alert]



=== TEST 16: an array of raw header bytes
--- config
    location /t { return 200 "$http_x_foo|\n"; }
--- request
GET /t
--- more_headers eval: "X-Foo: a\x01\xe9:b"
--- response_body eval: "a\x01\xe9:b|\n"



=== TEST 17: code for the block alone, the version 1.0, no body in a 204
--- init: $main::started = -s $Test::Nginx::Util::PidFile ? 'nginx runs' : 'too early'
--- config
    location /t { return 204; }
--- request
DELETE /t?a=b HTTP/1.0
--- error_code: 204
--- response_body eval: ""



=== TEST 18: the default page
--- config
--- request
GET /
--- response_body_like: It works!



=== TEST 19: skipped altogether
--- SKIP
--- config
    nonsense;
