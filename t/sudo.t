# auth_sigra_sudo: the session must have been authenticated within this time.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

our %http;
our (%who, %of);
for my $layout (qw(phx_gen_auth_17 sigra_sessions sigra)) {
    fresh_database($layout, name => "sigra_sudo_$layout");
    $of{$layout} = database();
    $http{$layout} = sigra_http_config(extra => 'auth_sigra on; auth_sigra_sudo 10m;');
    $who{$layout}  = { map { $_ => authenticated_fixture(age => 7000, authenticated_age => $_, idle => 0) } 0, 610, 6900 };
    $who{$layout}{never} = authenticated_fixture(age => 10, authenticated_age => undef);
}
our @files = map { [$_ => 'for ada'] } qw(page off/page hour/page program/page always/page optional/page);

# Authenticated this many seconds before the request: ages grow while a test runs.
sub aged {
    my ($layout, $age) = @_;
    use_database($of{$layout});
    return authenticated_fixture(age => 7000, authenticated_age => $age eq 'never' ? undef : $age, idle => 0);
}
sub status { return client()->get($_[0], { cookie => $_[1]{cookie} })->{status} }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: fresh enough or not
--- http_config eval: $::http{sigra}
--- config
location /off/ { auth_sigra_sudo off; }
location /hour/ { auth_sigra_sudo 1h; }
location /program/ { auth_sigra_unauthenticated status; }
location /always/ { auth_sigra_unauthenticated redirect; }
location /optional/ { auth_sigra optional; add_header X-Who $auth_sigra_email; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
for (
    [0,     '200 200 200 200 200'],
    [550,   '200 200 200 200 200'],
    [-60,   '200 200 200 200 200'],
    [610,   '302 200 200 403 302'],
    [3650,  '302 200 302 403 302'],
    [never => '302 200 302 403 302'],
) {
    my ($age, $expected) = @$_;
    my $fixture = aged('sigra', $age);
    is(join(' ', map { status("${_}page", $fixture) } qw(/ /off/ /hour/ /program/ /always/)), $expected, "authenticated $age s ago");
}
my $stale = $::who{sigra}{610};
for ({ accept => 'application/json' }, { 'sec-fetch-mode' => 'cors' }, { 'x-requested-with' => 'XMLHttpRequest' }) {
    my $answer = client()->get('/page', { cookie => $stale->{cookie}, %$_ });
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '403 0', join ' ', 'a program,', %$_);
    is($answer->{headers}{'cache-control'}, 'no-store', 'Cache-Control');
}
is(client()->get('/optional/page', { cookie => $stale->{cookie} })->{headers}{'x-who'}, $stale->{email}, 'optional passes');
is(client()->get('/users/log-in', { cookie => $stale->{cookie} })->{status}, 404, 'the login page makes no loop');



=== TEST 2: what the session stores
--- http_config eval: $::http{sigra}
--- config
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
my $stale  = $::who{sigra}{610};
my $browser = client();
my $answer = $browser->get('/page?a=b', { accept => 'text/html', cookie => $stale->{cookie} });
is($answer->{headers}{location}, '/users/log-in', 'to the login page');
is($answer->{headers}{'cache-control'}, 'private, no-store', 'Cache-Control');
my $session = $browser->session;
is($session->{auth_sigra_sudo}, 600, 'auth_sigra_sudo: what would have been fresh');
is($session->{user_return_to}, '/page?a=b', 'the path to return to');
is($session->{$_}, $stale->{session}{$_}, "$_ is kept") for qw(user_token live_socket_id _csrf_token);
is($session->{phoenix_flash}, undef, 'there is no message to log in');
is(client()->get('/page', { cookie => $browser->cookies->{_my_app_key} })->{status}, 302, 'redirected again');
$browser = client();
$browser->post('/page', 'a=b', { cookie => $stale->{cookie} });
is($browser->session->{user_return_to}, undef, 'no path to return to for a POST');

my $remembered = aged('sigra', 7000);
$browser = client();
is($browser->get('/page', { cookie => $remembered->{remember_cookie} })->{status}, 302, 'by remember-me: not fresh');
ok($browser->session->{auth_sigra_sudo}, 'the form to confirm');



=== TEST 3: an anonymous session must log in, not confirm
--- http_config eval: $::http{sigra}
--- config
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
my $browser = client();
$browser->get('/page', { cookie => session_cookie({ user_token => 'x' x 32 }) });
is($browser->session->{auth_sigra_sudo}, undef, 'no auth_sigra_sudo');
is($browser->session->{phoenix_flash}{error}, 'You must log in to access this page.', 'the flash');



=== TEST 4: sigra_sessions has sudo_at
--- http_config eval: $::http{sigra_sessions}
--- config
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
is(status('/page', aged('sigra_sessions', $_->[0])), $_->[1], "authenticated $_->[0] s ago") for [550 => 200], [610 => 302], [never => 302];



=== TEST 5: before Phoenix 1.8 nothing is ever fresh
--- http_config eval: $::http{phx_gen_auth_17}
--- config
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
is(status('/page', $::who{phx_gen_auth_17}{0}), 302, 'a session of this second');



=== TEST 6: in limit_except
--- http_config eval: $::http{sigra} . echo_upstream()
--- config
location /page { auth_sigra_sudo off; proxy_pass http://echo; limit_except GET HEAD { auth_sigra on; auth_sigra_sudo 10m; auth_sigra_unauthenticated status; } }
--- request
GET /page
--- error_code: 302
--- flow
for ([GET => 200], [HEAD => 200], [POST => 403], [DELETE => 403]) {
    is(client()->request($_->[0], '/page', { cookie => $::who{sigra}{610}{cookie} })->{status}, $_->[1], $_->[0]);
}



=== TEST 7: confirming the password
--- http_config eval: $::http{sigra}
--- config
location = /users/log-in { auth_sigra_login; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
my $password = 'correct horse';
use_database($::of{sigra});
my $stale = authenticated_fixture(age => 7000, password => $password, session => { theme => 'dark' });
my $browser = client(headers => { accept => 'text/html' })->use_cookie($stale->{cookie});
is($browser->get('/page?a=b')->{status}, 302, 'sent to the login page');
my $page = $browser->get('/users/log-in');
like($page->{content}, qr/<h1>Confirm your password<\/h1>/, 'which asks for the password');
is($browser->submit('/users/log-in', { 'user[password]' => 'wrong' })->{headers}{location}, '/users/log-in', 'a wrong password');
ok($browser->session->{auth_sigra_sudo}, 'is to be confirmed');
is($browser->session->{user_token}, $stale->{token}, 'and the session continues');
$page = $browser->get('/users/log-in');
like($page->{content}, qr/Invalid email or password/, 'and with a message');
my $answer = $browser->submit('/users/log-in', { 'user[password]' => $password });
is("$answer->{status} $answer->{headers}{location}", '302 /page?a=b', 'back to the page');
my $session = $browser->session;
isnt($session->{user_token}, $stale->{token}, 'with a new token');
my $row = session_row($session->{user_token});
is(db()->selectrow_array("SELECT (CAST(? AS timestamp) + interval '60 days') - CAST(? AS timestamp) <= interval '61 seconds'",
    undef, session_row($stale)->{inserted_at}, $row->{inserted_at}), 1, 'the old one has a minute more');
is($row->{id}, $stale->{session_id}, 'of the same row');
is($row->{authenticated_at}, $row->{inserted_at}, 'authenticated now');
ok(!exists $session->{$_}, "no $_ any more") for qw(auth_sigra_sudo user_return_to);
is("$session->{theme} $session->{_csrf_token}", "dark $stale->{csrf_state}", 'the rest is kept');
is($browser->get('/page')->{content}, 'for ada', 'and passes');
is(client()->get('/page', { cookie => $stale->{cookie} })->{status}, 302, 'by the new token only');
