# auth_sigra_remember_me_cookie: starts a session again after the session cookie is gone.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status;') . echo_upstream() . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock;
    location /other { add_header Set-Cookie "other=1; path=/"; return 200; }
    location /session { add_header Set-Cookie "_my_app_key=theirs; path=/"; return 200; }
    location /cleared { add_header Set-Cookie "_my_app_key=; path=/; max-age=0"; return 200; }
    location /public { add_header Cache-Control "public, max-age=60"; add_header Expires "Thu, 31 Dec 2037 23:55:55 GMT"; return 200; }
    location / { return 200; }
}';
our $ada     = authenticated_fixture(email => 'ada@example.com');
our $bob     = authenticated_fixture(email => 'bob@example.com');
our $name    = session_cookie_name;
our $unknown = 'x' x 32;

sub both { return join '; ', @_ }
sub status { return client()->get('/', { cookie => both(@_) })->{status} }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: the session is created again
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; add_header X-Who "$auth_sigra_status:$auth_sigra_email"; }
--- request
GET /
--- more_headers eval: $::ada->{remember_header}
--- response_headers
Cache-Control: private, no-store
X-Who: miss:ada@example.com
--- response_headers_like
Set-Cookie: _my_app_key=SFMyNTY\.[\w.-]+; path=/; HttpOnly; SameSite=Lax
--- flow
my $foreign = { locale => 'de', n => integer(2**40), deep => { a => [float(0.5)] }, user_return_to => '/x', phoenix_flash => { info => 'kept' } };
for (
    ['no session', {}],
    ['a session with foreign keys', $foreign],
    ['a token that is nil', { %$foreign, user_token => atom('nil') }],
    ['a token that is false', { %$foreign, user_token => atom('false') }],
    ['a CSRF state', { _csrf_token => 'C' x 24 }],
    ['a CSRF state of another length', { _csrf_token => 'C' x 10 }],
) {
    my ($what, $session) = @$_;
    my $client = client();
    my $answer = $client->get('/', { cookie => both(session_cookie($session), $::ada->{remember_cookie}) });
    is($answer->{status}, 200, $what);
    is_deeply([keys %{ $answer->{cookies} }], [$::name], "$what: one cookie");
    my $made = $client->session;
    is($made->{user_token}, $::ada->{token}, "$what: the token");
    is($made->{live_socket_id}, live_socket_id($::ada->{token}), "$what: live_socket_id");
    ok($made->{user_remember_me} eq 'true' && ref $made->{user_remember_me}, "$what: user_remember_me, an atom");
    my $state = $session->{_csrf_token} // '';
    length $state == 24 ? is($made->{_csrf_token}, $state, "$what: CSRF state kept") : like($made->{_csrf_token}, qr/^[\w-]{24}$/, "$what: CSRF state made");
    is(encode_term($made->{$_}), encode_term($session->{$_}), "$what: $_ kept") for grep { !/^(?:user_token|_csrf_token)$/ } keys %$session;
    my ($sent) = $answer->{content} =~ /^cookie=(.*)$/m;
    my %sent = map { split /=/, $_, 2 } split /; /, $sent;
    is($sent{$::name}, $answer->{cookies}{$::name}{value}, "$what: the upstream sees the new session");
    ok(index($sent, $::ada->{remember_cookie}) >= 0, "$what: and the other cookies");
    is(scalar(() = $sent =~ /\Q$::name\E=/g), 1, "$what: once");
}
my $browser = client();
$browser->get(q(/), { cookie => $::ada->{remember_cookie} });
my $again = $browser->get('/');
is("$again->{status} " . keys %{ $again->{cookies} }, '200 0', 'the new session is a session');



=== TEST 2: the session comes first
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; add_header X-Who $auth_sigra_email; }
--- request
GET /
--- error_code: 401
--- flow
for (
    ['alive',           $::bob->{cookie},                                   200],
    ['dead',            session_cookie({ user_token => $::unknown }),       401],
    ['of wrong length', session_cookie({ user_token => 'short' }),          401],
    ['empty',           session_cookie({ user_token => '' }),               401],
    ['of another type', session_cookie({ user_token => integer(0) }),       401],
    ['true',            session_cookie({ user_token => atom('true') }),     401],
    ['absent',          session_cookie({}),                                 200],
    ['in a cookie that does not open', "$::name=x",                         200],
) {
    my ($what, $session, $status) = @$_;
    my $answer = client()->get('/', { cookie => both($::ada->{remember_cookie}, $session) });
    is($answer->{status}, $status, "a token that is $what");
    $status == 401 and ok(!%{ $answer->{cookies} }, "$what: no cookie");
}
is(client()->get('/', { cookie => both($::ada->{remember_cookie}, $::bob->{cookie}) })->{headers}{'x-who'}, 'bob@example.com', 'not remember-me\'s');



=== TEST 3: valid and invalid remember-me cookies
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
location /optional { auth_sigra optional; proxy_pass http://echo; add_header X-Status $auth_sigra_status; }
--- request
GET /
--- error_code: 401
--- flow
my $now = sub { integer(int((time - $_[0]) * 1000)) };
my $cookie = sub { remember_me_cookie(undef, term => $_[0]) };
my $token = $::ada->{token};
for (
    ['sixty days old, but for ten minutes', remember_me_cookie($token, signed_age => 60 * 86400 - 600), 'miss'],
    ['expired',                remember_me_cookie($token, signed_age => 60 * 86400 + 2),    'expired'],
    ['its own max_age',        remember_me_cookie($token, max_age => 1000, signed_age => 500), 'miss'],
    ['its own max_age, over',  remember_me_cookie($token, max_age => 1000, signed_age => 1010), 'expired'],
    ['max_age 0',              remember_me_cookie($token, max_age => 0),                    'expired'],
    ['max_age below 0',        remember_me_cookie($token, max_age => -5, signed_age => -10), 'expired invalid'],
    ['infinity',               remember_me_cookie($token, max_age => atom('infinity'), signed_age => 400 * 86400), 'miss'],
    ['a float',                remember_me_cookie($token, max_age => float(1000.5), signed_age => 500), 'miss'],
    ['max_age of text',        remember_me_cookie($token, max_age => tuple('100')),         'invalid'],
    ['signed in the future',   remember_me_cookie($token, signed_age => -3600),             'invalid'],
    ['two elements, fresh',    $cookie->(tuple($token, $now->(86000))),                     'miss'],
    ['two elements, old',      $cookie->(tuple($token, $now->(86500))),                     'expired'],
    ['four elements',          $cookie->(tuple($token, $now->(1), integer(100), 'x')),      'invalid'],
    ['a binary',               $cookie->($token),                                           'invalid'],
    ['a map with binary keys', $cookie->({ data => $token, signed => $now->(1) }),          'invalid'],
    ['a token of 31 bytes',    remember_me_cookie('x' x 31),                                'invalid'],
    ['an unknown token',       remember_me_cookie($::unknown),                              'unknown'],
    ['another secret',         remember_me_cookie($token, secret_key_base => 'y' x 64),     'invalid'],
    ['another name\'s salt',   remember_me_cookie($token, name => 'other') =~ s/other/remember_me_cookie_name/er, 'invalid'],
    ['nonsense',               remember_me_cookie_name . '=x',                              'invalid'],
    ['empty',                  remember_me_cookie_name . '=',                               'invalid'],
    ['another letter case',    uc(remember_me_cookie_name) . ($::ada->{remember_cookie} =~ s/^[^=]*//r), 'anonymous'],
) {
    my ($what, $value, $status) = @$_;
    my $answer = client()->get('/optional', { cookie => $value });
    like($status, qr/\b$answer->{headers}{'x-status'}\b/, "$what: status");
    is(scalar keys %{ $answer->{cookies} }, $status eq 'miss' ? 1 : 0, "$what: cookies");
    is(client()->get('/', { cookie => $value })->{status}, $status eq 'miss' ? 200 : 401, "$what: gate");
}



=== TEST 4: the answer's own cookie and Cache-Control
--- http_config eval: $::http
--- config
location / { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock; }
location /added { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock; add_header Cache-Control public; expires 1h; }
location /off { auth_sigra_cache_control off; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock; }
--- request
GET /
--- error_code: 401
--- flow
for (
    ['/other', 'made'], ['/session', 'theirs'], ['/cleared', 'theirs'], ['/', 'made'], ['/public', 'made'], ['/added', 'made'], ['/off', 'made'],
) {
    my ($path, $whose) = @$_;
    my $answer = wire(get($path, $::ada->{remember_header}))->answer;
    my $cookies = parse_set_cookies($answer->{head});
    is($cookies->{$::name}{count}, 1, "$path: the session is set once");
    my $opened = open_session($cookies->{$::name}{value});
    $whose eq 'made' ? is($opened->{user_token}, $::ada->{token}, "$path: by the module") : is($opened, undef, "$path: by the application");
    is($cookies->{other}{value}, $path eq '/other' ? 1 : undef, "$path: the others");
    is($answer->{headers}{'cache-control'}, $whose eq 'made' ? 'private, no-store' : 'private', "$path: Cache-Control");
    is($answer->{headers}{expires}, undef, "$path: Expires");
}



=== TEST 5: off, another name, and what does not fit
--- http_config eval
sigra_http_config(remember_cookie_name => 'off', extra => 'auth_sigra on; auth_sigra_unauthenticated status;') . echo_upstream()
--- config
location / { proxy_pass http://echo; }
location /other { auth_sigra_remember_me_cookie __Host-me max_age=1d path=/ same_site=Strict; proxy_pass http://echo; }
location /default { auth_sigra_remember_me_cookie _my_app_user_remember_me; proxy_pass http://echo; }
--- request
GET /
--- more_headers eval: $::ada->{remember_header}
--- error_code: 401
--- flow
is(client()->get('/other', { cookie => remember_me_cookie($::ada->{token}, name => '__Host-me') })->{status}, 200, 'another name');
is(client()->get('/other', { cookie => $::ada->{remember_cookie} })->{status}, 401, 'not the old one');
my $big = session_cookie({ own => 'o' x 2900, user_return_to => '/x' });
my $answer = client()->get('/default', { cookie => both($big, $::ada->{remember_cookie}) });
is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 0', 'a session that has no room for the token: in, without a cookie');
ok(index($answer->{content}, $big) >= 0, 'and the upstream sees the old one');
--- error_log
does not fit in a cookie



=== TEST 6: HEAD, POST, 404 and 304 carry the cookie as well; off and public locations do not
--- http_config eval: $::http
--- config
location / { }
location /open/ { auth_sigra off; alias html/; }
location /echo { proxy_pass http://echo; }
--- user_files
>>> page
for ada
--- request
GET /page
--- error_code: 401
--- flow
my $cookies = sub { my $answer = client()->request(@_); return "$answer->{status} " . keys %{ $answer->{cookies} } };
my %cookie = (cookie => $::ada->{remember_cookie});
is($cookies->('HEAD', '/page', \%cookie), '200 1', 'HEAD');
is($cookies->('POST', '/echo', \%cookie, 'a=b'), '200 1', 'POST');
is($cookies->('GET', '/none', \%cookie), '404 1', 'not found');
is($cookies->('GET', '/page', { %cookie, 'if-none-match' => '*' }), '304 1', 'not modified');
is($cookies->('GET', '/open/page', \%cookie), '200 0', 'off');



=== TEST 7: a prefetch is served, and its answer sets nothing
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
for (['sec-purpose' => 'prefetch'], ['sec-purpose' => 'prefetch;prerender'], [purpose => 'prefetch'], ['x-moz' => 'prefetch']) {
    my $answer = client()->get('/', { @$_, cookie => $::ada->{remember_cookie} });
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 0', "@$_");
    like($answer->{content}, qr/^cookie=\Q$::ada->{remember_cookie}\E$/m, "@$_: the upstream sees what was sent");
}
