# auth_sigra_lockout: many wrong passwords lock an account for a while.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw ();
use Sigra::Wire;

our $checks = 'auth_sigra_password_hash argon2id m=8 t=1 p=1; auth_sigra_password_checks floor=5ms running=2 queue=100;';
our (%http, %of);
our $password = 'correct horse';
for my $layout (qw(phx_gen_auth sigra_sessions sigra)) {
    fresh_database($layout, name => "lockout_$layout");
    $of{$layout}   = database();
    $http{$layout} = sigra_http_config(extra => "$checks auth_sigra_lockout threshold=5 duration=15m;");
}
# The role of the last one may count attempts, but may not insert sessions.
our $admin = Sigra::Fixture::connect_to($of{sigra}{name}, 'postgres');
$admin->do(q(DO $$ BEGIN CREATE ROLE lockout_clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$));
$admin->do('GRANT SELECT ON users, users_tokens TO lockout_clerk');
$admin->do('GRANT UPDATE (failed_login_attempts, locked_at) ON users TO lockout_clerk');
$http{clerk} = sigra_http_config(extra => "$checks auth_sigra_lockout threshold=5 duration=15m;", postgres => 'timeout=60s',
    conninfo => "host=$ENV{SIGRA_TEST_PGHOST} port=$ENV{SIGRA_TEST_PGPORT} dbname=$of{sigra}{name} user=lockout_clerk password=$ENV{SIGRA_TEST_PGPASSWORD}");
our $location = 'location = /users/log-in { auth_sigra_login; } location /private/ { auth_sigra on; auth_sigra_unauthenticated status; }';
our $files = [['private/x.txt' => 'for ada']];

my $made = 0;
sub somebody { return user_fixture(email => 'user-' . ++$made . '@example.com', password => $password, columns => $_[0]) }

sub request {
    my ($email, $password, @headers) = @_;
    my $state = csrf_state();
    my $body = join '&', '_csrf_token=' . csrf_mask($state), "email=$email", 'password=' . $password =~ tr/ /+/r;
    return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Cookie: ' . session_cookie({ _csrf_token => $state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, @headers, '', $body;
}

# Whether the login succeeded; any unexpected answer is returned as it is.
sub outcome {
    my ($answer) = @_;
    my $to = "$answer->{status} " . ($answer->{headers}{location} // '');
    return $to eq '302 /' ? 'in' : $to eq '302 /users/log-in' ? 'refused' : $to;
}
sub try_login { my ($user, $with, @headers) = @_; return outcome(wire(request($user->{email}, $with // 'wrong', @headers))->answer) }
sub state_of {
    return join ' ', db()->selectrow_array('SELECT failed_login_attempts, locked_at IS NOT NULL FROM users WHERE id = ?', undef, $_[0]{user_id});
}

no_shuffle();
run_tests();
$admin->do('DROP OWNED BY lockout_clerk');
$admin->do('DROP ROLE lockout_clerk');

__DATA__

=== TEST 1: five wrong passwords, and fifty at once
--- http_config eval: $::http{sigra}
--- config eval: $::location
--- user_files eval: $::files
--- request
GET /users/log-in
--- timeout: 60
--- flow
use_database($::of{sigra});
my $user = somebody();
is(try_login($user), 'refused', 'a wrong password') for 1 .. 4;
is(state_of($user), '4 0', 'counted, not locked');
is(try_login($user, $::password), 'in', 'the fifth is right');
is(state_of($user), '0 0', 'a success resets the count');
is(try_login($user), 'refused', 'a wrong password') for 1 .. 5;
is(state_of($user), '5 1', 'locked');
is(try_login($user, $::password), 'refused', 'the right password is too late');
is(try_login($user, $::password, 'X-Forwarded-For: 192.0.2.' . $_), 'refused', 'whatever X-Forwarded-For is') for 1 .. 3;

# The first five are tried, however many come after them.
for my $guesses ([('wrong') x 50], [('wrong') x 49, $::password]) {
    my $victim = somebody();
    my $lock = db()->clone({ AutoCommit => 0 });
    $lock->do('SELECT 1 FROM users WHERE id = ? FOR UPDATE', undef, $victim->{user_id});
    my @wires = map { wire(request($victim->{email}, $_)) } @$guesses;
    await_lookup();
    $lock->rollback;
    my %count;
    $count{ outcome($_->answer) }++ for @wires;
    is($count{refused} + ($count{in} // 0), 50, 'fifty answers');
    my ($attempts) = split ' ', state_of($victim);
    is($attempts, 50, 'every one counted') unless $count{in};
}
my $victim = user_fixture(email => 'parallel@example.com', hashed_password => argon2id_hash());
my @wires = map { wire(request($victim->{email}, 'correct horse battery staple')) } 1 .. 20;
my $in = grep { outcome($_->answer) eq 'in' } @wires;
cmp_ok($in, '>=', 5, 'twenty right ones at once: at least the first five');

# What a lock does not affect.
my $ada = authenticated_fixture(password => $::password, columns => { failed_login_attempts => 5, locked_at => \"now() AT TIME ZONE 'utc'" });
is(client()->get('/private/x.txt', { cookie => $ada->{cookie} })->{status}, 200, 'the session continues');
is(try_login($ada), 'refused', 'guessing continues');
is(client()->get('/private/x.txt', { cookie => $ada->{cookie} })->{status}, 200, 'and so does the session');
is(try_login(somebody(), $::password), 'in', 'another user is not concerned');



=== TEST 2: no more than the threshold are tried
--- http_config eval: $::http{sigra}
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- flow
use_database($::of{sigra});
# For each hash that cannot be checked there is a line in the log.
my $user = user_fixture(email => 'traced@example.com', hashed_password => '$2b$04$short');
my @wires = map { wire(request('traced@example.com', 'wrong')) } 1 .. 50;
$_->answer for @wires;
my @tried = slurp('logs/error.log') =~ /user $user->{user_id}: the stored password hash/g;
is(scalar @tried, 5, 'five of fifty');
is(state_of($user), '50 1', 'and all are counted');
--- error_log
is malformed or cut off



=== TEST 3: the end of a lock
--- http_config eval: $::http{sigra}
--- config eval
$::location . "location = /short/log-in { auth_sigra_login; auth_sigra_lockout threshold=2 duration=1m; } location = /off/log-in { auth_sigra_login; auth_sigra_lockout off; }"
--- request
GET /users/log-in
--- flow
use_database($::of{sigra});
my $locked = sub { somebody({ failed_login_attempts => $_[1] // 5, locked_at => \"now() AT TIME ZONE 'utc' - interval '$_[0] seconds'" }) };
my $user = $locked->(890);
is(try_login($user, $::password), 'refused', 'after 890 s');
$user = $locked->(901);
is(try_login($user), 'refused', 'after 901 s: a wrong password');
is(state_of($user), '1 0', 'is the first of a new count');
is(try_login($user, $::password), 'in', 'and the right one logs in');
$user = $locked->(901, 500);
is(try_login($user, $::password), 'in', 'at once as well');
is(state_of($user), '0 0', 'and the count is reset');
my $at = sub { my ($path, $user, $with) = @_; outcome(wire(request($user->{email}, $with) =~ s{/users/log-in}{$path}r)->answer) };
$user = $locked->(61);
is($at->('/short/log-in', $user, $::password), 'in', 'a shorter lock');
$user = somebody();
$at->('/short/log-in', $user, 'wrong') for 1 .. 2;
is($at->('/short/log-in', $user, $::password), 'refused', 'a lower threshold');
is(state_of($user), '3 1', 'locked');
is($at->('/off/log-in', $user, $::password), 'in', 'off: no account is locked');
is(state_of($user), '3 1', 'and nothing counted');
$user = somebody();
$at->('/off/log-in', $user, 'wrong') for 1 .. 7;
is(state_of($user), '0 0', 'off: no wrong password is counted');



=== TEST 4: sigra_sessions
--- http_config eval: $::http{sigra_sessions}
--- config eval: $::location
--- request
GET /users/log-in
--- flow
use_database($::of{sigra_sessions});
my $user = somebody();
is(try_login($user), 'refused', 'a wrong password') for 1 .. 5;
is(state_of($user), '5 1', 'locked');
is(try_login($user, $::password), 'refused', 'locked');



=== TEST 5: a table without the columns
--- http_config eval: $::http{phx_gen_auth}
--- config eval: $::location
--- request
GET /users/log-in
--- error_log eval
qr/failed_login_attempts/
--- flow
use_database($::of{phx_gen_auth});
my $answer = wire(request(somebody()->{email}, $::password))->answer;
is("$answer->{status} $answer->{headers}{'retry-after'}", '503 2', 'no login is uncounted');
is($answer->{headers}{'set-cookie'}, undef, 'no cookie');



=== TEST 6: nginx -t: an error
--- http_config eval: $::http{sigra}
--- config
auth_sigra_lockout threshold=0;
--- must_die
--- error_log eval
qr/it must be a number from 1 to 1000000 in "auth_sigra_lockout"/



=== TEST 7: nginx -t: the duration
--- http_config eval: $::http{sigra}
--- config
auth_sigra_lockout threshold=5 duration=soon;
--- must_die
--- error_log eval
qr/"duration".* in "auth_sigra_lockout"/



=== TEST 8: nginx -t: an unknown parameter
--- http_config eval: $::http{sigra}
--- config
auth_sigra_lockout off threshold=5;
--- must_die
--- error_log
invalid parameter "threshold=5" in "auth_sigra_lockout"



=== TEST 9: nginx -t: a second directive
--- http_config eval: $::http{sigra}
--- config
auth_sigra_lockout off; auth_sigra_lockout threshold=5;
--- must_die
--- error_log
"auth_sigra_lockout" directive is duplicate



=== TEST 10: a failure of the server is not counted as an attempt
--- http_config eval: $::http{clerk}
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- flow
use_database($::of{sigra});
my $user = somebody();
is(try_login($user, $::password), '503 ', 'no right to INSERT') for 1 .. 6;
await { state_of($user) eq '0 0' } 'none of them counts';
is(try_login($user), 'refused', 'a wrong password') for 1 .. 2;
is(state_of($user), '2 0', 'counts');
is(try_login($user, $::password), '503 ', 'the right password');
await { state_of($user) eq '0 0' } 'resets the count';
is(try_login($user), 'refused', 'a wrong password') for 1 .. 5;
is(state_of($user), '5 1', 'guesses lock as ever');
is(try_login($user, $::password), 'refused', 'then the right password is too late');
is(state_of($user), '6 1', 'and the count stays');
--- error_log
PostgreSQL refused: 42501
