# A login while PostgreSQL fails: 503, no cookie is changed, and logins work again by themselves afterwards.

use v5.14;
use strict;
use warnings;
use Sigra::Client;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Raw;
use Test::More;

my $quick = 'auth_sigra_password_hash argon2id m=8 t=1 p=1; auth_sigra_password_checks floor=5ms;';
my $nginx = gated_nginx(workers => 1, postgres => 'max_reconnect_delay=1s', server => gated_locations() . "location = /users/log-in { auth_sigra_login; $quick }");
user_fixture(email => 'new@example.com', hashed_password => argon2id_hash());
my %right = (email => 'new@example.com', password => 'correct horse battery staple');

# Without a session, and with ada's.
sub attempt {
    my ($fixture, $port) = @_;
    my $state  = $fixture ? $fixture->{csrf_state} : csrf_state();
    my $client = Sigra::Client->new(port => $port // $nginx->port);
    $client->use_cookie($fixture ? $fixture->{cookie} : session_cookie({ _csrf_token => $state }));
    my $answer = $client->post('/users/log-in', { _csrf_token => csrf_mask($state), %right });
    return join ' ', $answer->{status}, $answer->{headers}{location} // $answer->{headers}{'retry-after'} // '', scalar keys %{ $answer->{cookies} };
}
my $in   = '302 / 1';
my $away = '503 2 0';

sub is_back {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(await(sub { attempt() eq $in }), "$what: back by itself");
}

is(attempt(), $in, 'well before');
my $ada = user('ada');
cluster(stop => 'fast');
is(attempt(), $away, 'stopped: 503');
is(attempt($ada), $away, 'stopped, with a session: 503');
is(Sigra::Client->new(port => $nginx->port)->get('/users/log-in')->{status}, 200, 'the page is shown');
cluster('start');
is_back('stopped');

cluster('freeze');
is(attempt(), $away, 'frozen: 503');
is(attempt($ada), $away, 'frozen, with a session: 503');
cluster('thaw');
is_back('frozen');

# A killed connection is only noticed when it is used.
for (1 .. 3) {
    kill_backends();
    like(attempt(), qr/\A(?:\Q$in\E|\Q$away\E)\z/, 'killed: in, or 503');
    is_back('killed');
}

# Reads work, writes do not, as with a standby or a full disk.
my $rows = sub { db()->selectrow_array('SELECT count(*) FROM users_tokens') };
my $before = $rows->();
db()->do('ALTER DATABASE fault SET default_transaction_read_only = on');
kill_backends();
ok(await(sub { attempt() eq $away }), 'read-only: 503') or diag attempt();
is(attempt($ada), $away, 'read-only, with a session: 503');
is(Sigra::Client->new(port => $nginx->port)->get('/private', { cookie => $ada->{cookie} })->{status}, 200, 'while sessions are read');
like($nginx->log, qr/PostgreSQL refused: 25006 /, 'the reason is in the log');
db()->do('SET default_transaction_read_only = off');
db()->do('ALTER DATABASE fault RESET default_transaction_read_only');
db()->disconnect;
kill_backends();
is_back('read-only');

db()->do('CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$');
db()->do('CREATE TRIGGER full_disk BEFORE INSERT ON users_tokens FOR EACH ROW EXECUTE FUNCTION full_disk()');
is(attempt(), $away, 'full: 503');
is(attempt($ada), $away, 'full, with a session: 503');
ok(session_row($ada), 'and the row is kept');
db()->do('DROP TRIGGER full_disk ON users_tokens');
is(attempt(), $in, 'full: back at once');

# A role that may only read.
my $admin = Sigra::Fixture::connect_to('fault', 'postgres');
$admin->do(q(DO $$ BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$));
$admin->do('GRANT SELECT ON users, users_tokens TO clerk');
my $reader = Sigra::Nginx->new(workers => 1,
    http   => sigra_http_config(conninfo => "host=$ENV{SIGRA_TEST_PGHOST} port=$ENV{SIGRA_TEST_PGPORT} dbname=fault user=clerk password=$ENV{SIGRA_TEST_PGPASSWORD}"),
    server => "location = /users/log-in { auth_sigra_login; $quick }");
is(attempt(undef, $reader->port), $away, 'no INSERT privilege: 503');
like($reader->log, qr/PostgreSQL refused: 42501 /, 'the reason is in the log');
unlike($reader->log, qr/\Q$right{password}\E/, 'and no password');
$admin->do('DROP OWNED BY clerk');
$admin->do('DROP ROLE clerk');
has_no_problems($_) for $reader, $nginx;

done_testing();
