# Logins that an application behind nginx may parse differently, and that could so bypass the lockout and the second
# factor.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => "auth_sigra_password_checks floor=1ms;\nauth_sigra_password_hash argon2id m=8 t=1 p=1;");
user_fixture(email => 'eve@example.com', password => 'eves own one');
user_fixture(email => 'ada@example.com', password => 'correct horse');
our $handing_over = 'location = /users/log-in { auth_sigra_login fallback=@app; } location @app { return 200 "handed over\n"; }';
our $cached = sigra_http_config(extra => 'auth_sigra_unauthenticated status; auth_sigra_cache zone=z:1m require_listen=off; auth_sigra_revocation_channel off;')
    . echo_upstream();
our $application = <<'END';
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock;
    location / { add_header X-Accel-Redirect $arg_to; add_header Set-Cookie $http_x_session; return 200; }
}
upstream application { server unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock; }
END

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: with a fallback: one email, one password, and none in the query
--- http_config eval: $::http
--- config eval: $::handing_over
--- request
GET /users/log-in
--- error_code: 200
--- timeout: 60
--- flow
my $browser = client(timeout => 120);
my ($token) = $browser->get('/users/log-in')->{content} =~ /name="_csrf_token" value="([^"]+)/;
my $status = sub {
    my ($path, $type, $body) = @_;
    return $browser->post($path, $body, { 'content-type' => $type, 'x-csrf-token' => $token })->{status};
};
my ($form, $json) = ('application/x-www-form-urlencoded', 'application/json');
my $part = sub { map { ('--X', "Content-Disposition: form-data; $_->[0]", '', $_->[1]) } @_ };
my $multipart = sub { join "\r\n", $part->(@_), '--X--', '' };
for my $case (
    ['a password in the query', '?user[email]=ada@example.com&user[password]=guess', $form, 'a=b'],
    ['the same, flat', '?password=guess', $form, 'email=ada@example.com'],
    ['two names for one password', '', $form, 'user[email]=ada@example.com&user[password]=guess&password=x'],
    ['two emails', '?_action=registered', $form, 'user[email]=ada@example.com&user[password]=guess&email=eve@example.com&password=eves+own+one'],
    ['JSON: null for the flat name', '', $json, '{"user":{"email":"ada@example.com","password":"guess"},"password":null}'],
    ['JSON: equal names', '', $json, '{"user":{"email":"ada@example.com","password":"guess","password":null}}'],
    ['multipart: a name twice', '', 'multipart/form-data; boundary=X', $multipart->(['name="x"; name="user[password]"', 'guess'])],
    ['multipart: a backslash', '', 'multipart/form-data; boundary=X', $multipart->(['name="user[pass\\word]"', 'guess'])],
    ['multipart: two boundaries', '', 'multipart/form-data; boundary=X; boundary=Y', $multipart->(['name="x"', 'guess'])],
) {
    my ($name, $query, $type, $body) = @$case;
    like($status->("/users/log-in$query", $type, $body), qr/^(?:400|415)$/, $name);
}
is($status->('/users/log-in', $form, 'user[email]=ada@example.com'), 200, 'an email alone is handed over');
is($status->('/users/log-in?a=b', $form, 'user[email]=ada@example.com&user[password]=guess'), 302, 'a guess is refused');
is($status->('/users/log-in', 'multipart/form-data; boundary=X', $multipart->(['name="user[email]"', 'ada@example.com'])), 200, 'multipart, an email alone');



=== TEST 2: a reissue gives way to the application's own session
--- http_config eval: $::http . echo_upstream() . $::application
--- config
auth_sigra_unauthenticated status;
location = /app { auth_sigra off; proxy_pass http://application/?to=/files; }
location = /files { internal; auth_sigra on; auth_sigra_reissue_age 1h; rewrite ^ /echo break; proxy_pass http://echo; }
--- request
GET /files
--- error_code: 404
--- flow
my $ada = authenticated_fixture(age => 7200);
my $before = session_row($ada)->{inserted_at};
my $browser = client()->use_cookie($ada->{cookie});
is($browser->get('/app', { 'x-session' => "$ada->{cookie}; path=/" })->{status}, 200, 'passes');
is($browser->session->{user_token}, $ada->{token}, 'the application has the last word');
is(session_row($ada)->{inserted_at}, $before, 'and its session continues');
is(db()->selectrow_array('SELECT count(*) FROM users_tokens WHERE user_id = ?', undef, $ada->{user_id}), 1, 'in one row');



=== TEST 3: a trusted origin's old form replaces no session
--- http_config eval: sigra_http_config(extra => 'auth_sigra_trusted_origins https://partner.example;')
--- config
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- error_code: 200
--- flow
my $answer = $client->post('/users/log-in', { email => 'a@b.c', password => 'x', _csrf_token => 'x' }, { origin => 'https://partner.example' });
is($answer->{status}, 403, 'refused');
is(keys %{ $answer->{cookies} }, 0, 'without a cookie');



=== TEST 4: a link on another site to the login page, with SameSite=Strict
--- http_config eval: $::http
--- config eval
'auth_sigra_session_cookie ' . session_cookie_name() . ' signing_salt=' . signing_salt() . ' same_site=Strict; location = /users/log-in { auth_sigra_login; }'
--- request
GET /users/log-in
--- more_headers
Sec-Fetch-Site: cross-site
Sec-Fetch-Mode: navigate
Sec-Fetch-Dest: document
Accept: text/html
--- error_code: 200
--- response_headers
! Set-Cookie
--- response_body_like: http-equiv="refresh" content="0"
--- flow
my $own = $client->get('/users/log-in', { 'sec-fetch-site' => 'same-origin' });
like($own->{content}, qr/name="_csrf_token"/, 'requested again by the page itself, it is the form');



=== TEST 5: a log-out whose client leaves ends the session in the cache as well
--- http_config eval: $::cached
--- config
location = /log-out { auth_sigra_logout; }
location = /status { stub_status; }
location /private { auth_sigra on; rewrite ^ /echo break; proxy_pass http://echo; }
--- request
GET /private
--- error_code: 401
--- timeout: 60
--- flow
my $ada = authenticated_fixture();
my $browser = client()->use_cookie($ada->{cookie});
is($browser->get('/private')->{status}, 200, 'in the cache');
my $lock = db()->clone({ AutoCommit => 0 });
$lock->do('LOCK TABLE users_tokens IN SHARE MODE');
my $wire = wire("POST /log-out HTTP/1.1\r\nHost: localhost\r\n$ada->{header}\r\nX-CSRF-Token: $ada->{csrf_token}\r\nContent-Length: 0\r\n\r\n");
await_lookup();
$wire->leave;
await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ } 'the client has left';
$lock->rollback;
await { !session_row($ada) } 'the row is gone';
await { $browser->get('/private')->{status} == 401 } 'and so is the entry';
is($browser->get('/private')->{status}, 401, 'logged out');
