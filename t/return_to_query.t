# auth_sigra_return_to query: the path to return to is in the login URL and then in the form, so each tab has its own.

use Test::Nginx::Socket 'no_plan';
use JSON::PP qw(decode_json encode_json);
use Sigra::Fixture;
use Sigra::Raw;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_return_to query; auth_sigra_password_checks floor=1ms; auth_sigra_password_hash argon2id m=8 t=1 p=1;');
our $password = 'correct horse';
our $ada = authenticated_fixture(email => 'ada@example.com', password => $password);
our $old = authenticated_fixture(user_id => $ada->{user_id}, email => 'ada@example.com', age => 3600);
our %form = ('user[email]' => 'ada@example.com', 'user[password]' => $password);
our $locations = <<'END';
location / { auth_sigra on; }
location /sudo/ { auth_sigra on; auth_sigra_sudo 10m; }
location = /users/log-in { auth_sigra_login; }
END

sub browser { return client(headers => { accept => 'text/html' }, @_) }
sub escaped { return $_[0] =~ s{([^\w.~/:-])}{sprintf '%%%02X', ord $1}ger }
sub to_login { return '/users/log-in?return_to=' . escaped($_[0]) }
sub answer_of { return "$_[0]{status} " . ($_[0]{headers}{location} // '') }

# Where a login with the right password leads from the form at this URL.
sub leads {
    my ($url, $browser) = @_;
    return ($browser // browser())->submit($url, {%::form})->{headers}{location};
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: in the login URL, and not in the session
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- response_headers
Location: /users/log-in?return_to=/page
--- flow
my $long = '/' . 'p' x 2047;
for (
    ['/page?a=1&b=%20c', 1],
    ['/%C3%A9?q=/../x+y#', 1],
    ['/a//b;c', 1],
    [$long, 1],
    ["${long}p", 0],
    ['//evil.example/x', 0],
    ['/%5cevil', 0],
    ['/.//evil', 0],
    ['/page', 1, { 'sec-fetch-dest' => 'document' }],
    ['/page', 0, { 'sec-fetch-dest' => 'iframe' }],
) {
    my ($path, $kept, $headers) = @$_;
    my $sent = $path =~ s/#//r;
    my $answer = browser()->get($sent, $headers // {});
    is($answer->{headers}{location}, $kept ? to_login($sent) : '/users/log-in', substr $sent, 0, 40);
    my $session = open_session($answer->{cookies}{ session_cookie_name() }{value});
    is_deeply([sort keys %$session], ['phoenix_flash'], 'the session has the flash alone');
}
is(browser()->post('/page', {})->{headers}{location}, '/users/log-in', 'not for a POST');
my $answer = browser()->get('/page', { 'sec-purpose' => 'prefetch' });
is(answer_of($answer) . ' ' . keys %{ $answer->{cookies} }, '302 ' . to_login('/page') . ' 0', 'a prefetch: it needs no session for it');
my $browser = browser()->use_cookie(session_cookie({ user_return_to => '/of-the-application' }));
$browser->get('/page');
is($browser->session->{user_return_to}, '/of-the-application', 'the path of an application is kept');



=== TEST 2: through the form, a wrong password, another tab, and the login
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
my $browser = browser();
my ($one, $two) = map { $browser->get($_)->{headers}{location} } '/one?a=1&b=2', '/two';
like($browser->get($one)->{content}, qr{<input type="hidden" name="return_to" value="/one\?a=1&amp;b=2">}, 'in the form');
unlike($browser->get('/users/log-in')->{content}, qr/return_to/, 'not where there is none');
my $wrong = $browser->submit($one, { %::form, 'user[password]' => 'wrong' });
is(answer_of($wrong), "302 $one", 'a wrong password: the same page again');
my $second = $browser->get($two)->{content};
is(leads($one, $browser), '/one?a=1&b=2', 'the first tab is led where it wanted');
is(answer_of($browser->get($two)), '302 /two', 'the second is logged in: onwards');
my ($token) = $second =~ /name="_csrf_token" value="([^"]+)/;
is(answer_of($browser->post($two, { %::form, _csrf_token => $token, return_to => '/two' }, { 'sec-fetch-site' => 'same-origin' })), '302 /two', 'and by its form of the session before, too');
is(answer_of($browser->get('/users/log-in')), '302 /', 'without one, as ever');

is(answer_of(browser()->post('/users/log-in', { %::form, _csrf_token => 'x', return_to => '/a?b' }, { 'sec-fetch-site' => 'same-origin' })),
    '303 ' . to_login('/a?b'), 'a form of an older session: the page again');
$browser = browser();
($token) = $browser->get($one)->{content} =~ /name="_csrf_token" value="([^"]+)/;
is($browser->post($one, { %::form, _csrf_token => $token })->{headers}{location}, '/one?a=1&b=2', 'a form without the field, but to the page\'s own URL');
is(leads('/users/log-in', browser()->use_cookie(session_cookie({ user_return_to => '/of-the-application', _csrf_token => csrf_state() }))),
    '/of-the-application', 'without one, what an application has put into the session');



=== TEST 3: JSON
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
my %json = (accept => 'application/json', 'content-type' => 'application/json');
for my $case (['/users/log-in', '/a?b=c', '/a?b=c'], [to_login('/q'), undef, '/q'], [to_login('/q'), '/body', '/body'], ['/users/log-in', 'https://evil/', '/']) {
    my ($path, $asked, $target) = @$case;
    my $client = browser(headers => {%json});
    my $token = decode_json($client->get('/users/log-in')->{content})->{csrf_token};
    my $body = sub { encode_json({ email => 'ada@example.com', password => $_[0], _csrf_token => $token, defined $asked ? (return_to => $asked) : () }) };
    is($client->request(POST => $path, {}, $body->('wrong'))->{status}, 401, 'a wrong password');
    is(decode_json($client->request(POST => $path, {}, $body->($::password))->{content})->{redirect_to}, $target, "$path: $target");
}



=== TEST 4: never an open redirect
--- http_config eval: $::http . 'auth_sigra_trusted_origins https://app.trusted.test https://odd.trusted.test:8443 http://plain.trusted.test; auth_sigra_cookie_domain site.test;'
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- timeout: 60
--- flow
my $own = "127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}";
my @good = ('/', '/a?b=//evil', '/a/../b', "http://$own/a", "https://$own/", "http://$own", 'https://app.trusted.test/a?b#c',
    'https://app.trusted.test:443/', 'https://odd.trusted.test:8443/', 'http://plain.trusted.test/', 'https://site.test/', 'http://a.site.test/x',
    'https://a.b.site.test:8080/x?y=https://evil', 'https://A.Site.TEST/x');
my @bad = ('//evil', '///evil', '/\\evil', '\\\\evil', "/\t/evil", "\t//evil", " //evil", "/\n/evil", "/\0/evil", '/%09/evil', '/%5cevil', '/%2fevil', '/.//evil',
    'evil', 'evil/a', 'javascript:alert(1)', "java\tscript:alert(1)", 'data:text/html,x', 'https:evil', 'https:/evil', 'https:///evil', 'https:\\\\evil',
    'https://evil/', 'http://evil/', 'HTTPS://site.test/', ' https://site.test/', 'ftp://site.test/', '//site.test/',
    'https://site.test.evil/', 'https://evilsite.test/', 'https://evil-site.test/', 'https://site.test@evil/', 'https://site.test:443@evil/', 'https://a:b@site.test/',
    'https://@site.test/', 'https://evil\\.site.test/', 'https://evil\\@site.test/', 'https://evil/.site.test', 'https://evil?.site.test/', 'https://evil#.site.test/',
    'https://evil%2f.site.test/', 'https://evil%00.site.test/', "https://evil\t.site.test/", "https://evil\n/.site.test/", "https://evil\0.site.test/", 'https://[evil].site.test/',
    'https://site.test./', 'https://a.site.test.:443/', 'https://.site.test/', 'https://site.test:/', 'https://site.test:0/', 'https://site.test:99999/', 'https://site.test:80x/',
    "https://evil\xe3\x80\x82site.test/", "https://evil\xef\xbc\x8f.site.test/", 'https://site.test//evil', 'https://site.test/%5cevil', 'https://site.test/a%0d%0aX: y', "https://site.test/\\evil",
    'https://site.test?//evil', 'https://site.test#x', 'http://app.trusted.test/', 'https://app.trusted.test:8443/', 'https://odd.trusted.test/', 'https://plain.trusted.test/',
    'https://x.app.trusted.test/', "http://127.0.0.1:1/", 'http://127.0.0.1/', '/' . 'p' x 3000);
for my $target (@good, @bad) {
    my $good = grep { $_ eq $target } @good;
    my $name = substr $target =~ s/([^ -~])/sprintf '<%02x>', ord $1/ger, 0, 60;
    my $url = '/users/log-in?return_to=' . escaped($target);
    my $page = browser()->get($url);
    is($page->{status}, 200, "$name: the page");
    is(scalar(() = $page->{content} =~ /name="return_to"/g), $good ? 1 : 0, "$name: in the form or not");
    is(answer_of(browser()->get($url, { cookie => $::ada->{cookie} })), '302 ' . ($good ? $target : '/'), "$name: a user who is logged in");
    my $browser = browser();
    my ($token) = $browser->get('/users/log-in')->{content} =~ /name="_csrf_token" value="([^"]+)/;
    my %posted = (%::form, _csrf_token => $token, return_to => $target);
    is(answer_of($browser->post('/users/log-in', { %posted, 'user[password]' => 'x' })), '302 ' . ($good ? to_login($target) : '/users/log-in'), "$name: a wrong password");
    is(answer_of($browser->post('/users/log-in', \%posted)), '302 ' . ($good ? $target : '/'), "$name: in");
}
like(browser()->get(to_login('https://a.site.test/x'))->{headers}{'content-security-policy'}, qr{form-action 'self' https://a\.site\.test:443;}, 'the form may lead there');
for (['/users/log-in?return_to=%2Fa&return_to=//evil', '/a'], ['/users/log-in?return_to=//evil&return_to=/a', '/'], ['/users/log-in?return_to=', '/'],
    ['/users/log-in?return_to=%zz', '/'], ['/users/log-in?xreturn_to=/a', '/'], ['/users/log-in?return_to[]=/a', '/']) {
    is(browser()->get($_->[0], { cookie => $::ada->{cookie} })->{headers}{location}, $_->[1], $_->[0]);
}
is(leads(to_login('"><script>x')), '/', 'no HTML');
unlike(browser()->get(to_login('/"><script>'))->{content}, qr/<script/, 'escaped in the page');



=== TEST 5: a user on https is not redirected to plain http
--- http_config eval: $::http . 'auth_sigra_trusted_origins http://plain.trusted.test; auth_sigra_cookie_domain site.test; auth_sigra_cookie_secure on;'
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
for (['https://a.site.test/' => 1], ['http://a.site.test/' => 0], ['http://plain.trusted.test/' => 1], ["http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}/" => 0]) {
    is(browser()->get(to_login($_->[0]), { cookie => $::ada->{cookie} })->{headers}{location}, $_->[1] ? $_->[0] : '/', $_->[0]);
}



=== TEST 6: with an absolute login URL it is the whole URL
--- http_config eval: $::http
--- config
location / { auth_sigra on; auth_sigra_login_url https://login.site.test/in?next=1#form; }
location /secure/ { auth_sigra on; auth_sigra_login_url https://login.site.test/in; auth_sigra_cookie_secure on; }
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
my $to = sub { 'https://login.site.test/in?next=1&return_to=' . $_[0] . '#form' };
for (
    ['App.Site.test', '/a?b=c', $to->('http://App.Site.test/a%3Fb%3Dc')],
    ['app.site.test:8080', '/', $to->('http://app.site.test:8080/')],
    ['app.site.test', '/secure/x', 'https://login.site.test/in?return_to=https://app.site.test/secure/x'],
    ['[::1]:80', '/', $to->('http://%5B::1%5D:80/')],
    ['app.site.test', '//evil', 'https://login.site.test/in?next=1#form'],
) {
    my ($host, $path, $location) = @$_;
    my $answer = ask($path, "Host: $host", 'Accept: text/html');
    is("$answer->{status} " . header($answer, 'Location'), "302 $location", "$host $path");
}
unlike(ask('/', 'Host: user@evil', 'Accept: text/html')->{head}, qr/^Location:.*evil/m, 'no user in it');



=== TEST 7: session, with a login URL on another host: nothing is kept
--- http_config eval: $::http
--- config
auth_sigra_return_to session;
location / { auth_sigra on; }
location /other/ { auth_sigra on; auth_sigra_login_url https://login.site.test/in; }
location /own/ { auth_sigra on; auth_sigra_login_url https://app.site.test/in; }
location = /users/log-in { auth_sigra_login; }
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- response_headers
Location: /users/log-in
--- flow
for (['/page', '/page'], ['/other/x', undef], ['/own/x', '/own/x'], ['/own/x', undef, 'app.site.test:8080'], ['/own/x', '/own/x', 'app.site.test:443'], ['/own/x', undef, 'app.site.test.evil']) {
    my ($path, $kept, $host) = @$_;
    $host //= 'app.site.test';
    my $session = kept(ask($path, "Host: $host", 'Accept: text/html'));
    is($session->{user_return_to}, $kept, "$host$path");
    ok($session->{phoenix_flash}{error}, "$host$path: the flash");
}
my $planted = browser()->get('/users/log-in?return_to=/planted');
unlike($planted->{content}, qr/planted/, 'a login URL has no effect here');
is(browser()->get('/users/log-in?return_to=/planted', { cookie => $::ada->{cookie} })->{headers}{location}, '/', 'nor for a user who is logged in');
my $browser = browser();
my ($token) = $browser->get('/users/log-in')->{content} =~ /name="_csrf_token" value="([^"]+)/;
is($browser->post('/users/log-in', { %::form, _csrf_token => $token, return_to => '/planted' })->{headers}{location}, '/', 'nor does a form');



=== TEST 8: not fresh enough
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
my $browser = browser()->use_cookie($::old->{cookie});
my $url = $browser->get('/sudo/bill?x=1')->{headers}{location};
is($url, to_login('/sudo/bill?x=1'), 'to the login page');
my $page = $browser->get($url);
like($page->{content}, qr/Confirm your password/, 'which asks to confirm');
is(leads($url, $browser), '/sudo/bill?x=1', 'and leads back');
is($browser->get('/sudo/bill')->{status}, 404, 'in');

# The session says that a confirmation is wanted. If this cannot be stored, the login page would redirect back at once.
my $again = authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com', age => 3600);
my $full = session_cookie({ %{ $again->{session} }, full => 'x' x 2900 });
is(answer_of(browser()->get('/sudo/x', { cookie => $full })), '302 /users/log-in', 'a session that is full');
is(answer_of(browser()->get('/sudo/x', { cookie => $again->{cookie}, 'sec-purpose' => 'prefetch' })), '302 /users/log-in', 'a prefetch');
--- error_log
does not fit in a cookie



=== TEST 9: the second form, and an application behind it
--- http_config eval: $::http . Sigra::Fixture::echo_upstream()
--- config
location / { auth_sigra on; }
location = /users/log-in { auth_sigra_login fallback=@app; }
location @app { proxy_pass http://echo; }
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
my $page = browser()->get(to_login('/a?b'))->{content};
my @forms = $page =~ m{(<form.*?</form>)}gs;
is(scalar @forms, 2, 'two forms');
like($_, qr{name="return_to" value="/a\?b"}, 'each has it') for @forms;
my $browser = browser();
my ($token) = $browser->get(to_login('/a'))->{content} =~ /name="_csrf_token" value="([^"]+)/;
like($browser->post(to_login('/a'), { _csrf_token => $token, return_to => '/a', 'user[email]' => 'ada@example.com' })->{content}, qr{\APOST /users/log-in\?return_to=/a$}m, 'the application sees it');



=== TEST 10: an invalid value
--- http_config eval: $::http
--- config
auth_sigra_return_to url;
--- must_die
--- error_log
invalid value "url", it must be "session" or "query"
