# auth_sigra_login: the answers to GET and HEAD.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;
use Digest::SHA qw(sha256_base64);
use JSON::PP;

fresh_database('sigra');
our $http = sigra_http_config();
our $down = sigra_http_config(conninfo => 'host=127.0.0.1 port=1 dbname=none user=sigra', postgres => 'timeout=1s');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $location = 'location = /users/log-in { auth_sigra_login; }';

sub page { my ($headers, @cookies) = @_; return client()->use_cookie(@cookies)->get('/users/log-in', $headers) }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the page
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- flow
my $page = $client->get('/users/log-in?x=<script>&_csrf_token=x');
is("$page->{status} $page->{headers}{'content-type'}", '200 text/html; charset=utf-8', 'HTML');
is($page->{headers}{'cache-control'}, 'private, no-store', 'Cache-Control');
my ($token) = $page->{content} =~ /name="_csrf_token" value="([^"]*)"/;
is(csrf_unmask($token), $client->session->{_csrf_token}, 'its token is of the session');
is_deeply([keys %{ $client->session }], ['_csrf_token'], 'which holds nothing else');
my ($style) = $page->{content} =~ m{<style>(.*?)</style>}s;
is($page->{headers}{'content-security-policy'},
    "default-src 'none'; style-src 'sha256-" . sha256_base64($style) . "='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", 'the policy lets its own style in');
is($page->{headers}{'x-content-type-options'}, 'nosniff', 'nosniff');
unlike($page->{content}, qr/<script| on\w+=|javascript:|https?:/i, 'no script, nothing from other sites');
like($page->{content}, qr/<html lang="en" dir="ltr">.*<meta name="viewport" content="width=device-width/s, 'for a phone');
like($style, qr/prefers-color-scheme/, 'and in the dark');
for (['email', 'text" inputmode="email', 'username'], ['password', 'password', 'current-password']) {
    my ($name, $type, $complete) = @$_;
    my ($input) = grep { /name="user\[$name\]"/ } $page->{content} =~ /<input[^>]*>/g;
    like($input, qr/ $_/, "$name: $_") for qq(type="$type"), qq(autocomplete="$complete"), qq(id="$name"), 'required';
    like($page->{content}, qr/<label for="$name">/, "$name has a label");
}
my $again = $client->get('/users/log-in');
is($again->{headers}{'set-cookie'}, undef, 'the second time: no cookie');
my ($other) = $again->{content} =~ /name="_csrf_token" value="([^"]*)"/;
isnt($other, $token, 'another mask');
is(csrf_unmask($other), csrf_unmask($token), 'of the same state');



=== TEST 2: HEAD
--- http_config eval: $::http
--- config eval: $::location
--- request
HEAD /users/log-in
--- flow
my $head = client()->request(HEAD => '/users/log-in');
is($head->{status} . ($head->{content} // ''), '200', 'without a body');
ok(ref $head->{cookies}{_my_app_key}, 'with the cookie');



=== TEST 3: the token as JSON
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- flow
my $answer = $client->get('/users/log-in', { accept => 'application/json' });
is("$answer->{status} $answer->{headers}{'content-type'}", '200 application/json', 'JSON');
is($answer->{headers}{'cache-control'}, 'private, no-store', 'Cache-Control');
my $json = decode_json($answer->{content});
is_deeply([keys %$json], ['csrf_token'], 'one field');
is(csrf_unmask($json->{csrf_token}), $client->session->{_csrf_token}, 'of the session');
$answer = page({ accept => 'application/json' }, $::ada->{cookie});
is($answer->{status}, 200, 'logged in: too');
is(csrf_unmask(decode_json($answer->{content})->{csrf_token}), $::ada->{csrf_state}, 'of this session');
is($answer->{headers}{'set-cookie'}, undef, 'which is not changed');
is(page({ accept => 'text/html, application/json' })->{headers}{'content-type'}, 'text/html; charset=utf-8', 'a browser gets the page');
for ([{ 'sec-fetch-site' => 'cross-site' } => 403], [{ 'sec-fetch-site' => 'same-site' } => 403], [{ origin => 'http://evil.example' } => 403], [{ origin => 'null', 'sec-fetch-site' => 'cross-site' } => 403],
    [{ 'sec-fetch-site' => 'same-origin' } => 200], [{ origin => 'null' } => 200], [{ origin => "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}" } => 200]) {
    my $answer = page({ accept => 'application/json', %{ $_->[0] } }, $::ada->{cookie});
    is($answer->{status}, $_->[1], join ' ', 'JSON,', %{ $_->[0] });
    unlike($answer->{content}, qr/csrf/, 'no token') if $_->[1] == 403;
}
is(page({ 'sec-fetch-site' => 'cross-site' })->{status}, 200, 'the page itself may be linked to from everywhere');



=== TEST 4: logged in already
--- http_config eval: $::http
--- config eval
$::location . ' location = /home/log-in { auth_sigra_login; auth_sigra_login_url /home/log-in; auth_sigra_signed_in_url /home; }'
--- request
GET /users/log-in
--- flow
my $answer = page({}, $::ada->{cookie});
is("$answer->{status} $answer->{headers}{location}", '302 /', 'sent on');
like($answer->{headers}{'cache-control'}, qr/no-store/, 'Cache-Control');
is($answer->{headers}{'set-cookie'}, undef, 'no cookie');
is(client()->use_cookie($::ada->{cookie})->get('/home/log-in')->{headers}{location}, '/home', 'to the signed-in URL');
is(page({}, session_cookie({ user_token => 'x' x 32 }))->{status}, 200, 'with an expired session: the page');
is(page({}, authenticated_fixture(age => 61 * 86400)->{cookie})->{status}, 200, 'with an expired one: the page');
is(page({}, '_my_app_key=rubbish')->{status}, 200, 'with a cookie that does not open: the page');
my $remembered = authenticated_fixture();
my $browser = client()->use_cookie($remembered->{remember_cookie});
is($browser->get('/users/log-in')->{status}, 302, 'with remember-me: redirected');

my $sudo = authenticated_fixture(session => { auth_sigra_sudo => atom('true') });
my $page = page({}, $sudo->{cookie});
is($page->{status}, 200, 'to confirm: the form');
like($page->{content}, qr/Confirm your password/, 'with a text that says so');
my ($email) = grep { /user\[email\]/ } $page->{content} =~ /<input[^>]*>/g;
like($email, qr/value="\Q$sudo->{email}\E".* readonly/, 'with the email');



=== TEST 5: the flash, once, and the email
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- flow
my $evil = q("><script>alert('x')</script>&amp;) . "\xc3\xa4\@example.com";
my %session = (_csrf_token => csrf_state(), user_return_to => '/x', theme => 'dark',
    phoenix_flash => { error => "<b>no</b>", info => "<i>yes</i> & \"q\"", email => $evil, note => 'for the application' });
my $browser = client()->use_cookie(session_cookie(\%session));
my $page = $browser->get('/users/log-in');
like($page->{content}, qr/role="alert"[^>]*>&lt;b&gt;no&lt;\/b&gt;</, 'the error, escaped');
like($page->{content}, qr/role="status"[^>]*>&lt;i&gt;yes&lt;\/i&gt; &amp; &quot;q&quot;</, 'the information, escaped');
like($page->{content}, qr/value="&quot;&gt;&lt;script&gt;alert\(&#39;x&#39;\)&lt;\/script&gt;&amp;amp;\xc3\xa4\@example\.com"/, 'the email, escaped');
unlike($page->{content}, qr/<script|<b>|<i>/, 'and nothing unescaped');
is_deeply($browser->session, { %session, phoenix_flash => { note => 'for the application' } }, 'what was shown is gone, the rest is kept');
unlike($browser->get('/users/log-in')->{content}, qr/&lt;|role="alert"/, 'shown once');
for my $odd (atom('nil'), ['x'], 7, { error => atom('nil') }, { error => ['x'], email => { a => 'b' } }, { error => '' }) {
    is(page({}, session_cookie({ phoenix_flash => $odd }))->{status}, 200, 'a flash of another form');
}



=== TEST 6: a prefetch changes no session
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- flow
my $flash = session_cookie({ _csrf_token => csrf_state(), phoenix_flash => { error => 'no' } });
my $quiet = session_cookie({ _csrf_token => csrf_state() });
for my $prefetch ({ 'sec-purpose' => 'prefetch' }, { 'sec-purpose' => 'prefetch;prerender' }, { purpose => 'prefetch' }) {
    for ([503], [503 => $flash], [200 => $quiet]) {
        my ($status, @cookies) = @$_;
        my $answer = page($prefetch, @cookies);
        is("$answer->{status} " . keys %{ $answer->{cookies} }, "$status 0", join ' ', %$prefetch, scalar @cookies);
    }
}
my $json = page({ 'sec-purpose' => 'prefetch', accept => 'application/json' });
is("$json->{status} " . keys %{ $json->{cookies} }, '503 0', 'JSON');



=== TEST 7: a custom template
--- http_config eval: $::http . 'map $auth_sigra_flash_error $told { default "told"; "" "nothing"; "<no>" "told no"; }'
--- config
location = /users/log-in {
    set $name "<&\"'>";
    auth_sigra_login template=$TEST_NGINX_SERVER_ROOT/conf/page.html;
    add_header Content-Security-Policy "default-src 'self'";
    add_header X-Told "$auth_sigra_flash_error|$told";
}
--- user_files
>>> ../conf/page.html
token=$auth_sigra_csrf_token
error=${auth_sigra_flash_error}!
info=$auth_sigra_flash_info
email=$AUTH_SIGRA_FLASH_EMAIL
told=$told host=$host name=$name price=$5 100$ ${ $$name
--- request
GET /users/log-in
--- response_body_like chomp
^token=[\w-]{56}
error=!
info=
email=
told=nothing host=localhost name=&lt;&amp;&quot;&#39;&gt; price=\$5 100\$ \$\{ \$&lt;&amp;&quot;&#39;&gt;$
--- flow
my $browser = client()->use_cookie(session_cookie({ phoenix_flash => { error => '<no>', email => '$host"' } }));
my $page = $browser->get('/users/log-in');
like($page->{content}, qr/^error=&lt;no&gt;!\ninfo=\nemail=\$host&quot;\n/m, 'escaped, and no value is a template');
like($page->{content}, qr/^told=told no host/m, 'a variable that depends on one has the same value');
is($page->{headers}{'x-told'}, '<no>|told no', 'and so does a header');
is($page->{headers}{'content-type'}, 'text/html; charset=utf-8', 'the type');
is($page->{headers}{'content-security-policy'}, "default-src 'self'", 'the policy is the administrator\'s');
my ($token) = $page->{content} =~ /^token=(.*)/;
is(csrf_unmask($token), $browser->session->{_csrf_token}, 'the token');
like($browser->get('/users/log-in')->{content}, qr/^error=!\ninfo=\nemail=\n/m, 'the flash once');



=== TEST 8: the template of the examples
--- http_config eval: $::http
--- config eval
use Cwd;
my $folder = getcwd();
"location = /users/log-in { auth_sigra_login template=$folder/examples/login.html; }"
--- request
GET /users/log-in
--- flow
my $user = user_fixture(email => 'template@example.com', password => 'right');
my $browser = client();
my %form = ('user[email]' => 'template@example.com', 'user[password]' => 'wrong');
is($browser->submit('/users/log-in', \%form)->{headers}{location}, '/users/log-in', 'a wrong password');
my $page = $browser->get('/users/log-in');
like($page->{content}, qr/Invalid email or password/, 'is reported');
like($page->{content}, qr/value="template\@example\.com"/, 'the email is kept');
is($browser->submit('/users/log-in', { %form, 'user[password]' => 'right' })->{headers}{location}, '/', 'logged in');



=== TEST 9: nginx -t names a missing template
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login template=/nowhere/page.html; }
--- must_die
--- error_log eval
qr{/nowhere/page\.html}



=== TEST 10: nginx -t names an unknown variable
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login template=$TEST_NGINX_SERVER_ROOT/conf/page.html; }
--- user_files
>>> ../conf/page.html
$auth_sigra_flash_error
$ $http_x_any ${arg_any}
$auth_sigra_flash_eror
--- must_die
--- error_log eval
qr{unknown "auth_sigra_flash_eror" variable in \S+page\.html:3, the template of "auth_sigra_login"}



=== TEST 11: a "${" without a closing bracket
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login template=$TEST_NGINX_SERVER_ROOT/conf/page.html; }
--- user_files
>>> ../conf/page.html
${host
--- must_die
--- error_log
the closing bracket of "${host" is missing



=== TEST 12: the database is down
--- http_config eval: $::down
--- config eval: $::location
--- request
GET /users/log-in
--- flow
is(page({})->{status}, 200, 'without a session: the page');
is(page({}, session_cookie({ _csrf_token => csrf_state(), phoenix_flash => { error => 'x' } }))->{status}, 200, 'with one without a token: too');
for my $cookie ($::ada->{cookie}, $::ada->{remember_cookie}) {
    my $answer = page({}, $cookie);
    is("$answer->{status} $answer->{headers}{'retry-after'} " . keys %{ $answer->{cookies} }, '503 2 0', 'with a token: not known');
    like($answer->{headers}{'cache-control'}, qr/no-store/, 'Cache-Control');
}
is(page({ accept => 'application/json' }, $::ada->{cookie})->{status}, 200, 'the token of the form needs no database');



=== TEST 13: an endpoint ignores the inherited gate
--- http_config eval: $::http . 'auth_sigra on; auth_sigra_sudo 1s; auth_sigra_unauthenticated status; auth_sigra_cache_control private;'
--- config
location = /users/log-in { auth_sigra_login; }
location /other/ { auth_sigra_login; auth_sigra on; }
--- user_files
>>> x.html
for ada
--- request
GET /x.html
--- error_code: 401
--- flow
is(page({})->{status}, 200, 'the page is not behind itself');
is(client()->get('/other/log-in')->{status}, 200, 'nor another one');
is(page({}, $::ada->{cookie})->{headers}{location}, '/', 'users who are logged in are redirected');



=== TEST 14: methods and spellings
--- http_config eval: $::http
--- config eval: $::location . ' location /ssi { ssi on; } location /sub { auth_request /users/log-in; try_files /x.txt =404; }'
--- user_files
>>> ssi.html
[<!--#include virtual="/users/log-in" -->]
>>> x.txt
for ada
--- request
GET /users/log-in
--- flow
for my $method (qw(PUT PATCH DELETE OPTIONS PROPFIND)) {
    my $answer = client()->request($method, '/users/log-in');
    is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD, POST', $method);
    like($answer->{headers}{'cache-control'}, qr/no-store/, "$method: Cache-Control");
}
is(client()->get($_)->{status}, 200, "$_: the login page") for '//users/log-in', '/users/%6cog-in', '/x/../users/log-in', '/users/log-in?a=b';
is(client()->get($_)->{status}, 404, "$_: no login page") for '/users/log-in/', '/users/log-in/x', '/users/log-in%2f', '/users/log-in;x', '/Users/Log-In';
my $answer = ask('/users/log-in', "Cookie: $::ada->{cookie}", 'Host: evil.example');
is(header($answer, 'Location'), '/', 'Location has no host of the client\'s');
is(ask('/users/log-in', 'Cookie: a=b', 'Cookie: c=d')->{status}, 400, 'two Cookie headers');
unlike(client()->get('/ssi.html')->{content}, qr/_csrf_token/, 'included: no page');
is(client()->get('/sub')->{status}, 403, 'an auth_request to it allows nobody');
is(client()->get('/sub', { cookie => $::ada->{cookie} })->{status}, 403, 'whoever');



=== TEST 15: one Referrer-Policy, the page's own
--- http_config eval: $::http
--- config
add_header Referrer-Policy no-referrer always;
location = /users/log-in { auth_sigra_login; }
location = /other { auth_sigra_login; add_header Referrer-Policy no-referrer; add_header referrer-policy origin; }
location /private/ { auth_sigra on; }
--- request
GET /users/log-in
--- flow
for my $path ('/users/log-in', '/other') {
    is(client()->get($path)->{headers}{'referrer-policy'}, 'same-origin', $path);
    is(client()->request('HEAD', $path)->{headers}{'referrer-policy'}, 'same-origin', "$path, HEAD");
}
is(client()->get($_)->{headers}{'referrer-policy'}, 'no-referrer', "$_: elsewhere it is the administrator's") for '/', '/private/';
