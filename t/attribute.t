# auth_sigra_attribute: other values of a user, in variables, headers and JSON.

use Test::Nginx::Socket 'no_plan';
use JSON::PP;
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Wire;

our (%http, %who);
fresh_database('sigra');
db()->do('ALTER TABLE users ADD name text, ADD tenant text, ADD bio text, ADD level text');
db()->do('CREATE TABLE groups (user_id bigint, name text)');
grant_nginx(reads => 'groups');
add_triggers();
sub columns { my (%columns) = @_; return columns => \%columns }
$who{ada}  = authenticated_fixture(email => 'ada@example.com', columns(name => 'Ada Lovelace', tenant => 'acme', bio => 'x' x 300));
$who{bob}  = authenticated_fixture(email => 'bob@example.com', columns(name => "Bob\nX-Auth-Tenant: acme", tenant => 'other', bio => ''));
$who{eve}  = authenticated_fixture(email => 'eve@example.com', columns(name => ' Eve', tenant => undef, level => 'x'));
$who{zoe}  = authenticated_fixture(email => 'zoe@example.com', columns(name => "Zo\xc3\xab", tenant => 'acme'));
db()->do('INSERT INTO groups VALUES (?, ?)', undef, $who{ada}{user_id}, $_) for qw(staff admin);
our $upstream = <<'END';
    server {
        listen unix:$TEST_NGINX_SERVER_ROOT/logs/upstream.sock;
        default_type text/plain;
        location / { return 200 "name=$http_x_auth_name tenant=$http_x_auth_tenant groups=$http_x_auth_user_groups bio=$http_x_auth_bio other=$http_x_other connection=$http_connection "; }
    }
    upstream echo { server unix:$TEST_NGINX_SERVER_ROOT/logs/upstream.sock; }
END
our $attributes = q(
    auth_sigra_attribute Name "u.name";
    auth_sigra_attribute tenant tenant;
    auth_sigra_attribute user_groups "(SELECT string_agg(g.name, ',' ORDER BY g.name) FROM groups g WHERE g.user_id = u.id)";
);
# nginx's own messages about the connection to an upstream differ between versions.
our $base = "proxy_set_header Connection close;\n" . sigra_http_config(extra => 'auth_sigra_unauthenticated status;') . $upstream
    . 'add_header X-Status $auth_sigra_status always; add_header X-Attributes "$auth_sigra_attribute_name|$auth_sigra_attribute_tenant|$auth_sigra_attribute_user_groups|$auth_sigra_attribute_nosuch" always;';
our $http = $base . 'auth_sigra_cache zone=sessions:1m;';
our @files = map { [$_ => 'for ada'] } qw(page off/page level/page bio/page optional/page other/page);
sub ask { my ($path, $name, %headers) = @_; return client()->get($path, { cookie => ($::who{$name} // {})->{cookie} // 'a=1', %headers }) }
sub said { return ask(@_)->{headers}{'x-attributes'} }
log_statements();

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: variables
--- http_config eval: $::http
--- config eval
"$::attributes
location / { auth_sigra on; }
location /off/ { auth_sigra off; }
location /optional/ { auth_sigra optional; }
location /other/ { auth_sigra on; auth_sigra_attribute tenant upper(u.tenant); }"
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
for my $round ('asked for', 'from the cache') {
    is(said('/page', 'ada'), 'Ada Lovelace|acme|admin,staff|', "ada, $round");
    is(said('/page', 'eve'), 'Eve|||', "NULL is empty, $round");    # the client cuts a space at the end of a header
    is(said('/page', 'zoe'), "Zo\xc3\xab|acme||", "UTF-8, $round");
    is(said('/optional/page', 'ada'), 'Ada Lovelace|acme|admin,staff|', "where it is optional, $round");
    is(said('/optional/page', 'nobody'), '|||', "anonymous, $round");
    is(said('/other/page', 'ada'), '|ACME||', "a level replaces what is above, $round");
    is(said('/off/page', 'ada'), '|||', "off, $round");
    warm('/page', $::who{$_}) for qw(ada eve zoe);
    lookups();
}
is(lookups(), 0, 'no query');
db()->do(q(UPDATE users SET name = 'Countess' WHERE id = ?), undef, $::who{ada}{user_id});
await { said('/page', 'ada') eq 'Countess|acme|admin,staff|' } 'the new name';
pass('a change counts at once');
db()->do(q(UPDATE users SET name = 'Ada Lovelace' WHERE id = ?), undef, $::who{ada}{user_id});



=== TEST 2: headers
--- http_config eval: $::http
--- config eval
"location / { auth_sigra on; $::attributes auth_sigra_forward on; proxy_pass http://echo; }
location /open/ { auth_sigra off; auth_sigra_forward on; proxy_pass http://echo; }
location /bare/ { auth_sigra on; auth_sigra_forward on; proxy_pass http://echo; }
location /optional/ { auth_sigra optional; $::attributes auth_sigra_forward on; proxy_pass http://echo; }
location /unforwarded/ { auth_sigra on; $::attributes proxy_pass http://echo; }
location /encoded/ { auth_sigra on; $::attributes auth_sigra_forward encoded; proxy_pass http://echo; }"
--- request
GET /page
--- error_code: 401
--- error_log
the value for X-Auth-Name has a byte that a header cannot carry, or a blank at its start or end: it is not forwarded
--- flow
my %spoofed = ('x-auth-name' => 'spoofed', 'X-AUTH-TENANT' => 'spoofed', 'x-auth_user-groups' => 'spoofed', 'X-Auth_Tenant' => 'spoofed', 'X-Other' => 'mine');
for my $round (1, 2) {
    for my $headers ({}, \%spoofed) {
        my $other = %$headers ? 'mine' : '';
        is(ask('/page', 'ada', %$headers)->{content}, "name=Ada Lovelace tenant=acme groups=admin,staff bio= other=$other connection=close ", 'from the module');
        is(ask('/page', 'bob', %$headers)->{content}, "name= tenant=other groups= bio= other=$other connection=close ", 'a line feed makes no header');
        is(ask('/page', 'eve', %$headers)->{content}, "name= tenant= groups= bio= other=$other connection=close ", 'nor does a space at an end, nor NULL');
        is(ask($_, 'ada', %$headers)->{content}, "name= tenant= groups= bio= other=$other connection=close ", "$_: only the module sets them") for '/open/page', '/bare/page';
        is(ask('/optional/page', 'nobody', %$headers)->{content}, "name= tenant= groups= bio= other=$other connection=close ", 'optional, anonymous');
        is(ask('/optional/page', 'zoe', %$headers)->{content}, "name=Zo\xc3\xab tenant=acme groups= bio= other=$other connection=close ", 'optional, zoe');
        is(ask('/encoded/page', 'bob', %$headers)->{content}, "name=Bob%0AX-Auth-Tenant:%20acme tenant=other groups= bio= other=$other connection=close ", 'encoded');
    }
}
is(ask('/unforwarded/page', 'ada')->{content}, 'name= tenant= groups= bio= other= connection=close ', 'not forwarded');
like(ask('/page', 'ada', connection => 'close, X-Auth-Tenant, x_auth-name')->{content}, qr/tenant=acme .*connection=close $/, 'named in Connection');



=== TEST 3: a session that does not fit is looked up each time
--- http_config eval: $::http
--- config
auth_sigra on;
location / { auth_sigra_attribute name "u.name" size=16; auth_sigra_attribute tenant "repeat('t', CASE WHEN u.tenant = 'acme' THEN 16 END)" size=16; }
location /bio/ { auth_sigra_attribute name "u.bio" size=16; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- grep_error_log eval: qr/attributes of a user take \d+ bytes/
--- grep_error_log_out
attributes of a user take 340 bytes
--- flow
warm('/page', $::who{zoe});
warm('/page', $::who{bob});    # longer than its own size, but within that of all
is(statuses(3, '/page', $::who{ada}), '200 miss, 200 miss, 200 miss', 'what does not fit is not kept');
is(said('/page', 'ada'), 'Ada Lovelace|' . 't' x 16 . '||', 'but logged');
is(said('/bio/page', 'ada'), 'x' x 300 . '|||', 'all of it');



=== TEST 4: an attribute that cannot be read
--- http_config eval: $::http
--- config
auth_sigra on;
location / { }
location /level/ { auth_sigra_attribute name "u.level::integer"; }
location /bio/ { auth_sigra_attribute name "u.nosuch"; }
location /optional/ { auth_sigra optional; auth_sigra_attribute name "u.nosuch"; auth_sigra_attribute tenant tenant; }
location /other/ { auth_sigra_attribute tenant "u.tenant"; auth_sigra_require "u.tenant = 'acme'"; }
location = /me { auth_sigra_session; auth_sigra_attribute name "u.nosuch"; }
location = /level { auth_sigra_session; auth_sigra_attribute name "u.level::integer"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- error_log
auth_sigra_attribute "u.nosuch" is refused by PostgreSQL, its locations answer 503: 42703
auth_sigra_attribute "u.level::integer" of a user: 22P02
--- flow
for my $round (1, 2) {
    is(join(' ', map { (split ' ', seen('/bio/page', $::who{$_}))[0] } qw(ada eve)), '503 503', 'a column that is not there');
    is(join(' ', map { (split ' ', seen('/level/page', $::who{$_}))[0] } qw(ada eve)), '200 503', 'a cast that fails for one');
    is(said('/optional/page', 'ada'), '|acme||', 'optional: empty');
    is(join(' ', map { (split ' ', seen('/other/page', $::who{$_}))[0] } qw(ada eve bob)), '200 403 403', 'others still work');
    is(join(' ', map { (split ' ', seen('/page', $::who{$_}))[0] } qw(ada eve)), '200 200', 'and where no attribute is used');
    is(join(' ', map { (split ' ', seen('/me', $::who{$_}))[0] } qw(ada eve)), '503 503', 'JSON does not say null of what could not be read');
    is(join(' ', map { (split ' ', seen('/level', $::who{$_}))[0] } qw(ada eve)), '200 503', 'nor of one user');
    warm('/page', $::who{$_}) for qw(ada eve bob);
}



=== TEST 5: without a cache, in a subrequest, after an internal redirect, and as JSON
--- http_config eval: $::base
--- config eval
"$::attributes auth_sigra on;
location / { error_page 403 /denied; }
location /other/ { auth_sigra_require \"u.tenant = 'acme'\"; error_page 403 /denied; }
location = /denied { auth_sigra off; return 403 \"not of \$auth_sigra_attribute_tenant\"; }
location /asked/ { auth_sigra off; auth_request /allowed; auth_request_set \$tenant \$sent_http_x_tenant; alias html/; add_header X-Tenant \$tenant; }
location = /allowed { internal; add_header X-Tenant \$auth_sigra_attribute_tenant; alias html/page; }
location = /me { auth_sigra_session; }
location = /plain { auth_sigra_attribute tenant tenant; auth_sigra_session; }"
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
is(said('/page', 'ada'), 'Ada Lovelace|acme|admin,staff|', 'without a cache');
is(ask('/other/page', 'bob')->{content}, 'not of other', 'an error page');
is_deeply(JSON::PP->new->decode(ask('/me', 'ada')->{content})->{attributes}, { name => 'Ada Lovelace', tenant => 'acme', user_groups => 'admin,staff' }, 'JSON');
is_deeply(JSON::PP->new->decode(ask('/me', 'eve')->{content})->{attributes}, { name => ' Eve', tenant => undef, user_groups => undef }, 'JSON: NULL');
is_deeply(JSON::PP->new->decode(ask('/plain', 'bob')->{content})->{attributes}, { tenant => 'other' }, "JSON: the location's own");
