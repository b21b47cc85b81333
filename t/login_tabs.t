# Two tabs, and forms from older sessions: login and log-out if the browser shows that the form is the site's own.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $extra     = "auth_sigra_password_checks floor=1ms;\nauth_sigra_password_hash argon2id m=8 t=1 p=1;";
our $http      = sigra_http_config(extra => $extra);
our $down      = sigra_http_config(extra => $extra, conninfo => 'host=127.0.0.1 port=1 dbname=none user=sigra', postgres => 'timeout=1s');
our $locations = 'location = /users/log-in { auth_sigra_login; } location = /users/log-out { auth_sigra_logout; auth_sigra_logged_out_url /bye; }'
    . ' location = /renew { auth_sigra_renew; }';
our $password  = 'correct horse';
our $ada       = user_fixture(email => 'ada@example.com', password => $password);
our %form      = ('user[email]' => 'ada@example.com', 'user[password]' => $password);
our @own       = ({ 'sec-fetch-site' => 'same-origin' }, { origin => "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}" });
our @not_shown = ({}, { origin => 'null' }, { 'sec-fetch-site' => 'cross-site' }, { 'sec-fetch-site' => 'same-origin', accept => 'application/json' });

sub token_of { return $_[0]->get('/users/log-in')->{content} =~ /name="_csrf_token" value="([^"]+)/ ? $1 : '' }
sub rows { return db()->selectrow_array('SELECT count(*) FROM users_tokens') }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: two tabs on the login page
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for my $own (@::own) {
    my $browser = client();
    my $token = token_of($browser);
    is($browser->post('/users/log-in', { %::form, _csrf_token => $token }, $own)->{headers}{location}, '/', 'the first: in');
    my ($before, $session) = (rows(), $browser->session);
    my $second = $browser->post('/users/log-in', { %::form, _csrf_token => $token }, $own);
    is("$second->{status} $second->{headers}{location}", '302 /', 'the second: onwards');
    ok(!$second->{headers}{'set-cookie'}, 'with the existing session');
    is(rows(), $before, 'it logged nobody in');
    $browser->use_cookie(session_cookie({ %$session, user_return_to => '/there' }));
    is($browser->post('/users/log-in', { %::form, _csrf_token => $token }, $own)->{headers}{location}, '/there', 'where the login would have led');
    is($browser->post('/users/log-in', { %::form, _csrf_token => $token }, $_)->{status}, 403, join ' ', '403:', %$_) for @::not_shown;
}



=== TEST 2: a form of a session that the browser has lost
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for my $own (@::own) {
    my $token = token_of(client());
    my $browser = client();
    my $before = rows();
    my $answer = $browser->post('/users/log-in', { %::form, _csrf_token => $token }, $own);
    is("$answer->{status} $answer->{headers}{location}", '303 /users/log-in', 'the page again');
    like($answer->{headers}{'cache-control'}, qr/no-store/, 'no-store');
    is(rows(), $before, 'nobody was logged in');
    my $page = $browser->get('/users/log-in');
    like($page->{content}, qr/role="alert"[^>]*>The page was out of date\. Please try again\.</, 'which has a message');
    like($page->{content}, qr/value="ada\@example\.com"/, 'the email is kept');
    is($browser->submit('/users/log-in', { %::form })->{headers}{location}, '/', 'and then in');
    for my $not (@::not_shown) {
        my $answer = client()->post('/users/log-in', { %::form, _csrf_token => $token }, $not);
        is("$answer->{status} " . keys %{ $answer->{cookies} }, '403 0', join ' ', '403:', %$not);
    }
    is(client()->post('/users/log-in', { %::form }, $own)->{status}, 303, 'without a token: alike');
}



=== TEST 3: the second log-out
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for my $own (@::own) {
    my $eve = authenticated_fixture();
    my $browser = client()->use_cookie($eve->{cookie});
    my %out = (_method => 'delete', _csrf_token => $eve->{csrf_token});
    is($browser->post('/users/log-out', { %out, _csrf_token => 'x' }, $own)->{status}, 403, 'a live session and a wrong token: 403');
    ok(session_row($eve), 'still there');
    is($browser->post('/users/log-out', \%out, $own)->{headers}{location}, '/bye', 'out');
    my $again = $browser->post('/users/log-out', \%out, $own);
    is("$again->{status} $again->{headers}{location}", '302 /bye', 'and out again');
    ok(!$again->{headers}{'set-cookie'}, 'no cookie is touched');
    is($browser->post('/users/log-out', \%out, $_)->{status}, 403, join ' ', '403:', %$_) for @::not_shown;
    my $remembered = authenticated_fixture(remember_me => 86400);
    is(client()->use_cookie($remembered->{remember_cookie})->post('/users/log-out', \%out, $own)->{status}, 403, 'a remembered user is logged in');
    is($browser->post('/renew', \%out, $own)->{status}, 403, 'a renewal: 403');
}



=== TEST 4: the database is down
--- http_config eval: $::down
--- config eval: $::locations
--- request
GET /users/log-in
--- timeout: 30
--- flow
my $eve = authenticated_fixture();
for my $path ('/users/log-in', '/users/log-out') {
    my $answer = client(timeout => 30)->use_cookie($eve->{cookie})->post($path, { %::form, _csrf_token => 'x' }, $::own[0]);
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '503 0', "$path: 503");
}
