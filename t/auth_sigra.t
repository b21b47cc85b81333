# auth_sigra on
# off
# optional: which requests pass, how it is inherited, and nginx's own internal redirects.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config();
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $old  = authenticated_fixture(age => 60 * 86400 + 1);
our $files = [map { [$_ => "for ada\n"] } qw(private/page.txt private/index.html private/open/page.txt private/open/shut/page.txt
    optional/page.txt users/log-in private/denied.html errors/page.html)];

# The status of a path for an anonymous user and for ada.
sub statuses {
    my ($path, %option) = @_;
    my $method = $option{method} // 'GET';
    return join ' ', map { client()->request($method, $path, { %{ $option{headers} // {} }, %$_ })->{status} }
        {}, { cookie => $ada->{cookie} };
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a session passes
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- response_headers
Cache-Control: private



=== TEST 2: anonymous requests: a browser is redirected to the login page
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files eval: $::files
--- request
GET /private/page.txt?a=1
--- error_code: 302
--- response_headers
Location: /users/log-in
Cache-Control: private, no-store
--- response_body_unlike: for ada



=== TEST 3: inherited by server and location, replaced below, and again below that
--- http_config eval: "auth_sigra on; auth_sigra_unauthenticated status;" . $::http
--- config
location /private/ {
    location /private/open/ {
        auth_sigra off;
        location /private/open/shut/ { auth_sigra on; }
    }
}
location /optional/ { auth_sigra optional; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- flow
for (
    ['/private/page.txt',           '401 200'],
    ['/private/open/page.txt',      '200 200'],
    ['/private/open/shut/page.txt', '401 200'],
    ['/optional/page.txt',          '200 200'],
    ['/no/such/page',               '401 404'],
    ['/private/%6fpen/page.txt',    '200 200'],
    ['/private/open/../page.txt',   '401 200'],
    ['//private//page.txt',         '401 200'],
) {
    my ($path, $expected) = @$_;
    is(statuses($path), $expected, $path);
}



=== TEST 4: off is the default; `if` keeps what its location has
--- http_config eval: $::http
--- config
location /optional/ { }
location /private/ {
    auth_sigra on;
    auth_sigra_unauthenticated status;
    set $kind none;
    if ($arg_if) { set $kind $arg_if; add_header X-Kind $kind; }
    if ($arg_break) { break; }
}
--- user_files eval: $::files
--- request
GET /optional/page.txt
--- flow
is(statuses('/private/page.txt'), '401 200', 'no if');
is(statuses('/private/page.txt?if=1'), '401 200', 'an if');
is(statuses('/private/page.txt?break=1'), '401 200', 'another');
is(client()->get('/private/page.txt?if=1', {cookie => $::ada->{cookie}})->{headers}{'x-kind'}, '1', 'and its text');



=== TEST 5: limit_except has a gate of its own
--- http_config eval: $::http . echo_upstream()
--- config
auth_sigra_unauthenticated status;
location /read/ {
    proxy_pass http://echo;
    limit_except GET { auth_sigra on; }
}
location /write/ {
    auth_sigra on;
    proxy_pass http://echo;
    limit_except GET { auth_sigra off; }
}
location /all/ {
    auth_sigra on;
    proxy_pass http://echo;
    limit_except GET { deny all; }
}
location /page/ {
    proxy_pass http://echo;
    limit_except GET { auth_sigra on; auth_sigra_unauthenticated redirect; auth_sigra_sudo 1h; }
}
--- request
GET /read/
--- flow
for (
    ['/read/',  GET  => '200 200'], ['/read/',  HEAD => '200 200'], ['/read/',  POST   => '401 200'],
    ['/write/', GET  => '401 200'], ['/write/', POST => '200 200'], ['/all/',   GET    => '401 200'],
    ['/all/',   POST => '403 403'], ['/page/',  GET  => '200 200'], ['/page/',  DELETE => '302 200'],
) {
    my ($path, $method, $expected) = @$_;
    is(statuses($path, method => $method), $expected, "$method $path");
}



=== TEST 6: an internal redirect is checked by the location that it leads to
--- http_config eval: $::http . echo_upstream()
--- config
auth_sigra_unauthenticated status;
location /private/ { auth_sigra on; }
location /try-uri/ { try_files /unlikely /private/page.txt; }
location /try-named/ { try_files /unlikely @named; }
location @named { auth_sigra on; proxy_pass http://echo; }
location /try-from/ { auth_sigra on; try_files /unlikely @open; }
location @open { proxy_pass http://echo; }
location /rewrite/ { rewrite ^ /private/page.txt last; }
location /not-found/ { error_page 404 /private/page.txt; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- flow
for (
    ['/private/', '401 200'], ['/try-uri/',   '401 200'], ['/try-named/', '401 200'],
    ['/try-from/', '401 200'], ['/rewrite/',  '401 200'], ['/not-found/', '401 404'],
) {
    my ($path, $expected) = @$_;
    is(statuses($path), $expected, $path);
}



=== TEST 7: X-Accel-Redirect and sub-locations reuse the verdict, with one query
--- http_config eval
$::http . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/accel.sock;
    location / { add_header X-Accel-Redirect /inside/page.txt; return 200; }
}'
--- config
auth_sigra_unauthenticated status;
location /accel/ { auth_sigra on; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/accel.sock; }
location /public/ { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/accel.sock; }
location /inside/ {
    internal;
    auth_sigra on;
    alias html/private/;
    add_header X-Who $auth_sigra_email;
}
--- user_files eval: $::files
--- init
main::log_statements();
--- request
GET /inside/page.txt
--- error_code: 404
--- flow
is(statuses('/public/x'), '401 200', 'from a public place');
lookups();
is(statuses('/accel/x'), '401 200', 'from a protected one');
is(lookups(), 1, 'one query');
is(client()->get('/accel/x', {cookie => $::ada->{cookie}})->{headers}{'x-who'}, 'ada@example.com', 'the same visitor');



=== TEST 8: error pages, protected and public
--- http_config eval: $::http
--- config
error_page 401 /errors/page.html;
location /errors/ { }
location /private/ { auth_sigra on; auth_sigra_unauthenticated status; }
location /inside/ {
    auth_sigra on;
    auth_sigra_unauthenticated status;
    alias html/private/;
    error_page 401 /inside/denied.html;
}
location /named/ {
    auth_sigra on;
    auth_sigra_unauthenticated status;
    error_page 401 = @login;
}
location @login { return 303 /elsewhere; }
location /sudo/ {
    auth_sigra on;
    auth_sigra_unauthenticated status;
    auth_sigra_sudo 1s;
    error_page 403 /errors/page.html;
}
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- response_body
for ada
--- response_headers
Cache-Control: no-store
! Set-Cookie
--- flow
is(statuses('/private/page.txt'), '401 200', 'a page outside');
is(statuses('/inside/page.txt'), '401 200', 'a page inside makes no loop');
isnt(client()->get('/inside/page.txt')->{content}, "for ada\n", 'nor is it shown');
is(statuses('/named/'), '303 404', 'a named location');
my $stale = authenticated_fixture(age => 100);
my $answer = client()->get('/sudo/x', {cookie => $stale->{cookie}});
is("$answer->{status} $answer->{content}", "403 for ada\n", 'a 403 too');



=== TEST 9: the login page itself is open
--- http_config eval: "auth_sigra on;" . $::http
--- config
location /in { auth_sigra_login_url "/in/sign%20in?from=gate#top"; add_header X-Status $auth_sigra_status; }
location /elsewhere { auth_sigra_login_url https://login.example.com/private/page.txt; }
--- user_files eval
[@$::files, ['in/sign in' => 'sign in'], ['in/other' => 'other']]
--- request
GET /users/log-in
--- response_body
for ada
--- flow
for (
    ['/users/log-in', 200], ['/users/log-in?x=1', 200], ['/users/%6cog-in', 302], ['/users/log-in/', 302], ['/users/log-in2', 302],
    ['/users/', 302], ['/USERS/LOG-IN', 302], ['/in/sign%20in', 200], ['/in/other', 302], ['/private/page.txt', 302],
) {
    my ($path, $status) = @$_;
    is(client()->get($path)->{status}, $status, $path);
}
is(client()->get('/in/other')->{headers}{location}, '/in/sign%20in?from=gate#top', 'Location as written');
is(client()->get('/elsewhere')->{headers}{location}, 'https://login.example.com/private/page.txt', 'another host');
is(client()->get('/in/sign%20in')->{headers}{'x-status'}, 'anonymous', 'anonymous requests are checked too');
is(client()->get('/in/sign%20in', {cookie => $::ada->{cookie}})->{headers}{'x-status'}, 'miss', 'and a user');



=== TEST 10: optional sets the identity
--- http_config eval: $::http
--- config
location /optional/ {
    auth_sigra optional;
    add_header X-Who "$auth_sigra_status:$auth_sigra_email";
}
--- user_files eval: $::files
--- request
GET /optional/page.txt
--- response_headers
X-Who: anonymous:
! Cache-Control
! Set-Cookie
--- flow
my %cookie = (
    $::ada->{cookie}                               => 'miss:ada@example.com',
    $::old->{cookie}                               => 'expired:',
    session_cookie({user_token => 'x' x 32})       => 'unknown:',
    session_cookie({user_token => 'x' x 31})       => 'invalid:',
    session_cookie_name() . '=nonsense'            => 'invalid:',
    session_cookie({})                             => 'anonymous:',
    'other=1'                                      => 'anonymous:',
);
for my $cookie (sort keys %cookie) {
    my $answer = client()->get('/optional/page.txt', {cookie => $cookie});
    is("$answer->{status} $answer->{headers}{'x-who'}", "200 $cookie{$cookie}", substr $cookie, 0, 40);
    is($answer->{headers}{'cache-control'}, $cookie eq $::ada->{cookie} ? 'private' : undef, 'its Cache-Control');
    ok(!%{ $answer->{cookies} }, 'no cookie');
}



=== TEST 11: two Cookie headers where they are read: 400
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
location /optional/ { auth_sigra optional; }
--- user_files eval: $::files
--- raw_request eval
"GET /private/page.txt HTTP/1.1\r\nHost: localhost\r\nCookie: a=1\r\n$::ada->{header}\r\nConnection: close\r\n\r\n"
--- error_code: 400
--- flow
my @twice = ('Cookie: a=1', $::ada->{header}, 'Connection: close');
is(wire(get('/optional/page.txt', @twice))->answer->{status}, 400, 'optional reads them too');
is(wire(get('/errors/page.html', @twice))->answer->{status}, 200, 'off does not');
is(wire(get('/private/page.txt', @twice[1, 0, 2]))->answer->{status}, 400, 'whichever is first');
