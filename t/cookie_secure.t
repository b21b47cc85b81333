# auth_sigra_cookie_secure $VARIABLE: TLS that ends at a proxy in front.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated redirect;') . '
map $http_x_forwarded_proto $tls { default $http_x_forwarded_proto; HTTPS-only on; }
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; auth_sigra_cookie_secure $arg_s; location / { } location /below/ { } location /auto/ { auth_sigra_cookie_secure auto; }
    location /if/ { if ($arg_i) { add_header X-If 1; } } }';

# For each cookie that the answer sets, whether it is Secure.
sub secure {
    my ($path, $headers, %option) = @_;
    my $cookies = client(%option)->get($path, $headers // {})->{cookies};
    return join ' ', map { $cookies->{$_}{secure} ? 'secure' : 'plain' } sort keys %$cookies;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: https, on and 1 mean yes, anything else no
--- http_config eval: $::http
--- config
auth_sigra_cookie_secure $http_x_forwarded_proto;
location /map/ { auth_sigra_cookie_secure $tls; }
location /own/ { auth_sigra_cookie_secure $https; }
location /text/ { auth_sigra_cookie_secure "${http_x_a}${http_x_b}"; }
location /host/ { auth_sigra_session_cookie __Host-k signing_salt=s; }
location /none/ { auth_sigra_session_cookie k signing_salt=s same_site=None; }
location /auto/ { auth_sigra_cookie_secure auto; }
location = /port { auth_sigra off; add_header X-Port $TEST_NGINX_RAND_PORT_1; alias html/page; }
--- user_files
>>> page
for ada
--- request
GET /
--- error_code: 302
--- flow
for (['https', 'secure'], ['HTTPS', 'secure'], ['on', 'secure'], ['1', 'secure'], ['http', 'plain'], ['off', 'plain'], ['0', 'plain'], ['', 'plain'],
    ['https, http', 'plain'], ['httpss', 'plain'], ['yes', 'plain']) {
    my ($said, $expected) = @$_;
    is(secure('/', { 'x-forwarded-proto' => $said }), $expected, "«$said»");
}
is(secure('/'), 'plain', 'without the header');
is(secure('/map/', { 'x-forwarded-proto' => 'HTTPS-only' }), 'secure', 'made by map');
is(secure('/map/', { 'x-forwarded-proto' => 'http' }), 'plain', 'made by map: no');
is(secure('/own/', { 'x-forwarded-proto' => 'https' }), 'plain', '$https, and a client that sends the header');
is(secure('/text/', { 'x-a' => 'htt', 'x-b' => 'ps' }), 'secure', 'a text of several');
is(secure('/auto/', { 'x-forwarded-proto' => 'https' }), 'plain', 'replaced below');
is(secure('/host/'), 'secure', 'a __Host- name always');
is(secure('/none/'), 'secure', 'SameSite=None always');
my $port = client()->get('/port')->{headers}{'x-port'};
is(secure('/below/?s=on', {}, port => $port), 'secure', 'inherited');
is(secure('/below/?s=off', {}, port => $port), 'plain', 'inherited: no');
is(secure('/if/?s=on&i=1', {}, port => $port), 'secure', 'in an if');
is(secure('/auto/?s=on', {}, port => $port), 'plain', 'inherited, and replaced');



=== TEST 2: a clearing cookie has the same attribute
--- http_config eval: $::http
--- config
auth_sigra_cookie_secure $http_x_forwarded_proto;
location = /users/log-out { auth_sigra_logout; }
--- request
GET /
--- error_code: 302
--- flow
for (['https', 'secure secure'], ['http', 'plain plain']) {
    my ($said, $expected) = @$_;
    my $ada = authenticated_fixture(remember_me => 86400);
    my $answer = client()->post('/users/log-out', { _csrf_token => $ada->{csrf_token} },
        { cookie => "$ada->{cookie}; $ada->{remember_cookie}", 'x-forwarded-proto' => $said });
    is($answer->{status}, 302, "«$said»: logged out");
    is(join(' ', map { $_->{secure} ? 'secure' : 'plain' } values %{ $answer->{cookies} }), $expected, "«$said»: both cookies");
}
