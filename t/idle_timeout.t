# auth_sigra_idle_timeout, and last_active_at, which is written without making requests wait.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra_sessions');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;');
our @config = ('location / { auth_sigra on; }
location /short/ { auth_sigra on; auth_sigra_idle_timeout 1m; alias html/; }
location /off/ { auth_sigra on; auth_sigra_idle_timeout off; alias html/; }
location /optional/ { auth_sigra optional; alias html/; }', [['page' => 'for ada']]);

sub status { my ($path, $who) = @_; return client()->get($path, { cookie => $who->{cookie} })->{status} }
sub idle { return session_row($_[0])->{last_active_at} }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a session that was idle for too long is anonymous
--- http_config eval: $::http
--- config eval: $::config[0]
--- user_files eval: $::config[1]
--- request
GET /page
--- error_code: 401
--- flow
for (    # seconds without activity, type; the status of /page (30m), /short/ (1m), /off/
    [0,     'standard',    '200 200 200'],
    [20,    'standard',    '200 200 200'],
    [70,    'standard',    '200 401 200'],
    [1700,  'standard',    '200 401 200'],
    [1810,  'standard',    '401 401 200'],
    [80000, 'standard',    '401 401 200'],
    [80000, 'remember_me', '200 200 200'],
) {
    my ($seconds, $type, $expected) = @$_;
    my @got = map { status($_, authenticated_fixture(idle => $seconds, type => $type, age => 80000)) } qw(/page /short/page /off/page);
    is("@got", $expected, "$type, idle for $seconds");
}



=== TEST 2: last_active_at is updated, at most every five minutes
--- http_config eval: $::http
--- config eval: $::config[0]
--- user_files eval: $::config[1]
--- request
GET /page
--- error_code: 401
--- flow
my $recent = authenticated_fixture(idle => 200, age => 1000);
my $before = idle($recent);
is(status('/page', $recent), 200, 'active three minutes ago');

for my $path (qw(/page /optional/page)) {
    my $old = authenticated_fixture(idle => 320, age => 1000);
    my $other = authenticated_fixture(idle => 320, age => 1000);
    my $other_was = idle($other);
    is(status($path, $old), 200, "active more than five minutes ago, $path");
    await { idle($old) gt $other_was } 'last_active_at';
    my ($age) = db()->selectrow_array(
        q(SELECT extract(epoch FROM now() AT TIME ZONE 'utc' - last_active_at) FROM user_sessions WHERE id = ?), undef, $old->{session_id});
    cmp_ok($age, '<', 60, "$path: it is now");
    is(idle($other), $other_was, "$path: nobody else\'s");
}
is(idle($recent), $before, 'left alone, as the others were written since');

my $dead = authenticated_fixture(idle => 4000, age => 5000);
$before = idle($dead);
is(status('/page', $dead), 401, 'an expired one');
my $old = authenticated_fixture(idle => 320, age => 1000);
my $was = idle($old);
status('/page', $old);
await { idle($old) gt $was } 'another';
is(idle($dead), $before, 'is not revived');



=== TEST 3: requests do not wait for it
--- http_config eval: $::http
--- config eval: $::config[0]
--- user_files eval: $::config[1]
--- request
GET /page
--- error_code: 401
--- timeout: 30
--- flow
my $old  = authenticated_fixture(idle => 320, age => 1000);
my $was  = idle($old);
my $lock = db()->clone({AutoCommit => 0});
$lock->do('LOCK TABLE user_sessions IN SHARE MODE');    # reads pass, writes wait
is(status('/page', $old), 200, 'the answer has arrived');
await_lookup();
is(status('/page', $old), 200, 'and the next');
is(idle($old), $was, 'while the write still waits');
$lock->rollback;
await { idle($old) gt $was } 'the write';



=== TEST 4: sixteen requests at once write once
--- http_config eval: $::http
--- config eval: $::config[0]
--- user_files eval: $::config[1]
--- init
main::db()->do(q{CREATE TABLE writes AS SELECT 1 AS n WHERE false});
main::db()->do(q{CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO writes VALUES (1); RETURN NEW; END $$});
main::db()->do(q{CREATE TRIGGER count_write AFTER UPDATE ON user_sessions FOR EACH ROW EXECUTE FUNCTION count_write()});
--- request
GET /page
--- error_code: 401
--- flow
my $old  = authenticated_fixture(idle => 320, age => 1000);
my $was  = idle($old);
is_deeply([map { $_->answer->{status} } map { wire(get('/page', $old->{header})) } 1 .. 16], [(200) x 16], 'sixteen');
await { idle($old) gt $was } 'the write';
my $next = authenticated_fixture(idle => 320, age => 1000);
$was = idle($next);
status('/page', $next);
await { idle($next) gt $was } 'one that queues behind';
is(db()->selectrow_array('SELECT count(*) FROM writes'), 2, 'one row written each');
