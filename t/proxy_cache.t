# proxy_cache behind the gate: for which user a page is cached.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_forward on; auth_sigra_unauthenticated status;') . '
proxy_cache_path $TEST_NGINX_SERVER_ROOT/cache keys_zone=pages:1m use_temp_path=off;
add_header X-Cache $upstream_cache_status;
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock;
    location / { add_header X-Accel-Expires 60; add_header Cache-Control $arg_cc; add_header Set-Cookie $arg_cookie; return 200 "for <$http_x_auth_email> $request_id"; }
}';
our $ada = authenticated_fixture(email => 'ada@example.com');
our $bob = authenticated_fixture(email => 'bob@example.com');

# Whether the page came from the cache, and for which user it was made.
sub page {
    my ($path, $who, $headers) = @_;
    my $answer = client()->get($path, { %{ $headers // {} }, ($who ? (cookie => $who->{cookie}) : ()) });
    return $answer->{status} unless $answer->{status} == 200;
    my ($for) = $answer->{content} =~ /<([^@>]*)/;
    return join ' ', $answer->{headers}{'x-cache'} // '-', length $for ? $for : 'nobody';
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: cached by the key
--- http_config eval: $::http
--- config
proxy_cache pages;
location /user/    { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; proxy_cache_key "$auth_sigra_user_id|$request_uri"; }
location /session/ { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; proxy_cache_key "$auth_sigra_session|$request_uri"; }
location /not/     { auth_sigra optional; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/not; proxy_no_cache $auth_sigra_user_id; proxy_cache_bypass $auth_sigra_user_id; }
location /plain/   { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
--- request
GET /user/
--- error_code: 401
--- flow
my $again = authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com');
is(page('/user/', $::ada), 'MISS ada', 'the user: not cached yet');
is(page('/user/', $::ada), 'HIT ada', 'the user: kept');
is(page('/user/', $again), 'HIT ada', 'the user: by another session of hers too');
is(page('/user/', $::bob), 'MISS bob', 'the user: not for another');
is(page('/user/', $::bob), 'HIT bob', 'the user: each has an entry of their own');
is(page('/user/'), 401, 'the user: and nobody gets in');
is(page('/session/', $::ada), 'MISS ada', 'the session: not cached yet');
is(page('/session/', $::ada), 'HIT ada', 'the session: kept');
is(page('/session/', $again), 'MISS ada', 'the session: not for another');
is(page('/not/', $::ada), 'BYPASS ada', 'nothing of a user is kept');
is(page('/not/'), 'MISS nobody', 'anonymous: not cached yet');
is(page('/not/'), 'HIT nobody', 'anonymous: cached');
is(page('/not/', $::ada), 'BYPASS ada', 'and not for a user');
is(page('/plain/', $::ada), 'MISS ada', 'the key does not contain the user');
is(page('/plain/', $::bob), 'HIT ada', 'and so her page is everybody\'s');
is(page('/plain/'), 401, 'of those that pass');
db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $::ada->{session_id});
is(page($_, $::ada), 401, "$_: no page for a user who has logged out") for '/user/', '/session/', '/plain/';



=== TEST 2: cached answers have no cookie of the module
--- http_config eval: $::http
--- config
location /user/ { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; proxy_cache pages; proxy_cache_key "2|$auth_sigra_user_id|$request_uri"; }
--- request
GET /user/
--- error_code: 401
--- flow
my $eve = authenticated_fixture(email => 'eve@example.com', remember_me => 86400);
my $answer = client()->get('/user/', { cookie => $eve->{remember_cookie} });
ok($answer->{cookies}{_my_app_key}, 'remembered: a session cookie is set');
is($answer->{headers}{'cache-control'}, 'private, no-store', 'and no other cache may store it');
$answer = client()->get('/user/', { cookie => $eve->{cookie} });
is("$answer->{headers}{'x-cache'} " . keys %{ $answer->{cookies} }, 'HIT 0', 'the page was kept, the cookie not');
is($answer->{headers}{'cache-control'}, 'private', 'nor its headers');
$answer = client()->get('/user/', { cookie => $eve->{remember_cookie} });
is($answer->{headers}{'x-cache'}, 'HIT', 'from the cache');
ok($answer->{cookies}{_my_app_key}, 'with a cookie');
