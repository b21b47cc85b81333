# auth_sigra_login with a session that exists already: of the same user, of another, made up by somebody, dead; and
# where it leads.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra', name => 'login_over');
our $http = sigra_http_config();
our $password = 'correct horse';
our $ada = user_fixture(email => 'Ada@example.com', password => $password);
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location /private/ { auth_sigra on; auth_sigra_forward on; rewrite ^ /echo break; proxy_pass http://echo; }
END
our $remember = remember_me_cookie_name;

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

no_shuffle();
run_tests();

__DATA__

=== TEST 1: with an existing session
--- http_config eval: $::http . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- flow
my $ada = authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com', remember_me => 5_000_000);
my %session = (%{ $ada->{session} }, theme => 'dark', user_return_to => '/private/x', phoenix_flash => { error => 'old', email => 'x', note => 'n' },
    auth_sigra_sudo => atom('true'), cart => [1, { a => atom('nil') }]);
my $browser = client()->use_cookie(session_cookie(\%session));
my $answer = $browser->post('/users/log-in', { _csrf_token => $ada->{csrf_token}, email => 'ada@example.com', password => $::password });
is("$answer->{status} $answer->{headers}{location}", '302 /private/x', 'the same user');
my $now = $browser->session;
isnt($now->{user_token}, $ada->{token}, 'another token');
# A late answer to a request with the old cookie must not log the browser out.
is(db()->selectrow_array("SELECT CAST(? AS timestamp) + interval '60 days' - CAST(? AS timestamp) <= interval '61 seconds'", undef,
    session_row($ada)->{inserted_at}, session_row($now->{user_token})->{inserted_at}), 1, 'the old token has a minute more');
ok(session_row($now->{user_token}), 'the new one exists');
is($now->{theme}, 'dark', 'other keys are kept');
is_deeply($now->{cart}, $session{cart}, 'whatever they are') or diag explain $now->{cart};
is($now->{_csrf_token}, $ada->{csrf_state}, 'the CSRF state too');
is($now->{live_socket_id}, live_socket_id($now->{user_token}), 'live_socket_id is of the new token');
ok(!exists $now->{$_}, "no $_") for qw(user_return_to auth_sigra_sudo);
is_deeply($now->{phoenix_flash}, { note => 'n' }, 'the flash: no «Welcome back!» after a confirmation');
is(open_remember_me($browser->cookies->{$::remember})->[0], $now->{user_token}, 'remember-me, as before, with the new token');
is(client()->get('/private/', { cookie => $ada->{cookie} })->{status}, 200, 'in which it passes');

# Another user: nothing of the first user's session is left.
my $eve = authenticated_fixture(email => 'eve@example.com', remember_me => 5_000_000, session => { theme => 'dark', user_return_to => '/private/y' });
my $bobs = authenticated_fixture(user_id => $eve->{user_id}, email => 'eve@example.com', remember_me => 5_000_000);
$browser = client()->use_cookie($eve->{cookie}, $bobs->{remember_cookie});
$answer = $browser->post('/users/log-in', { _csrf_token => $eve->{csrf_token}, email => 'ada@example.com', password => $::password });
is($answer->{headers}{location}, '/private/y', 'another user');
$now = $browser->session;
is_deeply([sort keys %$now], [qw(_csrf_token live_socket_id phoenix_flash user_token)], 'reset');
isnt($now->{_csrf_token}, $eve->{csrf_state}, 'another CSRF state');
is_deeply([map { session_row($_) } $eve, $bobs], [undef, undef], 'both rows of the first are gone');
is_deeply([@{ $answer->{cookies}{$::remember} }{qw(value max-age path)}], ['', 0, '/'], 'the other user\'s remember-me cookie is cleared');
is($browser->cookies->{$::remember}, undef, 'and gone');
like($browser->get('/private/')->{content}, qr/^email=Ada/m, 'the second is logged in');

# Over the remember-me cookie of another user, with remember-me: the browser is then remembered as the second user.
$eve = authenticated_fixture(user_id => $eve->{user_id}, email => 'eve@example.com', remember_me => 5_000_000);
$browser = client()->use_cookie($eve->{cookie}, $eve->{remember_cookie});
$browser->post('/users/log-in', { _csrf_token => $eve->{csrf_token}, email => 'ada@example.com', password => $::password, remember_me => 'true' });
is(session_row($eve), undef, 'the first one\'s row is gone');
delete $browser->cookies->{ session_cookie_name() };
like($browser->get('/private/')->{content}, qr/^email=Ada/m, 'by remember-me: the second, never the first');

# A remember-me cookie of the same user from another login stays valid.
my $own = authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com', remember_me => 5_000_000);
my $state = csrf_state();
$browser = client()->use_cookie(session_cookie({ _csrf_token => $state }), $own->{remember_cookie});
$answer = $browser->post('/users/log-in', { _csrf_token => csrf_mask($state), email => 'ada@example.com', password => $::password });
is($answer->{cookies}{$::remember}, undef, 'the user\'s own remember-me cookie is left alone');
ok(session_row($own), 'and its row');



=== TEST 2: planted sessions and dead ones
--- http_config eval: $::http . echo_upstream()
--- config eval: $::locations
--- request
GET /private/
--- error_code: 302
--- flow
my $mallory = authenticated_fixture(email => 'mallory@example.com', session => { planted => 'x' });
my $browser = client()->use_cookie($mallory->{cookie});
my $answer = $browser->post('/users/log-in', { _csrf_token => $mallory->{csrf_token}, email => 'ada@example.com', password => $::password });
is($answer->{status}, 302, 'a planted session: logged in');
ok(!exists $browser->session->{planted}, 'nothing of it is left');
isnt($browser->session->{user_token}, $mallory->{token}, 'the token is new');
isnt($browser->session->{_csrf_token}, $mallory->{csrf_state}, 'the CSRF state as well');
is(client()->get('/private/', { cookie => $mallory->{cookie} })->{status}, 302, 'the planted one is worthless');

($client) = log_in_over({ user_token => 'x' x 32, live_socket_id => live_socket_id('x' x 32), planted => 'x' });
is_deeply([sort keys %{ $client->session }], [qw(_csrf_token live_socket_id phoenix_flash user_token)], 'over an expired session: reset');
isnt($client->session->{user_token}, 'x' x 32, 'and its token never taken up');
my $expired = authenticated_fixture(user_id => $::ada->{user_id}, email => 'ada@example.com', age => 61 * 86400, session => { planted => 'x' });
$browser = client()->use_cookie($expired->{cookie});
$browser->post('/users/log-in', { _csrf_token => $expired->{csrf_token}, email => 'ada@example.com', password => $::password });
ok(!exists $browser->session->{planted}, 'over an expired one of the same user: reset');
is(session_row($expired), undef, 'and the row is gone');
my $known = csrf_state();
my ($anonymous) = log_in_over({ planted => 'x', _csrf_token => $known }, _csrf_token => csrf_mask($known));
ok(!exists $anonymous->session->{planted}, 'over a session without a login: reset');
isnt($anonymous->session->{_csrf_token}, $known, 'the CSRF state that an attacker may know is gone');



=== TEST 3: the path to return to
--- http_config eval: $::http . "auth_sigra_signed_in_url /home;"
--- config
location = /users/log-in { auth_sigra_login; }
location = /elsewhere/log-in { auth_sigra_login; auth_sigra_signed_in_url https://app.example.com/home; }
--- request
GET /users/log-in
--- timeout: 30
--- flow
for my $good ('/', '/private/x?a=b', '/a?next=//evil', '/a#//evil', "/\xc3\xa4", '/a//b', '/' . 'x' x 1900) {
    my ($client, $answer) = log_in_over({ user_return_to => $good });
    is($answer->{headers}{location}, $good, "honoured: " . substr $good, 0, 20);
    ok(!exists $client->session->{user_return_to}, 'and consumed');
}
for my $bad ('//evil', '///evil', '////evil/%2e%2e', '/\evil', '\\\\evil', '/%5cevil', '/a/\evil', "/\t/evil", '/%09/evil', "/\r/evil", "/\n/evil", "/\x0b/evil",
    "/\x0c/evil", "/\0/evil", '/%0d%0aSet-Cookie:x=y', '/%00/evil', '/./\evil', '/../\evil', '/.//evil', '/%2fevil', 'http://good\@evil', 'https://good@evil', 'javascript:alert(1)',
    'evil', '', atom('true'), ['/a'], 7 . '') {
    my ($client, $answer) = log_in_over({ user_return_to => $bad });
    is("$answer->{status} $answer->{headers}{location}", '302 /home', 'not followed: ' . ($bad =~ s/[^ -~]/?/gr));
    is(ref $answer->{headers}{location}, '', 'one Location');
    ok(!exists $client->session->{user_return_to}, 'and gone');
}
($client) = log_in_over({ user_return_to => atom('nil') });
ok($client->session->{user_token}, 'nil is none');
my $state = csrf_state();
my $answer = client()->use_cookie(session_cookie({ _csrf_token => $state }))
    ->post('/elsewhere/log-in', { _csrf_token => csrf_mask($state), email => 'ada@example.com', password => $::password });
is($answer->{headers}{location}, 'https://app.example.com/home', 'a signed-in URL on another host');
