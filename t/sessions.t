# auth_sigra_sessions: lists a user's sessions, and ends them.

use Test::Nginx::Socket 'no_plan';
use JSON::PP qw(decode_json);
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Nginx ();
use Sigra::Wire;

our $locations = <<'END';
location PATH/sessions { auth_sigra_sessions; }
location = PATH/log-out { auth_sigra_logout; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
our $layouts = make_layouts('sessions', $locations);
use_layout('sigra');
our $http  = sigra_http_config() . echo_upstream();
our $plain = $locations =~ s/PATH//gr;

# A user with a session here, and other sessions elsewhere.
sub visitor {
    my ($elsewhere, %option) = @_;
    my $ada = authenticated_fixture(%option);
    my @same = (user_id => $ada->{user_id}, email => $ada->{email});
    return ($ada, client()->use_cookie($ada->{cookie}), map { authenticated_fixture(@same, age => $_ * 60) } 1 .. $elsewhere);
}

sub list {
    my ($browser, $path, %headers) = @_;
    my $answer = $browser->get($path // '/sessions', \%headers);
    my $json = ($answer->{headers}{'content-type'} // '') eq 'application/json' ? decode_json($answer->{content}) : undef;
    return ($answer, $json);
}

sub ids { my ($json) = @_; return join ' ', map { $_->{id} . ($_->{current} ? '*' : '') } @{ $json->{sessions} } }

sub alive { return scalar grep { session_row($_) } @_ }

# As a script does.
sub end_session {
    my ($browser, $id, $csrf, $path, %headers) = @_;
    return $browser->request('DELETE', ($path // '/sessions') . "/$id", { 'x-csrf-token' => $csrf, %headers });
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the list, in every layout
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/sessions
--- error_code: 401
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"error":"You must log in to access this page."}
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $sessions = database()->{layout} eq 'sigra_sessions';
    my $moment = qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
    my $ada = authenticated_fixture(age => 3600, $sessions ? (row => { ip => '192.0.2.1', user_agent => "<b>\x{c3}\x{a9}" }) : ());
    my @same = (user_id => $ada->{user_id}, email => $ada->{email});
    my $newer = authenticated_fixture(@same, age => 1800);
    my $older = authenticated_fixture(@same, age => 7200, idle => 60);
    # None of these is a live session.
    authenticated_fixture();
    authenticated_fixture(@same, age => 90 * 86_400);
    if ($sessions) {
        authenticated_fixture(@same, type => 'mfa_pending');
        authenticated_fixture(@same, idle => 1860);
    } else {
        authenticated_fixture(@same, context => $_, sent_to => $ada->{email}) for qw(reset_password confirm change:a@b.c login api-token lockout);
    }
    my $browser = client()->use_cookie($ada->{cookie});
    my ($answer, $json) = main::list($browser, "/$name/sessions");
    is("$answer->{status} $answer->{headers}{'cache-control'}", '200 no-store', "$name: the answer");
    is_deeply($answer->{cookies}, {}, "$name: no cookie is set");
    is(main::ids($json), "$newer->{session_id} $ada->{session_id}* $older->{session_id}", "$name: newest first");
    is_deeply([sort keys %$json], [qw(csrf_token sessions)], "$name: its keys");
    my $own = $json->{sessions}[1];
    is_deeply([sort keys %$own], [qw(authenticated_at created_at current expires_at id ip last_active_at user_agent)], "$name: a session's keys");
    like($answer->{content}, qr/"id":"\Q$own->{id}\E"/, "$name: an id is a text");
    like($own->{created_at}, $moment, "$name: created_at");
    like($own->{expires_at}, $moment, "$name: expires_at");
    my $known = database()->{name} !~ /_17$/;
    like($own->{authenticated_at} // '', $known ? $moment : qr/^$/, "$name: authenticated_at");
    like($own->{last_active_at} // '', $sessions ? $moment : qr/^$/, "$name: last_active_at");
    is_deeply([@$own{qw(ip user_agent)}], $sessions ? ['192.0.2.1', "<b>\x{e9}"] : [undef, undef], "$name: where and with what");
    for my $secret ($ada, $newer, $older) {
        ok(index($answer->{content}, $_) < 0, "$name: no part of a token or its hash")
            for substr($secret->{token_hash}, 0, 16), substr($secret->{stored_hex}, 0, 16), substr($secret->{text} // $secret->{cookie}, -40);
    }
    is(main::end_session($browser, $older->{session_id}, $json->{csrf_token}, "/$name/sessions")->{status}, 204, "$name: the token is good for an end");
}
use_layout('sigra');



=== TEST 2: ending a session, in every layout
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
DELETE /sigra/sessions/1
--- error_code: 403
--- response_headers
Cache-Control: no-store
--- flow
for my $name (layouts()) {
    use_layout($name);
    my ($ada, $browser, $one, $two) = main::visitor(2);
    my ($eve, $other) = main::visitor(0);
    my $at = "/$name/sessions";
    my $csrf = $ada->{csrf_token};
    is(client()->get("/$name/private", { cookie => $one->{cookie} })->{status}, 200, "$name: in");
    for my $id ($eve->{session_id}, 0, 4711, '0c7d1f8e-0000-4000-8000-000000000000', 'x', "$one->{session_id}%20", "%ff",
        'a' x 129, $one->{session_hex16}, '', "$one->{session_id}/")
    {
        my $answer = main::end_session($browser, $id, $csrf, $at);
        is("$answer->{status} $answer->{content}", '404 {"error":"There is no such session."}', "$name: 404 for $id");
        is_deeply($answer->{cookies}, {}, "$name: and no cookie");
    }
    for my $id ($eve->{session_id}, '', "%00$one->{session_id}", "$one->{session_id}%00", "+$one->{session_id}") {
        is($browser->request('DELETE', "$at/$one->{session_id}?id=$id", { 'x-csrf-token' => $csrf })->{status}, 404, "$name: ?id=$id");
    }
    is(main::alive($ada, $one, $two, $eve), 4, "$name: nothing has changed");
    my $answer = main::end_session($browser, $one->{session_id}, $csrf, $at);
    is("$answer->{status} " . ($answer->{content} // '') . " $answer->{headers}{'cache-control'}", '204  no-store', "$name: the answer");
    is_deeply($answer->{cookies}, {}, "$name: no cookie");
    is(main::alive($one), 0, "$name: the row");
    is(main::alive($ada, $two, $eve), 3, "$name: no other");
    is(client()->get("/$name/private", { cookie => $one->{cookie} })->{status}, 401, "$name: out");
    is($browser->get("/$name/private")->{status}, 200, "$name: the asker is not");
    is(main::end_session($browser, $one->{session_id}, $csrf, $at)->{status}, 404, "$name: once is enough");
    is($browser->request('DELETE', "$at?id=$two->{session_id}", { 'x-csrf-token' => $csrf })->{status}, 204, "$name: the argument id");
    is(main::alive($two), 0, "$name: the row");
}
use_layout('sigra');
--- no_error_log
[error]



=== TEST 3: a form
--- http_config eval: $::http
--- config eval: $::plain
--- request
POST /sessions
--- error_code: 403
--- flow
my ($ada, $browser, @others) = main::visitor(6);
my $post = sub {
    my ($id, $path, %form) = @_;
    return $browser->post("/sessions/$id$path", { _csrf_token => $ada->{csrf_token}, _method => 'delete', %form }, { accept => 'text/html' });
};
for (['', '/'], ['?to=/account', '/account'], ['?to=%2Faccount%3Fa%3Db', '/account?a=b'], ['?to=https://evil.example/', '/'], ['?to=//evil.example/', '/']) {
    my ($path, $url) = @$_;
    my $other = shift @others;
    my $answer = $post->($other->{session_id}, $path);
    is("$answer->{status} $answer->{headers}{location}", "302 $url", "back: $path");
    is(main::alive($other), 0, 'the row');
    is_deeply($answer->{cookies}, {}, 'no cookie');
}
my ($other) = @others;
my $answer = $post->(4711, '');
is($answer->{status}, 404, 'no such session');
like($answer->{headers}{'content-type'}, qr{^text/html}, 'a page shows it');
for my $method (qw(put get post patch), '') {
    $answer = $post->($other->{session_id}, '', _method => $method);
    is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD, POST, DELETE', "_method=$method");
}
is(main::alive($other), 1, 'nothing has changed');
$answer = $browser->post("/sessions/$other->{session_id}", { _csrf_token => $ada->{csrf_token}, _method => 'DELETE' }, { accept => 'application/json' });
is("$answer->{status} " . ($answer->{headers}{location} // ''), '204 ', 'a program is not sent anywhere');
is(main::alive($other), 0, 'the row');



=== TEST 4: CSRF, and requests from another site
--- http_config eval: $::http
--- config eval: $::plain
--- request
DELETE /sessions/1
--- error_code: 403
--- flow
my ($ada, $browser, $other) = main::visitor(1);
my $eve = authenticated_fixture();
my $id = $other->{session_id};
for (['none', {}, {}], ["another's", { _csrf_token => $eve->{csrf_token} }, {}], ['a wrong header', {}, { 'x-csrf-token' => $eve->{csrf_token} }],
    ['the state itself', { _csrf_token => $ada->{csrf_state} }, {}], ['from the same origin', {}, { 'sec-fetch-site' => 'same-origin' }],
    ['from elsewhere', { _csrf_token => $ada->{csrf_token} }, { 'sec-fetch-site' => 'cross-site' }],
    ['by Origin', { _csrf_token => $ada->{csrf_token} }, { origin => 'https://evil.example' }],
) {
    my ($name, $form, $headers) = @$_;
    for my $method (qw(post delete)) {
        my $answer = $browser->$method("/sessions/$id", { _method => 'delete', %$form }, $headers);
        is("$answer->{status} " . keys %{ $answer->{cookies} }, '403 0', "$method, $name");
    }
}
is($browser->request('DELETE', "/sessions/$id?_csrf_token=$ada->{csrf_token}", {})->{status}, 403, 'in the query');
for my $headers ({ 'sec-fetch-site' => 'cross-site' }, { 'sec-fetch-site' => 'same-site' }, { origin => 'https://evil.example' }) {
    is((main::list($browser, '/sessions', %$headers))[0]{status}, 403, 'the list: ' . join ' ', %$headers);
}
is(main::alive($other), 1, 'nothing has changed');
is(main::end_session($browser, $id, $ada->{csrf_token}, undef, 'sec-fetch-site' => 'same-origin')->{status}, 204, 'from here');



=== TEST 5: not logged in
--- http_config eval: $::http
--- config eval: $::plain . 'location = /cookie { auth_sigra_sessions; auth_sigra_unauthenticated redirect; }'
--- request
GET /cookie
--- more_headers
Accept: text/html
--- error_code: 401
--- flow
my $state = csrf_state();
my $form = { _csrf_token => csrf_mask($state), _method => 'delete' };
my $browser = client()->use_cookie(session_cookie({ _csrf_token => $state }));
my $other = authenticated_fixture();
my $answer = main::end_session($browser, $other->{session_id}, $form->{_csrf_token});
is("$answer->{status} $answer->{content}", '401 {"error":"You must log in to access this page."}', 'DELETE');
$answer = $browser->post("/sessions/$other->{session_id}", $form, { accept => 'text/html' });
is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', "a person's form");
is($browser->session->{phoenix_flash}{error}, 'You must log in to access this page.', 'with a flash');
my $dead = authenticated_fixture(age => 90 * 86_400);
$answer = main::end_session(client()->use_cookie($dead->{cookie}), $dead->{session_id}, $dead->{csrf_token});
is($answer->{status}, 401, 'a session that has expired');
is(main::alive($other, $dead), 2, 'nothing has changed');



=== TEST 6: ending the current session is a log-out
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/sessions
--- error_code: 401
--- flow
my $cleared = sub { my ($answer, $name) = @_; my $cookie = $answer->{cookies}{$name}; return $cookie && $cookie->{value} eq '' && $cookie->{'max-age'} eq '0' };
for my $name (layouts()) {
    use_layout($name);
    my ($ada, $browser, $other) = main::visitor(1);
    my $remembered = authenticated_fixture(user_id => $ada->{user_id}, email => $ada->{email}, remember_me => 86_400);
    $browser->use_cookie($remembered->{remember_cookie});
    my $kept = { %{ $browser->cookies } };
    my $answer = main::end_session($browser, $ada->{session_id}, $ada->{csrf_token}, "/$name/sessions");
    is($answer->{status}, 204, "$name: DELETE");
    ok($cleared->($answer, $_), "$name: $_ is cleared") for session_cookie_name, remember_me_cookie_name;
    like($answer->{headers}{'clear-site-data'}, qr/prefetchCache/, "$name: prefetched pages are cleared");
    is(main::alive($ada, $remembered), 0, "$name: the rows of both cookies");
    is(main::alive($other), 1, "$name: no other");
    is(client(cookies => $kept)->get("/$name/private")->{status}, 401, "$name: out");

    ($ada, $browser, $other) = main::visitor(1);
    $answer = $browser->post("/$name/sessions/$ada->{session_id}?to=/account", { _csrf_token => $ada->{csrf_token}, _method => 'delete' }, { accept => 'text/html' });
    is("$answer->{status} $answer->{headers}{location}", '302 /', "$name: a form redirects as a log-out does");
    is_deeply($browser->session, { phoenix_flash => { info => 'Logged out successfully.' } }, "$name: the session");
    ok($cleared->($answer, remember_me_cookie_name), "$name: remember-me");
    is(main::alive($ada), 0, "$name: the row");
}
use_layout('sigra');



=== TEST 7: methods, and a gate with conditions
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_sudo 1m;
location /sessions { auth_sigra_sessions; }
--- request
PUT /sessions/1
--- error_code: 405
--- response_headers
Allow: GET, HEAD, POST, DELETE
Cache-Control: no-store
--- flow
my ($ada, $browser, $other) = main::visitor(1, age => 3600);
for my $method (qw(PUT PATCH OPTIONS PROPFIND)) {
    my $answer = $browser->request($method, "/sessions/$other->{session_id}", { 'x-csrf-token' => $ada->{csrf_token} });
    is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD, POST, DELETE', $method);
}
my $answer = $browser->request('HEAD', '/sessions', {});
is("$answer->{status} $answer->{headers}{'content-type'} " . ($answer->{content} // ''), '200 application/json ', 'HEAD');
is(main::ids((main::list($browser))[1]), "$other->{session_id} $ada->{session_id}*", 'not fresh, but listed all the same');
is(main::alive($ada, $other), 2, 'nothing has changed');



=== TEST 8: by a remember-me cookie
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/sessions
--- error_code: 401
--- flow
for my $name (qw(sigra phx sessions)) {
    use_layout($name);
    my $ada = authenticated_fixture(remember_me => 86_400);
    my $other = authenticated_fixture(user_id => $ada->{user_id}, age => 60);
    my $browser = client()->use_cookie($ada->{remember_cookie});
    my ($answer, $json) = main::list($browser, "/$name/sessions");
    is(main::ids($json), "$ada->{session_id}* $other->{session_id}", "$name: the list");
    is(join(' ', sort keys %{ $answer->{cookies} }), session_cookie_name, "$name: a session begins");
    is(main::end_session($browser, $other->{session_id}, $json->{csrf_token}, "/$name/sessions")->{status}, 204, "$name: with that token");
    is(main::alive($other), 0, "$name: the row");
    if ($name eq 'sessions') {
        # A row with remember-me is valid for that time.
        authenticated_fixture(user_id => $ada->{user_id}, age => 10 * 86_400);
        my $kept = authenticated_fixture(user_id => $ada->{user_id}, age => 10 * 86_400, remember_me => 86_400);
        (undef, $json) = main::list($browser, "/$name/sessions");
        is(main::ids($json), "$ada->{session_id}* $kept->{session_id}", "$name: by its type");
    }
}
use_layout('sigra');



=== TEST 9: by an API token
--- http_config eval: echo_upstream()
--- config eval: $::layouts =~ s/auth_sigra_sessions;/auth_sigra_sessions; auth_sigra_bearer on;/gr
--- request
GET /sigra/sessions
--- more_headers
Authorization: Bearer nonsense
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token"
--- flow
for my $name (qw(sigra phx sessions)) {
    use_layout($name);
    my ($ada, undef, $one) = main::visitor(1);
    my $eve = authenticated_fixture();
    my $token = api_token_fixture(user_id => $ada->{user_id}, email => $ada->{email});
    my %bearer = (authorization => "Bearer $token->{text}");
    my ($answer, $json) = main::list(client(), "/$name/sessions", %bearer);
    is(main::ids($json), "$ada->{session_id} $one->{session_id}", "$name: none is the asker's own");
    is($json->{csrf_token}, undef, "$name: nor is there a CSRF token");
    # Nor with a cookie as well.
    is(main::ids((main::list(client()->use_cookie($ada->{cookie}), "/$name/sessions", %bearer))[1]), "$ada->{session_id} $one->{session_id}", "$name: the token counts");
    is(main::end_session(client(), $eve->{session_id}, '', "/$name/sessions", %bearer)->{status}, 404, "$name: another's");
    my $browser = client()->use_cookie($ada->{cookie});
    $answer = main::end_session($browser, $ada->{session_id}, '', "/$name/sessions", %bearer);
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '204 0', "$name: an end, and no cookie");
    is(main::alive($ada), 0, "$name: the row");
    is(main::alive($one, $eve), 2, "$name: no other");
    # No cookie is set, whatever else is requested: a cookie that is sent does not belong to the token.
    my ($bob, $bobs_browser, $other) = main::visitor(1);
    for (['nonsense', 401], [$token->{text}, 404]) {
        my ($text, $status) = @$_;
        $answer = $bobs_browser->post("/$name/sessions/$other->{session_id}", { _method => 'delete' }, { accept => 'text/html', authorization => "Bearer $text" });
        is("$answer->{status} $answer->{headers}{'content-type'} " . keys %{ $answer->{cookies} }, "$status application/json 0", "$name: a form with $status");
    }
    is(main::end_session($bobs_browser, $other->{session_id}, '', "/$name/sessions")->{status}, 403, "$name: without one, CSRF is required");
}
use_layout('sigra');



=== TEST 10: no database
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra')
--- config eval: $::plain =~ s/^location .*private.*$//mr
--- request
GET /sessions
--- more_headers eval: authenticated_fixture()->{header}
--- error_code: 503
--- response_headers
Retry-After: 2
Cache-Control: no-store
--- error_log
cannot connect
--- flow
my ($ada, $browser, $other) = main::visitor(1);
my $answer = main::end_session($browser, $other->{session_id}, $ada->{csrf_token});
is("$answer->{status} $answer->{headers}{'retry-after'} " . keys %{ $answer->{cookies} }, '503 2 0', 'an end');
is(main::alive($other), 1, 'which it is not');



=== TEST 11: in a subrequest
--- http_config eval: $::http
--- config
location /sessions { auth_sigra_sessions; }
location = /page { ssi on; alias html/page; }
--- user_files
>>> page
[<!--# include virtual="/sessions" -->]
--- request
GET /page
--- more_headers eval: authenticated_fixture()->{header}
--- response_body_unlike: created_at



=== TEST 12: unknown parameters
--- http_config eval: $::http
--- config
location /sessions { auth_sigra_sessions all; }
--- must_die
--- error_log
invalid number of arguments in "auth_sigra_sessions"



=== TEST 13: with another endpoint
--- http_config eval: $::http
--- config
location /sessions { auth_sigra_session; auth_sigra_sessions; }
--- must_die
--- error_log
the location has "auth_sigra_session" already; give each a location of its own



=== TEST 14: with proxy_pass
--- http_config eval: $::http
--- config
location /sessions { auth_sigra_sessions; proxy_pass http://127.0.0.1:1; }
--- must_die
--- error_log
"auth_sigra_sessions" shares its location with another directive that answers requests



=== TEST 15: no database is configured
--- config
location /sessions { auth_sigra_sessions; }
--- must_die
--- error_log
"auth_sigra_postgres"



=== TEST 16: the client leaves at once
--- http_config eval: $::http
--- config eval: $::plain
--- request
GET /private
--- error_code: 401
--- flow
my ($ada, undef, $other) = main::visitor(1);
my $lock = hold_lock();
while_stopped {
    wire(join "\r\n", "DELETE /sessions/$other->{session_id} HTTP/1.1", 'Host: localhost', $ada->{header},
        "X-CSRF-Token: $ada->{csrf_token}", 'Content-Length: 0', '', '')->leave;
};
await_lookup();
$lock->rollback;
await { !main::alive($other) } 'the end of the session';
is(main::alive($ada), 1, 'only the one that was chosen has ended');



=== TEST 17: at once on every worker, with a cache without notifications
--- config
--- request
GET /
--- timeout: 240
--- flow
fresh_database('sigra', name => 'sessions_cached');
my $nginx = Sigra::Nginx->new(
    workers => 2, files => { page => 'for ada' },
    http    => sigra_http_config(extra => "auth_sigra_unauthenticated status;\nauth_sigra_revocation_channel off;\nauth_sigra_cache zone=sessions:1m ttl=1h require_listen=off;"),
    server  => "add_header X-Status \"\$auth_sigra_status\" always; add_header X-Pid \$pid always; location /sessions { auth_sigra_sessions; } location / { auth_sigra on; root html; }",
);
my $port = $nginx->port;
# What each worker answers.
my $everywhere = sub {
    my ($fixture) = @_;
    my %said;
    await {
        my $answer = client(port => $port)->get('/page', { cookie => $fixture->{cookie} });
        push @{ $said{ $answer->{headers}{'x-pid'} } }, "$answer->{status} $answer->{headers}{'x-status'}";
        keys %said == 2;
    } 'an answer of either worker';
    return join ', ', sort keys %{ { map { $_ => 1 } map { @$_ } values %said } };
};
for (1 .. 5) {
    my ($ada, undef, $other) = main::visitor(1);
    my $browser = client(port => $port)->use_cookie($ada->{cookie});
    await { $everywhere->($other) eq '200 hit' } 'a hit on both';
    is(main::end_session($browser, $other->{session_id}, $ada->{csrf_token})->{status}, 204, 'an end');
    is($everywhere->($other), '401 unknown', 'out on both at once');
    is($browser->get('/page')->{status}, 200, 'the current session passes');
}
is($nginx->stop, 0, 'the end');
