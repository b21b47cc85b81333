# auth_sigra_require: SQL on the users row that a user who is logged in must meet.

use Test::Nginx::Socket 'no_plan';
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire;

our (%http, %who, %of);
for my $layout (qw(sigra_sessions phx_gen_auth sigra)) {
    fresh_database($layout, name => "sigra_require_$layout");
    db()->do('ALTER TABLE users ADD role text, ADD level text, ADD plan text');
    add_triggers();
    $of{$layout} = database();
    $http{$layout} = sigra_http_config(extra => 'auth_sigra_unauthenticated status; auth_sigra_cache zone=sessions:1m;')
        . 'add_header X-Status $auth_sigra_status always; add_header X-Who $auth_sigra_email always;';
    $who{$layout}{$_} = authenticated_fixture(email => "$_\@example.com", columns => { role => $_, plan => $_ eq 'admin' ? 'pro' : undef })
        for qw(admin user);
    $who{$layout}{none} = authenticated_fixture(email => 'none@example.com', authenticated_age => 7200);
}
db()->do('CREATE TABLE memberships (user_id bigint, role text)');
grant_nginx(reads => 'memberships');
log_statements();
our @paths = qw(page admin/page pro/page both/page off/page optional/page bad/page);
our @files = map { [$_ => 'for ada'] } @paths;
sub ask { my ($path, $name, %headers) = @_; return client()->get($path, { cookie => ($::who{sigra}{$name} // {})->{cookie} // 'a=1', %headers }) }
sub all_of { my ($path) = @_; return join ' ', map { ask($path, $_)->{status} } qw(admin user none nobody) }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: users who meet the condition, and users who do not
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
location /pro/ { auth_sigra_require "role IN ('admin', 'user') -- of ours"; }
location /both/ { auth_sigra_require "u.role IS NOT NULL"; auth_sigra_require "u.plan = 'pro'"; }
location /both/off/ { alias html/both/; auth_sigra_require off; }
location /both/other/ { alias html/both/; auth_sigra_require "u.role = 'user'"; }
location /both/if/ { alias html/both/; auth_sigra_require "u.plan = 'pro'"; if ($arg_a) { add_header X-If 1; } }
location /optional/ { auth_sigra optional; auth_sigra_require "u.role = 'admin'"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
for my $round ('asked for', 'from the cache') {
    for (
        ['/page',             '200 200 200 401'],
        ['/admin/page',       '200 403 403 401'],
        ['/pro/page',         '200 200 403 401'],
        ['/both/page',        '200 403 403 401'],
        ['/both/off/page',    '200 200 200 401'],
        ['/both/other/page',  '403 200 403 401'],
        ['/both/if/page?a=1', '200 403 403 401'],
        ['/optional/page',    '200 200 200 200'],
    ) {
        is(all_of($_->[0]), $_->[1], "$_->[0], $round");
    }
    warm('/page', $::who{sigra}{$_}) for qw(admin user none);
    lookups();
}
is(lookups(), 0, 'conditions of every location are answered by the one lookup');
my $answer = ask('/admin/page', 'user');
is("$answer->{status} @{ $answer->{headers} }{qw(x-status x-who)}", '403 forbidden user@example.com', 'the variables are set');
is($answer->{headers}{'cache-control'}, 'no-store', 'Cache-Control');
is_deeply($answer->{cookies}, {}, 'no cookie is touched');
is($answer->{headers}{location}, undef, 'and there is no redirect to the login page');
is(ask('/admin/page', 'admin')->{headers}{'x-status'}, 'hit', 'a user who meets it is a hit');
is(ask('/optional/page', 'user')->{headers}{'x-status'}, 'hit', 'as is everybody with optional');
is(ask('/optional/page', 'user')->{headers}{'x-who'}, 'user@example.com', 'by name');



=== TEST 2: browsers and programs
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
auth_sigra_require "u.role = 'admin'";
auth_sigra_unauthenticated auto;
location / { }
location /pro/ { error_page 403 /denied; }
location = /denied { auth_sigra off; return 200 "Ask $auth_sigra_email's boss\n"; }
location /both/ { auth_sigra_unauthenticated redirect; auth_sigra_sudo 1h; }
location /status/ { alias html/both/; auth_sigra_unauthenticated status; }
location = /users/log-out { auth_sigra_logout; }
location = /users/log-in { auth_sigra_login; }
location /app/users/log-in { auth_sigra_login_url /app/users/log-in; alias html/page; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 302
--- flow
my $page = ask('/page', 'user');
like("$page->{status} $page->{content}", qr/^403 .*403 Forbidden/s, "a person gets nginx's page");
for ({ accept => 'application/json' }, { 'sec-fetch-mode' => 'cors' }, { 'x-requested-with' => 'XMLHttpRequest' }) {
    my $answer = ask('/page', 'user', %$_);
    is("$answer->{status} $answer->{content}", '403 {"error":"You are not allowed to access this page."}', join ' ', 'a program,', %$_);
    is("@{ $answer->{headers} }{qw(content-type cache-control)}", 'application/json no-store', 'as JSON');
}
like(ask('/pro/page', 'user', accept => 'application/json')->{content}, qr/Ask user\@example.com's boss/, 'error_page takes precedence');
is(ask('/both/page', 'none')->{status}, 403, 'whatever auth_sigra_unauthenticated is, and without a password confirmation');
is(ask('/status/page', 'user')->{status}, 403, 'or this');
is(ask('/app/users/log-in', 'user')->{status}, 200, "the login page's own path is open");
my $leaving = authenticated_fixture(columns => { role => 'user' });
my $browser = client()->use_cookie($leaving->{cookie});
is($browser->get('/users/log-in')->{status}, 302, 'the login page recognizes users who are logged in');
is(client()->delete('/users/log-out', '', { cookie => $leaving->{cookie}, 'x-csrf-token' => $leaving->{csrf_token} })->{status}, 302, 'and all users may log out');
is(session_row($leaving), undef, 'which ends the session');



=== TEST 3: with nginx's other access rules
--- http_config eval: $::http{sigra} . echo_upstream()
--- config
auth_sigra on;
location /any/deny/  { alias html/; satisfy any; deny all; auth_sigra_require "u.role = 'admin'"; }
location /any/allow/ { alias html/; satisfy any; allow all; auth_sigra_require "u.role = 'admin'"; }
location /except { proxy_pass http://echo; auth_sigra_require off; limit_except GET HEAD { auth_sigra on; auth_sigra_require "u.role = 'admin'"; } }
location /asked/ { auth_sigra off; alias html/; auth_request /allowed; }
location = /allowed { internal; auth_sigra_require "u.role = 'admin'"; alias html/page; }
location /accel { auth_sigra off; proxy_pass http://echo; }
--- user_files eval: \@::files
--- request
GET /any/deny/page
--- error_code: 401
--- flow
is(all_of('/any/deny/page'), '200 403 403 401', 'satisfy any: no other user may');
is(all_of('/any/allow/page'), '200 200 200 200', 'satisfy any: an allowed address may');
is(ask('/any/deny/page', 'user', accept => 'application/json')->{status}, 403, 'a program as well');
is(all_of('/asked/page'), '200 403 403 401', 'a subrequest');
for ([GET => '200 200'], [HEAD => '200 200'], [POST => '200 403'], [DELETE => '200 403']) {
    my ($method, $expected) = @$_;
    is(join(' ', map { client()->request($method, '/except', { cookie => $::who{sigra}{$_}{cookie} })->{status} } qw(admin user)), $expected, "limit_except: $method");
}



=== TEST 4: a change counts at once
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
my $rising = authenticated_fixture(columns => { role => 'user' });
warm('/page', $rising);
is(seen('/admin/page', $rising), '403 forbidden', 'not yet');
db()->do(q(UPDATE users SET role = 'admin' WHERE id = ?), undef, $rising->{user_id});
await { seen('/admin/page', $rising) eq '200 hit' } 'the promotion';
pass('promoted');
db()->do(q(UPDATE users SET role = NULL WHERE id = ?), undef, $rising->{user_id});
await { seen('/admin/page', $rising) eq '403 forbidden' } 'the fall';
pass('and fallen');
is((split ' ', seen('/page', $rising))[0], 200, 'still logged in');



=== TEST 5: a condition that cannot be evaluated, and one that fails for one user
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
location /typo/ { alias html/; auth_sigra_require "u.rolle = 'admin'"; }
location /syntax/ { alias html/; auth_sigra_require "u.role = "; }
location /two/ { alias html/; auth_sigra_require "true), (true"; }
location /text/ { alias html/; auth_sigra_require "u.role"; }
location /zero/ { alias html/; auth_sigra_require "1 / 0 = 1"; }
location /token/ { alias html/; auth_sigra_require "context = 'session'"; }
location /level/ { alias html/; auth_sigra_require "u.level::integer > 3"; }
location /both/ { auth_sigra_require "u.role = 'admin'"; auth_sigra_require "u.rolle = 'admin'"; }
location /optional/ { auth_sigra optional; auth_sigra_require "u.rolle = 'admin'"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- error_log
auth_sigra_require "u.rolle = 'admin'" is refused by PostgreSQL, its locations answer 503: 42703
auth_sigra_require "u.role = " is refused by PostgreSQL
auth_sigra_require "true), (true" is refused by PostgreSQL, its locations answer 503: 42601 syntax error
auth_sigra_require "u.role" is refused by PostgreSQL
auth_sigra_require "1 / 0 = 1" is refused by PostgreSQL
auth_sigra_require "context = 'session'" is refused by PostgreSQL
auth_sigra_require "u.level::integer > 3" of a user: 22P02
--- flow
my %level = (high => '4', low => '3', unknown => undef, broken => 'four');
my %who = map { $_ => authenticated_fixture(columns => { role => 'admin', level => $level{$_} }) } keys %level;
my $check = sub {
    my ($how) = @_;
    is(all_of("/$_/page"), '503 503 503 401', "$_, $how") for qw(typo syntax two text zero token both);
    is(all_of('/page'), '200 200 200 401', "others still work, $how");
    is(all_of('/admin/page'), '200 403 403 401', "so do other conditions, $how");
    is(all_of('/optional/page'), '200 200 200 200', "and where it is optional, $how");
    is(join(' ', map { "$_ " . (split ' ', seen('/level/page', $who{$_}))[0] } sort keys %who), 'broken 503 high 200 low 403 unknown 403', "an error of one user's row is nobody else's, $how");
    is((split ' ', seen('/admin/page', $who{broken}))[0], 200, "and of that condition's alone, $how");
};
$check->('asked for');
warm('/page', $_) for $who{broken}, $::who{sigra}{admin};
$check->('from the cache');
# A failure is kept for a second, and it takes a dozen queries here to find out which condition fails.
lookups();
my $since = Sigra::Nginx::now();
is(statuses(100, '/level/page', $who{broken}), join(', ', ('503 error') x 100), 'a failure is kept for a second');
cmp_ok(lookups(), '<=', 16 * (2 + int(Sigra::Nginx::now() - $since)), 'and costs few queries');
is(statuses(2, '/admin/page', $who{broken}), '200 hit, 200 hit', 'and known ones from the cache');
is(lookups(), 0, 'which costs none');
is(ask('/typo/page', 'admin')->{headers}{'retry-after'}, 2, 'Retry-After');
db()->do(q(UPDATE users SET level = '5' WHERE id = ?), undef, $who{broken}{user_id});
await { seen('/level/page', $who{broken}) =~ /^200/ } 'the corrected row';
pass('a row that is corrected counts');

# The next connection notices that the tables were fixed.
db()->do('ALTER TABLE users ADD rolle text');
db()->do(q(UPDATE users SET rolle = role));
kill_backends();
await { all_of('/typo/page') eq '200 403 403 401' } 'the column';
pass('a column that exists now');
# A condition that begins to fail while nginx runs.
db()->do('ALTER TABLE users DROP rolle');
db()->do(q(UPDATE users SET level = '1'));    # has all known users looked up again
await { all_of('/typo/page') eq '503 503 503 401' } 'the lost column';
pass('a column that is gone');
is(all_of('/admin/page'), '200 403 403 401', 'the others still work');



=== TEST 6: a right that is missing for one condition
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
location /member/ { alias html/; auth_sigra_require "EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id)"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
db()->do('INSERT INTO memberships VALUES (?, ?)', undef, $::who{sigra}{admin}{user_id}, 'x');
kill_backends();
await { all_of('/member/page') eq '200 403 403 401' } 'in order';
db()->do('REVOKE SELECT ON memberships FROM sigra_nginx');
db()->do(q(UPDATE users SET level = '2'));    # has all known users looked up again
await { all_of('/member/page') eq '503 503 503 401' } 'the right that is gone';
is(all_of('/admin/page'), '200 403 403 401', 'other conditions still work');
is(all_of('/page'), '200 200 200 401', 'and other locations');
db()->do('GRANT SELECT ON memberships TO sigra_nginx');



=== TEST 7: sixty-four conditions, a volatile one, and a variable
--- http_config eval
$::http{sigra} . 'map $arg_day $open { default ""; zero 0; sunday 1; } map $auth_sigra_email $of_ours { volatile; default 0; ~^admin@ 1; }'
--- config eval
my @some = map { sprintf q(auth_sigra_require "length(u.email) > %d";), $_ } 1 .. 62;
qq(auth_sigra on; location / { @some }
   location /admin/ { auth_sigra_require "u.role = 'admin'"; }
   location /pro/ { auth_sigra_require "clock_timestamp() > u.inserted_at"; }
   location /both/ { auth_sigra_require \$open; auth_sigra_require "u.role = 'admin'"; }
   location /off/ { auth_sigra_require \$of_ours; }
   location /bad/ { auth_sigra_require \$arg_is; })
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
for my $round (1, 2) {
    is(all_of('/page'), '403 403 403 401', 'the last bit but one is no');
    is(all_of('/admin/page'), '200 403 403 401', 'the last bit but two');
    is(all_of('/pro/page'), '200 200 200 401', 'the last bit, and volatile');
    is(all_of('/both/page?day=sunday'), '200 403 403 401', 'a variable and a condition');
    is(all_of("/both/page?day=$_"), '403 403 403 401', "a variable that is '$_'") for '', 'zero';
    is(all_of('/off/page'), '200 403 403 401', 'a variable that depends on the user');
    is(all_of("/bad/page?is=$_"), '403 403 403 401', "no is '$_'") for qw(0 f F false False FALSE n N no No off OFF), '';
    is(all_of("/bad/page?is=$_"), '200 200 200 401', "yes is '$_'") for qw(1 t yes on 00 none);
}



=== TEST 8: every layout
--- http_config eval: $::http{phx_gen_auth}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
is(join(' ', map { (split ' ', seen('/admin/page', $::who{phx_gen_auth}{$_}))[0] } qw(admin user none)), '200 403 403', 'phx_gen_auth');



=== TEST 9: sigra_sessions
--- http_config eval: $::http{sigra_sessions}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
is(join(' ', map { (split ' ', seen('/admin/page', $::who{sigra_sessions}{$_}))[0] } qw(admin user none)), '200 403 403', 'sigra_sessions');



=== TEST 10: an SSI include is checked by its own location
--- http_config eval
$::http{sigra} . 'proxy_cache_path $TEST_NGINX_SERVER_ROOT/kept_cache keys_zone=pages:1m use_temp_path=off;
    server { listen unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock; location / { add_header X-Accel-Expires 60; return 200 "for <$http_x_auth_email>"; } }'
--- config
location / { ssi on; auth_sigra_attribute may "CASE WHEN u.plan IS NULL THEN 1 END"; auth_sigra optional; }
location /admin/ { auth_sigra on; auth_sigra_attribute may "CASE WHEN u.role = 'admin' THEN 1 END"; auth_sigra_require $auth_sigra_attribute_may; alias html/admin/; }
location /members/ {
    auth_sigra on; auth_sigra_forward on;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/app.sock:/; proxy_cache pages; proxy_cache_valid 200 1m;
    proxy_cache_key "$http_x_auth_user_id|$uri";
}
location /open/ { ssi on; alias html/; }
location /asks/ { auth_request /allowed; alias html/; }
location = /allowed { internal; auth_sigra on; auth_sigra_attribute may "CASE WHEN u.role = 'admin' THEN 1 END"; auth_sigra_require $auth_sigra_attribute_may; try_files /nowhere =204; }
--- user_files eval
[['page' => 'x'], ['admin/page' => 'secret'], ['all.html' => 'in: <!--# include virtual="/admin/page" -->'], ['mine.html' => 'in: <!--# include virtual="/members/x" -->']]
--- request
GET /page
--- flow
is(ask('/admin/page', 'admin')->{content}, 'secret', 'a user who meets it');
is(ask('/admin/page', 'user')->{status}, 403, 'a user who does not meet it');
like(ask('/all.html', 'admin')->{content}, qr/in: secret/, 'the include is only for users who meet its condition');
unlike(ask('/all.html', 'user')->{content}, qr/secret/, 'and not for all who may see the page');
for my $page ('/mine.html', '/open/mine.html') {
    for my $name (qw(admin user admin)) {
        like(ask($page, $name)->{content}, qr/for <$name\@example\.com>/, "$page: what is kept is $name\'s own");
    }
}
my $answer = ask('/asks/page', 'admin');
is($answer->{status}, 200, 'auth_request: a user who meets it');
is(ask('/asks/page', 'user')->{status}, 403, 'auth_request: a user who does not meet it');



=== TEST 11: a boolean as text is no or yes
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { auth_sigra_attribute admin "u.role = 'admin'"; auth_sigra_require $auth_sigra_attribute_admin; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
is(all_of('/page'), '200 403 403 401', 'false is no');



=== TEST 12: results that a lookup cannot return, and errors that a function raises
--- http_config eval
db()->do(q{CREATE OR REPLACE FUNCTION picky(text) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN IF $1 = 'user' THEN RAISE 'not this one' USING ERRCODE = 'U0001'; END IF; RETURN true; END $$});
$::http{sigra}
--- config
auth_sigra on;
location / { }
location /admin/ { auth_sigra_require "count(*) > 0"; }
location /pro/ { auth_sigra_attribute many "unnest(string_to_array(u.role, ','))"; }
location /both/ { auth_sigra_require "picky(u.role)"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- flow
is(all_of('/page'), '200 200 200 401', 'others still work');
is(all_of('/admin/page'), '503 503 503 401', 'an aggregate');
is(all_of('/pro/page'), '503 503 503 401', 'a set');
is(all_of('/both/page'), '200 503 200 401', 'a row for which it is raised');
is(all_of('/page'), '200 200 200 401', 'and that user too in other locations');



=== TEST 13: text that a message quotes stays in its log line
--- http_config eval: $::http{sigra}
--- config
auth_sigra on;
location / { auth_sigra_require "u.level::integer > 3"; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- error_log
22P02
--- flow
db()->do('UPDATE users SET level = ? WHERE email = ?', undef, "1\n2026/01/01 00:00:00 [alert] 1#1: forged\r\e[2J", 'user@example.com');
is(ask('/page', 'user')->{status}, 503, 'not known');
my @lines = grep { /forged/ } split /\n/, Sigra::Nginx::slurp("$ENV{TEST_NGINX_SERVER_ROOT}/logs/error.log");
is(scalar @lines, 1, 'one line');
like($lines[0], qr/22P02.*forged/, 'which is what was refused');
unlike($lines[0], qr/\e|\r/, 'and nothing that a terminal obeys');
db()->do('UPDATE users SET level = NULL');



=== TEST 14: a condition that is not checked
--- config
--- request
GET /
--- flow
my $said = sub {
    my ($server) = @_;
    my $nginx = Sigra::Nginx->new(http => $::http{sigra}, server => $server);
    $nginx->stop;
    return join "\n", grep { /has no effect/ } split /\n/, Sigra::Nginx::slurp($nginx->root . '/logs/stderr.log') . $nginx->log;
};
like($said->(q(location /admin/ { auth_sigra_require "u.role = 'admin'"; })),
    qr/\[warn\].*"auth_sigra_require" in location "\/admin\/" has no effect: "auth_sigra" is not "on" there/, 'off');
like($said->(q(location /admin/ { auth_sigra optional; auth_sigra_require "u.role = 'admin'"; })), qr/has no effect/, 'optional');
like($said->(q(location /api/ { auth_sigra_bearer only; })), qr/"auth_sigra_bearer only" in location "\/api\/" has no effect/, 'tokens alone');
is($said->(q(location /api/ { auth_sigra on; auth_sigra_bearer only; } location /who { auth_sigra_session; auth_sigra_bearer only; })), '', 'where the gate checks');
is($said->(q(auth_sigra_require "u.role = 'admin'"; location /admin/ { auth_sigra on; } location /off/ { auth_sigra_require off; })), '', 'on a server it is for the locations');



=== TEST 15: a repaired condition takes effect soon, whatever is cached
--- http_config eval: $::http{sigra} =~ s/zone=sessions:1m/zone=sessions:1m ttl=1h/r
--- config
auth_sigra on;
location / { }
location /pro/ { auth_sigra_require "EXISTS (SELECT FROM plans p WHERE p.user_id = u.id)"; }
location /optional/ { auth_sigra_attribute plan "(SELECT max(p.name) FROM plans p WHERE p.user_id = u.id)"; add_header X-Plan $auth_sigra_attribute_plan always; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- timeout: 240
--- flow
db()->do('DROP TABLE IF EXISTS plans');
my @asked = map { [$_->[0], $::who{sigra}{$_->[1]}] } ['/pro/page', 'admin'], ['/pro/page', 'user'], ['/optional/page', 'admin'], ['/optional/page', 'none'];
my $all = sub { join ' ', map { (split ' ', seen(@$_))[0] } @asked };
warm('/page', $_) for @{ $::who{sigra} }{qw(admin user none)};
is($all->(), '503 503 503 503', 'a table that is missing');
# From here on each of them is in the cache, for an hour.
for my $round ('made', 'made again') {
    db()->do('CREATE TABLE plans (user_id bigint, name text)');
    grant_nginx(reads => 'plans');
    db()->do(q(INSERT INTO plans VALUES (?, 'pro')), undef, $::who{sigra}{admin}{user_id});
    my $since = Sigra::Nginx::now();
    await { $all->() eq '200 403 200 200' } 'the table';
    # The catalog is read again every minute anyway.
    cmp_ok(Sigra::Nginx::now() - $since, '<', 45, "$round: soon");
    is(client()->get('/optional/page', { cookie => $::who{sigra}{admin}{cookie} })->{headers}{'x-plan'}, 'pro', "$round: with what is in it");
    lookups();
    is(join(' ', map { $all->() } 1 .. 5), join(' ', ('200 403 200 200') x 5), "$round: and kept");
    is(lookups(), 0, "$round: without a query");
    db()->do('DROP TABLE plans');
    db()->do('UPDATE users SET level = ?', undef, $round);    # has all known users looked up again
    await { $all->() eq '503 503 503 503' } 'the table that is gone';
}



=== TEST 16: a condition that PostgreSQL refuses is one line in the log, for sessions and API tokens
--- http_config eval: $::http{sigra}
--- config
location / { auth_sigra on; }
--- user_files eval: \@::files
--- request
GET /page
--- error_code: 401
--- timeout: 120
--- flow
my $nginx = Sigra::Nginx->new(
    workers => 1, http => $::http{sigra}, files => { page => 'x' },
    server  => 'location / { auth_sigra on; auth_sigra_bearer on; auth_sigra_require "u.nosuch"; }',
);
my $status = sub { wire(get("/page", @_, 'Connection: close'), port => $nginx->port)->answer->{status} };
my $token = api_token_fixture(user_id => $::who{sigra}{admin}{user_id}, email => 'admin@example.com');
is($status->($::who{sigra}{admin}{header}), 503, 'a session');
is($status->("Authorization: Bearer $token->{text}"), 503, 'an API token');
is(scalar(() = $nginx->log =~ /"u\.nosuch" is refused by PostgreSQL/g), 1, 'one line');
