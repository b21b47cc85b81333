# Attacks on the gate itself: attempts to bypass it with the form of the URI, with headers, with subrequests.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;
use Sigra::Upstream;

no_root_location();
fresh_database('sigra');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $http = sigra_http_config();

# /private as an administrator would configure it, with a public location beside it, and everything else public.
our $config = <<'EOF';
location /private {
    auth_sigra on;
    try_files /private.txt =404;
}
location /public { try_files /public.txt =404; }
location / { try_files /public.txt =404; }
EOF
our $files = ">>> private.txt\nfor ada\n>>> public.txt\nfor all\n";

# nginx serves the other location's page, not the protected one.
sub is_public {
    my ($target, @headers) = @_;
    my $answer = ask($target, @headers);
    is($answer->{status}, 200, "$target - another location's");
    is($answer->{body}, "for all\n", "$target - its page");
}

sub is_protected { my ($target, @headers) = @_; is_anonymous(ask($target, @headers), join ' ', $target, @headers) }
sub next_good_request { is_served(ask('/private', $ada->{header}), 'the next good request is served') }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: headers that name a public path or another method
--- http_config eval: $::http
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- flow
is_protected('/private', "$_: /public") for qw(X-Forwarded-Uri X-Original-URL X-Original-URI X-Rewrite-URL X-Forwarded-Path
    X-Accel-Redirect X-Forwarded-Prefix);
is_protected('/private', "$_: OPTIONS") for qw(X-Original-Method X-Forwarded-Method X-HTTP-Method-Override X-HTTP-Method);
is_protected('/private', 'X-Forwarded-Host: public.example', 'X-Forwarded-For: 127.0.0.1', 'X-Real-IP: 127.0.0.1');
next_good_request();



=== TEST 2: a public path's text in the query and in the fragment
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
is_protected($_) for '/private?x=/public', '/private?/public', '/private?x=/../public', '/private%3f/public',
    '/private%23/public', '/private#/public', '/private/#/../public', '/private?x=%2Fpublic#/public', '/private;/public';
next_good_request();



=== TEST 3: a health checker's User-Agent
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
is_protected('/private', "User-Agent: $_") for 'GoogleHC/1.0', 'kube-probe/1.29', 'ELB-HealthChecker/2.0', 'Consul Health Check',
    'Pingdom.com_bot_version_1.4', '', 'curl/8';
next_good_request();



=== TEST 4: other ways to write the path: nginx's own location decides
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
is_protected($_) for '/%70rivate', '/%70%72%69%76%61%74%65', '//private', '////private', '/private;x', '/private%2f..%2fprivate',
    '/private/', '/private/.', '/private/./', '/./private', '/public/../private', '/public/%2e%2e/private',
    '/public/..//private', '/a/b/../../private', '/private%2e%2e', '/private/..;/private', '/public%2f..%2fprivate';
is_public($_) for '/private/..', '/private/../public', '/private/%2e%2e/public', '/PRIVATE', '/%2570rivate',
    '/private%2f..', '/public/..%2fprivat', '/privat%65/../public';
next_good_request();



=== TEST 5: invalid bytes and a raw space in the URI
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $target ("/private\0", '/private%00', "/private%zz", "/private%2", "/private \0x", "/pri\tvate", "/private\x01", '/private x',
    '/ /private', '/public /../private', "/public \0/../private", '/../private', '/..%2fprivate', "/\x7fprivate", 'private',
    '\\private', "/private HTTP/1.1 x", "/a/../../private") {
    my $answer = ask($target);
    my $name = $target =~ s/([^ -~])/sprintf '<%02x>', ord $1/ger;
    like($answer->{status}, qr/^4\d\d$/, "$name - refused");
    unlike($answer->{text}, qr/for ada/, "$name - not in");
}
for my $target ("/private/\xff\xfe", "/private/\xc0\xae\xc0\xae/", '/private/%c0%ae%c0%ae', '/private/%ff') {
    like(ask($target)->{status}, qr/^(?:302|4\d\d)$/, 'bytes that are no UTF-8 do not get in');
}
next_good_request();



=== TEST 6: an unknown method and version
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $method (qw(HEAD POST PUT DELETE OPTIONS PROPFIND TRACE PATCH FOO)) {
    my $answer = ask("$method /private");
    like($answer->{status}, qr/^(?:302|405)$/, "$method - not in");
    unlike($answer->{text}, qr/for ada/, "$method - without the page");
}
for my $version ('', 'HTTP/0.9', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.99') {
    my $answer = raw_exchange("GET /private $version\r\n\r\n");
    unlike($answer->{text}, qr/for ada/, "version '$version' - not in");
}
next_good_request();



=== TEST 7: Host in mixed case, with a port, with a dot, and of another site
--- http_config eval: $::http
--- server_name: private.example
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
is_protected('/private', "Host: $_") for 'private.example', 'PRIVATE.example', 'Private.Example:80', 'private.example.',
    'PRIVATE.EXAMPLE.:8443', 'other.example';
is_protected('http://PRIVATE.example/private');
next_good_request();



=== TEST 8: requests that only look like a preflight, and a real one without auth_sigra_preflight
--- http_config eval: $::http
--- config
location /private { auth_sigra on; try_files /private.txt =404; }
location /open { auth_sigra on; auth_sigra_preflight pass; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/up.sock; }
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
start_upstream(http => "$ENV{TEST_NGINX_SERVER_ROOT}/logs/up.sock");
my @preflight = ('Origin: https://elsewhere.example', 'Access-Control-Request-Method: PUT');
for my $place ('/private', '/open') {
    is_protected($place, 'X-Original-Method: OPTIONS', @preflight);
    is_protected($place, 'X-HTTP-Method-Override: OPTIONS', @preflight);
    is_protected("POST $place", @preflight);
    is_protected("OPTIONS $place");
    is_protected("OPTIONS $place", $_) for @preflight;
}
is_protected('OPTIONS /private', @preflight);
my $answer = ask('OPTIONS /open', @preflight, $::ada->{header}, 'X-Auth-User-Id: 1');
is($answer->{status}, 200, 'a real preflight passes where configured');
next_good_request();



=== TEST 9: a preflight that passes has no identity
--- http_config eval: $::http
--- config
location /ready { return 200; }
location / {
    auth_sigra on; auth_sigra_preflight pass; auth_sigra_forward on;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/up.sock;
}
--- request
GET /ready
--- flow
start_upstream(http => "$ENV{TEST_NGINX_SERVER_ROOT}/logs/up.sock");
my $answer = ask('OPTIONS /a', 'Origin: https://elsewhere.example', 'Access-Control-Request-Method: PUT', $::ada->{header},
    'X-Auth-User-Id: 1', 'X-Auth-Email: eve@example.com');
is($answer->{status}, 200, 'it passes');
unlike($answer->{body}, qr/^x.auth/mi, 'as anonymous');
is_protected('/a', 'Origin: https://elsewhere.example', 'Access-Control-Request-Method: PUT');



=== TEST 10: auth_request, SSI, mirror, error_page and rewrites into a protected location
--- http_config eval: $::http
--- config
location /private { auth_sigra on; try_files /private.txt =404; }
location /by-auth-request { auth_request /private; try_files /public.txt =404; }
location /by-ssi { ssi on; ssi_types text/plain; try_files /page.shtml =404; }
location /by-mirror { mirror /private; try_files /public.txt =404; }
location /by-error-page { error_page 404 =200 /private; try_files /nowhere =404; }
location /by-rewrite { rewrite ^ /private last; }
location /by-try-files { try_files /nowhere /private; }
location / { try_files /public.txt =404; }
--- user_files
>>> private.txt
for ada
>>> public.txt
for all
>>> page.shtml
[<!--#include virtual="/private" -->]
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $refused = ask('/by-auth-request');
is($refused->{status}, 401, 'auth_request: 401');
is(header($refused, 'Set-Cookie') . header($refused, 'Location'), '', 'auth_request: neither a cookie nor a redirect');
my $page = ask('/by-ssi');
is($page->{status}, 200, 'SSI: the page around it');
unlike($page->{text}, qr/for ada|Set-Cookie|^Location/m, 'SSI: without what it includes, no cookie');
my $mirrored = ask('/by-mirror');
is("$mirrored->{status} $mirrored->{body}", "200 for all\n", 'mirror: the original is served');
is(header($mirrored, 'Set-Cookie'), '', 'mirror: without a cookie');
is_protected($_) for '/by-rewrite', '/by-try-files';
unlike(ask('/by-error-page')->{text}, qr/for ada/, 'error_page: not in');

is_served(ask('/private', $::ada->{header}), 'and with a session: itself');
is(ask('/by-auth-request', $::ada->{header})->{body}, "for all\n", 'auth_request');
like(ask('/by-ssi', $::ada->{header})->{body}, qr/\[for ada\n\]/, 'SSI');
is(ask('/by-mirror', $::ada->{header})->{body}, "for all\n", 'mirror');
is_served(ask($_, $::ada->{header}), $_) for '/by-error-page', '/by-rewrite', '/by-try-files';



=== TEST 11: the same with the database down: always 503
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 dbname=none user=nobody', postgres => 'timeout=100ms')
--- config
location /private { auth_sigra on; try_files /private.txt =404; }
location /by-auth-request { auth_request /private; try_files /public.txt =404; }
location /by-ssi { ssi on; ssi_types text/plain; try_files /page.shtml =404; }
location /by-mirror { mirror /private; try_files /public.txt =404; }
--- user_files
>>> private.txt
for ada
>>> public.txt
for all
>>> page.shtml
[<!--#include virtual="/private" -->]
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- error_code: 503
--- flow
my $answer = ask('/by-auth-request', $::ada->{header});
is($answer->{status}, 500, 'auth_request: what nginx makes of a 503');
unlike($answer->{text}, qr/for a|Set-Cookie|^Location/m, 'auth_request: not in, no cookie');
my $page = ask('/by-ssi', $::ada->{header});
unlike($page->{text}, qr/for ada|Set-Cookie|^Location/m, 'SSI: not in, no cookie');
is(ask('/by-mirror', $::ada->{header})->{body}, "for all\n", 'mirror: the original is served');



=== TEST 12: SQL where a token could be, Host of another site, a head of 64 kB
--- http_config eval: $::http
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my @sql = ("' OR '1'='1", "'; DROP TABLE users; --", "1; SELECT pg_sleep(100)", '\\x00', "\$1", "') OR true; --");
for my $sql (@sql) {
    is_protected('/private', 'Cookie: ' . session_cookie_name . "=$sql");
    is_protected('/private', 'Cookie: ' . session_cookie({ user_token => $sql }));
    is_protected('/private', 'Cookie: ' . session_cookie({ user_token => substr $sql . ' ' x 32, 0, 32 }));
    is_protected('/private', 'Cookie: ' . remember_me_cookie(substr $sql . ' ' x 32, 0, 32));
    is_protected('/private?' . $sql =~ s/ /%20/gr, 'Host: evil.example');
    is_protected('/private', "$_: $sql") for 'User-Agent', 'Referer', 'X-Forwarded-For', 'Accept-Language';
}
is(db()->selectrow_array('SELECT count(*) FROM users'), 1, 'the tables stand');
for my $header ('X-Long: ' . 'a' x 65536, 'Cookie: ' . session_cookie_name . '=' . 'a' x 65536) {
    my $answer = ask('/private', $header);
    is($answer->{status}, 400, 'a header of 64 kB');
    unlike($answer->{text}, qr/for ada/, 'not in');
}
my $answer = ask('/private', map { "X-$_: " . 'a' x 1000 } 1 .. 64);
unlike($answer->{text}, qr/for ada/, 'a head of 64 kB in many lines: not in');
next_good_request();
