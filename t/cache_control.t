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
    location / { return 200; }
}';
our $ada = authenticated_fixture(email => 'ada@example.com');

sub cache_control {
    my ($path, $cookie) = @_;
    my $answer = wire(get($path, $cookie ? "Cookie: $cookie" : (), 'Connection: close'))->answer;
    return join '|', map { $_ // '' } @{ $answer->{headers} }{qw(cache-control expires)};
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: what passed because of a session
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
is(cache_control($_, 'a=1'), '|', "nobody at $_") for '/optional/', '/optional/no-store/', '/open/', '/any/';
is(cache_control('/optional/?cc=public', 'a=1'), 'public|', 'nobody, and the answer says it');



=== TEST 2: what nginx's own directives say counts as said
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
is(cache_control('/add/page'), 'no-store|', 'nobody');



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
