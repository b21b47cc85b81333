# auth_sigra_session: the current user, as JSON.

use Test::Nginx::Socket 'no_plan';
use JSON::PP qw(decode_json);
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Wire;

our $layouts = make_layouts('session', 'location = PATH/session { auth_sigra_session; } location = PATH/log-out { auth_sigra_logout; }');
use_layout('sigra');
our $http = sigra_http_config();

sub me {
    my ($browser, $path, %headers) = @_;
    my $answer = $browser->get($path // '/session', \%headers);
    return ($answer, $answer->{headers}{'content-type'} eq 'application/json' ? decode_json($answer->{content}) : undef);
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the current user, in every layout
--- config eval: $::layouts
--- request
GET /sigra/session
--- error_code: 401
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"error":"You must log in to access this page."}
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $ada = authenticated_fixture(age => 3600, idle => 0);
    my $browser = client()->use_cookie($ada->{cookie});
    my ($answer, $me) = me($browser, "/$name/session");
    is("$answer->{status} $answer->{headers}{'cache-control'}", '200 no-store', "$name: the answer");
    is_deeply([sort keys %$me], [qw(authenticated_at csrf_token expires_at user)], "$name: its keys");
    is_deeply($me->{user}, { id => $ada->{user_id}, email => $ada->{email} }, "$name: the user");
    my $id = database()->{id} eq 'uuid' ? qr/"id":"[0-9a-f-]{36}",/ : qr/"id":[0-9]+,/;
    like($answer->{content}, $id, "$name: a number where it is one");
    like($me->{expires_at}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "$name: when it ends");
    my $known = database()->{name} !~ /_17$/;
    like($me->{authenticated_at} // '', $known ? qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/ : qr/^$/, "$name: when it began");
    is_deeply($answer->{cookies}, {}, "$name: no cookie is set");
    is($browser->delete("/$name/log-out", undef, { 'x-csrf-token' => $me->{csrf_token} })->{status}, 302, "$name: the token is the session's");
    is(client()->get("/$name/session", { cookie => $ada->{cookie} })->{status}, 401, "$name: and then anonymous");
}
use_layout('sigra');
# Larger than JavaScript's numbers, but with all digits, as Jason writes it.
my $id = 9007199254740993 + 2 * int rand 1e9;
my $large = authenticated_fixture(id => $id);
my ($answer) = me(client()->use_cookie($large->{cookie}), '/sigra/session');
like($answer->{content}, qr/"id":$id,/, 'an id above 2^53 is a number too');



=== TEST 2: expires_at
--- http_config eval: $::http
--- config
location = /session { auth_sigra_session; auth_sigra_session_ttl 10h remember_me=20h; }
--- request
GET /session
--- error_code: 401
--- flow
use Time::Piece;
for my $case ([0, 10], [7200, 8]) {
    my ($age, $hours) = @$case;
    my (undef, $me) = me(client()->use_cookie(authenticated_fixture(age => $age)->{cookie}));
    my $left = Time::Piece->strptime($me->{expires_at}, '%Y-%m-%dT%H:%M:%SZ')->epoch - time;
    cmp_ok(abs($left - $hours * 3600), '<', 600, "$hours hours after $age s");
}
is(client()->get('/session', { cookie => authenticated_fixture(age => 36000)->{cookie} })->{status}, 401, 'over');



=== TEST 3: methods, HEAD, and an inherited gate with conditions
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_sudo 1m;
location = /session { auth_sigra_session; }
--- request
POST /session
--- error_code: 405
--- response_headers
Allow: GET, HEAD
Cache-Control: no-store
--- flow
my $ada = authenticated_fixture(age => 3600);
is(client()->request('HEAD', '/session', { cookie => $ada->{cookie} })->{status}, 200, 'HEAD');
is((me(client()->use_cookie($ada->{cookie})))[1]{user}{email}, $ada->{email}, 'not fresh, but shown all the same');
is(client()->get('/session', { accept => 'text/html' })->{status}, 401, 'a browser is not redirected');



=== TEST 4: other sites' pages
--- http_config eval: $::http
--- config
auth_sigra_trusted_origins https://app.example.com;
location = /session { auth_sigra_session; }
--- request
GET /session
--- error_code: 401
--- flow
my $ada = authenticated_fixture();
my @cases = (
    [403, 'sec-fetch-site' => 'cross-site'], [403, 'sec-fetch-site' => 'same-site'], [403, origin => 'https://evil.example'],
    [200, 'sec-fetch-site' => 'same-origin'], [200, 'sec-fetch-site' => 'none'],
    [200, origin => 'https://app.example.com', 'sec-fetch-site' => 'cross-site'],
);
for (@cases) {
    my ($status, %headers) = @$_;
    is((me(client()->use_cookie($ada->{cookie}), '/session', %headers))[0]{status}, $status, join ' ', %headers);
}



=== TEST 5: a remember-me cookie starts a session; a session without a CSRF state gets one
--- http_config eval: $::http
--- config
location = /session { auth_sigra_session; }
location = /log-out { auth_sigra_logout; }
--- request
GET /session
--- error_code: 401
--- flow
my $ada = authenticated_fixture(remember_me => 86400);
my $browser = client()->use_cookie($ada->{remember_cookie});
my ($answer, $me) = me($browser);
is("$answer->{status} $answer->{headers}{'cache-control'} " . join(',', keys %{ $answer->{cookies} }),
    '200 private, no-store ' . session_cookie_name, 'a session');
is($browser->session->{user_token}, $ada->{token}, 'of that token');
is($browser->delete('/log-out', undef, { 'x-csrf-token' => $me->{csrf_token} })->{status}, 302, 'and the token is its own');
my $bob = authenticated_fixture(session => { _csrf_token => undef, other => 'kept' });
$browser = client()->use_cookie($bob->{cookie});
(undef, $me) = me($browser, '/session', 'sec-purpose' => 'prefetch');
is($me->{csrf_token}, undef, 'none for a prefetch');
is($browser->session->{_csrf_token}, undef, 'whose answer sets no cookie');
(undef, $me) = me($browser);
is($browser->session->{other}, 'kept', 'the session continues');
is($browser->delete('/log-out', undef, { 'x-csrf-token' => $me->{csrf_token} })->{status}, 302, 'with a state');



=== TEST 6: no database
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra')
--- config
location = /session { auth_sigra_session; }
--- request
GET /session
--- more_headers eval: authenticated_fixture()->{header}
--- error_code: 503
--- response_headers
Retry-After: 2
Cache-Control: no-store
--- error_log
cannot connect



=== TEST 7: unknown parameters
--- http_config eval: $::http
--- config
location = /session { auth_sigra_session yes; }
--- must_die
--- error_log
invalid number of arguments in "auth_sigra_session"



=== TEST 8: with another endpoint
--- http_config eval: $::http
--- config
location = /session { auth_sigra_renew; auth_sigra_session; }
--- must_die
--- error_log
the location has "auth_sigra_renew" already; give each a location of its own



=== TEST 9: in a subrequest
--- http_config eval: $::http
--- config
location = /session { auth_sigra_session; }
location = /page { ssi on; alias html/page; }
--- user_files
>>> page
[<!--# include virtual="/session" -->]
--- request
GET /page
--- more_headers eval: authenticated_fixture()->{header}
--- response_body_unlike: user
