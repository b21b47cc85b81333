# auth_sigra_second_factor: for a user who has one, a password alone is not enough to log in; and «fallback», the
# application's part.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use MIME::Base64 qw(decode_base64url);

our (%http, %of, %who);
our $password = 'correct horse';
for my $layout (qw(sigra sigra_sessions)) {
    fresh_database($layout, name => "second_$layout");
    db()->do('ALTER TABLE users ADD totp_secret text');
    $of{$layout} = database();
    $http{$layout} = sigra_http_config(extra => 'auth_sigra_second_factor "u.totp_secret IS NOT NULL" url=/users/second-factor;'
        . 'auth_sigra_password_hash argon2id m=8 t=1 p=1; auth_sigra_password_checks floor=5ms;');
    $who{$layout} = {
        ada => user_fixture(email => 'ada@example.com', password => $password, columns => { totp_secret => 'x' }),
        bob => user_fixture(email => 'bob@example.com', password => $password),
    };
}
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location /private/ { auth_sigra on; auth_sigra_unauthenticated status; }
END
our $files = [['private/x.txt' => 'for ada']];

sub log_in_over {
    my ($session, $form, @cookies) = @_;
    my $state = $session->{_csrf_token} // csrf_state();
    my $client = client()->use_cookie(session_cookie({ _csrf_token => $state, %$session }), @cookies);
    return ($client, $client->post('/users/log-in', { _csrf_token => csrf_mask($state), %$form }));
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: sigra_sessions has a row for a pending second factor
--- http_config eval: $::http{sigra_sessions}
--- config eval: $::locations
--- user_files eval: $::files
--- request
GET /users/log-in
--- flow
use_database($::of{sigra_sessions});
my %ada = (email => 'ada@example.com', password => $::password, remember_me => 'true');
my ($browser, $answer) = log_in_over({ user_return_to => '/private/x', planted => 'x' }, \%ada);
is("$answer->{status} $answer->{headers}{location}", '302 /users/second-factor', 'to the second factor');
my $session = $browser->session;
my $row = session_row(decode_base64url($session->{user_token}));
is("$row->{user_id} $row->{type}", "$::who{sigra_sessions}{ada}{user_id} mfa_pending", 'the row');
is($row->{sudo_at}, undef, 'not authenticated');
is($row->{ip}, '127.0.0.1', 'its address');
is_deeply([sort keys %$session], [qw(_csrf_token live_socket_id user_return_to user_token)], 'the session');
is($session->{user_return_to}, '/private/x', 'the path to return to is kept');
is($answer->{cookies}{ remember_me_cookie_name() }, undef, 'no remember-me cookie');
is($browser->get('/private/x.txt')->{status}, 401, 'no gate lets it in');
is($browser->get('/users/log-in')->{status}, 200, 'and the login page is shown');
my $remember = remember_me_cookie($session->{user_token});
is(client()->get('/private/x.txt', { cookie => $remember })->{status}, 401, 'nor as remember-me');

(undef, $answer) = log_in_over({}, { %ada, password => 'wrong' });
is($answer->{headers}{location}, '/users/log-in', 'a wrong password is a wrong password');
($browser, $answer) = log_in_over({}, { %ada, email => 'bob@example.com' });
is($answer->{headers}{location}, '/', 'a user without one is logged in');
is($browser->get('/private/x.txt')->{status}, 200, 'everywhere');
is(session_row(decode_base64url($browser->session->{user_token}))->{type}, 'remember_me', 'and with remember-me');

my $state = csrf_state();
$browser = client()->use_cookie(session_cookie({ _csrf_token => $state }));
$answer = $browser->post('/users/log-in', { %ada, _csrf_token => csrf_mask($state) }, { accept => 'application/json' });
is("$answer->{status} $answer->{content}", '200 {"redirect_to":"/users/second-factor"}', 'JSON');

# With an existing session: the old one ends, whichever user's it was.
my $old = authenticated_fixture(user_id => $::who{sigra_sessions}{ada}{user_id}, email => 'ada@example.com');
my $bob = authenticated_fixture(user_id => $::who{sigra_sessions}{bob}{user_id}, email => 'bob@example.com', remember_me => 1_000_000);
($browser) = log_in_over($old->{session}, \%ada, $bob->{remember_cookie});
is(session_row($_), undef, 'the old row is gone') for $old, $bob;
is($browser->cookies->{ remember_me_cookie_name() }, undef, 'another\'s remember-me cookie too');
is($browser->get('/private/x.txt')->{status}, 401, 'and nobody is logged in');



=== TEST 2: the other layouts have none: refused as wrong
--- http_config eval: $::http{sigra}
--- config eval: $::locations
--- user_files eval: $::files
--- request
GET /users/log-in
--- flow
use_database($::of{sigra});
my $rows = sub { db()->selectrow_array('SELECT count(*) FROM users_tokens') };
my $before = $rows->();
my ($browser, $answer) = log_in_over({}, { email => 'ada@example.com', password => $::password });
is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', 'refused');
is($browser->session->{phoenix_flash}{error}, 'Invalid email or password', 'as if it were wrong');
is($rows->(), $before, 'no row');
(undef, $answer) = log_in_over({}, { email => 'bob@example.com', password => $::password });
is($answer->{headers}{location}, '/', 'a user without one is logged in');



=== TEST 3: the application gets the POST and its body
--- http_config eval: $::http{sigra}
--- config
auth_sigra_forward on;
auth_sigra_lockout threshold=5 duration=15m;
location = /users/log-in { auth_sigra_login fallback=@application; }
location @application { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock; }
--- request
GET /users/log-in
--- timeout: 20
--- flow
use_database($::of{sigra});
use IO::Socket::UNIX;
use Sigra::Raw ();
my $path = "$ENV{TEST_NGINX_SERVER_ROOT}/logs/application.sock";
unlink $path;
my $server = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";
chmod 0777, $path;

# What one request sends to the application, and what the client then gets.
my $ask = sub {
    my ($form, $session, @more) = @_;
    my $state = csrf_state();
    my $body = join '&', map { join '=', map { s/([^\w.-])/sprintf '%%%02X', ord $1/ger } $_, $form->{$_} } sort keys %$form;
    $body .= '&_csrf_token=' . csrf_mask($state);
    my $pid = fork() // die;
    if (!$pid) {
        local $SIG{ALRM} = sub { POSIX::_exit(1) };
        alarm 15;
        my $peer = $server->accept or POSIX::_exit(1);
        my $text = '';
        until ($text =~ /^Content-Length: (\d+)\r\n.*?\r\n\r\n(.*)/msi && length $2 >= $1) { sysread $peer, $text, 65536, length $text or last }
        print $peer "HTTP/1.0 200 OK\r\nSet-Cookie: of=application\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
        close $peer;
        POSIX::_exit(0);
    }
    my $answer = Sigra::Raw::raw_exchange(join "\r\n", 'POST /users/log-in?x=y HTTP/1.1', 'Host: localhost', 'Connection: close', 'X-Auth-User-Id: 1',
        'Cookie: ' . session_cookie({ _csrf_token => $state, %{ $session // {} } }), 'Content-Type: application/x-www-form-urlencoded',
        'Content-Length: ' . length $body, '', $body);
    kill TERM => $pid unless $answer->{body} =~ /^POST/;
    waitpid $pid, 0;
    return ($answer, $body);
};
for (['a second factor', { email => 'ada@example.com', password => $::password }], ['a magic link', { 'user[email]' => 'ada@example.com' }],
    ['a long body', { email => 'bob@example.com', more => 'x' x 6000 }], ['no email either', {}]) {
    my ($what, $form) = @$_;
    my ($answer, $body) = $ask->($form);
    like($answer->{body}, qr{\APOST /users/log-in\?x=y HTTP/1\.[01]\r\n}, "$what: passed to the application");
    is($answer->{body} =~ s/.*?\r\n\r\n//sr, $body, "$what: with the body unchanged");
    unlike($answer->{body}, qr/^X-Auth-User-Id/mi, "$what: and nobody's identity");
    is(Sigra::Raw::header($answer, 'Set-Cookie'), 'of=application', "$what: the answer is its own");
}
for (['a wrong password', { email => 'ada@example.com', password => 'wrong' }, '/users/log-in'], ['nobody\'s', { email => 'x@example.com', password => 'x' }, '/users/log-in'],
    ['no second factor', { email => 'bob@example.com', password => $::password }, '/']) {
    my ($answer) = $ask->($_->[1]);
    is("$answer->{status} " . Sigra::Raw::header($answer, 'Location'), "302 $_->[2]", "$_->[0]: not passed to the application");
}
is(client()->post('/users/log-in', { email => 'ada@example.com' })->{status}, 403, 'without a CSRF token: nor then');
is(client()->post('/users/log-in', { email => 'ada@example.com' }, { 'sec-fetch-site' => 'cross-site' })->{status}, 403, 'from another site: nor then');

# A right password is not counted as an attempt when the login is passed on.
my $attempts = sub { db()->selectrow_array(q(SELECT failed_login_attempts FROM users WHERE email = 'ada@example.com')) };
$ask->({ email => 'ada@example.com', password => 'wrong' }) for 1, 2;
is($attempts->(), 3, 'wrong passwords count, with the one from before');
for (1 .. 6) {
    my ($answer) = $ask->({ email => 'ada@example.com', password => $::password });
    like($answer->{body}, qr/\APOST /, 'a right password, however often');
    is($attempts->(), 0, 'resets the count');
}
close $server;
unlink $path;



=== TEST 4: nginx -t: an error
--- http_config eval: $::http{sigra}
--- config
location = /a { auth_sigra_second_factor "u.x" url=evil; }
--- must_die
--- error_log eval
qr/the path of the page that asks for the second factor, in "auth_sigra_second_factor"/



=== TEST 5: nginx -t: a missing URL
--- http_config eval: $::http{sigra}
--- config
location = /a { auth_sigra_second_factor "u.x"; }
--- must_die
--- error_log eval
qr/in(?:valid number of arguments in)? "auth_sigra_second_factor"/



=== TEST 6: nginx -t: a fallback that is not a named location
--- http_config eval: $::http{sigra}
--- config
location = /a { auth_sigra_login fallback=/b; }
--- must_die
--- error_log eval
qr/"fallback" must name a named location, "\@NAME" in "auth_sigra_login"/



=== TEST 7: auth_sigra_return_to query: the path goes into the session, for the application
--- http_config eval: $::http{sigra_sessions} . 'auth_sigra_return_to query; auth_sigra_cookie_domain site.test;'
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
use_database($::of{sigra_sessions});
my %ada = ('user[email]' => 'ada@example.com', 'user[password]' => $::password);
my $own = "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}";
for (['/a?b', '/a?b'], ["$own/a", '/a'], ['https://a.site.test/a', undef], ['//evil', '/before']) {
    my ($asked, $kept) = @$_;
    my ($browser, $answer) = log_in_over({ user_return_to => '/before' }, { %ada, return_to => $asked });
    is($answer->{headers}{location}, '/users/second-factor', "$asked: to the second factor");
    is($browser->session->{user_return_to}, $kept, "$asked: the path that is kept");
}
