# auth_sigra_logout: what is deleted, the answers, and which requests are refused.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Wire;

our $layouts = make_layouts('logout', <<'END');
location = PATH/log-out { auth_sigra_logout; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
use_layout('sigra');
our $http      = sigra_http_config() . echo_upstream();
our $locations = <<'END';
location = /log-out { auth_sigra_logout; }
location /private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
our $remember = remember_me_cookie_name;

# A user with a session, and a remember-me cookie with another token.
sub visitor {
    my %option = @_;
    my $session = authenticated_fixture(%option);
    my $other = authenticated_fixture(user_id => $session->{user_id}, email => $session->{email}, remember_me => 86400);
    return ($session, $other, client()->use_cookie($session->{cookie}, $other->{remember_cookie}));
}

# The rows of these sessions that still exist.
sub alive { return scalar grep { session_row($_) } @_ }

# The answer to a log-out by a browser.
sub is_logged_out {
    my ($answer, $client, $name, $url) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$answer->{status} " . ($answer->{headers}{location} // ''), '302 ' . ($url // '/'), "$name: the answer");
    is($answer->{headers}{'cache-control'}, 'private, no-store', "$name: Cache-Control");
    is_deeply($client->session, { phoenix_flash => { info => 'Logged out successfully.' } }, "$name: the session");
    is($answer->{cookies}{$::remember}{'max-age'}, 0, "$name: remember-me is cleared");
    is($answer->{cookies}{$::remember}{value}, '', "$name: and empty");
}

sub attributes {
    my ($cookie) = @_;
    return join ' ', map { "$_=$cookie->{$_}" } grep { !/^(?:value|expires|count)$/ } sort keys %$cookie;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: in every layout, the rows of both cookies are deleted
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/private
--- error_code: 401
--- flow
for my $name (layouts()) {
    use_layout($name);
    my ($ada, $remembered, $browser) = visitor();
    my $elsewhere = authenticated_fixture(user_id => $ada->{user_id});
    my $eve = authenticated_fixture();
    my $kept = { %{ $browser->cookies } };
    is($browser->get("/$name/private")->{status}, 200, "$name: in");
    my $answer = $browser->delete("/$name/log-out", { _csrf_token => $ada->{csrf_token} });
    is_logged_out($answer, $browser, $name);
    is(alive($ada, $remembered), 0, "$name: both rows are gone");
    is(alive($elsewhere, $eve), 2, "$name: no other is");
    for my $cookie (sort keys %$kept) {
        is(client(cookies => { $cookie => $kept->{$cookie} })->get("/$name/private")->{status}, 401, "$name: $cookie no longer works");
    }
    is(client(cookies => $kept)->get("/$name/private")->{status}, 401, "$name: so are both at once");
    is($browser->get("/$name/private")->{status}, 401, "$name: out");
}
use_layout('sigra');



=== TEST 2: methods
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- more_headers eval: (authenticated_fixture())->{header}
--- error_code: 405
--- response_headers
Allow: POST, DELETE
Cache-Control: no-store
! Set-Cookie
--- flow
for my $method ('', qw(delete DELETE post)) {
    my ($ada, $remembered, $browser) = visitor();
    my $answer = $browser->post('/log-out', { _csrf_token => $ada->{csrf_token}, length $method ? (_method => $method) : () });
    is_logged_out($answer, $browser, "POST, _method=$method");
    is(alive($ada, $remembered), 0, 'the rows');
}
my ($ada, $remembered, $browser) = visitor();
for my $method (qw(put patch get head deleted), "delete\0") {
    my $answer = $browser->post('/log-out', { _csrf_token => $ada->{csrf_token}, _method => $method });
    is("$answer->{status} $answer->{headers}{allow}", '405 POST, DELETE', "_method=$method");
}
for my $method (qw(GET HEAD PUT PATCH OPTIONS PROPFIND TRACE)) {
    my $answer = $browser->request($method, '/log-out', { 'x-csrf-token' => $ada->{csrf_token} });
    is($answer->{status}, 405, $method);
    is($answer->{headers}{allow}, 'POST, DELETE', 'Allow') unless $method eq 'TRACE';
    is(keys %{ $answer->{cookies} }, 0, 'no cookie');
}
is($browser->get('/log-out', { accept => 'image/avif,*/*', 'sec-fetch-dest' => 'image', 'sec-fetch-site' => 'cross-site' })->{status}, 405, 'an <img>');
is($browser->get("/log-out?_method=delete&_csrf_token=$ada->{csrf_token}")->{status}, 405, 'a link');
is(alive($ada, $remembered), 2, 'nothing has changed');



=== TEST 3: the CSRF token
--- http_config eval: $::http
--- config eval: $::locations
--- request
POST /log-out
--- more_headers eval: (authenticated_fixture())->{header}
--- error_code: 403
--- response_headers
Cache-Control: no-store
! Set-Cookie
--- flow
my ($ada, $remembered, $browser) = visitor();
my $eve = authenticated_fixture();
my $right = $ada->{csrf_token};
my $unmasked = $ada->{csrf_state};
for (['none', {}, {}, ''], ['empty', { _csrf_token => '' }, {}, ''], ["another's", { _csrf_token => $eve->{csrf_token} }, {}, ''],
    ['cut short', { _csrf_token => substr $right, 0, 55 }, {}, ''], ['longer', { _csrf_token => "${right}A" }, {}, ''],
    ['the state itself', { _csrf_token => $unmasked }, {}, ''], ['in the query', {}, {}, "?_csrf_token=$right"],
    ['a wrong header', {}, { 'x-csrf-token' => $eve->{csrf_token} }, ''],
    ['a wrong field beside the right header', { _csrf_token => $eve->{csrf_token} }, { 'x-csrf-token' => $right }, ''],
) {
    my ($name, $form, $headers, $query) = @$_;
    for my $method (qw(post delete)) {
        my $answer = $browser->$method("/log-out$query", $form, $headers);
        is("$answer->{status} " . keys %{ $answer->{cookies} }, '403 0', "$method, $name");
    }
}
is(alive($ada, $remembered), 2, 'nothing has changed');
my $answer = $browser->request('DELETE', '/log-out', { 'x-csrf-token' => $right });
is_logged_out($answer, $browser, 'in the header, without a body');
is(alive($ada, $remembered), 0, 'the rows');

my $none = client();
is($none->delete('/log-out', { _csrf_token => $right })->{status}, 403, 'no cookie at all, so no token');
is($none->delete('/log-out', { _csrf_token => $right }, { cookie => '_my_app_key=garbage' })->{status}, 403, 'a cookie that is none');
is($none->delete('/log-out', {}, { cookie => session_cookie({}) })->{status}, 403, 'a session without a state');
is($none->delete('/log-out', { _csrf_token => '' }, { cookie => session_cookie({ _csrf_token => '' }) })->{status}, 403, 'an empty one');



=== TEST 4: from another site
--- http_config eval: $::http
--- config
location = /log-out { auth_sigra_logout; auth_sigra_trusted_origins https://www.example.com; }
--- request
POST /log-out
--- error_code: 403
--- flow
my ($ada, $remembered, $browser) = visitor();
my $here = "127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}";
my $form = { _csrf_token => $ada->{csrf_token} };
for ({ origin => 'null', 'sec-fetch-site' => 'cross-site' }, { origin => 'https://evil.example' }, { origin => 'http://127.0.0.1' }, { origin => "http://$here.evil.example" },
    { 'sec-fetch-site' => 'cross-site' }, { 'sec-fetch-site' => 'same-site' }, { 'sec-fetch-site' => 'cross-site', origin => "http://$here" },
) {
    my $answer = $browser->delete('/log-out', $form, $_);
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '403 0', join ' ', %$_);
}
is(alive($ada, $remembered), 2, 'nothing has changed');
my $wire = wire(join "\r\n", 'POST /log-out HTTP/1.1', 'Host: localhost', 'Origin: file://', "Cookie: $ada->{cookie}", 'Content-Length: 100', '', '');
is($wire->answer->{status}, 403, 'answered before the body has arrived');
for ({ origin => 'null' }, { origin => "http://$here" }, { origin => "https://$here" }, { origin => 'https://www.example.com' }, { 'sec-fetch-site' => 'same-origin' }, { 'sec-fetch-site' => 'none' }) {
    my ($bob, $other, $client) = visitor();
    is($client->delete('/log-out', { _csrf_token => $bob->{csrf_token} }, $_)->{status}, 302, join ' ', %$_);
    is(alive($bob, $other), 0, 'the rows');
    my ($eve, $hers, $session) = visitor();
    is($session->delete('/log-out', {}, $_)->{status}, 403, 'and the token is still required');
    is(alive($eve, $hers), 2, 'she is still logged in');
}



=== TEST 5: a clearing cookie repeats the attributes
--- http_config eval
sigra_http_config(session_cookie => 'path=/app same_site=Strict', remember_me_cookie => 'path=/app same_site=None',
    extra => 'auth_sigra_cookie_domain example.com; auth_sigra_cookie_secure on;')
--- config
location = /app/log-out { auth_sigra_logout; auth_sigra_logged_out_url /bye?a=b; }
location = /off/log-out { auth_sigra_logout; auth_sigra_remember_me_cookie off; auth_sigra_logged_out_url https://www.example.com/; }
--- request
GET /app/log-out
--- error_code: 405
--- flow
my ($ada, $remembered, $browser) = visitor();
my $answer = $browser->delete('/app/log-out', { _csrf_token => $ada->{csrf_token} });
is($answer->{headers}{location}, '/bye?a=b', 'auth_sigra_logged_out_url');
is(attributes($answer->{cookies}{_my_app_key}), 'domain=example.com httponly=1 path=/app samesite=Strict secure=1', 'the session');
is(attributes($answer->{cookies}{$::remember}), 'domain=example.com httponly=1 max-age=0 path=/app samesite=None secure=1', 'remember-me');
is($answer->{cookies}{$::remember}{expires}, 'Thu, 01 Jan 1970 00:00:00 GMT', 'expires');

($ada, $remembered, $browser) = visitor();
$answer = $browser->delete('/app/log-out', { _csrf_token => $ada->{csrf_token} }, { accept => 'application/json' });
is($answer->{status}, 204, 'JSON');
is(attributes($answer->{cookies}{_my_app_key}), 'domain=example.com httponly=1 max-age=0 path=/app samesite=Strict secure=1', 'the session is cleared');
is(attributes($answer->{cookies}{$::remember}), 'domain=example.com httponly=1 max-age=0 path=/app samesite=None secure=1', 'remember-me as well');

($ada, $remembered, $browser) = visitor();
$answer = $browser->delete('/off/log-out', { _csrf_token => $ada->{csrf_token} });
is($answer->{headers}{location}, 'https://www.example.com/', 'another site, as configured');
is($answer->{cookies}{$::remember}, undef, 'no remember-me cookie where there is none');
is(alive($ada, $remembered), 1, 'whose row stays');



=== TEST 6: JSON clients
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
for (
    ['Accept', { accept => 'application/json' }, 'form'],
    ['XHR', { 'x-requested-with' => 'XMLHttpRequest' }, 'form'],
    ['a JSON body', { 'content-type' => 'application/json' }, 'json'],
    ['JSON and the header', { 'content-type' => 'application/json; charset=utf-8' }, 'header'],
) {
    my ($name, $headers, $way) = @$_;
    my ($ada, $remembered, $browser) = visitor();
    my $body = $way eq 'form' ? { _csrf_token => $ada->{csrf_token} } : $way eq 'json' ? qq({"_csrf_token":"$ada->{csrf_token}"}) : '{}';
    my $answer = $browser->delete('/log-out', $body, { %$headers, $way eq 'header' ? ('x-csrf-token' => $ada->{csrf_token}) : () });
    is($answer->{status} . ' ' . ($answer->{content} // ''), '204 ', $name);
    is($answer->{headers}{location}, undef, 'no Location');
    is($answer->{headers}{'cache-control'}, 'private, no-store', 'Cache-Control');
    is_deeply($browser->cookies, {}, 'both cookies are cleared');
    is(alive($ada, $remembered), 0, 'the rows');
    is($browser->get('/private', { cookie => $ada->{cookie} })->{status}, 401, 'no longer valid');
}



=== TEST 7: a user who is not logged in
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
my $state = csrf_state();
my $form  = { _csrf_token => csrf_mask($state) };
my $dead  = authenticated_fixture(age => 61 * 86400);
my $long  = authenticated_fixture(age => 90 * 86400, remember_me => 365 * 86400);
my $reset = authenticated_fixture(context => 'reset_password', sent_to => 'a@example.com');
for (
    ['no token', { _csrf_token => $state, other => 'x' }],
    ['an unknown token', { _csrf_token => $state, user_token => 'x' x 32 }],
    ['a token of 31 bytes', { _csrf_token => $state, user_token => 'x' x 31 }],
    ['an expired one', { %{ $dead->{session} }, _csrf_token => $state }],
    ["a token of another context", { _csrf_token => $state, user_token => $reset->{token} }],
) {
    my ($name, $session) = @$_;
    my $browser = client()->use_cookie(session_cookie($session), "$::remember=garbage");
    is_logged_out($browser->delete('/log-out', $form), $browser, $name);
    $browser = client()->use_cookie(session_cookie($session));
    is($browser->delete('/log-out', $form, { accept => 'application/json' })->{status}, 204, "$name: JSON");
    is_deeply($browser->cookies, {}, "$name: no cookies");
}
is(alive($reset), 1, 'another context stays');
my $remembered = authenticated_fixture(remember_me => 86400);
my $browser = client()->use_cookie(session_cookie({ _csrf_token => $state }), $remembered->{remember_cookie});
is_logged_out($browser->delete('/log-out', $form), $browser, 'by the remember-me cookie alone');
is(alive($remembered), 0, 'its row');



=== TEST 8: PostgreSQL out of reach
--- http_config eval
sigra_http_config(conninfo => 'host=127.0.0.1 port=1 dbname=none user=sigra', postgres => 'timeout=300ms')
--- config
location = /log-out { auth_sigra_logout; }
location = /everywhere { auth_sigra_logout everywhere; }
location = /page { auth_sigra_logout; error_page 503 /sorry; }
--- user_files
>>> sorry
sorry
--- request
GET /log-out
--- error_code: 405
--- timeout: 20
--- flow
for my $path (qw(/log-out /everywhere /page)) {
    my ($ada, $remembered, $browser) = visitor();
    my $answer = $browser->delete($path, { _csrf_token => $ada->{csrf_token} });
    is($answer->{status}, 503, "$path: 503");
    is($answer->{headers}{'retry-after'}, 2, 'Retry-After');
    is($answer->{headers}{'cache-control'}, 'no-store', 'Cache-Control');
    like($answer->{content}, qr/You are still logged in/, 'says that the session is alive');
    is($answer->{headers}{'content-type'}, 'text/html; charset=utf-8', 'on a page');
    is(keys %{ $answer->{cookies} }, 0, 'no cookie is touched');
    $answer = $browser->delete($path, { _csrf_token => $ada->{csrf_token} }, { accept => 'application/json' });
    is("$answer->{status} $answer->{headers}{'retry-after'} " . keys %{ $answer->{cookies} }, '503 2 0', 'JSON');
    like($answer->{content}, qr/^\{"error":"You are still logged in/, 'says it as well');
    is(alive($ada, $remembered), 2, 'and it is true');
    my $nobody = client()->use_cookie(session_cookie({ _csrf_token => $ada->{csrf_state} }));
    is($nobody->delete($path, { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'without a token no database is needed');
}
--- error_log
auth_sigra



=== TEST 9: bodies
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
my ($ada, $remembered, $browser) = visitor();
my $token = { 'x-csrf-token' => $ada->{csrf_token} };
for (
    ['text/plain', 'a=b', 415], ['multipart/form-data; boundary=x', "--x\r\n", 400], ['', 'a=b', 415],
    ['application/json', '{', 400], ['application/json', '[]', 400], ['application/x-www-form-urlencoded', 'a=%zz', 400],
    ['application/x-www-form-urlencoded', 'a=' . 'x' x 8191, 413],
    ['application/x-www-form-urlencoded', 'a=' . 'x' x 1_500_000, 413],
) {
    my ($type, $body, $status) = @$_;
    my $answer = $browser->request('POST', '/log-out', { %$token, 'content-type' => $type }, $body);
    is($answer->{status}, $status, "$type: $status");
    is(keys %{ $answer->{cookies} }, 0, 'no cookie');
    is($answer->{headers}{'cache-control'}, 'no-store', "$type, $status: no-store");
}
is(alive($ada, $remembered), 2, 'nothing has changed');
is($browser->request('POST', '/log-out', { %$token, 'content-type' => 'application/x-www-form-urlencoded' }, 'a=' . 'x' x 8190)->{status}, 302, '8 kB');



=== TEST 10: two Cookie headers, early data
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
my ($ada, $remembered, $browser) = visitor();
my @head = ('DELETE /log-out HTTP/1.1', 'Host: localhost', "X-CSRF-Token: $ada->{csrf_token}", "Cookie: $ada->{cookie}", 'Connection: close');
is(wire(join "\r\n", @head, 'Cookie: a=b', '', '')->answer->{status}, 400, 'two Cookie headers');
for ('1', '0', '') {
    my $answer = wire(join "\r\n", @head, "Early-Data: $_", '', '')->answer;
    is("$answer->{status} $answer->{headers}{'cache-control'}", '425 no-store', "Early-Data: $_");
}
is(alive($ada, $remembered), 2, 'nothing has changed');
is(wire(join "\r\n", @head, '', '')->answer->{status}, 302, 'else it counts');



=== TEST 11: contexts of the directive
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_sudo 30m;
location = /log-out { auth_sigra_logout; }
location = /if { auth_sigra_logout; if ($arg_a) { add_header X-If $arg_a; } }
location = /if-proxy { auth_sigra_logout; if ($arg_a) { proxy_pass http://echo; } }
location = /login-url { auth_sigra_logout; auth_sigra_login_url /login-url; }
location = /denied { auth_sigra_logout; deny all; }
location = /sub { auth_sigra off; auth_request /log-out; }
location = /page { auth_sigra_logout; error_page 403 =200 /forbidden.html; error_page 405 /forbidden.html; }
location = /forbidden.html { auth_sigra off; }
location = /by-error { auth_sigra off; error_page 404 /log-out; root /nowhere; }
--- user_files
>>> forbidden.html
the form has grown old
>>> sub
sub
--- request
GET /log-out
--- error_code: 405
--- flow
for my $path (qw(/log-out /if?a=1 /login-url)) {
    my ($ada, $remembered, $browser) = visitor(age => 3600);
    my $answer = $browser->delete($path, { _csrf_token => $ada->{csrf_token} });
    is_logged_out($answer, $browser, $path);
    is(alive($ada, $remembered), 0, 'the rows');
    is(client()->delete($path)->{status}, 403, 'there is no redirect to the login page');
}
my ($ada, $remembered, $browser) = visitor();
my $token = { 'x-csrf-token' => $ada->{csrf_token} };
like($browser->request('DELETE', '/if-proxy?a=1', $token)->{content}, qr{^DELETE /if-proxy\?a=1$}m, 'an if with a handler of its own');
is($browser->request('DELETE', '/denied', $token)->{status}, 403, 'nginx itself may refuse');
is($browser->request('DELETE', '/sub', $token)->{status}, 403, 'a subrequest');
my $answer = $browser->delete('/page', {});
is("$answer->{status} $answer->{content}", "200 the form has grown old\n", 'error_page 403');
is($browser->get('/page')->{content}, "the form has grown old\n", 'error_page 405');
is($browser->request('DELETE', '/by-error', $token)->{status}, 405, 'error_page to it is a GET');
is(alive($ada, $remembered), 2, 'nothing has changed');



=== TEST 12: a condition on the user does not keep a row alive
--- http_config eval: sigra_http_config(where => 'u.confirmed_at IS NOT NULL') . echo_upstream()
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
my ($ada, $remembered, $browser) = visitor(columns => { confirmed_at => undef });
is($browser->get('/private')->{status}, 401, 'not in');
is_logged_out($browser->delete('/log-out', { _csrf_token => $ada->{csrf_token} }), $browser, 'out');
is(alive($ada, $remembered), 0, 'the rows');



=== TEST 13: the redirect of a log-out cannot be changed by the client
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
for ('//evil.example', '/\evil.example', 'https://evil.example', "/\r\nSet-Cookie: a=b") {
    my $ada = authenticated_fixture(session => { user_return_to => $_ });
    my $browser = client()->use_cookie($ada->{cookie});
    my $query = $_ =~ s/([^\w])/sprintf '%%%02x', ord $1/ger;
    my $answer = $browser->delete("/log-out?to=$query&return_to=$query", { _csrf_token => $ada->{csrf_token}, to => $_ }, { referer => 'https://evil.example/' });
    is_logged_out($answer, $browser, $query);
}



=== TEST 14: a database that does not answer in time
--- http_config eval: sigra_http_config(postgres => 'timeout=5s')
--- config eval: $::locations =~ s{location /private.*}{}r
--- request
GET /log-out
--- error_code: 405
--- timeout: 30
--- flow
my ($ada, $remembered, $browser) = visitor();
my $lock = hold_lock('users_tokens');
my $answer = $browser->delete('/log-out', { _csrf_token => $ada->{csrf_token} });
is("$answer->{status} $answer->{headers}{'retry-after'} " . keys %{ $answer->{cookies} }, '503 2 0', 'still logged in');
await { !db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')) } 'the end of the statement';
$lock->rollback;
is(alive($ada, $remembered), 2, 'and so it is');
# A server that is known to be down is not waited for.
await {
    $answer = $browser->delete('/log-out', { _csrf_token => $ada->{csrf_token} });
    $answer->{status} != 503;
} 'PostgreSQL, known to be back';
is_logged_out($answer, $browser, 'when it is back');
--- error_log
auth_sigra



=== TEST 15: every nginx is told, and never the token itself
--- http_config eval: $::http
--- config
location = /log-out { auth_sigra_logout; }
location = /silent { auth_sigra_logout; auth_sigra_revocation_channel off; }
location = /everywhere { auth_sigra_logout everywhere; auth_sigra_revocation_channel elsewhere; }
--- request
GET /log-out
--- error_code: 405
--- flow
my $listener = Sigra::Fixture::connect_to(database()->{name}, 'sigra');
$listener->do("LISTEN $_") for qw(auth_sigra_revoked elsewhere);
my $heard = sub {
    my @heard;
    $listener->do('SELECT 1');
    while (my $notify = $listener->pg_notifies) { push @heard, "$notify->[0] $notify->[2]" }
    return [sort @heard];
};
my ($ada, $remembered, $browser) = visitor();
is($browser->post('/log-out', { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'logged out');
is_deeply($heard->(), [sort map { "auth_sigra_revoked $_->{token_hash}" } $ada, $remembered], 'both tokens');
($ada, $remembered, $browser) = visitor();
is($browser->post('/silent', { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'logged out without a channel');
is_deeply($heard->(), [], 'silence');
($ada, $remembered, $browser) = visitor();
my $third = authenticated_fixture(user_id => $ada->{user_id});
is($browser->post('/everywhere', { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'logged out everywhere');
is_deeply($heard->(), [sort map { "elsewhere $_->{token_hash}" } $ada, $remembered, $third], 'all of them, on another channel');



=== TEST 16: everywhere, and the client leaves at once
--- http_config eval: $::http
--- config
location = /log-out { auth_sigra_logout everywhere; }
--- request
GET /log-out
--- error_code: 405
--- flow
my $request = sub {
    my ($ada) = @_;
    return join "\r\n", 'DELETE /log-out HTTP/1.1', 'Host: localhost', $ada->{header}, "X-CSRF-Token: $ada->{csrf_token}", 'Content-Length: 0', '', '';
};
for my $way ('before its request is read', 'while the user is looked up') {
    my ($ada, $remembered) = visitor();
    my $lock = hold_lock();
    if ($way =~ /read/) {
        while_stopped { wire($request->($ada))->leave };
        await_lookup();
    } else {
        my $wire = wire($request->($ada));
        await_lookup();
        $wire->leave;
    }
    $lock->rollback;
    await { !alive($ada, $remembered) } "the end of all sessions, left $way";
    pass($way);
}
