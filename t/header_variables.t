# nginx evaluates $http_... and $cookie_... once per request, subrequests included. The rules for the headers of
# auth_sigra_forward and auth_sigra_hide_cookies also apply to these variables, even if they were used before.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_forward on; auth_sigra_unauthenticated status;') . echo_upstream() . '
proxy_cache_path $TEST_NGINX_SERVER_ROOT/cache keys_zone=pages:1m use_temp_path=off;
limit_req_zone $http_x_auth_user_id zone=users:1m rate=10000r/s;
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock;
    default_type text/html;
    add_header X-Accel-Expires 60;
    location /page { return 200 \'a page with <!--#include virtual="/part" -->\'; }
    location / { return 200 "what is for <$http_x_auth_email>"; }
}';
our $ada = authenticated_fixture(email => 'ada@example.com');
our $bob = authenticated_fixture(email => 'bob@example.com');

sub got { my ($path, $who, %headers) = @_; return client()->get($path, { cookie => $who->{cookie}, %headers })->{content} }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: the key of a cache, evaluated by a page without a gate before the location that it includes
--- http_config eval: $::http
--- config
proxy_cache pages;
proxy_cache_key "$http_x_auth_user_id|$uri";
location /page { ssi on; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:; }
location /part { auth_sigra on; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:; }
--- request
GET /part
--- error_code: 401
--- flow
for my $round (1, 2) {
    is(got('/page', $::ada), 'a page with what is for <ada@example.com>', "her part, $round");
    is(got('/page', $::bob), 'a page with what is for <bob@example.com>', "the user's own, $round");
}
is(got('/part', $::bob, 'x-auth-user-id' => $::ada->{user_id}), 'what is for <bob@example.com>', 'a header of the client is not in the key');



=== TEST 2: a variable that was used before the gate
--- http_config eval: $::http
--- config
limit_req zone=users burst=100;
proxy_cache pages;
proxy_cache_key "limited|$http_x_auth_user_id|$uri";
location /part { auth_sigra on; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:; }
--- request
GET /part
--- error_code: 401
--- flow
is(got('/part', $::ada), 'what is for <ada@example.com>', 'hers');
is(got('/part', $::bob), 'what is for <bob@example.com>', 'his');
is(got('/part', $::bob, 'x-auth-user-id' => $::ada->{user_id}), 'what is for <bob@example.com>', 'under a forged id as well');
is(got('/part', $::ada), 'what is for <ada@example.com>', 'hers is still hers');



=== TEST 3: hidden cookies
--- http_config eval: $::http
--- config
auth_sigra_hide_cookies on;
set $before "$http_cookie $cookie__my_app_key $http_x_auth_email";
location / {
    auth_sigra on;
    proxy_set_header X-Auth-User-Id "[$http_cookie] [$cookie__my_app_key] [$http_x_auth_email]";
    proxy_pass http://echo;
}
--- request
GET /
--- error_code: 401
--- flow
like(client()->get('/', { cookie => "a=b; $::ada->{cookie}", 'x-auth-email' => 'forged' })->{content}, qr/^id=\[a=b\] \[\] \[ada\@example\.com\]$/m,
    'hidden here too');
