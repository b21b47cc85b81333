# auth_sigra with nginx's other access rules: a request that they deny costs no query.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $dead = session_cookie({ user_token => 'x' x 32 });
our $files = [map { [$_ => "for ada\n"] } qw(private/page.txt any/page.txt all/page.txt)];
our $basic = ['htpasswd' => "bob:{PLAIN}secret\n"];
our $bob   = 'Basic Ym9iOnNlY3JldA==';
log_statements();

no_shuffle();
run_tests();

__DATA__

=== TEST 1: allow and deny
--- http_config eval: $::http
--- config
auth_sigra on;
location /all/deny/       { alias html/all/; deny all; }
location /all/allow/      { alias html/all/; allow all; }
location /any/deny/       { alias html/any/; satisfy any; deny all; }
location /any/allow/      { alias html/any/; satisfy any; allow all; }
location /any/redirect/   { alias html/any/; satisfy any; deny all; auth_sigra_unauthenticated redirect; }
location /any/optional/   { alias html/any/; satisfy any; deny all; auth_sigra optional; }
location /all/optional/   { alias html/all/; deny all; auth_sigra optional; }
location /any/preflight/  { alias html/any/; satisfy any; deny all; auth_sigra_preflight pass; }
location /any/login/      { alias html/any/; satisfy any; deny all; auth_sigra_login_url /any/login/page.txt; }
--- user_files eval: $::files
--- request
GET /any/deny/page.txt
--- error_code: 401
--- response_headers
WWW-Authenticate: Cookie realm="auth_sigra"
! Set-Cookie
--- flow
lookups();
for (    # path; status for anonymous, for ada, for a dead token; queries for ada and for the dead token
    ['/all/deny/',     '403 403 403', 0],
    ['/all/allow/',    '401 200 401', 2],
    ['/any/deny/',     '401 200 401', 2],
    ['/any/allow/',    '200 200 200', 0],
    ['/any/redirect/', '302 200 302', 2],
    ['/any/optional/', '403 403 403', 2],
    ['/all/optional/', '403 403 403', 0],
    ['/any/login/',    '403 403 403', 2],
) {
    my ($path, $statuses, $queries) = @$_;
    my @got = map { client()->get("${path}page.txt", {cookie => $_})->{status} } 'a=1', $::ada->{cookie}, $::dead;
    is("@got", $statuses, $path);
    is(lookups(), $queries, "$path: queries");
}
is(client()->request('OPTIONS', '/any/preflight/page.txt', {origin => 'http://a.example', 'access-control-request-method' => 'PUT'})
    ->{status}, 403, 'a preflight passes the gate, not the wall');
is(client()->get('/any/redirect/page.txt')->{headers}{location}, '/users/log-in', 'and sends to the login page');



=== TEST 2: auth_basic
--- http_config eval: $::http
--- config
auth_sigra on;
auth_basic "bob's";
auth_basic_user_file $TEST_NGINX_HTML_DIR/htpasswd;
location /all/ { }
location /any/ { satisfy any; }
location /any/redirect/ { alias html/any/; satisfy any; auth_sigra_unauthenticated redirect; }
--- user_files eval: [@$::files, $::basic]
--- request
GET /any/page.txt
--- error_code: 401
--- response_headers
WWW-Authenticate: Basic realm="bob's"
Cache-Control: no-store
--- response_body_unlike: error
--- flow
lookups();
my @who = ({}, {authorization => $::bob}, {cookie => $::ada->{cookie}}, {authorization => $::bob, cookie => $::ada->{cookie}},
           {authorization => 'Basic x', cookie => $::ada->{cookie}});
for (['/all/', '401 401 401 200 401', 1], ['/any/', '401 200 200 200 200', 2], ['/any/redirect/', '302 200 200 200 200', 2]) {
    my ($path, $statuses, $queries) = @$_;
    my @got = map { client()->get("${path}page.txt", $_)->{status} } @who;
    is("@got", $statuses, $path);
    is(lookups(), $queries, "$path: queries");
}



=== TEST 3: auth_request
--- http_config eval: $::http
--- config
auth_sigra on;
location /all/yes/ { alias html/all/; auth_request /yes; }
location /all/no/  { alias html/all/; auth_request /no; }
location /any/yes/ { alias html/any/; satisfy any; auth_request /yes; }
location /any/no/  { alias html/any/; satisfy any; auth_request /no; }
location = /yes { auth_sigra off; return 204; }
location = /no  { auth_sigra off; return 403; }
--- user_files eval: $::files
--- request
GET /all/yes/page.txt
--- error_code: 401
--- flow
lookups();
for (['/all/yes/', '401 200', 1], ['/all/no/', '403 403', 0], ['/any/yes/', '200 200', 0], ['/any/no/', '401 200', 1]) {
    my ($path, $statuses, $queries) = @$_;
    my @got = map { client()->get("${path}page.txt", {cookie => $_})->{status} } 'a=1', $::ada->{cookie};
    is("@got", $statuses, $path);
    is(lookups(), $queries, "$path: queries");
}



=== TEST 4: no token costs no query, a live one costs one
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- flow
lookups();
for (
    [$::ada->{cookie} => '200 1'],
    ['_my_app_key=nonsense' => '401 0'],
    [session_cookie({ user_token => 'short' }) => '401 0'],
    [session_cookie({ user_token => 'x' x 32 }, secret_key_base => 'x' x 64) => '401 0'],
    [session_cookie({}) => '401 0'],
    [remember_me_cookie($::ada->{token}, signed_age => 61 * 86400) => '401 0'],
    [remember_me_cookie($::ada->{token}, signed_age => -3600) => '401 0'],
    [$::dead => '401 1'],
) {
    my ($cookie, $expected) = @$_;
    my $status = client()->get('/private/page.txt', {cookie => $cookie})->{status};
    is("$status " . lookups(), $expected, substr $cookie, 0, 50);
}
