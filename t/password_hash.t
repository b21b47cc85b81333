# auth_sigra_password_hash: a login stores a better hash, but only after a right password.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

our (%http, %of);
our $password = 'correct horse battery staple';
for my $layout (qw(sigra_sessions phx_gen_auth sigra)) {
    fresh_database($layout, name => "rehash_$layout");
    $of{$layout} = database();
    $http{$layout} = sigra_http_config(extra => 'auth_sigra_password_checks floor=5ms; auth_sigra_unauthenticated status;');
}
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; auth_sigra_password_hash argon2id m=2048 t=2 p=2; }
location = /weaker/log-in { auth_sigra_login; auth_sigra_password_hash argon2id m=1024 t=1 p=4; }
location = /off/log-in { auth_sigra_login; auth_sigra_password_hash off; }
location = /default/log-in { auth_sigra_login; }
END

my $made = 0;
sub somebody { return user_fixture(email => 'user-' . ++$made . '@example.com', hashed_password => $_[0]) }
sub hash_of { return scalar db()->selectrow_array('SELECT hashed_password FROM users WHERE id = ?', undef, $_[0]{user_id}) }
sub request {
    my ($user) = @_;
    my $state = csrf_state();
    my $body  = '_csrf_token=' . csrf_mask($state) . "&email=$user->{email}&password=" . $password =~ tr/ /+/r;
    return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Cookie: ' . session_cookie({ _csrf_token => $state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body;
}
sub log_in {
    my ($path, $user, $with) = @_;
    my $state = csrf_state();
    my $client = client()->use_cookie(session_cookie({ _csrf_token => $state }));
    my $answer = $client->post($path, { _csrf_token => csrf_mask($state), email => $user->{email}, password => $with // $password });
    return "$answer->{status} $answer->{headers}{location}";
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: when a hash is stored
--- http_config eval: $::http{sigra}
--- config eval: $::locations
--- request
GET /users/log-in
--- timeout: 30
--- flow
use_database($::of{sigra});
my $quick = argon2id_hash();
for (
    [bcrypt => bcrypt_hash($::password), 1], [pbkdf2 => pbkdf2_hash($::password), 1], ['less memory, fewer passes' => $quick, 1],
) {
    my ($what, $hash, $better) = @$_;
    my $user = somebody($hash);
    is(log_in('/users/log-in', $user, 'wrong'), '302 /users/log-in', "$what: a wrong password");
    is(hash_of($user), $hash, 'stores nothing');
    is(log_in($_, $user), '302 /', "$what: at $_") for '/off/log-in', '/default/log-in';
    is(hash_of($user), $hash, 'off stores nothing');
    is(log_in('/users/log-in', $user), '302 /', "$what: a right one");
    my $new = hash_of($user);
    like($new, qr/\A\$argon2id\$v=19\$m=2048,t=2,p=2\$[\w+\/]{22}\$[\w+\/]{43}\z/, 'stores a new one');
    is(log_in('/users/log-in', $user), '302 /', 'which logs the user in');
    is(hash_of($user), $new, 'and is good enough');
    is(log_in('/users/log-in', $user, 'wrong'), '302 /users/log-in', 'and no other password');
    is(log_in('/weaker/log-in', $user), '302 /', 'at a location with weaker parameters');
    is(hash_of($user), $new, 'it stays');
}
for (['/weaker/log-in', qr/\A\Q$quick\E\z/, 'as strong']) {
    my $user = somebody($quick);
    log_in($_->[0], $user);
    like(hash_of($user), $_->[1], $_->[2]);
}
my ($one, $two) = map { my $user = somebody(pbkdf2_hash($::password)); log_in('/users/log-in', $user); hash_of($user) } 1, 2;
isnt($one, $two, 'each its own salt');
my $argon2 = `argon2 --help 2>&1` =~ /usage/i;
my $i = $argon2 ? `printf %s '$::password' | argon2 somesalt -i -t 2 -k 2048 -p 2 -e` =~ s/\s+\z//r : undef;
if ($i) {
    my $user = somebody($i);
    is(log_in('/users/log-in', $user), '302 /', 'argon2i');
    like(hash_of($user), qr/\A\$argon2id\$/, 'becomes argon2id');
}



=== TEST 2: in every layout
--- http_config eval: $::http{sigra_sessions}
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
use_database($::of{sigra_sessions});
my $user = somebody(pbkdf2_hash($::password));
is(log_in('/users/log-in', $user), '302 /', 'in');
like(hash_of($user), qr/\A\$argon2id\$/, 'stored');



=== TEST 3: and in phx_gen_auth
--- http_config eval: $::http{phx_gen_auth}
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
use_database($::of{phx_gen_auth});
my $user = somebody(pbkdf2_hash($::password));
is(log_in('/users/log-in', $user), '302 /', 'in');
like(hash_of($user), qr/\A\$argon2id\$/, 'stored');



=== TEST 4: a password that was changed meanwhile is not overwritten
--- http_config eval: $::http{sigra}
--- config eval: $::locations
--- request
GET /users/log-in
--- timeout: 30
--- flow
use_database($::of{sigra});
my $user  = somebody(pbkdf2_hash($::password));
my $other = pbkdf2_hash('changed');
my $lock = db()->clone({ AutoCommit => 0 });
$lock->do('UPDATE users SET hashed_password = ? WHERE id = ?', undef, $other, $user->{user_id});
my $wire = wire(request($user));
await_lookup();
$lock->commit;
is($wire->answer->{headers}{location}, '/users/log-in', 'refused: the password was changed');
is(hash_of($user), $other, 'the new one is kept');
is(db()->selectrow_array('SELECT count(*) FROM users_tokens WHERE user_id = ?', undef, $user->{user_id}), 0, 'no session');
is(log_in('/off/log-in', $user, 'changed'), '302 /', 'and logs the user in');



=== TEST 5: two at once
--- http_config eval: $::http{sigra}
--- config eval: $::locations
--- request
GET /users/log-in
--- timeout: 30
--- flow
use_database($::of{sigra});
my $user = somebody(pbkdf2_hash($::password));
my $lock = db()->clone({ AutoCommit => 0 });
$lock->do('SELECT 1 FROM users WHERE id = ? FOR UPDATE', undef, $user->{user_id});
my @wires = map { wire(request($user)) } 1, 2;
await_lookup();
$lock->rollback;
is($_->answer->{headers}{location}, '/', 'in, whoever has stored the better hash') for @wires;
like(hash_of($user), qr/\A\$argon2id\$/, 'one of them has');
is(log_in('/users/log-in', $user), '302 /', 'which is good');
