# auth_sigra_verify: the gate as an endpoint that other proxies ask.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config() . echo_upstream();
our $locations = <<'END';
auth_sigra_attribute domain "split_part(u.email, '@', 2)";
location = /verify  { auth_sigra on; auth_sigra_verify trusted=10.0.0.0/8 trusted=127.0.0.0/8; }
location = /distant { auth_sigra on; auth_sigra_verify trusted=192.0.2.0/24; }
location = /nobody  { auth_sigra on; auth_sigra_verify; }
location = /query   { auth_sigra on; auth_sigra_verify trusted=127.0.0.1; auth_sigra_return_to query; auth_sigra_login_url https://login.example.com/log-in; }
location = /status  { auth_sigra on; auth_sigra_verify; auth_sigra_unauthenticated status; }
location = /admin   { auth_sigra on; auth_sigra_verify; auth_sigra_require "u.email LIKE 'admin%'"; }
location = /sudo    { auth_sigra on; auth_sigra_verify; auth_sigra_sudo 1h; auth_sigra_unauthenticated status; }
location = /token   { auth_sigra on; auth_sigra_verify; auth_sigra_bearer only; }
location = /off      { auth_sigra_verify; }
location = /optional { auth_sigra optional; auth_sigra_verify; }
location = /any      { auth_sigra on; auth_sigra_verify; satisfy any; allow all; }
END
our @traefik = ('x-forwarded-method' => 'GET', 'x-forwarded-proto' => 'https', 'x-forwarded-host' => 'app.example.com',
    'x-forwarded-uri' => '/reports?year=2026', accept => 'text/html');

sub identity { return join ' ', map { $_ // '-' } $_[0]{status}, @{ $_[0]{headers} }{qw(x-auth-user-id x-auth-email x-auth-domain)} }
# Where an anonymous user is redirected, and the path that the session keeps.
sub sent {
    my ($path, %headers) = @_;
    my $browser = client();
    my $answer = $browser->get($path, { @::traefik, %headers });
    my $session = %{ $browser->cookies } ? $browser->session : undef;
    return join ' ', grep { defined } $answer->{status}, $answer->{headers}{location}, $session ? ($session->{user_return_to} // 'no path') : 'no session';
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: users and anonymous requests
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /status
--- error_code: 401
--- response_headers
Cache-Control: no-store
! X-Auth-User-Id
--- flow
my $ada = authenticated_fixture(age => 7200);
my $who = "$ada->{user_id} $ada->{email} example.com";
for my $path (qw(/verify /distant /nobody /query /status)) {
    my $answer = client()->get($path, { cookie => $ada->{cookie}, 'x-auth-user-id' => 'forged' });
    is(identity($answer) . " $answer->{headers}{'cache-control'} [$answer->{content}]", "200 $who no-store []", $path);
}
like(client()->get('/verify', { cookie => $ada->{cookie} })->{headers}{'x-auth-authenticated-at'}, qr/^20\d\d-.*Z$/, 'and since when');
for my $method (qw(HEAD POST PUT DELETE OPTIONS)) {
    is(identity(client()->request($method, '/status', { cookie => $ada->{cookie} })), "200 $who", $method);
    is(identity(client()->request($method, '/status')), '401 - - -', "$method, anonymous");
}
is(identity(client()->request('POST', '/status', { cookie => $ada->{cookie} }, 'x' x 5000)), "200 $who", 'with a body');
is(identity(client()->get('/admin', { cookie => $ada->{cookie} })), '403 - - -', 'a user who does not meet the condition');
is(identity(client()->get('/sudo', { cookie => $ada->{cookie} })), '403 - - -', 'a user who must confirm the password');
my $token = api_token_fixture();
is(identity(client()->get('/token', { authorization => "Bearer $token->{text}" })), "200 $token->{user_id} $token->{email} example.com", 'a program');
is(client()->get('/token', { authorization => 'Bearer x' })->{headers}{'www-authenticate'}, 'Bearer error="invalid_token"', 'and what is wrong with its token');



=== TEST 2: refused if no user was checked
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /off
--- error_code: 401
--- flow
my $ada = authenticated_fixture();
is(identity(client()->get($_)), '401 - - -', "$_: anonymous") for qw(/off /optional /any);
is(identity(client()->get('/off', { cookie => $ada->{cookie} })), '401 - - -', 'a user, without a gate');
like(identity(client()->get('/optional', { cookie => $ada->{cookie} })), qr/^200 $ada->{user_id} /, 'a user, with optional');



=== TEST 3: X-Forwarded-* from a trusted peer, and from others
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /status
--- error_code: 401
--- flow
is(sent('/verify'), '302 /users/log-in /reports?year=2026', 'the path is kept');
is(sent($_), '302 /users/log-in no session', "$_: of another, nothing is believed") for qw(/distant /nobody);
is(sent('/query'), '302 https://login.example.com/log-in?return_to=https://app.example.com/reports%3Fyear%3D2026 no path', 'the whole URL');
is(sent('/verify', 'x-forwarded-method' => 'POST'), '302 /users/log-in no session', 'another method');
is(sent('/verify', 'x-forwarded-uri' => $_), '302 /users/log-in no path', "not back to $_") for '//evil.example', '/\evil', 'https://evil.example/', '/' . 'a' x 3000;
is(sent('/verify', 'x-forwarded-uri' => ''), '302 /users/log-in no path', 'nor to a missing page');
is(sent('/query', 'x-forwarded-host' => $_), '302 https://login.example.com/log-in no path', "no host «$_»") for 'a b', 'evil.example/', '';
is(sent('/query', 'x-forwarded-proto' => 'javascript'), '302 https://login.example.com/log-in no path', 'no scheme');
is(sent('/verify', accept => 'application/json'), '401 no session', 'a program');
is(sent('/verify', 'sec-purpose' => 'prefetch'), '302 /users/log-in no session', 'a prefetch');



=== TEST 4: another nginx asks with auth_request; the answer's cookie reaches the browser
--- http_config eval
$::http . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/gate.sock;
    location / { auth_sigra on; auth_sigra_verify trusted=unix:; auth_sigra_unauthenticated status; }
}
upstream gate { server unix:$TEST_NGINX_SERVER_ROOT/logs/gate.sock; }'
--- config
location = /ask { internal; proxy_pass http://gate/; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
location / {
    auth_request      /ask;
    auth_request_set  $user_id $upstream_http_x_auth_user_id;
    auth_request_set  $cookie $upstream_http_set_cookie;
    add_header        Set-Cookie $cookie;
    proxy_set_header  X-Auth-User-Id $user_id;
    proxy_pass        http://echo;
}
--- request
GET /page
--- error_code: 401
--- flow
my $ada = authenticated_fixture(remember_me => 86400);
like(client()->get('/page', { cookie => $ada->{cookie} })->{content}, qr/^id=$ada->{user_id}$/m, 'in');
is(client()->post('/page', { a => 'b' }, { cookie => $ada->{cookie} })->{status}, 200, 'a POST');
is(client()->get('/page', { cookie => session_cookie({ user_token => 'x' x 32 }) })->{status}, 401, 'out');
my $browser = client()->use_cookie($ada->{remember_cookie});
is($browser->get('/page')->{status}, 200, 'in by the remember-me cookie');
is($browser->session->{user_token}, $ada->{token}, 'and the session that it begins is the browser\'s');



=== TEST 5: no database
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra')
--- config
location / { auth_sigra on; auth_sigra_verify; }
--- request
GET /
--- more_headers eval: authenticated_fixture()->{header}
--- error_code: 503
--- response_headers
Retry-After: 2
! X-Auth-User-Id
--- error_log
cannot connect



=== TEST 6: unknown parameters
--- http_config eval: $::http
--- config
location / { auth_sigra on; auth_sigra_verify trusted=everybody; }
--- must_die
--- error_log
invalid parameter "trusted=everybody", say trusted=CIDR, once for each network in "auth_sigra_verify"



=== TEST 7: with another content handler
--- http_config eval: $::http
--- config
location / { auth_sigra on; proxy_pass http://echo; auth_sigra_verify; }
--- must_die
--- error_log
"auth_sigra_verify" shares its location with another directive that answers requests



=== TEST 8: with a content handler that comes after it
--- http_config eval: $::http
--- config
location / { auth_sigra on; auth_sigra_verify; proxy_pass http://echo; }
--- must_die
--- error_log
"auth_sigra_verify" shares its location with another directive that answers requests



=== TEST 9: an "if" in it, other methods, and the login's own path
--- http_config eval: $::http
--- config
location = /if { auth_sigra on; auth_sigra_verify trusted=127.0.0.0/8; if ($http_x_forwarded_proto) { set $x 1; } }
location = /verify { auth_sigra on; auth_sigra_verify trusted=127.0.0.0/8; }
location = /users/log-in { auth_sigra on; auth_sigra_verify; auth_sigra_require "u.email LIKE 'admin%'"; auth_sigra_unauthenticated status; }
--- request
GET /verify
--- error_code: 302
--- flow
is(sent('/if'), '302 /users/log-in /reports?year=2026', 'the requested path');
is(sent('/if', 'x-forwarded-method' => 'POST'), '302 /users/log-in no session', 'an "if": nothing is written over a session for a POST');
my $browser = client();
my $answer = $browser->post('/verify', {}, { accept => 'text/html', 'sec-fetch-site' => 'cross-site', 'x-forwarded-uri' => '/a' });
is_deeply($answer->{cookies}, {}, 'nor where the POST itself is passed on');
my $ada = authenticated_fixture();
is(client()->get('/users/log-in', { cookie => $ada->{cookie} })->{status}, 403, 'the login\'s own path is no way round a condition');



=== TEST 10: no database, with optional
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra')
--- config
location / { auth_sigra optional; auth_sigra_verify; }
--- request
GET /
--- more_headers eval: authenticated_fixture()->{header}
--- error_code: 503
--- error_log
cannot connect
