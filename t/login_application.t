# auth_sigra_login in front of an application: its own page, its magic links, users whom it sends to confirm, its
# LiveViews.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http     = sigra_http_config(extra => "auth_sigra_password_checks floor=1ms;\nauth_sigra_password_hash argon2id m=8 t=1 p=1;") . echo_upstream();
our $password = 'correct horse';
our $ada      = authenticated_fixture(email => 'ada@example.com', password => $password);
our $app      = 'location @app { proxy_pass http://echo; }';

# The same user's session, as a browser has it.
sub session_of_ada {
    my (%option) = @_;
    return authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com', %option);
}
sub page_of { return client()->use_cookie($_[0]{cookie})->get('/users/log-in') }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: page: GET by the application, POST by nginx
--- http_config eval: $::http
--- config eval: "auth_sigra on; auth_sigra_forward on; location = /users/log-in { auth_sigra_login page=\@app fallback=\@app; } $::app"
--- request
GET /users/log-in
--- flow
my $browser = client();
like($browser->get('/users/log-in?x=y')->{content}, qr{^GET /users/log-in\?x=y\nid=\n}, "the application's page, for anybody");
is($browser->cookies->{_my_app_key}, undef, 'and no cookie of ours');
like(client()->use_cookie($::ada->{cookie})->get('/users/log-in')->{content}, qr{^GET /users/log-in\nid=\d+\n}, 'also for users who are logged in');
my $state = csrf_state();
$browser->use_cookie(session_cookie({ _csrf_token => $state }));
my $answer = $browser->post('/users/log-in', { _csrf_token => csrf_mask($state), 'user[email]' => 'ada@example.com', 'user[password]' => $::password });
is("$answer->{status} $answer->{headers}{location}", '302 /', 'the POST is answered here');
ok($browser->session->{user_token}, 'with a session');



=== TEST 2: page takes a named location, and no template
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login page=/app; }
--- must_die
--- error_log
"page" must name a named location, "@NAME"



=== TEST 3: page: a location that does not exist
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login page=@nowhere; }
--- must_die
--- error_log
@nowhere



=== TEST 4: page: not with parameters of the built-in page
--- http_config eval: $::http
--- config eval: "location = /users/log-in { auth_sigra_login page=\@app title=Site; } $::app"
--- must_die
--- error_log
cannot be used together



=== TEST 5: a logo that is not a URL
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login logo=javascript:x; }
--- must_die
--- error_log
"logo" must be a path, or a URL



=== TEST 6: the built-in page: a name, a logo, links, and the form for a magic link
--- http_config eval: $::http
--- config eval
qq(location = /users/log-in { auth_sigra_login fallback=\@app "title=A & B" logo=/logo.svg reset=/users/reset-password register=https://www.example.com/users/register?a=b&c=d; }
location = /plain/log-in { auth_sigra_login logo=https://cdn.example.com/l.png; } $::app)
--- request
GET /users/log-in
--- flow
my $page = client()->get('/users/log-in');
like($page->{content}, qr{<title>Log in · A &amp; B</title>}, 'the name in the title');
like($page->{content}, qr{<p class="site"><img src="/logo.svg" alt="">A &amp; B</p>\n<h1>Log in</h1>}, 'and on the page');
like($page->{headers}{'content-security-policy'}, qr{; img-src 'self'; form-action}, 'the logo is allowed');
like($page->{content}, qr{<a href="/users/reset-password">Forgot your password\?</a>}, 'reset');
like($page->{content}, qr{<a href="https://www.example.com/users/register\?a=b&amp;c=d">Register</a>}, 'register');
my @forms = $page->{content} =~ m{<form method="post">(.*?)</form>}sg;
is(@forms, 2, 'two forms');
like($forms[0], qr/user\[password\].*<button type="submit">Log in</s, 'the password');
unlike($forms[1], qr/password|remember/, 'and the email alone');
like($forms[1], qr/name="_csrf_token".*<label for="link-email">.*id="link-email" name="user\[email\]".*>Email me a link</s, 'for a link');
my $browser = client();
my ($token) = $browser->get('/users/log-in')->{content} =~ m{.*name="_csrf_token" value="([^"]+)}s;
like($browser->post('/users/log-in', { _csrf_token => $token, 'user[email]' => 'ada@example.com' })->{content}, qr{^POST /users/log-in\n}, 'it goes to the application');
$page = client()->get('/plain/log-in');
is(scalar(() = $page->{content} =~ /<form/g), 1, 'without a fallback: one form');
unlike($page->{content}, qr/class="links"/, 'no links');
like($page->{headers}{'content-security-policy'}, qr{img-src https://cdn\.example\.com:443; }, 'a logo of another site');

$page = page_of(session_of_ada(session => { user_return_to => '/settings' }));
my @confirm = $page->{content} =~ m{<form method="post">(.*?)</form>}sg;
like($confirm[1], qr/type="hidden" name="user\[email\]" value="ada\@example\.com".*Email me a link/s, 'to confirm: by a link, too');
unlike($page->{content}, qr/Register/, 'without a link to register');



=== TEST 7: logged in, and sent here to confirm the password
--- http_config eval: $::http
--- config eval: "location = /users/log-in { auth_sigra_login; } location /admin/ { auth_sigra on; auth_sigra_sudo 10m; }"
--- request
GET /users/log-in
--- flow
is(page_of(session_of_ada())->{headers}{location}, '/', 'nothing requested: redirected');
my $sent = session_of_ada(session => { user_return_to => '/users/settings', phoenix_flash => { error => 'You must re-authenticate to access this page.' } });
my $page = page_of($sent);
is($page->{status}, 200, 'by the application: the form');
like($page->{content}, qr/re-authenticate.*You are logged in.*value="ada\@example\.com".* readonly/s, 'to confirm');
my $browser = client()->use_cookie($sent->{cookie});
my $answer = $browser->submit('/users/log-in', { 'user[password]' => $::password });
is("$answer->{status} $answer->{headers}{location}", '302 /users/settings', 'and back there');
is($browser->session->{phoenix_flash}, undef, 'without «Welcome back!»');

for ([700, 302], [10, 302]) { is(client()->use_cookie(session_of_ada(age => $_->[0])->{cookie})->get('/admin/')->{status}, $_->[0] > 600 ? 302 : 404, "age $_->[0]") }
$browser = client()->use_cookie(session_of_ada(age => 700)->{cookie});
$browser->get('/admin/');
my $session = $browser->session;
is($session->{auth_sigra_sudo}, 600, 'auth_sigra_sudo asks for the password');
delete $session->{user_return_to};
is(client()->use_cookie(session_cookie($session))->get('/users/log-in')->{status}, 200, 'to confirm');
# The application has confirmed the user, and sets a session of its own, which keeps the module's key.
is(page_of(session_of_ada(age => 5, session => { auth_sigra_sudo => '600' }))->{headers}{location}, '/', 'no more, once the application has');
is(page_of(session_of_ada(age => 700, session => { auth_sigra_sudo => '600' }))->{status}, 200, 'again, when it is not fresh any more');
is(page_of(session_of_ada(authenticated_age => undef, session => { auth_sigra_sudo => '600' }))->{status}, 200, 'never fresh');



=== TEST 8: the page clears the flash of a LiveView
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- flow
my $browser = client()->use_cookie('__phoenix_flash__=SFMyNTY.x.y');
my $page = $browser->get('/users/log-in', { purpose => 'prefetch' });
is(ref $page->{cookies}{__phoenix_flash__}, '', 'a prefetch keeps it');
$page = $browser->get('/users/log-in');
is_deeply($page->{cookies}{__phoenix_flash__}{'max-age'}, 0, 'cleared');
is($page->{cookies}{__phoenix_flash__}{path}, '/', 'as LiveView sets it');
is($browser->cookies->{__phoenix_flash__}, undef, 'gone');
ok(!$browser->get('/users/log-in')->{headers}{'set-cookie'}, 'once');



=== TEST 9: _action in the query
--- http_config eval: $::http
--- config eval: "location = /users/log-in { auth_sigra_login fallback=\@app; } location = /alone/log-in { auth_sigra_login; } $::app"
--- request
GET /users/log-in
--- flow
my %form = ('user[email]' => 'ada@example.com', 'user[password]' => $::password);
for my $action (qw(password_updated registered)) {
    my $browser = client();
    $browser->get('/users/log-in');
    my $token = csrf_mask($browser->session->{_csrf_token});
    my $answer = $browser->post("/users/log-in?_action=$action", { %form, _csrf_token => $token });
    like($answer->{content}, qr{^POST /users/log-in\?_action=$action\n}, "$action: the application's, once the password is right");
    $answer = $browser->post("/users/log-in?_action=$action", { %form, 'user[password]' => 'wrong', _csrf_token => $token });
    is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', 'a wrong one does not get past nginx');
    like($browser->post("/users/log-in?_action=$action", { 'user[email]' => 'ada@example.com', _csrf_token => $token })->{content}, qr/^POST/, 'a magic link does');
    is($browser->post("/users/log-in?_action=$action", \%form)->{status}, 403, 'the token is required');
    is($browser->post("/alone/log-in?_action=$action", { %form, _csrf_token => $token })->{headers}{location}, '/', 'without a fallback: a login');
}



=== TEST 10: with a trailing slash, which an application's router ignores: no bypass
--- http_config eval: $::http
--- config eval
"auth_sigra_lockout threshold=3 duration=15m;
location ~ ^/users/log-in/?\$ { auth_sigra_login page=\@app fallback=\@app; }
location ~ ^/users/log-out/?\$ { auth_sigra_logout; }
$::app"
--- request
GET /users/log-in
--- response_body_like: ^GET /users/log-in
--- flow
my $state = csrf_state();
my $post  = sub {
    my ($path, $field) = @_;
    my $answer = client()->use_cookie(session_cookie({ _csrf_token => $state }))->post($path, { _csrf_token => csrf_mask($state), %$field });
    return $answer->{status} == 302 ? "302 $answer->{headers}{location}" : "$answer->{status} " . ($answer->{content} =~ /\A(\S+ \S+)/)[0];
};
for my $path (qw(/users/log-in /users/log-in/ /users/log-in// /users//log-in/ /users/%6cog-in/ /x/../users/log-in/ /users/log-in/?a=b)) {
    is($post->($path, { 'user[email]' => 'nobody@example.com', 'user[password]' => 'wrong' }), '302 /users/log-in', "$path: refused here");
    is($post->($path, { 'user[email]' => 'ada@example.com', 'user[password]' => $::password }), '302 /', "$path: logged in here");
    like($post->($path, { 'user[email]' => 'ada@example.com' }), qr/^200 POST/, "$path: a magic link is the application's");
}
is(client()->use_cookie($::ada->{cookie})->post('/users/log-out/', { _csrf_token => $::ada->{csrf_token} })->{status}, 302, 'the log-out as well');
is(session_row($::ada), undef, 'and it is one');

# Guesses with an `_action` are counted as any other.
my $cyd = user_fixture(email => 'cyd@example.com', password => $::password);
my %cyd = ('user[email]' => 'cyd@example.com');
is($post->('/users/log-in/?_action=registered', { %cyd, 'user[password]' => 'wrong' }), '302 /users/log-in', "guess $_ by ?_action=") for 1 .. 3;
is($post->($_, { %cyd, 'user[password]' => $::password }), '302 /users/log-in', "locked: $_")
    for '/users/log-in', '/users/log-in/', '/users/log-in?_action=registered', '/users/log-in?_action=password_updated';
