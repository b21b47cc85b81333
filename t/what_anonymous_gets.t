# auth_sigra_unauthenticated and auth_sigra_login_url: a redirect for a browser, a status for a program.

use Test::Nginx::Socket 'no_plan';
use JSON::PP ();
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http  = sigra_http_config(extra => 'auth_sigra on;');
our $files = [['page.txt' => 'for ada'], ['denied.html' => 'denied']];
our $body  = '{"error":"You must log in to access this page."}';

no_shuffle();
run_tests();

__DATA__

=== TEST 1: browsers and programs
--- http_config eval: $::http
--- config
location /redirect/ { auth_sigra_unauthenticated redirect; }
location /status/ { auth_sigra_unauthenticated status; }
--- user_files eval: $::files
--- request
GET /page.txt
--- error_code: 302
--- flow
my $chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
for (
    ['no Accept',              302, {}],
    ['*/*',                    302, { accept => '*/*' }],
    ['text/html',              302, { accept => 'text/html' }],
    ['TEXT/HTML',              302, { accept => 'TEXT/HTML;q=0.5' }],
    ['a browser',              302, { accept => $chrome, 'sec-fetch-mode' => 'navigate', 'sec-fetch-dest' => 'document' }],
    ['html among others',      302, { accept => 'application/json, text/html' }],
    ['spaces and tabs',        302, { accept => " ,\tapplication/json\t,  text/html ; q=1" }],
    ['curl',                   302, { accept => '*/*', 'user-agent' => 'curl/8' }],
    ['JSON',                   401, { accept => 'application/json' }],
    ['XHTML alone',            401, { accept => 'application/xhtml+xml' }],
    ['text/*',                 401, { accept => 'text/*' }],
    ['event stream',           401, { accept => 'text/event-stream' }],
    ['not quite html',         401, { accept => 'text/html5' }],
    ['html as a parameter',    401, { accept => 'application/json;a=text/html' }],
    ['an image',               401, { accept => 'image/avif,image/webp,*/*;q=0.8' }],
    ['an image, capitals',     401, { accept => 'IMAGE/png,*/*' }],
    ['a font',                 401, { accept => 'font/woff2,*/*' }],
    ['image later',            302, { accept => 'text/html,image/png' }],
    ['XHR',                    401, { 'x-requested-with' => 'XMLHttpRequest', accept => $chrome }],
    ['XHR, small letters',     401, { 'x-requested-with' => 'xmlhttprequest' }],
    ['an app of Android',      302, { 'x-requested-with' => 'com.example.app', accept => $chrome }],
    ['fetch, cors',            401, { 'sec-fetch-mode' => 'cors', accept => '*/*' }],
    ['fetch, same-origin',     401, { 'sec-fetch-mode' => 'same-origin', accept => '*/*' }],
    ['a service worker',       302, { 'sec-fetch-mode' => 'same-origin', 'sec-fetch-dest' => 'empty', accept => $chrome }],
    ['no-cors',                401, { 'sec-fetch-mode' => 'no-cors', accept => '*/*' }],
    ['navigate, JSON',         401, { 'sec-fetch-mode' => 'navigate', accept => 'application/json' }],
    ['WebSocket',              401, { upgrade => 'websocket', connection => 'upgrade' }],
    ['WebSocket, capitals',    401, { upgrade => 'WebSocket', connection => 'Upgrade' }],
    ['h2c',                    302, { upgrade => 'h2c', connection => 'Upgrade' }],
) {
    my ($name, $status, $headers) = @$_;
    my $answer = client()->get('/page.txt', $headers);
    is($answer->{status}, $status, $name);
    is($answer->{headers}{location}, $status == 302 ? '/users/log-in' : undef, "$name: Location");
    like($answer->{headers}{'cache-control'}, $status == 302 ? qr/\Aprivate, no-store\z/ : qr/\Ano-store\z/, "$name: Cache-Control");
    $status == 302 or is("$answer->{headers}{'content-type'} $answer->{content} " . keys %{ $answer->{cookies} },
        "application/json $::body 0", "$name: JSON, no cookie");
    is(client()->get('/redirect/page.txt', $headers)->{status}, 302, "$name: redirect");
    is(client()->get('/status/page.txt', $headers)->{status}, 401, "$name: status");
}



=== TEST 2: methods
--- http_config eval: $::http
--- config
location /status/ { auth_sigra_unauthenticated status; }
--- user_files eval: $::files
--- request
POST /page.txt
a=b
--- error_code: 302
--- flow
for (qw(GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND)) {
    my $answer = client()->request($_, '/page.txt', { accept => 'text/html' }, /^P|DEL/ ? 'a=b' : undef);
    is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', $_);
    if (/^(?:GET|HEAD)$/) {
        my $session = open_session($answer->{cookies}{_my_app_key}{value});
        is($session->{user_return_to}, '/page.txt', "$_: where to return to");
        is($session->{phoenix_flash}{error}, 'You must log in to access this page.', "$_: flash");
    } else {
        is(keys %{ $answer->{cookies} }, 0, "$_: the browser may not have sent the session, which is not replaced");
    }
    is(client()->request($_, '/status/page.txt')->{status}, 401, "$_: status");
}
is(wire("TRACE /page.txt HTTP/1.1\r\nHost: x\r\n\r\n")->answer->{status}, 405, 'TRACE is refused by nginx');



=== TEST 3: no JSON body with an error_page or satisfy any
--- http_config eval: $::http
--- config
auth_sigra_unauthenticated status;
location /page/ { error_page 401 /open/denied.html; }
location /other/ { error_page 403 404 /open/denied.html; }
location /any/ { satisfy any; deny all; }
location /open/ { auth_sigra off; alias html/; }
location /replaced/ { error_page 401 =200 /open/denied.html; }
location /elsewhere/ { error_page 401 =302 https://login.example.com/; }
--- user_files eval: $::files
--- request
GET /page.txt
--- error_code: 401
--- response_body chomp eval: $::body
--- response_headers
Content-Type: application/json
Content-Length: 48
Cache-Control: no-store
! Set-Cookie
--- flow
is(JSON::PP::decode_json($::body)->{error}, 'You must log in to access this page.', 'it is JSON');
for (
    ['/page/', '401 denied'], ['/other/', "401 $::body"], ['/replaced/', '200 denied'],
) {
    my $answer = client()->get($_->[0]);
    is("$answer->{status} $answer->{content}", $_->[1], $_->[0]);
    is($answer->{headers}{'cache-control'}, 'no-store', "$_->[0]: Cache-Control");
}
my $answer = client()->get('/any/');
is($answer->{status}, 401, 'satisfy any');
unlike($answer->{content}, qr/"error"/, 'no JSON');
$answer = client()->get('/elsewhere/');
is("$answer->{status} $answer->{headers}{location}", '302 https://login.example.com/', 'error_page in another location');
is(client()->request('HEAD', '/page.txt')->{headers}{'content-length'}, 48, 'HEAD');
my $wire = wire(get('/page.txt') . get('/page.txt'));
is($wire->answer->{body}, $::body, 'kept alive') for 1, 2;



=== TEST 4: an error page for the redirect
--- http_config eval: $::http
--- config
location /named/ { error_page 302 @moved; }
location @moved { auth_sigra off; proxy_pass http://127.0.0.1:1; }
--- request
GET /page.txt
--- error_code: 302
--- response_body_like: 302 Found
--- response_headers
Content-Type: text/html



=== TEST 5: Location is relative, whatever the Host
--- http_config eval: $::http
--- config
location /absolute/ { auth_sigra_login_url https://login.example.com/in?next=1; }
location /query/ { auth_sigra_login_url /in?a=b&c=d; }
location /odd/ { absolute_redirect on; server_name_in_redirect on; port_in_redirect on; }
--- raw_request eval
"GET /page.txt HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n"
--- error_code: 302
--- response_headers
Location: /users/log-in
--- flow
for my $host ('evil.example:80', 'localhost', '[::1]', 'a.b.c:1') {
    is(wire("GET /page.txt HTTP/1.1\r\nHost: $host\r\n\r\n")->answer->{headers}{location}, '/users/log-in', $host);
}
is(wire("GET http://evil.example/page.txt HTTP/1.1\r\nHost: x\r\n\r\n")->answer->{headers}{location}, '/users/log-in', 'absolute form');
is(wire("GET /page.txt HTTP/1.0\r\n\r\n")->answer->{headers}{location}, '/users/log-in', 'HTTP/1.0 without a Host');
is(client()->get('/absolute/')->{headers}{location}, 'https://login.example.com/in?next=1', 'an absolute one as written');
is(client()->get('/query/')->{headers}{location}, '/in?a=b&c=d', 'its query');
is(client()->get('/odd/')->{headers}{location}, '/users/log-in', 'absolute_redirect changes nothing');
