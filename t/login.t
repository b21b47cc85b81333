# auth_sigra_login: a login with the right password, in every layout, by form and by JSON.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;
use JSON::PP;
use MIME::Base64 qw(decode_base64url);

our %layouts = (
    sigra => ['sigra'], phx => ['phx_gen_auth'], old => ['phx_gen_auth_17'], sessions => ['sigra_sessions'],
    uuid  => ['sigra', id => 'uuid'], sessions_uuid => ['sigra_sessions', id => 'uuid'],
    admin => ['sigra', singular => 'admin', users => 'admins', tokens => 'admins_tokens'],
);
our (%http, %ada, %of);
our $password = "correct horse";
for my $name (sort keys %layouts) {
    my ($layout, @options) = @{ $layouts{$name} };
    fresh_database($layout, @options, name => "login_$name");
    $of{$name} = database();
    $http{$name} = sigra_http_config();
    $ada{$name}  = user_fixture(email => 'Ada@example.com', password => $password);
    user_fixture(email => 'bob@example.com', password => "bob's");
}
our $http = $http{sigra};
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location /private/ { auth_sigra on; auth_sigra_forward on; rewrite ^ /echo break; proxy_pass http://echo; }
END
our $remember = remember_me_cookie_name;

sub log_in {
    my ($client, %field) = @_;
    return $client->submit('/users/log-in', { 'user[email]' => 'ada@example.com', 'user[password]' => $password, %field });
}

# Byte for byte.
sub urlencoded {
    my (%form) = @_;
    return join '&', map { join '=', map { s/([^\w.-])/sprintf '%%%02X', ord $1/ger } $_, $form{$_} } sort keys %form;
}

# From a session that an application could have made; undef removes a field.
sub log_in_over {
    my ($session, %field) = @_;
    my $state = csrf_state();
    my $client = client()->use_cookie(session_cookie({ _csrf_token => $state, %$session }));
    my %form = (_csrf_token => csrf_mask($state), 'user[email]' => 'ada@example.com', 'user[password]' => $password, %field);
    delete @form{ grep { !defined $form{$_} } keys %form };
    return ($client, $client->post('/users/log-in', urlencoded(%form)));
}

sub post_json {
    my ($client, $json, $headers) = @_;
    my $token = csrf_mask($client->session->{_csrf_token});
    $json = encode_json($json) if ref $json;
    return $client->request(POST => '/users/log-in', { 'content-type' => 'application/json', 'x-csrf-token' => $token, %{ $headers // {} } }, $json);
}

# The token as it is stored: the cookies of sigra_sessions have it as text.
sub row_of {
    my ($token) = @_;
    return session_row(database()->{layout} eq 'sigra_sessions' ? decode_base64url($token) : $token);
}

sub rows { return scalar db()->selectrow_array('SELECT count(*) FROM ' . database()->{tokens}) }

# Complete logins in a layout: by form and by JSON, with and without remember-me.
sub story {
    my ($name) = @_;
    use_database($of{$name});
    my ($singular, $sessions) = (database()->{singular}, database()->{layout} eq 'sigra_sessions');
    my $id  = $ada{$name}{user_id};
    my $has = database()->{layout} ne 'phx_gen_auth' || $name ne 'old';
    for my $remembered (0, 1) {
        my $what = $remembered ? 'remembered' : 'not remembered';
        my $browser = client(headers => { accept => 'text/html', 'user-agent' => 'Lynx/2.8' });
        is($browser->get('/private/')->{status}, 302, "$what: sent away");
        my $answer = $browser->submit('/users/log-in', {
            "${singular}[email]" => 'ADA@example.com', "${singular}[password]" => $password, ("${singular}[remember_me]" => 'true') x $remembered,
        });
        is("$answer->{status} $answer->{headers}{location}", '302 /private/', "$what: in, and back");
        my $session = $browser->session;
        is_deeply([sort keys %$session], [sort qw(_csrf_token live_socket_id phoenix_flash), "${singular}_token", ("${singular}_remember_me") x $remembered],
            'what the session holds');
        my $token = $session->{"${singular}_token"};
        is(length $token, $sessions ? 43 : 32, 'a token');
        is($session->{live_socket_id}, live_socket_id($token, "${singular}s"), 'live_socket_id');
        my $row = row_of($token);
        is($row->{"${singular}_id"}, $id, 'its row');
        if ($sessions) {
            is($row->{type}, $remembered ? 'remember_me' : 'standard', 'the type');
            is($row->{ip}, '127.0.0.1', 'the address');
            is($row->{user_agent}, 'Lynx/2.8', 'the user agent');
            is($row->{sudo_at} =~ s/\.\d+\z//r, $row->{inserted_at} =~ s/\.\d+\z//r, 'authenticated now');
            is($row->{last_active_at} =~ s/\.\d+\z//r, $row->{inserted_at} =~ s/\.\d+\z//r, 'active now');
        } else {
            is("$row->{context} " . ($row->{sent_to} // ''), 'session ', 'the context');
            is($row->{authenticated_at}, $name eq 'old' ? undef : $row->{inserted_at}, 'authenticated_at');
        }
        my $cookie = $answer->{cookies}{$remember};
        if ($remembered) {
            is(open_remember_me($cookie->{value})->[0], $token, 'the remember-me cookie has the same token');
            is($session->{"${singular}_remember_me"} . '', 'true', 'the session has it');
        } else {
            is($cookie, undef, 'no remember-me cookie');
        }
        like($browser->get('/private/')->{content}, qr/^id=$id\nemail=Ada\@example\.com$/m, 'logged in');
    }

    my $browser = client();
    my $token = decode_json($browser->get('/users/log-in', { accept => 'application/json' })->{content})->{csrf_token};
    is(csrf_unmask($token), $browser->session->{_csrf_token}, 'JSON: the token is of the session');
    for my $json ({ $singular => { email => 'ada@example.com', password => $password } }, { email => 'ada@example.com', password => $password }) {
        $browser = client();
        $browser->get('/users/log-in', { accept => 'application/json' });
        my $answer = post_json($browser, $json);
        is("$answer->{status} $answer->{headers}{'content-type'}", '200 application/json', 'JSON: in');
        my $text = $id =~ /^\d+$/ ? $id : qq("$id");
        is($answer->{content}, qq({"redirect_to":"/","user":{"id":$text,"email":"Ada\@example.com"}}), 'JSON: the user');
        like($answer->{headers}{'cache-control'}, qr/no-store/, 'JSON: no-store');
        is($browser->get('/private/')->{status}, 200, 'JSON: logged in');
    }
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: logins in the layout sigra
--- http_config eval: $::http . echo_upstream()
--- config eval: $::locations
--- request
GET /private/page?a=b
--- error_code: 302
--- flow
use_database($::of{sigra});
my $browser = client(headers => { accept => 'text/html' });
is($browser->get('/private/page?a=b')->{headers}{location}, '/users/log-in', 'sent to the login page');
my $page = $browser->get('/users/log-in');
is($page->{status}, 200, 'the page');
is($page->{headers}{'content-type'}, 'text/html; charset=utf-8', 'its type');
like($page->{content}, qr/You must log in to access this page\./, 'gives the reason');
is($browser->session->{phoenix_flash}, undef, 'and shows it once');
my $csrf = $browser->session->{_csrf_token};
my $answer = log_in($browser);
is($answer->{status}, 302, 'logged in');
is($answer->{headers}{location}, '/private/page?a=b', 'back to the requested page');
like($answer->{headers}{'cache-control'}, qr/no-store/, 'no-store');
my $session = $browser->session;
my $row = session_row($session->{user_token});
is($row->{user_id}, $::ada{sigra}{user_id}, 'a row of this user');
is($row->{context}, 'session', 'of the context');
is($row->{authenticated_at}, $row->{inserted_at}, 'authenticated now');
is($session->{live_socket_id}, live_socket_id($session->{user_token}), 'live_socket_id');
is_deeply($session->{phoenix_flash}, { info => 'Welcome back!' }, 'the flash');
isnt($session->{_csrf_token}, $csrf, 'a new CSRF state');
is(length $session->{_csrf_token}, 24, 'of 24 characters');
is_deeply([sort keys %$session], [qw(_csrf_token live_socket_id phoenix_flash user_token)], 'and nothing else');
is($browser->cookies->{$::remember}, undef, 'without remember-me');
like($browser->get('/private/page')->{content}, qr/^email=Ada\@example\.com$/m, 'logged in');
is($browser->get('/users/log-in')->{headers}{location}, '/', 'the login page redirects');



=== TEST 2: the layout phx_gen_auth
--- http_config eval: $::http{phx} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('phx');



=== TEST 3: the layout phx_gen_auth before Phoenix 1.8
--- http_config eval: $::http{old} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('old');



=== TEST 4: the layout sigra_sessions
--- http_config eval: $::http{sessions} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('sessions');



=== TEST 5: the layout sigra with uuid ids
--- http_config eval: $::http{uuid} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('uuid');



=== TEST 6: the layout sigra_sessions with uuid ids
--- http_config eval: $::http{sessions_uuid} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('sessions_uuid');



=== TEST 7: the layout sigra under other names
--- http_config eval: $::http{admin} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('admin');



=== TEST 8: the layout sigra
--- http_config eval: $::http{sigra} . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
story('sigra');



=== TEST 9: other names and formats that are accepted
--- http_config eval: $::http . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- timeout: 30
--- flow
use_database($::of{sigra});
my %of = (email => 'ada@example.com', password => $::password);
($client, my $answer) = log_in_over({}, %of, 'user[email]' => undef, 'user[password]' => undef);
is("$answer->{status} " . ref $client->session->{phoenix_flash}, '302 HASH', 'flat names');
ok($client->session->{user_token}, 'flat names: in');
($client) = log_in_over({}, %of, 'user[email]' => undef, 'user[password]' => undef, remember_me => 'true');
ok($client->cookies->{$::remember}, 'flat names: with remember-me');

for (['false', 'true' => 1], ['true', 'false' => 0], ['true' => 1], ['on' => 0], ['1' => 0]) {
    my $expected = pop @$_;
    my $state = csrf_state();
    my $browser = client()->use_cookie(session_cookie({ _csrf_token => $state }));
    $browser->post('/users/log-in', [_csrf_token => csrf_mask($state), 'user[email]' => 'ada@example.com', 'user[password]' => $::password,
        map { ('user[remember_me]' => $_) } @$_]);
    ok($browser->session->{user_token}, "remember_me @$_: in");
    is(exists $browser->cookies->{$::remember} ? 1 : 0, $expected, "remember_me @$_: the last counts");
}
($client) = log_in_over({}, 'user[password]' => "bob's", 'user[email]' => 'bob@example.com');
is(session_row($client->session->{user_token})->{user_id}, db()->selectrow_array(q(SELECT id FROM users WHERE email = 'bob@example.com')), 'a quote');

# Passwords are bytes: no letter equals another one, and a NUL does not shorten them.
my $umlaut = "p\xc3\xa4ssw\xc3\xb6rd \xf0\x9f\x94\x91";
user_fixture(email => 'utf8@example.com', password => $umlaut);
user_fixture(email => 'nul@example.com', password => "abc\0def");
user_fixture(email => 'plus@example.com', password => 'a+b%20&c=d');
for (['utf8', $umlaut, 1], ['utf8', "p\xe4ssw\xf6rd \xf0\x9f\x94\x91", 0], ['nul', "abc\0def", 1], ['nul', 'abc', 0], ['nul', "abc\0", 0], ['nul', "abc\0deg", 0],
    ['plus', 'a+b%20&c=d', 1], ['plus', 'a b &c=d', 0]) {
    my ($name, $password, $right) = @$_;
    ($client, $answer) = log_in_over({}, 'user[email]' => "$name\@example.com", 'user[password]' => $password);
    is($client->session->{user_token} ? 1 : 0, $right, "$name: " . ($right ? 'the password' : 'another one'));
}
my $browser = client();
$browser->get('/users/log-in');
is(post_json($browser, qq({"user":{"email":"utf8\@example.com","password":"p\\u00e4ssw\\u00f6rd \\ud83d\\udd11"}}))->{status}, 200, 'the same in JSON');
for (['true' => 1], ['"true"' => 1], ['false' => 0], ['null' => 0]) {
    $browser = client();
    $browser->get('/users/log-in');
    my $answer = post_json($browser, qq({"user":{"email":"ada\@example.com","password":"$::password","remember_me":$_->[0]}}));
    is($answer->{status} . (exists $answer->{cookies}{$::remember} ? 1 : 0), "200$_->[1]", "JSON: remember_me $_->[0]");
}
$browser = client();
$browser->get('/users/log-in');
$answer = $browser->post('/users/log-in', { %of, _csrf_token => csrf_mask($browser->session->{_csrf_token}) }, { accept => 'application/json' });
is("$answer->{status} $answer->{headers}{'content-type'}", '200 application/json', 'a form answered with JSON');
$browser = client();
$browser->get('/private/page?x=1', { accept => 'text/html' });
$browser->get('/users/log-in', { accept => 'application/json' });
is(decode_json(post_json($browser, \%of)->{content})->{redirect_to}, '/private/page?x=1', 'JSON: the path to return to');



=== TEST 10: the remember-me cookie
--- http_config eval
$::http . "auth_sigra_cookie_domain 127.0.0.1;"
--- config
location = /users/log-in { auth_sigra_login; }
location = /ttl/log-in { auth_sigra_login; auth_sigra_login_url /ttl/log-in; auth_sigra_session_ttl 7d remember_me=9d; }
location = /age/log-in { auth_sigra_login; auth_sigra_remember_me_cookie _other max_age=3d path=/age same_site=Strict; auth_sigra_cookie_secure on; }
location = /off/log-in { auth_sigra_login; auth_sigra_remember_me_cookie off; }
--- request
GET /users/log-in
--- flow
use_database($::of{sigra});
sub remembered {
    my ($path) = @_;
    my $state = csrf_state();
    my $client = client()->use_cookie(session_cookie({ _csrf_token => $state }));
    return $client->post($path, { _csrf_token => csrf_mask($state), email => 'ada@example.com', password => $::password, remember_me => 'true' });
}
for (['/users/log-in', 60 * 86400], ['/ttl/log-in', 9 * 86400]) {
    my ($path, $age) = @$_;
    my $cookie = remembered($path)->{cookies}{$::remember};
    is_deeply({ %$cookie, value => 0 }, { value => 0, count => 1, path => '/', domain => '127.0.0.1', httponly => 1, samesite => 'Lax', 'max-age' => $age,
        expires => $cookie->{expires} }, "$path: attributes");
    my $term = open_remember_me($cookie->{value});
    is($term->[2] + 0, $age, "$path: the age that is signed");
    cmp_ok(abs($term->[1] / 1000 - time), '<', 60, "$path: signed now");
}
my $cookie = remembered('/age/log-in')->{cookies}{_other};
is_deeply({ map { $_ => $cookie->{$_} } qw(path samesite secure httponly max-age) },
    { path => '/age', samesite => 'Strict', secure => 1, httponly => 1, 'max-age' => 3 * 86400 }, 'as configured');
is(open_remember_me($cookie->{value}, name => '_other')->[2] + 0, 3 * 86400, 'and signed');
is_deeply([keys %{ remembered('/off/log-in')->{cookies} }], [session_cookie_name()], 'off: none');



=== TEST 11: user agents
--- http_config eval: $::http{sessions}
--- config
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- flow
use_database($::of{sessions});
for (
    ['x' x 300                            => 'x' x 255, 'cut'],
    ["\xc3\xa4" x 300                     => "\xc3\xa4" x 255, 'cut between characters'],
    ["Lynx \xff\xfe"                      => undef, 'invalid UTF-8'],
    ["'; DROP TABLE users; --"            => "'; DROP TABLE users; --", 'SQL'],
    [''                                   => '', 'empty'],
) {
    my ($agent, $expected, $what) = @$_;
    my $state = csrf_state();
    my $form  = 'email=ada%40example.com&password=correct+horse&_csrf_token=' . csrf_mask($state);
    my $answer = raw_exchange(join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $state }),
        "User-Agent: $agent", 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form, '', $form);
    is($answer->{status}, 302, "$what: in");
    is(row_of(kept($answer)->{user_token})->{user_agent}, $expected, $what);
}
my $state = csrf_state();
my $form  = 'email=ada%40example.com&password=correct+horse&_csrf_token=' . csrf_mask($state);
my $answer = raw_exchange(join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $state }),
    'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form, '', $form);
is(row_of(kept($answer)->{user_token})->{user_agent} // '', '', 'none');



=== TEST 12: an encrypted session cookie, and two secrets
--- http_config eval
use_database($::of{sigra});
sigra_http_config(encryption_salt => encryption_salt, secret_key_base => ['n' x 64, secret_key_base], cookie_name => '_other', session_cookie => 'max_age=2d same_site=Strict path=/users')
--- config
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- flow
use_database($::of{sigra});
my %new = (name => '_other', encryption_salt => encryption_salt, secret_key_base => 'n' x 64);
my %old = (name => '_other', encryption_salt => encryption_salt);
my $state = csrf_state();
my $browser = client()->use_cookie(session_cookie({ _csrf_token => $state, user_return_to => '/x' }, %old));
my $answer = $browser->post('/users/log-in', { _csrf_token => csrf_mask($state), email => 'ada@example.com', password => $::password, remember_me => 'true' });
is("$answer->{status} $answer->{headers}{location}", '302 /x', 'the older secret is read');
my $session = $browser->session(%new);
is(session_row($session->{user_token})->{user_id}, $::ada{sigra}{user_id}, 'the first one writes');
like($answer->{cookies}{_other}{value}, qr/^XCP\./, 'encrypted');
is_deeply({ map { $_ => $answer->{cookies}{_other}{$_} } qw(path samesite max-age httponly) }, { path => '/users', samesite => 'Strict', 'max-age' => 172800, httponly => 1 }, 'its attributes');
is(open_remember_me($browser->cookies->{$::remember}, secret_key_base => 'n' x 64)->[0], $session->{user_token}, 'remember-me is signed by the first');
my $signed = client()->use_cookie(session_cookie({ _csrf_token => $state }, name => '_other'));
is($signed->post('/users/log-in', { _csrf_token => csrf_mask($state), email => 'ada@example.com', password => $::password })->{status}, 403, 'a signed cookie is none');
