# Requests that come from another site: the browser may not have sent the session cookie, and it is not replaced.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on;');
our $ada  = authenticated_fixture(email => 'ada@example.com', authenticated_age => 7200);
our $strict = 'auth_sigra_session_cookie ' . session_cookie_name . ' signing_salt=' . signing_salt . ' same_site=Strict;';

sub cookies { my ($answer) = @_; return "$answer->{status} " . headers_named($answer, 'Set-Cookie') }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: neither GET nor HEAD
--- http_config eval: $::http
--- config
location / { try_files /page.txt =404; }
location /page { error_page 404 /page; try_files /none =404; }
location = /public { auth_sigra off; error_page 404 /private; try_files /none =404; }
location /sudo { auth_sigra_sudo 10m; try_files /page.txt =404; }
--- user_files
>>> page.txt
page
--- request
GET /
--- error_code: 302
--- flow
for my $method (qw(POST PUT DELETE PATCH)) {
    my $answer = ask("$method /", 'Content-Length: 0');
    is(cookies($answer), '302 0', $method);
    is(header($answer, 'Location'), '/users/log-in', "$method: redirected to the login page");
    is(cookies(ask("$method /", 'Content-Length: 0', 'Cookie: ' . session_cookie({ a => 'b' }))), '302 0', "$method: with another session");
    is(cookies(ask("$method /public", 'Content-Length: 0')), '302 0', "$method: nginx has made a GET of it");
}
is(cookies(ask("$_ /")), '302 1', $_) for qw(GET HEAD);
my $answer = ask('POST /sudo', 'Content-Length: 0', $::ada->{header});
is(cookies($answer), '302 1', 'a user whose session was sent confirms');
ok(kept($answer)->{auth_sigra_sudo}, 'as the session has it');



=== TEST 2: SameSite=Strict
--- http_config eval: $::http
--- config eval
"$::strict location / { try_files /page.txt =404; }"
--- request
GET /
--- error_code: 302
--- flow
for (
    [0, 'Sec-Fetch-Site: cross-site'],
    [0, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
    [0, 'Referer: http://other.example/page'],
    [0, 'Referer: https://localhost.other.example/'],
    [0, 'Referer: nonsense'],
    [0, 'Origin: null'],
    [1],
    [1, 'Sec-Fetch-Site: none'],
    [1, 'Sec-Fetch-Site: same-origin'],
    [1, 'Sec-Fetch-Site: same-site'],
    [1, 'Sec-Fetch-Site: same-origin', 'Referer: http://other.example/page'],
    [1, 'Referer: http://localhost/page'],
    [1, 'Referer: http://LOCALHOST:8080/page'],
    [1, 'Referer: https://localhost?x=http://other.example/'],
) {
    my ($count, @headers) = @$_;
    is(cookies(ask('/', @headers)), "302 $count", "@headers");
}



=== TEST 3: SameSite=Lax, with which a link sends the cookie
--- http_config eval: $::http
--- config
location / { try_files /page.txt =404; }
--- request
GET /
--- error_code: 302
--- flow
is(cookies(ask('/', "Sec-Fetch-Site: $_")), '302 1', $_) for qw(cross-site same-site same-origin none);



=== TEST 4: a remember-me cookie without the session cookie: it passes, and no session is written
--- http_config eval: $::http
--- config eval
"location / { try_files /page.txt =404; }
location /reissue { auth_sigra_reissue_age 1h; try_files /page.txt =404; }
location /optional { auth_sigra optional; try_files /page.txt =404; }
location /strict/ {
    $::strict
    try_files /page.txt =404;
    location /strict/reissue { auth_sigra_reissue_age 1h; try_files /page.txt =404; }
    location /strict/optional { auth_sigra optional; try_files /page.txt =404; }
    location /strict/sudo { auth_sigra_sudo 10m; try_files /page.txt =404; }
    location /strict/verify { auth_sigra_verify; }
}"
--- user_files
>>> page.txt
page
--- request
GET /
--- error_code: 302
--- flow
my $bob = authenticated_fixture(age => 7200, remember_me => 86400);
my $row = session_row($bob);
my @remembered = $bob->{remember_header};
my @cross = ('Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate');
my $seen = sub {
    my ($target, @headers) = @_;
    my $answer = ask($target, @headers);
    is_deeply(session_row($bob), $row, "$target: the row too");
    return "$answer->{status} " . join ' ', map { s/=.*//sr } headers_named($answer, 'Set-Cookie');
};
is($seen->($_, @remembered, @cross), '200 ', "Strict: $_") for qw(/strict/ /strict/reissue /strict/optional /strict/verify);
is($seen->('/strict/', @remembered, 'Referer: http://other.example/'), '200 ', 'Strict, by Referer');
is($seen->('/strict/sudo', @remembered, @cross), '302 ', 'Strict: to confirm');
is($seen->("POST $_", @remembered, @cross, 'Content-Length: 0'), '405 ', "POST, Lax: $_") for qw(/ /reissue /optional);

my $key = session_cookie_name;
is($seen->('/strict/', @remembered, 'Sec-Fetch-Site: same-origin'), "200 $key", 'Strict, of the site itself');
is($seen->('/strict/sudo', @remembered, 'Sec-Fetch-Site: none'), "302 $key", 'Strict: to confirm');
is($seen->('/', @remembered, @cross), "200 $key", 'Lax: a link sends the session cookie, so there is no session');
is($seen->('POST /', @remembered, 'Sec-Fetch-Site: same-origin', 'Content-Length: 0'), "405 $key", 'a form of its own');
my $both = 'Cookie: ' . session_cookie({ basket => 'apples' }) . "; $bob->{remember_cookie}";
is($seen->('/strict/', $both, @cross), "200 $key", 'a session was sent');
is(kept(ask('/strict/', $both, @cross))->{basket}, 'apples', 'and is kept');
