# auth_sigra_cache_control private | no-store | off

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status;') . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock;
    add_header Cache-Control $arg_cc;
    add_header Expires $arg_expires;
    add_header Vary $arg_vary;
    location / { return 200; }
    location /caches/ {
        add_header Pragma public;
        add_header Surrogate-Control max-age=60;
        add_header Edge-Control max-age=60;
        add_header CDN-Cache-Control "public, max-age=60";
        add_header cloudflare-cdn-cache-control max-age=60;
        add_header Vercel-CDN-Cache-Control max-age=60;
        add_header X-CDN-Cache-Controlled kept;
        return 200;
    }
}';
our $ada = authenticated_fixture(email => 'ada@example.com');

sub cache_control {
    my ($path, $cookie) = @_;
    my $answer = wire(get($path, $cookie ? "Cookie: $cookie" : (), 'Connection: close'))->answer;
    return join '|', map { $_ // '' } @{ $answer->{headers} }{qw(cache-control expires)};
}

# All headers that caches read, and some that only look like it.
sub said_to_caches {
    my ($path, $cookie) = @_;
    my $headers = wire(get($path, $cookie ? "Cookie: $cookie" : (), 'Connection: close'))->answer->{headers};
    return join ' ', grep { /cache|control|pragma|expires/ } sort keys %$headers;
}

sub vary {
    my ($path, $cookie) = @_;
    my $said = client()->get($path, $cookie ? { cookie => $cookie } : {})->{headers}{vary};
    return ref $said ? join '|', @$said : $said // 'none';
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: answers that passed because of a session
--- http_config eval: $::http
--- config
location / { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /no-store/ { auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /off/ { auth_sigra_cache_control off; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /open/ { auth_sigra off; auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /optional/ { auth_sigra optional; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /optional/no-store/ { auth_sigra optional; auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /preflight/ { auth_sigra_preflight pass; auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /any/ { satisfy any; allow all; auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
--- request
GET /
--- error_code: 401
--- response_headers
Cache-Control: no-store
--- flow
my $expires = 'Thu,%2031%20Dec%202037';
for (
    ['/',                               'private|'],
    ['/?cc=public',                     'public|'],
    ['/?cc=max-age=0',                  'max-age=0|'],
    ['/no-store/',                      'no-store|'],
    ["/no-store/?cc=public&expires=x",  'no-store|'],
    ['/off/',                           '|'],
    ['/off/?cc=public',                 'public|'],
    ['/optional/',                      'private|'],
    ['/optional/no-store/',             'no-store|'],
    ['/open/',                          '|'],
    ['/any/',                           '|'],
) {
    my ($path, $expected) = @$_;
    is(cache_control($path, $::ada->{cookie}), $expected, $path);
}
is(cache_control($_, 'a=1'), '|', "anonymous at $_") for '/optional/', '/optional/no-store/', '/open/', '/any/';
is(cache_control('/optional/?cc=public', 'a=1'), 'public|', 'anonymous, and the answer shows it');



=== TEST 2: headers of nginx's own directives count as set
--- http_config eval: $::http
--- config
location / { }
location /add/ { alias html/; add_header Cache-Control "public, max-age=60"; }
location /expires/ { alias html/; expires 1h; }
location /epoch/ { alias html/; expires epoch; }
location /add/no-store/ { alias html/; add_header Cache-Control "public"; expires 1h; auth_sigra_cache_control no-store; }
--- user_files
>>> page
for ada
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- response_headers
Cache-Control: private
--- flow
is(cache_control('/add/page', $::ada->{cookie}), 'public, max-age=60|', 'add_header');
like(cache_control('/expires/page', $::ada->{cookie}), qr/^max-age=3600\|\w/, 'expires');
like(cache_control('/epoch/page', $::ada->{cookie}), qr/^no-cache\|\w/, 'expires epoch');
is(cache_control('/add/no-store/page', $::ada->{cookie}), 'no-store|', 'no-store wins');
is(cache_control('/add/page'), 'no-store|', 'anonymous');



=== TEST 3: not modified, not found, a redirect, an error
--- http_config eval: $::http
--- config
location / { }
location /bad/ { proxy_pass http://127.0.0.1:1; }
--- user_files
>>> page
for ada
>>> folder/page
for ada
--- request
GET /page
--- more_headers eval
"$::ada->{header}\nIf-None-Match: *"
--- error_code: 304
--- response_headers
Cache-Control: private
--- flow
is(cache_control($_, $::ada->{cookie}), 'private|', $_) for '/none', '/folder', '/bad/';



=== TEST 4: with no-store, no header allows a CDN or an older cache to store
--- http_config eval: $::http
--- config
location / { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/caches/; }
location /no-store/ { auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/caches/; }
location /optional/no-store/ { auth_sigra optional; auth_sigra_cache_control no-store; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/caches/; }
location /named/ { error_page 401 @caches; }
location @caches { auth_sigra off; rewrite ^ /caches/ break; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock; }
--- request
GET /named/
--- error_code: 401
--- response_headers
Cache-Control: no-store
! CDN-Cache-Control
--- flow
my $all   = 'cdn-cache-control cloudflare-cdn-cache-control edge-control pragma surrogate-control vercel-cdn-cache-control x-cdn-cache-controlled';
my $alone = 'cache-control x-cdn-cache-controlled';
is(said_to_caches('/', $::ada->{cookie}), "cache-control $all", 'private: the application\'s header is not changed');
is(said_to_caches('/no-store/', $::ada->{cookie}), $alone, 'no-store');
is(said_to_caches('/optional/no-store/', $::ada->{cookie}), $alone, 'optional, a session');
is(said_to_caches('/optional/no-store/'), $all, 'optional, anonymous: public');
is(said_to_caches('/named/'), $alone, 'an error page for a 401');
my $remembered = authenticated_fixture(remember_me => 86400);
my $answer = client()->get('/', { cookie => $remembered->{remember_cookie} });
is($answer->{headers}{'cache-control'}, 'private, no-store', 'a cookie of the module\'s');
ok($answer->{headers}{'set-cookie'}, 'which is set');
is(said_to_caches('/', $remembered->{remember_cookie}), $alone, 'and no other');



=== TEST 5: with optional, the answer has Vary
--- http_config eval: $::http
--- config
location / { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /optional/ { auth_sigra optional; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /optional/off/ { auth_sigra optional; auth_sigra_cache_control off; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /optional/file/ { auth_sigra optional; alias html/; }
location /optional/preflight/ { auth_sigra optional; auth_sigra_preflight pass; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /users/log-in { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /off/ { auth_sigra off; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; }
location /zipped/ { auth_sigra optional; gzip on; gzip_vary on; gzip_types text/plain; gzip_min_length 0; default_type text/plain; alias html/; }
--- user_files
>>> page
for all
--- request
GET /optional/file/page
--- response_headers
Vary: Cookie
--- flow
for my $who ([$::ada->{cookie}, 'a session'], [undef, 'nobody'], ['_my_app_key=x', 'a bad cookie']) {
    my ($cookie, $what) = @$who;
    is(vary($_->[0], $cookie), $_->[1], "$what: $_->[0]") for (
        ['/optional/', 'Cookie'], ['/optional/file/page', 'Cookie'], ['/optional/file/none', 'Cookie'], ['/users/log-in', 'Cookie'],
        ['/optional/?vary=Accept', 'Accept|Cookie'], ['/optional/?vary=accept,cookie', 'accept,cookie'], ['/optional/?vary=*', '*'],
        ['/optional/?vary=Cookies', 'Cookies|Cookie'], ['/optional/off/', 'none'], ['/off/', 'none'], ['/', 'none'],
    );
}
my %preflight = (origin => 'http://a.example', 'access-control-request-method' => 'PUT');
is(client()->request('OPTIONS', '/optional/preflight/', \%preflight)->{headers}{vary}, undef, 'a preflight is nobody\'s');
is_deeply([sort @{ client()->get('/zipped/page')->{headers}{vary} }], ['Accept-Encoding', 'Cookie'], 'with gzip_vary');
is(client()->get('/optional/file/page', { 'if-none-match' => '*' })->{headers}{vary}, 'Cookie', 'not modified');
