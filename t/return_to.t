# What the redirect of an anonymous request stores in the session: the path to return to, the flash, and what was there
# before.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on;');
our $name = session_cookie_name;
our $must = 'You must log in to access this page.';

# The session that the answer sets, or its raw bytes. By default the request is a browser's.
sub left {
    my ($path, $headers, %option) = @_;
    my $answer = client()->get($path, { accept => 'text/html', %{ $headers // {} } });
    my $cookie = $answer->{cookies}{$name} or return undef;
    return open_session($cookie->{value}, %option);
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: which requests store a path to return to
--- http_config eval: $::http
--- config
--- request
GET /page
--- error_code: 302
--- flow
my $long = '/' . 'p' x 2047;
for (
    ['/page',                              '/page'],
    ['/page?a=1&b=%20c',                   '/page?a=1&b=%20c'],
    ['/%C3%A9?q=/../x',                    '/%C3%A9?q=/../x'],
    ['/a/../b',                            '/a/../b'],
    ['/a//b',                              '/a//b'],
    ['//evil.example/x',                   undef],
    ['/%5cevil.example',                   undef],
    ['/x%0d%0ay',                          undef],
    ['/.//evil.example',                   undef],
    ['/?next=http://evil.example',         '/?next=http://evil.example'],
    [$long,                                $long],
    ["${long}p",                           undef],
    [substr($long, 0, 1000) . '?' . 'q' x 1047, substr($long, 0, 1000) . '?' . 'q' x 1047],
    ['/page', '/page', { 'sec-fetch-dest' => 'document', accept => '*/*' }],
    ['/page', undef,   { 'sec-fetch-dest' => 'iframe' }],
    ['/page', undef,   { 'sec-fetch-dest' => 'empty', accept => 'text/html' }],
    ['/page', '/page', { purpose => 'preview?' }],
) {
    my ($path, $expected, $headers) = @$_;
    my $session = left($path, $headers);
    my $what = join ' ', substr($path, 0, 40), length $path, map { "$_=$headers->{$_}" } sort keys %{ $headers // {} };
    is($session->{user_return_to}, $expected, $what);
    is($session->{phoenix_flash}{error}, $::must, "$what: flash");
}
for (['sec-purpose' => 'prefetch'], ['sec-purpose' => 'prefetch;prerender'], [purpose => 'prefetch'], ['x-moz' => 'prefetch']) {
    my $answer = client()->get('/page', { @$_, cookie => session_cookie({ user_return_to => '/old' }) });
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '302 0', "a prefetch leaves the session alone: @$_");
}



=== TEST 2: an existing session
--- http_config eval: $::http
--- config
--- request
GET /page
--- error_code: 302
--- flow
# Terms of an application that must be kept byte for byte: a float, a big number, a tuple, a map with atom keys, a
# nested list.
my $foreign = { cart => [integer(1), integer(2**40)], f => float(1.5), t => tuple(atom('ok'), 'x'), none => atom('nil'), m => { a => { b => 'c' } },
    _csrf_token => 'C' x 24, locale => "d\xc3\xa9" };
my $session = left('/page', { cookie => session_cookie({ %$foreign, user_return_to => '/old', phoenix_flash => { info => 'kept', error => 'old' } }) }, bytes => 1);
my $read = decode_term($session);
is($read->{user_return_to}, '/page', 'the newest path to return to');
is_deeply([map { $read->{phoenix_flash}{$_} } qw(info error)], ['kept', $::must], 'the flash is merged');
for my $key (sort keys %$foreign) {
    my $pair = substr(encode_term($key), 1) . substr(encode_term($foreign->{$key}), 1);
    ok(index($session, $pair) >= 0, "$key, byte for byte");
}
is(scalar keys %$read, 2 + keys %$foreign, 'and nothing else');

$read = left('/page', { cookie => session_cookie({ phoenix_flash => 'no map', user_token => 'x' x 32 }) });
is($read->{phoenix_flash}{error}, $::must, 'a flash that is no map is replaced');
is($read->{user_token}, 'x' x 32, 'a dead token stays the application\'s business');
for my $broken ("$::name=x", session_cookie({ a => 'b' }, secret_key_base => 'y' x 64)) {
    $read = left('/page', { cookie => $broken });
    is_deeply([sort keys %{ $read // {} }], [qw(phoenix_flash user_return_to)], 'what does not open is replaced: ' . substr $broken, 0, 40);
}
for my $unknown ("\x83k\0\1x", "\x83t\xff\xff\xff\xff") {
    my $answer = client()->get('/page', { cookie => session_cookie($unknown) });
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '302 0', 'what was signed and is not understood is somebody\'s session');
}
--- error_log
its contents are not understood



=== TEST 3: no Set-Cookie over 4,096 bytes
--- http_config eval: $::http
--- config
--- request
GET /page
--- error_code: 302
--- flow
# The answer and the length of its header, for a session with this many bytes in it.
my $try = sub {
    my ($path, $session) = @_;
    my $wire = wire(get($path, 'Accept: text/html', 'Cookie: ' . session_cookie($session)));
    my $answer = $wire->answer;
    my $line = $answer->{headers}{'set-cookie'};
    return ($answer, $line ? open_session($line =~ s/;.*//r) : undef, length($line // ''));
};
my $flash = { email => 'ada@example.com', info => 'i' };
for (    # bytes of the application's own, what is kept of the email and of the path to return to, whether a cookie is set at all
    [100, 1, 1, 1],
    [2600, 0, 1, 1, 200],
    [2780, 0, 0, 1, 200],
    [3500, 0, 0, 0],
) {
    my ($own, $email, $back, $cookie, $length) = @$_;
    my $path = '/' . 'p' x ($length // 100);
    my ($answer, $session, $size) = $try->($path, { own => 'o' x $own, phoenix_flash => { %$flash, email => 'e' x 150 } });
    is($answer->{status}, 302, "$own bytes: the redirect");
    cmp_ok($size, '<=', 4096, "$own bytes: $size");
    is($session ? 1 : 0, $cookie, "$own bytes: a cookie or none");
    next unless $session;
    is(defined $session->{phoenix_flash}{email} ? 1 : 0, $email, "$own bytes: the flash's email goes first");
    is(defined $session->{user_return_to} ? 1 : 0, $back, "$own bytes: the path to return to is dropped second");
    is($session->{phoenix_flash}{error}, $::must, "$own bytes: the error is kept");
    is($session->{own}, 'o' x $own, "$own bytes: the application's stays");
}
my %seen;
for my $own (map { 2400 + 4 * $_ } 0 .. 150) {
    my ($answer, $session, $size) = $try->('/' . 'p' x 200, { own => 'o' x $own, phoenix_flash => { email => 'e' x 150 } });
    my $state = !$session ? 'none' : join ' ', (defined $session->{phoenix_flash}{email} ? 'email' : ()), (defined $session->{user_return_to} ? 'back' : ());
    $seen{$state} //= keys %seen;
    $size <= 4096 && $answer->{status} == 302 or fail("$own bytes: $size");
}
is_deeply([sort { $seen{$a} <=> $seen{$b} } keys %seen], ['email back', 'back', '', 'none'], 'in this order');
--- error_log
does not fit in a cookie



=== TEST 4: the cookie's attributes by default
--- http_config eval: $::http
--- config
--- request
GET /page
--- error_code: 302
--- response_headers_like
Set-Cookie: _my_app_key=SFMyNTY\.[\w-]+\.[\w-]{43}; path=/; HttpOnly; SameSite=Lax



=== TEST 5: only the path of a page is kept, also on plain http, where browsers send no Sec-Fetch-*
--- http_config eval: $::http
--- config
--- request
GET /page
--- error_code: 302
--- flow
my $chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
my @by_hand = (accept => '*/*');
for (
    # the request, whether its path is kept, its headers
    ['a page, by its Accept alone',          1, { accept => $chrome }],
    ['a page, in capitals',                  1, { accept => 'TEXT/HTML;q=0.9' }],
    ['a page, html among others',            1, { accept => 'application/xhtml+xml, text/html' }],
    ['a stylesheet',                         0, { accept => 'text/css,*/*;q=0.1' }],
    ['a script, or a page that polls',       0, { accept => '*/*' }],
    ['no Accept at all',                     0, {}],
    ['a document, by Sec-Fetch-Dest',        1, { @by_hand, 'sec-fetch-dest' => 'document', 'sec-fetch-mode' => 'navigate' }],
    ['a navigation, by its mode alone',      1, { @by_hand, 'sec-fetch-mode' => 'navigate' }],
    ['a frame',                              0, { accept => $chrome, 'sec-fetch-dest' => 'iframe', 'sec-fetch-mode' => 'navigate' }],
    ['a service worker, unchanged',          1, { accept => $chrome, 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'navigate' }],
    ['a service worker, with an init',       1, { accept => $chrome, 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'same-origin' }],
    ['a service worker, no Sec-Fetch-Dest',  1, { accept => $chrome, 'sec-fetch-mode' => 'same-origin' }],
) {
    my ($what, $kept, $headers) = @$_;
    my $answer = client()->get('/page', { %$headers, cookie => session_cookie({ user_return_to => '/old' }) });
    is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', "$what: sent to the login page");
    my $session = open_session($answer->{cookies}{$::name}{value});
    is($session->{user_return_to}, $kept ? '/page' : '/old', "$what: " . ($kept ? 'to return to' : 'what was kept before stays'));
}
# A page's own fetch() counts as a program's, and so does a service worker's without the browser's Accept.
for (
    ['fetch',                        { accept => $chrome, 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'cors' }],
    ['fetch, no-cors',               { accept => $chrome, 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'no-cors' }],
    ['same-origin, anything',        { accept => '*/*', 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'same-origin' }],
    ['same-origin, no Accept',       { 'sec-fetch-dest' => 'empty', 'sec-fetch-mode' => 'same-origin' }],
    ['same-origin, html later',      { accept => 'application/json, text/html', 'sec-fetch-mode' => 'same-origin' }],
    ['same-origin XHR',              { accept => $chrome, 'sec-fetch-mode' => 'same-origin', 'x-requested-with' => 'XMLHttpRequest' }],
) {
    my ($what, $headers) = @$_;
    my $answer = client()->get('/page', $headers);
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '401 0', "$what: a program");
}
