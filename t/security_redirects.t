# Attacks on where a login leads: what the gate stores in user_return_to, and its own Location.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;

no_root_location();
fresh_database('sigra');
our $http = sigra_http_config();
our $ada  = authenticated_fixture(email => 'ada@example.com');

# No target is kept, nobody is logged in, and the redirect goes to the login page. Also fine are a target that nginx
# itself refuses, and one with a line feed: its first line is then HTTP/0.9, whose answer has no header.
sub leads_nowhere {
    my ($target, @headers) = @_;
    my $name   = $target =~ s/([^ -~])/sprintf '<%02x>', ord $1/ger;
    my $answer = ask($target, 'Accept: text/html', @headers);
    if ($answer->{status} == 400 || $target =~ /\n/) {
        unlike($answer->{text}, qr/for ada|^(?:Set-Cookie|Location):/mi, "$name - refused without a word");
    } else {
        is_login_redirect($answer, $name);
        is(kept($answer)->{user_return_to}, undef, "$name - no path to return to is kept");
        is(kept($answer)->{phoenix_flash}{error}, 'You must log in to access this page.', "$name - but the flash is");
    }
    unlike($answer->{head}, qr/^[^:]*Location:.*evil/mi, "$name - nowhere in a Location");
}

# Without the values of cookies, because their base64 may contain any word.
sub head_of { return $_[0]{head} =~ s/^(Set-Cookie: [\w-]+=)[^;\r\n]*/$1/gmir }

sub leads_back {
    my ($target, @headers) = @_;
    my $answer = ask($target, 'Accept: text/html', @headers);
    is_login_redirect($answer, $target);
    is(kept($answer)->{user_return_to}, $target, "$target - kept as it was requested");
}

sub next_good_request { is_served(ask('/page', $ada->{header}), 'the next good request is served') }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a harmless target is kept (for comparison with the attacks below)
--- http_config eval: $::http
--- config
location / { auth_sigra on; try_files /page.txt =404; }
--- user_files
>>> page.txt
for ada
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- flow
leads_back($_) for '/page?a=1&b=%2F%2Fevil', '/a/b;c/%C3%A9', '/a/../b', '/a//b', '/?next=//evil', '/%2520', '/a?b=%0d%0a';



=== TEST 2: two, three and four slashes
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
leads_nowhere($_) for '//evil', '///evil', '////evil/%2e%2e', '//evil?a=b', '//evil/private', '/%2fevil', '/%2F%2fevil';
next_good_request();



=== TEST 3: backslashes
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
leads_nowhere($_) for '/\\evil', '\\\\evil', '/%5cevil', '/%5Cevil', '/a/\\evil', '/a/%5cevil', '/\\/evil', '/a?b=\\c';
next_good_request();



=== TEST 4: tabs, line ends and other control characters between slashes, raw and encoded
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
leads_nowhere($_) for map { ("/$_/evil", "/$_//evil", "/a$_") } "\t", "\r", "\n", "\x0b", "\x0c", "\0", "\x7f", "\x1f";
leads_nowhere($_) for map { ("/$_/evil", "/a/$_") } qw(%09 %0d %0D %0a %0A %0b %0c %00 %7f %1f);
next_good_request();



=== TEST 5: dot segments that lead to two slashes or to a backslash
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
leads_nowhere($_) for '/./\\evil', '/../\\evil', '/.//evil', '/..//evil', '/a/..//evil', '/%2e//evil', '/a/%2e%2e//evil',
    '/./%2fevil';
next_good_request();



=== TEST 6: whole URLs with a user part, and other schemes, as target of the request
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
leads_nowhere($_) for 'http://good\\@evil', 'https://good@evil', 'http://good\\@evil/page', 'https://good@evil/page',
    'javascript:alert(1)', 'javascript://evil/%0aalert(1)', 'data:text/html,evil', 'evil', '@evil', '?//evil', '*';
next_good_request();



=== TEST 7: a whole URL of http keeps its path, never its host
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
my $answer = ask('http://evil/page?a=1', 'Accept: text/html');
is_login_redirect($answer, 'absolute form');
is(kept($answer)->{user_return_to}, '/page?a=1', 'the path alone is kept');
leads_nowhere('http://evil//evil');
leads_nowhere('http://evil?//evil');
is(kept(ask('http://evil', 'Accept: text/html'))->{user_return_to}, '/', 'no path is the root');
next_good_request();



=== TEST 8: a header in the path
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
for my $target ('/page%0d%0aSet-Cookie:%20evil=1', '/page%0aSet-Cookie:evil=1', '/page?a=%0d%0aSet-Cookie:%20evil=1',
    '/page%E5%98%8D%E5%98%8ASet-Cookie:evil=1', "/page\rSet-Cookie:evil=1") {
    my $answer = ask($target, 'Accept: text/html');
    my $name = $target =~ s/\r/<cr>/r;
    unlike(head_of($answer), qr/evil/i, "$name - it adds no header");
    like($answer->{status}, qr/^(?:302|400)$/, "$name - not in");
}
next_good_request();



=== TEST 9: a header in a cookie's value and in the session's flash
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
my $poisoned = session_cookie({ phoenix_flash => { info => "a\r\nSet-Cookie: evil=1" }, user_return_to => "/a\r\nevil: 1" });
for my $cookie ('a=%0d%0aSet-Cookie:%20evil=1', session_cookie_name . '=%0d%0aSet-Cookie:%20evil=1', $poisoned) {
    my $answer = ask('/page', "Cookie: $cookie");
    is_login_redirect($answer, substr $cookie, 0, 40);
    unlike(head_of($answer), qr/evil/i, 'it adds no header');
}
next_good_request();



=== TEST 10: a path to return to that another site has put into the session is replaced
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
my $session = session_cookie({ user_return_to => '//evil', other => 'kept' });
my $answer  = ask('/page?a=1', 'Accept: text/html', "Cookie: $session");
is_login_redirect($answer, 'a session with a foreign target');
is(kept($answer)->{user_return_to}, '/page?a=1', 'the new target is kept');
is(kept($answer)->{other}, 'kept', 'with the other keys');
next_good_request();



=== TEST 11: the Host header is in no redirect
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
for my $host ('evil', 'evil:8080', 'EVIL', 'localhost.evil') {
    my $answer = ask('/page', "Host: $host");
    is_login_redirect($answer, "Host: $host");
    unlike(head_of($answer), qr/evil/i, "Host: $host - nowhere in the head");
}
my $answer = ask('/page', 'X-Forwarded-Host: evil', 'X-Forwarded-Proto: https', 'Forwarded: host=evil');
is_login_redirect($answer, 'X-Forwarded-Host');
unlike(head_of($answer), qr/evil/i, 'X-Forwarded-Host - nowhere in the head');
next_good_request();



=== TEST 12: a path of 8 kB: it is not kept, and no cookie is too large
--- http_config eval: "large_client_header_buffers 4 16k;\n$::http"
--- config
location / { auth_sigra on; try_files /page.txt =404; }
--- user_files
>>> page.txt
for ada
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
my $size = sub { my ($answer) = @_; length header($answer, 'Set-Cookie') };
leads_back('/' . 'a' x 2047);
for my $target ('/' . 'a' x 2048, '/' . 'a' x 8191, '/?' . 'a' x 8190, '/' . '%C3%A9' x 1400) {
    my $answer = ask($target, 'Accept: text/html');
    my $name = sprintf '%d bytes', length $target;
    is_login_redirect($answer, $name);
    is(kept($answer)->{user_return_to}, undef, "$name - no path to return to");
    cmp_ok($size->($answer), '<=', 4096, "$name - the cookie is not oversized");
}
# A session that is already large: what no longer fits is dropped, and the cookie stays within Plug's limit.
for my $ballast (1000, 2000, 2600, 2900, 3500) {
    my $cookie = session_cookie({ ballast => 'b' x $ballast, phoenix_flash => { email => 'e' x 160 } });
    my $answer = ask('/' . 'a' x 2000, 'Accept: text/html', "Cookie: $cookie");
    is_login_redirect($answer, "a session of $ballast bytes");
    cmp_ok($size->($answer), '<=', 4096, "a session of $ballast bytes - the cookie is not oversized");
}
next_good_request();
