# auth_sigra_cache: which requests are answered without PostgreSQL, and for how long.

use Test::Nginx::Socket 'no_plan';
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
add_triggers();
log_statements();
our $base = sigra_http_config(extra => 'auth_sigra_unauthenticated status; add_header X-Status $auth_sigra_status always;');
our $http = $base . 'auth_sigra_cache zone=sessions:1m;';
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $bob  = authenticated_fixture(email => 'bob@example.com');
our @files = map { [$_ => 'for ada'] } qw(page one/page two/page off/page optional/page);

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: looked up once, then cached
--- http_config eval: $::http
--- config
location / { auth_sigra on; add_header X-Who "$auth_sigra_email $auth_sigra_user_id $auth_sigra_authenticated_at"; add_header X-Status $auth_sigra_status always; }
location /off/ { auth_sigra on; auth_sigra_cache off; }
location /optional/ { auth_sigra optional; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
my $first = client()->get('/page', { cookie => $::ada->{cookie} });
is($first->{headers}{'x-status'}, 'miss', 'at first a miss');
warm('/page', $::ada);
lookups();
my $again = client()->get('/page', { cookie => $::ada->{cookie} });
is($again->{headers}{'x-status'}, 'hit', 'then a hit');
is($again->{headers}{'x-who'}, $first->{headers}{'x-who'}, 'the same user');
is(statuses(3, '/page', $::ada), '200 hit, 200 hit, 200 hit', 'again');
is(seen('/optional/page', $::ada), '200 hit', 'in a location that inherits it');
is(lookups(), 0, 'and no query');
is(statuses(2, '/off/page', $::ada), '200 miss, 200 miss', 'where it is off');
is(lookups(), 2, 'a query each');
is(seen('/page', $::bob), '200 miss', 'another session is not cached');
is(seen('/page', {cookie => session_cookie({})}), '401 anonymous', 'anonymous');



=== TEST 2: each location applies its own rules to a cached session
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
location /one/ { auth_sigra on; auth_sigra_session_ttl 1h; alias html/; }
location /two/ { auth_sigra on; auth_sigra_sudo 10m; alias html/; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
my $old = authenticated_fixture(age => 7000);
warm('/page', $old);
is(seen('/one/page', $old), '401 expired', 'a shorter auth_sigra_session_ttl');
is(seen('/two/page', $old), '403 hit', 'not fresh');
is(seen('/page', $old), '200 hit', 'and here still good');
my $fresh = authenticated_fixture(age => 10);
warm('/page', $fresh);
is(seen('/two/page', $fresh), '200 hit', 'a fresh one');
my $ending = authenticated_fixture(age => 3597);
warm('/page', $ending);
await { seen('/one/page', $ending) eq '401 expired' } 'the end of the session';
is(seen('/page', $ending), '200 hit', 'a session expires on a hit too, by its row, not by the entry');



=== TEST 3: the ttl
--- http_config eval: $::base
--- config
auth_sigra_cache zone=sessions:1m ttl=1s;
location / { auth_sigra on; }
location /one/ { auth_sigra on; auth_sigra_cache zone=sessions ttl=1h; alias html/; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
warm('/page', $::ada);
await { seen('/page', $::ada) eq '200 miss' } 'a miss';
await { seen('/page', $::ada) eq '200 hit' } 'a hit';
pass('then cached again');
warm('/one/page', $::bob);
await { seen('/page', $::bob) eq '200 miss' } 'a miss by the shorter ttl';



=== TEST 4: another database, schema or condition has its own lookup
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
location /one/ { auth_sigra on; auth_sigra_schema sigra "where=u.email <> 'ada@example.com'"; alias html/; }
location /two/ { auth_sigra on; auth_sigra_schema sigra "where=u.email <> 'bob@example.com'"; alias html/; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
warm('/page', $::ada);
lookups();
is(seen('/one/page', $::ada), '401 unknown', 'not by this condition');
is(seen('/two/page', $::ada), '200 miss', 'looked up for the other');
is(lookups(), 2, 'a query each');
is(join(', ', map { seen($_, $::ada) } qw(/page /two/page)), '200 hit, 200 hit', 'each has its own entry');
is(lookups(), 0, 'without a query');



=== TEST 5: a missing session is remembered for a second
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
warm('/page', $::ada);
my $nobody = { cookie => session_cookie({ user_token => 'n' x 32 }) };
lookups();
# Repeats until two requests fall into the same second, however long that takes.
await {
    is(seen('/page', $nobody), '401 unknown', 'unknown');
    lookups();
    is(seen('/page', $nobody), '401 unknown', 'and again');
    lookups() == 0
} 'an answer without a query';
pass('not looked up each time');
await { seen('/page', $nobody); lookups() > 0 } 'the next query';
is(seen('/page', $::ada), '200 hit', 'and nothing is evicted');



=== TEST 6: a session that is too long for a cell is looked up each time
--- http_config eval: $::http
--- config
location / { auth_sigra on; add_header X-Who $auth_sigra_email; add_header X-Status $auth_sigra_status always; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
warm('/page', $::ada);
my $fits = authenticated_fixture(email => 'x' x 148 . '@example.com');
my $long = authenticated_fixture(email => 'x' x 248 . '@example.com');
is(statuses(2, '/page', $fits), '200 miss, 200 hit', '160 bytes');
is(client()->get('/page', { cookie => $fits->{cookie} })->{headers}{'x-who'}, $fits->{email}, 'whole');
is(statuses(3, '/page', $long), '200 miss, 200 miss, 200 miss', '260 bytes');
is(client()->get('/page', { cookie => $long->{cookie} })->{headers}{'x-who'}, $long->{email}, 'and all the same');



=== TEST 7: the least recently used session is evicted
--- http_config eval: $::base
--- config
auth_sigra_cache zone=small:64k ttl=1h;
location / { auth_sigra on; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- timeout: 60
--- flow
my ($user, @many) = authenticated_fixture();
push @many, authenticated_fixture(user_id => $user->{user_id}, email => $user->{email}) for 1 .. 400;
warm('/page', $::ada);
# Once only: who comes again a second later, which a busy machine may make of it, has used the session.
is(seen('/page', $::bob), '200 miss', 'bob comes once');
my $used = time;
seen('/page', $_) for @many[0 .. 99];
await { time > $used + 1 } 'a second';
is(seen('/page', $::ada), '200 hit', 'ada is cached, and comes again');
seen('/page', $_) for @many[100 .. 199];
is(seen('/page', $::ada), '200 hit', 'a session that was used again stays');
is(seen('/page', $::bob), '200 miss', 'one that was not is evicted');
seen('/page', { cookie => session_cookie({ user_token => sprintf '%032d', $_ }) }) for 1 .. 200;
is(seen('/page', $::ada), '200 hit', 'a flood of missing sessions evicts nothing');
seen('/page', $_) for @many;
is(seen('/page', $::ada), '200 miss', 'but a flood of live sessions does');
is(join(' ', map { seen('/page', $_) } @many[-50 .. -1]), join(' ', ('200 hit') x 50), 'the last of them are cached');

=== TEST 8: a cached cookie does not help a similar one
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- timeout: 60
--- flow
warm('/page', $::ada);
my ($name, $value) = split /=/, $::ada->{cookie}, 2;
my %seen;
for my $at (0 .. length($value) - 1) {
    my $other = $value;
    substr($other, $at, 1) = substr($value, $at, 1) eq 'A' ? 'B' : 'A';
    push @{ $seen{ seen('/page', { cookie => "$name=$other" }) } }, $at;
}
is(join(', ', sort keys %seen), '401 invalid', 'changed at any place');
my @cut = map { substr $value, 0, $_ } 1 .. length($value) - 1;
is(join(', ', sort keys %{ { map { seen('/page', { cookie => "$name=$_" }) => 1 } @cut } }), '401 invalid', 'cut anywhere');
is(seen('/page', { cookie => "$name=$value$value" }), '401 invalid', 'twice over');
is(seen('/page', { cookie => "a=b; $name=$value; c=d" }), '200 hit', 'among others it is the same');
is(seen('/page', { cookie => "x$name=$value" }), '401 anonymous', 'but not under another name');



=== TEST 9: infinite times
--- http_config eval: $::http
--- config
location / { auth_sigra on; }
location /sudo/ { auth_sigra on; auth_sigra_sudo 1h; alias html/; }
location /off/ { auth_sigra on; auth_sigra_cache off; alias html/; }
--- user_files eval: [[page => 'for ada']]
--- request
GET /page
--- error_code: 401
--- flow
warm('/page', $::ada);
my $lasting = sub { authenticated_fixture(email => "$_[1]$_[0]\@example.com", row => { $_[0] => \"'$_[1]'" }) };
my $born = $lasting->(inserted_at => '-infinity');
is(seen('/page', $born), '401 expired', 'an infinitely old session');
is(statuses(20, '/page', $born), join(', ', ('401 expired') x 20), 'is one from the cache as well');
is(seen('/off/page', $born), '401 expired', 'and without it');
my $never = $lasting->(inserted_at => 'infinity');
is(statuses(3, '/page', $never), '200 miss, 200 hit, 200 hit', 'one that starts in the future is live');
is(seen('/off/page', $never), '200 miss', 'without the cache too');
my $long_ago = $lasting->(authenticated_at => '-infinity');
is(seen('/page', $long_ago), '200 miss', 'authenticated before all times');
is(statuses(20, '/sudo/page', $long_ago), join(', ', ('403 hit') x 20), 'is not fresh');
