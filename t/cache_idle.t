# auth_sigra_cache with sessions that end when they are not used: the zone notices a use as the row does.

use Test::Nginx::Socket 'no_plan';
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra_sessions');
add_triggers();
our $http  = sigra_http_config(extra => 'auth_sigra_unauthenticated status; auth_sigra_cache zone=sessions:1m ttl=1h; add_header X-Status $auth_sigra_status always;');
our @files = map { [$_ => 'for ada'] } qw(page);

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: idle sessions, and sessions in use
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
location /one/ { auth_sigra on; auth_sigra_idle_timeout 6m; alias html/; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
my $idle = authenticated_fixture(age => 7000, idle => 340);
my $resting = authenticated_fixture(age => 7000, idle => 100);
my $was = session_row($idle)->{last_active_at};
my $used = time;
is(seen('/one/page', $idle), '200 miss', 'used');
await { session_row($idle)->{last_active_at} gt $was } 'the write';
my $written = session_row($idle)->{last_active_at};
warm('/one/page', $idle);
is(statuses(2, '/one/page', $idle), '200 hit, 200 hit', 'used again');
is(session_row($idle)->{last_active_at}, $written, 'written once');
warm('/one/page', $resting);

my $hit = authenticated_fixture(age => 7000, idle => 295);
my $old = session_row($hit)->{last_active_at};
warm('/one/page', $hit);
await { seen('/one/page', $hit); session_row($hit)->{last_active_at} gt $old } 'a write for a hit';
is(seen('/one/page', $hit), '200 hit', 'and it still passes');

my $dead = authenticated_fixture(age => 7000, idle => 320);
my $lock = db()->clone({AutoCommit => 0});
$lock->do('LOCK TABLE user_sessions IN SHARE MODE');
is(seen('/page', $dead), '200 miss', 'used, and the write waits');
await_lookup();
is(seen('/page', $dead), '200 hit', 'the entry records the use');
$lock->rollback;

# By the time that is in the row, the session would have been idle for too long by now.
await { time > $used + 21 } 'twenty seconds';
is(statuses(2, '/one/page', $idle), '200 hit, 200 hit', 'what counts is the use');
