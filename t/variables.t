# The variables: in headers, logs, maps and subrequests, and before the session is checked.

use Test::Nginx::Socket 'no_plan';
use Digest::SHA ();
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $all  = join '|', map { "\$auth_sigra_$_" } qw(status user_id email authenticated_at session flash_info flash_error flash_email);
our $down = sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra', postgres => 'timeout=300ms');
our $http = sigra_http_config() . echo_upstream() . "
log_format who '$all';
map \$auth_sigra_email \$is_ada { default no; ada\@example.com yes; }
";
our $ada  = authenticated_fixture(email => 'ada@example.com', age => 100, authenticated_age => 50,
    session => { phoenix_flash => { info => 'Welcome!', error => "Caf\xc3\xa9 \"zu\"", email => 'x@example.com' } });
our $never = authenticated_fixture(email => 'bob@example.com', authenticated_age => undef);
our $old   = authenticated_fixture(age => 61 * 86400);
our ($at)  = db()->selectrow_array(q(SELECT to_char(authenticated_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM users_tokens WHERE id = ?), undef, $ada->{session_id});
our $who   = "miss|$ada->{user_id}|ada\@example.com|$at|$ada->{session_hex16}|Welcome!|Caf\xc3\xa9 \"zu\"|x\@example.com";

sub all { return client()->get($_[0], { cookie => $_[1] })->{headers}{'x-all'} }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: each variable, for each kind of client
--- http_config eval: $::http
--- config eval
"add_header X-All \"$::all\" always;
location /optional/ { auth_sigra optional; alias html/; }
location /private/ { auth_sigra on; auth_sigra_unauthenticated status; error_page 401 /denied; alias html/; }
location /open/ { alias html/; }"
--- user_files
>>> page
for ada
>>> denied
denied
--- request
GET /open/page
--- response_headers
X-All: |||||||
--- flow
my $unknown = session_cookie({ user_token => 'x' x 32, phoenix_flash => { info => 'i' } });
for (
    [$::ada->{cookie},   $::who],
    [$::never->{cookie}, "miss|$::never->{user_id}|bob\@example.com||$::never->{session_hex16}|||"],
    [$::old->{cookie},   "expired||||$::old->{session_hex16}|||"],
    [$unknown,           'unknown||||' . substr(Digest::SHA::sha256_hex('x' x 32), 0, 16) . '|i||'],
    ['_my_app_key=x',    'invalid|||||||'],
    ['a=1',              'anonymous|||||||'],
    [session_cookie({ phoenix_flash => { error => 'e', info => integer(1) } }), 'anonymous||||||e|'],
    [session_cookie({ phoenix_flash => 'no map' }), 'anonymous|||||||'],
    [$::never->{remember_cookie}, "miss|$::never->{user_id}|bob\@example.com||$::never->{session_hex16}|||"],
    [remember_me_cookie($::never->{token}, signed_age => 61 * 86400), 'expired|||||||'],
) {
    my ($cookie, $expected) = @$_;
    is(all('/optional/page', $cookie), $expected, "optional: $expected");
    is(all('/private/page', $cookie), $expected, "on: $expected");
}
is(all('/open/page', $::ada->{cookie}), '|||||||', 'nothing was looked up');
ok(index(all('/optional/page', $::ada->{cookie}), $::ada->{token}) < 0, 'the raw token is in none');



=== TEST 2: PostgreSQL unreachable
--- http_config eval: $::down
--- config eval
"add_header X-All \"$::all\" always;
location /optional/ { auth_sigra optional; alias html/; }
location /private/ { auth_sigra on; alias html/; }"
--- user_files
>>> page
for ada
--- request
GET /optional/page
--- more_headers eval: $::ada->{header}
--- response_headers eval
"X-All: error||||$::ada->{session_hex16}|Welcome!|Caf\xc3\xa9 \"zu\"|x\@example.com"
--- flow
is(client()->get('/private/page', { cookie => $::ada->{cookie} })->{status}, 503, 'on');



=== TEST 3: the CSRF token is masked differently each time
--- http_config eval: $::http
--- config
location / { auth_sigra optional; add_header X-Csrf "[$auth_sigra_csrf_token]"; }
--- user_files
>>> page
for ada
--- request
GET /page
--- response_headers
X-Csrf: []
--- flow
my @tokens = map { client()->get('/page', { cookie => $::ada->{cookie} })->{headers}{'x-csrf'} =~ s/[][]//gr } 1, 2;
is(csrf_unmask($_), $::ada->{csrf_state}, 'it fits the state') for @tokens;
isnt($tokens[0], $tokens[1], 'another mask');
is(client()->get('/page', { cookie => session_cookie({ _csrf_token => $_ }) })->{headers}{'x-csrf'}, '[]', 'a state that is none')
    for 'short', 'x' x 25, integer(7);



=== TEST 4: in a log, a map, an if, a limit and a proxied header
--- http_config eval
$::http . 'limit_req_zone $auth_sigra_user_id zone=users:64k rate=1r/m;'
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/who.log who;
location /private/ {
    auth_sigra on;
    auth_sigra_unauthenticated status;
    limit_req zone=users;
    proxy_set_header X-Auth-Email "$auth_sigra_email/$is_ada";
    proxy_pass http://echo;
}
location /early { if ($auth_sigra_email) { return 403; } auth_sigra on; return 200 "[$auth_sigra_email$auth_sigra_status]"; }
--- request
GET /private/
--- more_headers eval: $::ada->{header}
--- response_body_like eval: qr{^email=ada\@example\.com/yes$}m
--- flow
is(client()->get('/private/', { cookie => $::ada->{cookie} })->{status}, 200, 'empty in a limit of the preaccess phase, which limits nothing');
is(client()->get('/private/', { cookie => $::old->{cookie} })->{status}, 401, 'expired');
is(client()->get('/early', { cookie => $::ada->{cookie} })->{content}, '[]', 'empty in the rewrite phase');
my $log;
await { $log = slurp('logs/who.log'); 4 == ($log =~ tr/\n//) } 'four lines';
my @lines = split /\n/, $log;
is($lines[0], $::who =~ s/"/\\x22/gr =~ s/\xc3\xa9/\\xC3\\xA9/r, 'the log escapes');
is($lines[2], "expired|-|-|-|$::old->{session_hex16}|-|-|-", 'missing values');
is($lines[3], '-|-|-|-|-|-|-|-', 'not checked yet');



=== TEST 5: in a subrequest, those of the main request
--- http_config eval: $::http
--- config
location /page/ { ssi on; ssi_types text/plain; auth_sigra on; }
location /part/ { ssi on; ssi_types text/plain; }
location /open/ { ssi on; ssi_types text/plain; }
location /guarded/ { ssi on; ssi_types text/plain; auth_sigra on; }
location /request/ { auth_request /guarded/page; alias html/; add_header X-Who "[$auth_sigra_email]"; }
--- user_files
>>> page/page
<!--#include virtual="/part/page" -->
>>> part/page
[<!--#echo var="auth_sigra_status" -->:<!--#echo var="auth_sigra_email" -->]
>>> open/page
<!--#include virtual="/guarded/page" -->
>>> guarded/page
[<!--#echo var="auth_sigra_email" default="nobody" -->]
>>> plain
for ada
--- request
GET /page/page
--- more_headers eval: $::ada->{header}
--- response_body_like
\A\[miss:ada@example.com\]
--- flow
like(client()->get('/open/page', { cookie => $::ada->{cookie} })->{content}, qr/\A\[(?:nobody|\(none\)|)\]/, 'a subrequest\'s own verdict is not shown');
my $answer = client()->get('/request/plain', { cookie => $::ada->{cookie} });
is("$answer->{status} $answer->{headers}{'x-who'}", '200 []', 'nor is that of an auth_request');



=== TEST 6: requests that are answered before the check
--- http_config eval: $::http
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/who.log who;
location / { auth_sigra on; }
--- raw_request eval: "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"
--- error_code: 400
--- flow
wire("nonsense\r\n\r\n")->more;
wire("GET / HTTP/1.1\r\n\r\n")->answer;
my $log;
await { $log = slurp('logs/who.log'); 3 == ($log =~ tr/\n//) } 'three lines';
is($log, "-|-|-|-|-|-|-|-\n" x 3, 'all are empty');



=== TEST 7: a value that would start another header, or end all headers
--- http_config eval
db()->do('ALTER TABLE users ADD name text');
$::http
--- config
auth_sigra_attribute name "u.name";
location / {
    auth_sigra on;
    proxy_set_header X-Auth-Email $auth_sigra_email;
    proxy_set_header X-Auth-User-Id $auth_sigra_attribute_name;
    add_header X-All "$auth_sigra_email|$auth_sigra_attribute_name|";
    proxy_pass http://echo;
}
location = /me { auth_sigra_session; }
--- request
GET /
--- error_code: 302
--- flow
my $told = sub {
    my ($email, $name) = @_;
    my $user = authenticated_fixture(email => $email, columns => { name => $name });
    my $answer = client()->get('/', { cookie => $user->{cookie} });
    my ($id, $read, $at) = $answer->{content} =~ /^id=(.*)\nemail=(.*)\nauthenticated_at=(.*)$/m;
    return "$answer->{status} $id|$read|$at| $answer->{headers}{'x-all'}" . join '', grep { defined } $answer->{headers}{'x-evil'};
};
my $at = 'X-Auth-Authenticated-At: 2000-01-01T00:00:00Z';
for my $evil ("\n", "\r\n", "\r\n$at", "\n$at\r\n\r\n", "\r\nX-Evil: 1", "\t", "\x7f", "\e[2J") {
    my $shown = unpack 'H*', $evil;
    is($told->("ada\@example.com$evil", 'Ada'), '200 Ada||| |Ada|', "an email that ends with $shown");
    is($told->("$shown\@example.com", "Ada$evil"), "200 |$shown\@example.com|| $shown\@example.com||", "an attribute that ends with $shown");
}
is($told->(" ada\@example.com", 'Ada'), '200 Ada||| |Ada|', 'an email that another is left of');
is($told->("ada\@example.com ", 'Ada'), '200 Ada||| |Ada|', 'at the other end');
is($told->("b\xc3\xb6b\@example.com", ' Ada Lovelace'), "200 Ada Lovelace|b\xc3\xb6b\@example.com|| b\xc3\xb6b\@example.com| Ada Lovelace|", 'any other value is kept');
my $lines = authenticated_fixture(columns => { name => "Ada\nLovelace" });
like(client()->get('/me', { cookie => $lines->{cookie} })->{content}, qr/"attributes":\{"name":"Ada\\nLovelace"\}/, 'JSON has a way to write it');
--- error_log
the value of $auth_sigra_email has a control character, or a blank at its start or end: the variable is empty
the value of $auth_sigra_attribute_name has a control character, or a blank at its start or end: the variable is empty
