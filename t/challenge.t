# Every 401 of the module has a challenge, for which no browser opens a password dialog.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_password_checks floor=1ms;') . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock;
    location / { return 401; }
    location /own { add_header WWW-Authenticate "Bearer realm=app" always; return 401; }
}';
our $ada   = authenticated_fixture(email => 'ada@example.com');
our $ours  = 'Cookie realm="auth_sigra"';
our $files = [['page.txt' => 'for ada'], ['denied.html' => 'denied'], ['.htpasswd' => 'bob:{PLAIN}secret']];

# The status and all challenges.
sub answered {
    my ($answer) = @_;
    my $said = $answer->{headers}{'www-authenticate'} // 'none';
    return join ' ', $answer->{status}, ref $said ? join ', ', @$said : $said;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: 401 of the gate
--- http_config eval: $::http
--- config
location /auto/ { auth_sigra_unauthenticated auto; }
location /redirect/ { auth_sigra_unauthenticated redirect; }
location /page/ { error_page 401 /open/denied.html; }
location /named/ { error_page 401 @named; }
location @named { auth_sigra off; root html; try_files /denied.html =404; }
location /ok/ { error_page 401 =200 /open/denied.html; }
location /elsewhere/ { error_page 401 =302 https://login.example.com/; }
location /any/ { satisfy any; deny all; }
location /basic/ { satisfy any; auth_basic "bob's"; auth_basic_user_file html/.htpasswd; }
location /both/ { auth_basic "bob's"; auth_basic_user_file html/.htpasswd; }
location /open/ { auth_sigra off; alias html/; }
location /sudo/ { auth_sigra_sudo 1s; }
location /asks/ { auth_sigra off; auth_request /gate; alias html/; }
location = /gate { internal; try_files /nowhere =204; }
--- user_files eval: $::files
--- request
GET /page.txt
--- error_code: 401
--- response_headers
WWW-Authenticate: Cookie realm="auth_sigra"
--- response_body chomp
{"error":"You must log in to access this page."}
--- flow
my $basic = q(Basic realm="bob's");
for (
    ['/page.txt',      "401 $::ours"],
    ['/auto/',         "401 $::ours", { accept => 'application/json' }],
    ['/auto/',         '302 none'],
    ['/redirect/',     '302 none', { accept => 'application/json' }],
    ['/page/',         "401 $::ours"],
    ['/named/',        "401 $::ours"],
    ['/ok/',           '200 none'],
    ['/elsewhere/',    '302 none'],
    ['/any/',          "401 $::ours"],
    ['/basic/',        "401 $basic"],
    ['/both/',         "401 $basic"],
    ['/open/page.txt', '200 none'],
    ['/asks/page.txt', "401 $::ours"],
    ['/page.txt',      '200 none', { cookie => $::ada->{cookie} }],
    ['/asks/page.txt', '200 none', { cookie => $::ada->{cookie} }],
    ['/none.txt',      '404 none', { cookie => $::ada->{cookie} }],
) {
    my ($path, $expected, $headers) = @$_;
    is(answered(client()->get($path, $headers)), $expected, join ' ', $path, %{ $headers // {} });
}
is(answered(client()->request('HEAD', '/page.txt')), "401 $::ours", 'HEAD');
is(answered(client()->post('/page.txt', 'a=b')), "401 $::ours", 'POST');
my $wire = wire(get('/page.txt', 'Upgrade: websocket', 'Connection: upgrade'));
is($wire->answer->{headers}{'www-authenticate'}, $::ours, 'a WebSocket');



=== TEST 2: 401 of the endpoints
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; }
location = /renew { auth_sigra_renew; }
--- request
GET /users/log-in
--- error_code: 200
--- response_headers
! WWW-Authenticate
--- flow
my $json = { accept => 'application/json', 'content-type' => 'application/json' };
my $browser = client();
my ($token) = $browser->get('/users/log-in', $json)->{content} =~ /"csrf_token":"([^"]+)/;
my $body = qq({"_csrf_token":"$token","email":"nobody\@example.com","password":"wrong"});
is(answered($browser->request('POST', '/users/log-in', $json, $body)), "401 $::ours", 'a wrong password, JSON');
is(answered($browser->post('/users/log-in', { _csrf_token => $token, email => 'a', password => 'b' })), '302 none', 'a wrong password, a form');
is(answered($browser->request('POST', '/renew', $json, qq({"_csrf_token":"$token"}))), "401 $::ours", 'nothing to renew, JSON');



=== TEST 3: a 401 of an upstream is not changed
--- http_config eval: $::http
--- config
location /app { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /own { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/own; }
--- request
GET /app
--- more_headers eval: $::ada->{header}
--- error_code: 401
--- response_headers
! WWW-Authenticate
--- flow
is(answered(client()->get('/own', { cookie => $::ada->{cookie} })), '401 Bearer realm=app', 'with a challenge');
is(answered(client()->get('/own')), "401 $::ours", 'anonymous, which does not get there');
