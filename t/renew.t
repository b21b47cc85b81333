# auth_sigra_renew: a new token for the current session, by a POST or by an application's X-Accel-Redirect.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Wire;

our $layouts = make_layouts('renew', <<'END');
location = PATH/renew { auth_sigra_renew; }
location = PATH/confirm { auth_sigra_renew authenticated; internal; }
location = PATH/application { proxy_pass http://application/confirm?PATH/confirm; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
use_layout('sigra');
our $http     = sigra_http_config() . echo_upstream();
our $remember = remember_me_cookie_name;

# An application that answers with X-Accel-Redirect to the path in the query, and with the cookies that the client asks
# for.
our $application = <<'END';
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock;
    location / { add_header X-Accel-Redirect $args always; add_header Set-Cookie $http_x_session; add_header Set-Cookie $http_x_other; return 200; }
    location /missing { add_header X-Accel-Redirect $args always; return 404; }
}
upstream application { server unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock; }
END
our $locations = <<'END';
location = /renew { auth_sigra_renew; }
location = /confirm { auth_sigra_renew authenticated; }
location = /inside { internal; auth_sigra_renew authenticated; }
END

sub authenticated_at { my ($row) = @_; return exists $row->{sudo_at} ? $row->{sudo_at} : $row->{authenticated_at} }

# The token that the browser has after a renewal, in the form that is stored in its row.
sub new_row {
    my ($browser) = @_;
    my $text = $browser->session->{ database()->{singular} . '_token' };
    return session_row(database()->{layout} eq 'sigra_sessions' ? MIME::Base64::decode_base64url($text) : $text);
}

# Nothing was renewed: the row is unchanged, no cookie was set, and this is the answer.
sub is_refused {
    my ($answer, $fixture, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . (session_row($fixture) ? 'there' : 'gone'), "$status 0 there", $name);
}

sub target {
    my ($query, %headers) = @_;
    my $ada = authenticated_fixture();
    return client()->post("/renew$query", { _csrf_token => $ada->{csrf_token} }, { cookie => $ada->{cookie}, %headers });
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a POST, in every layout
--- http_config eval: echo_upstream() . $::application
--- config eval: $::layouts
--- request
GET /sigra/renew
--- error_code: 405
--- response_headers
Allow: POST
Cache-Control: no-store
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $key = database()->{singular};
    my $ada = authenticated_fixture(age => 7000, idle => 0, session => { other => tuple(atom('a'), integer(2**40), ['x']) });
    my $elsewhere = authenticated_fixture(user_id => $ada->{user_id});
    my $before = session_row($ada);
    my $browser = client()->use_cookie($ada->{cookie});
    my $answer = $browser->post("/$name/renew", { _csrf_token => $ada->{csrf_token} });
    is("$answer->{status} $answer->{headers}{location} $answer->{headers}{'cache-control'}", '302 / private, no-store', "$name: the answer");
    is(session_row($ada), undef, "$name: the old row is gone");
    ok(session_row($elsewhere), "$name: no other is");
    my $session = $browser->session;
    isnt($session->{"${key}_token"}, $ada->{token_text}, "$name: a new token");
    is($session->{live_socket_id}, live_socket_id($session->{"${key}_token"}, database()->{plural}), "$name: live_socket_id");
    is_deeply([map { encode_term($session->{$_}) } qw(other _csrf_token)], [map { encode_term($ada->{session}{$_}) } qw(other _csrf_token)], "$name: the other keys");
    is(keys %$session, 4, "$name: and no more");
    my $row = new_row($browser);
    is($row->{"${key}_id"}, $ada->{user_id}, "$name: the row");
    is(authenticated_at($row), authenticated_at($before), "$name: authenticated_at is kept");
    cmp_ok($row->{inserted_at}, 'gt', $before->{inserted_at}, "$name: its age starts again");
    is($answer->{cookies}{$::remember}, undef, "$name: without remember-me");
    is($browser->get("/$name/private")->{status}, 200, "$name: in");
    is(client()->get("/$name/private", { cookie => $ada->{cookie} })->{status}, 401, "$name: the old cookie no longer works");

    my $bob = authenticated_fixture(remember_me => 86400);
    $browser = client()->use_cookie($bob->{cookie}, $bob->{remember_cookie});
    $browser->post("/$name/renew", { _csrf_token => $bob->{csrf_token} });
    my $remembered = client()->use_cookie("$::remember=" . $browser->cookies->{$::remember});
    is($remembered->get("/$name/private")->{status}, 200, "$name: remember-me is rewritten");
    is($remembered->session->{"${key}_token"}, $browser->session->{"${key}_token"}, "$name: with the new token");
    is(client()->get("/$name/private", { cookie => $bob->{remember_cookie} })->{status}, 401, "$name: the old one no longer works");
}
use_layout('sigra');



=== TEST 2: an application's X-Accel-Redirect, in every layout
--- http_config eval: echo_upstream() . $::application
--- config eval: $::layouts
--- request
GET /sigra/confirm
--- error_code: 404
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $ada = authenticated_fixture(age => 7000, idle => 0);
    my $before = session_row($ada);
    for my $method (qw(GET POST)) {
        my $ada = authenticated_fixture(age => 7000, idle => 0, session => { auth_sigra_sudo => atom('true') });
        my $browser = client()->use_cookie($ada->{cookie});
        my $answer = $browser->request($method, "/$name/application", {}, $method eq 'POST' ? 'code=123456' : undef);
        is("$answer->{status} $answer->{headers}{location}", '302 /', "$name, $method: the answer");
        is(session_row($ada), undef, "$name: the old row is gone");
        is($browser->session->{auth_sigra_sudo}, undef, "$name: no more to confirm");
        my $row = new_row($browser);
        is(authenticated_at($row), database()->{name} =~ /_17/ ? undef : $row->{inserted_at} =~ s/\..*//r, "$name: authenticated now");
    }
    is(client()->get("/$name/confirm", { cookie => $ada->{cookie} })->{status}, 404, "$name: internal");
    is_deeply(session_row($ada), $before, "$name: from outside it has no effect");
}
use_layout('sigra');



=== TEST 3: where to
--- http_config eval: $::http
--- config eval: $::locations . 'auth_sigra_signed_in_url /home;'
--- request
POST /renew
--- error_code: 403
--- flow
for (['/a?b=c', '/a?b=c'], ['/', '/'], ['/a%20b', '/a%20b'],
    map { [$_ => '/home'] } '', '//evil', '///evil', '////evil/%2e%2e', '/\evil', '\\\\evil', '/%5cevil', '/a/\evil', "/\t/evil", '/%09/evil',
    "/\r\nSet-Cookie: a=b", "/\x0b/evil", "/\x0c/evil", "/\0/evil", '/./\evil', '/../\evil', '/.//evil', 'http://good\@evil', 'https://good@evil',
    'javascript:alert(1)', 'a', '?a=b', '/%0d%0aSet-Cookie:a=b',
) {
    my ($to, $expected) = @$_;
    my $answer = target('?to=' . $to =~ s/([^\w])/sprintf '%%%02x', ord $1/ger);
    is("$answer->{status} $answer->{headers}{location}", "302 $expected", 'to ' . $to =~ s/([^ -~])/sprintf '\x%02x', ord $1/ger);
}
is(target('')->{headers}{location}, '/home', 'no query');
is(target('?into=/a')->{headers}{location}, '/home', 'another name');
is(target('?to=/%2fevil')->{headers}{location}, '/home', 'encoded in part');
is(target('?x=1&to=/a&to=/b')->{headers}{location}, '/a', 'the first counts');
is(target('?to=/a%3fb', accept => 'application/json')->{content}, '{"redirect_to":"/a?b"}', 'JSON');
is(target('', 'x-requested-with' => 'XMLHttpRequest')->{content}, '{"redirect_to":"/home"}', 'XHR');



=== TEST 4: a user who is not logged in, or a request from another site
--- http_config eval: $::http
--- config eval: $::locations . 'auth_sigra_login_url /enter; auth_sigra on;'
--- request
GET /renew
--- error_code: 405
--- flow
my $state = csrf_state();
my $form = { _csrf_token => csrf_mask($state) };
my $dead = authenticated_fixture(age => 61 * 86400);
for my $session ({ _csrf_token => $state }, { _csrf_token => $state, user_token => 'x' x 32 }, { %{ $dead->{session} }, _csrf_token => $state }) {
    my $browser = client()->use_cookie(session_cookie($session));
    my $answer = $browser->post('/renew', $form);
    is("$answer->{status} $answer->{headers}{location}", '302 /enter', 'to the login page');
    is($browser->session->{phoenix_flash}{error}, 'You must log in to access this page.', 'which gives the reason');
    $answer = $browser->post('/renew', $form, { accept => 'application/json' });
    is("$answer->{status} $answer->{content}", '401 {"error":"You must log in to access this page."}', 'a program');
}
my $ada = authenticated_fixture();
my $browser = client()->use_cookie($ada->{cookie});
is_refused($browser->post('/renew', {}), $ada, 403, 'no CSRF token');
is_refused($browser->post('/renew', $form), $ada, 403, "another's");
is_refused($browser->post('/renew', { _csrf_token => $ada->{csrf_token} }, { origin => 'file://' }), $ada, 403, 'Origin: file://');
is_refused($browser->post('/renew', { _csrf_token => $ada->{csrf_token} }, { 'sec-fetch-site' => 'same-site' }), $ada, 403, 'same-site');
is_refused($browser->post('/renew', { _csrf_token => $ada->{csrf_token} }, { 'early-data' => 1 }), $ada, 425, 'early data');
is_refused($browser->post('/renew', 'x', { 'content-type' => 'text/plain' }), $ada, 415, 'text/plain');
is_refused($browser->request($_, '/renew', { 'x-csrf-token' => $ada->{csrf_token} }), $ada, 405, $_) for qw(GET HEAD PUT DELETE PATCH);

my $bob = authenticated_fixture(remember_me => 86400);
$browser = client()->use_cookie(session_cookie({ _csrf_token => $state }), $bob->{remember_cookie});
is($browser->post('/renew', $form)->{status}, 302, 'by remember-me');
ok($browser->session->{user_remember_me}, 'with a message in the session');
is(session_row($bob), undef, 'renewed');

my $eve   = authenticated_fixture();
my $other = authenticated_fixture(user_id => $eve->{user_id}, remember_me => 86400);
$browser = client()->use_cookie($eve->{cookie}, $other->{remember_cookie});
is($browser->post('/renew', { _csrf_token => $eve->{csrf_token} })->{status}, 302, 'with a remember-me cookie of another session of the same user');
ok(session_row($other), 'whose session is not renewed');



=== TEST 5: the session that the application sets is renewed
--- http_config eval: $::http . $::application
--- config eval
$::locations . 'location = /app { proxy_pass http://application/confirm?/confirm?to=/next; } location = /plain { proxy_pass http://application/?/renew; }'
--- request
GET /app
--- error_code: 302
--- flow
my $ada = authenticated_fixture(age => 7000);
my $new = session_cookie({ %{ $ada->{session} }, phoenix_flash => { info => 'Confirmed.' } });
my $browser = client()->use_cookie($ada->{cookie});
my $answer = $browser->get('/app', { 'x-session' => "$new; path=/; HttpOnly", 'x-other' => 'theme=dark; path=/' });
is("$answer->{status} $answer->{headers}{location}", '302 /next', 'the target in the query');
is($answer->{cookies}{_my_app_key}{count}, 1, 'one session cookie');
is($answer->{cookies}{theme}{value}, 'dark', "the application's other cookies");
is($browser->session->{phoenix_flash}{info}, 'Confirmed.', 'and its keys');
isnt($browser->session->{user_token}, $ada->{token}, 'a new token');

my $bob = authenticated_fixture();
$browser = client()->use_cookie($ada->{cookie});
$browser->get('/app', { 'x-session' => "$bob->{cookie}; path=/" });
is(new_row($browser)->{user_id}, $bob->{user_id}, 'another user, if the application says so');
is(session_row($bob), undef, 'whose old row is gone');

my $eve = authenticated_fixture(age => 7000);
my $before = session_row($eve)->{authenticated_at};
$browser = client()->use_cookie($eve->{cookie});
is($browser->get('/plain')->{status}, 302, 'without «authenticated»');
is(new_row($browser)->{authenticated_at}, $before, 'authenticated_at is kept');

is(client()->get('/app')->{headers}{location}, '/users/log-in', 'anonymous');
my $two = wire(join "\r\n", 'GET /app HTTP/1.1', 'Host: localhost', 'Cookie: a=b', 'Cookie: c=d', '', '')->answer;
is($two->{status}, 400, 'two Cookie headers');



=== TEST 6: only an upstream's X-Accel-Redirect confirms
--- http_config eval: $::http . $::application
--- config eval
$::locations . '
location = /rewrite { rewrite ^ /inside last; }
location = /try { try_files /none /inside; }
location = /error { error_page 404 /inside; root /none; }
location = /named { try_files /none @named; }
location @named { auth_sigra_renew authenticated; }
location = /stop { proxy_pass http://application/?/onwards; }
location = /onwards { rewrite ^ /inside last; }
location = /ignored { proxy_pass http://application/missing?/inside; proxy_ignore_headers X-Accel-Redirect; proxy_intercept_errors on; error_page 404 /inside; }
location = /sub { auth_request /inside; }
location = /index/ { index inside; }
'
--- user_files
>>> sub
sub
--- request
GET /inside
--- error_code: 404
--- flow
for my $path (qw(/rewrite /try /named /confirm)) {
    my $ada = authenticated_fixture(age => 7000);
    my $before = session_row($ada)->{authenticated_at};
    my $browser = client()->use_cookie($ada->{cookie});
    is_refused($browser->get($path), $ada, 405, "GET $path");
    is_refused($browser->get($path, { 'x-accel-redirect' => '/inside' }), $ada, 405, 'whatever the client sends');
    is_refused($browser->post($path, {}), $ada, 403, "POST $path");
    is($browser->post($path, { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'with the CSRF token');
    is(new_row($browser)->{authenticated_at}, $before, 'authenticated_at is kept');
}
for my $path (qw(/error /stop /ignored)) {
    my $ada = authenticated_fixture(age => 7000);
    my $browser = client()->use_cookie($ada->{cookie});
    is_refused($browser->get($path), $ada, 405, "GET $path");
    is_refused($browser->post($path, { _csrf_token => $ada->{csrf_token} }), $ada, 405, "POST $path, which becomes a GET");
}
my $ada = authenticated_fixture();
is_refused(client()->use_cookie($ada->{cookie})->get('/sub'), $ada, 403, 'a subrequest');



=== TEST 7: two at once
--- http_config eval: sigra_http_config(postgres => 'timeout=60s')
--- config eval: $::locations . 'location = /status { stub_status; }'
--- request
GET /renew
--- error_code: 405
--- timeout: 30
--- flow
my $first = authenticated_fixture();
is(client()->post('/renew', { _csrf_token => $first->{csrf_token} }, { cookie => $first->{cookie} })->{status}, 302, 'the connection is open');
my $ada = authenticated_fixture();
my $body = '_csrf_token=' . $ada->{csrf_token};
my $request = join "\r\n", 'POST /renew HTTP/1.1', 'Host: localhost', $ada->{header}, 'Content-Type: application/x-www-form-urlencoded',
    'Content-Length: ' . length $body, '', $body;
my $lock = db()->clone({ AutoCommit => 0 });
$lock->do('LOCK TABLE users_tokens IN SHARE MODE');
my $users = hold_lock();
my @wires = map { wire($request) } 1 .. 2;
await_requests('/status', 2);
$users->rollback;    # both are looked up, in one query
await { db()->selectrow_array(q(SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users_tokens'::regclass)) } 'a renewal';
$lock->rollback;
my @answers = sort { $a->{headers}{location} cmp $b->{headers}{location} } map { $_->answer } @wires;
is_deeply([map { "$_->{status} $_->{headers}{location}" } @answers], ['302 /', '302 /users/log-in'], 'one wins');
like($answers[0]{headers}{'set-cookie'}, qr/^_my_app_key=/, 'and has the session');
is($answers[1]{headers}{'set-cookie'}, undef, "which the other's answer does not undo");
is(scalar db()->selectrow_array('SELECT count(*) FROM users_tokens WHERE user_id = ?', undef, $ada->{user_id}), 1, 'one row');



=== TEST 8: PostgreSQL out of reach
--- http_config eval: sigra_http_config(postgres => 'timeout=5s') . $::application
--- config eval: $::locations . 'location = /app { proxy_pass http://application/?/confirm; }'
--- request
GET /renew
--- error_code: 405
--- timeout: 30
--- flow
my $ada = authenticated_fixture();
my $browser = client()->use_cookie($ada->{cookie});
my $lock = db()->clone({ AutoCommit => 0 });
for my $mode ('SHARE', 'ACCESS EXCLUSIVE') {
    $lock->do("LOCK TABLE users_tokens IN $mode MODE");
    for my $answer ($browser->post('/renew', { _csrf_token => $ada->{csrf_token} }), $browser->get('/app')) {
        is("$answer->{status} $answer->{headers}{'retry-after'} $answer->{headers}{'cache-control'} " . keys %{ $answer->{cookies} }, '503 2 no-store 0', $mode);
    }
    $lock->rollback;
}
ok(session_row($ada), 'the row exists');
is($browser->post('/renew', { _csrf_token => $ada->{csrf_token} })->{status}, 302, 'and renewed when it is back');
--- error_log
auth_sigra
