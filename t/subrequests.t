# A subrequest to a protected location: passes, or gets 401, 403 or 503; never a redirect, a body of the module or a
# cookie.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config() . '
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/mirror.sock;
    access_log $TEST_NGINX_SERVER_ROOT/logs/mirror.log;
    location / { return 200; }
}';
our $down  = sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra', postgres => 'timeout=300ms');
our $ada   = authenticated_fixture(email => 'ada@example.com');
our $stale = authenticated_fixture(email => 'bob@example.com', age => 7200);
our $kept  = authenticated_fixture(email => 'eve@example.com', remember_me => 60 * 86400);
our $dead  = session_cookie({ user_token => 'x' x 32 });
our $files = [map { [$_ => "for ada\n"] } qw(private/page.txt public/page.txt auth/ok/index.html sudo/page.txt)];
log_statements();

sub mirrored { return slurp('logs/mirror.log') =~ tr/\n// }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: auth_request
--- http_config eval: $::http
--- config
location /public/ {
    auth_request /auth/ok/;
    auth_request_set $who $upstream_http_x_who;
    add_header X-Status "$auth_sigra_status";
}
location /either/ { alias html/public/; auth_request /auth/status/; }
location /sudo/   { auth_request /auth/sudo/; }
location /auth/ok/ { internal; auth_sigra on; }
location /auth/status/ { internal; auth_sigra on; auth_sigra_unauthenticated redirect; alias html/auth/ok/; }
location /auth/sudo/ { internal; auth_sigra on; auth_sigra_sudo 1h; auth_sigra_unauthenticated redirect; alias html/auth/ok/; }
--- user_files eval: $::files
--- request
GET /public/page.txt
--- error_code: 401
--- response_headers
! Set-Cookie
! Location
--- response_body_unlike: must log in
--- flow
for my $path (qw(public either sudo)) {
    for (
        ['nobody', '', 401], ['a dead token', $::dead, 401], ['nonsense', '_my_app_key=x', 401], ['ada', $::ada->{cookie}, 200],
        ['by remember-me', $::kept->{remember_cookie}, 200], ['too old for sudo', $::stale->{cookie}, $path eq 'sudo' ? 403 : 200],
    ) {
        my ($name, $cookie, $status) = @$_;
        my $answer = client()->get("/$path/page.txt", {cookie => $cookie || 'a=1'});
        is($answer->{status}, $status, "$path: $name");
        ok(!%{ $answer->{cookies} } && !$answer->{headers}{location}, "$path: $name, no cookie, no redirect");
    }
}
is(client()->post('/public/page.txt', 'a=b', {cookie => $::ada->{cookie}})->{status}, 405, 'POST gets as far as the file');
is(wire(get('/public/page.txt', 'Cookie: a=1', $::ada->{header}))->answer->{status}, 500, 'two Cookie headers: 400 is an error to nginx');



=== TEST 2: auth_request while PostgreSQL is out of reach
--- http_config eval: $::down
--- config
location /public/ { auth_request /auth/ok/; }
location /auth/ok/ { internal; auth_sigra on; }
--- user_files eval: $::files
--- request
GET /public/page.txt
--- more_headers eval: $::ada->{header}
--- error_code: 500
--- response_headers
! Set-Cookie
--- error_log
auth request unexpected status: 503



=== TEST 3: SSI
--- http_config eval: $::http
--- config
location /page/ { ssi on; ssi_types text/plain; }
location /who/ { ssi on; ssi_types text/plain; auth_sigra on; }
location /private/ { auth_sigra on; auth_sigra_unauthenticated redirect; }
location /sudo/ { auth_sigra on; auth_sigra_sudo 1h; }
--- user_files
>>> page/index.html
[<!--#include virtual="/private/page.txt" -->|<!--#include virtual="/private/page.txt?2" -->|<!--#include virtual="/sudo/page.txt" -->]
>>> who/index.html
[<!--#include virtual="/who/part.txt" -->|<!--#include virtual="/private/page.txt" -->]
>>> who/part.txt
<!--#echo var="auth_sigra_email" -->
>>> private/page.txt
for ada
>>> sudo/page.txt
fresh
--- request
GET /page/
--- response_headers
! Set-Cookie
! Location
--- response_body_unlike: for ada|fresh|must log in
--- flow
lookups();
my $answer = client()->get('/page/', {cookie => $::ada->{cookie}});
is($answer->{content} =~ s/\s+//gr, '[forada|forada|fresh]', 'included');
cmp_ok(lookups(), '<=', 3, 'at most one query each');
unlike(client()->get('/page/', {cookie => $::stale->{cookie}})->{content}, qr/fresh/, 'not fresh enough');
like(client()->get('/page/', {cookie => $::stale->{cookie}})->{content}, qr/for ada/, 'but it passes');
ok(!%{ client()->get('/page/', {cookie => $::kept->{remember_cookie}})->{cookies} }, 'a subrequest sets no cookie');

lookups();
$answer = client()->get('/who/', {cookie => $::ada->{cookie}});
is($answer->{content} =~ s/\s+//gr, '[ada@example.com|forada]', 'they use the main request\'s verdict');
is(lookups(), 1, 'with its one query');



=== TEST 4: SSI whose lookups wait together
--- http_config eval: $::http
--- config
location /page/ { ssi on; ssi_types text/plain; }
location /private/ { auth_sigra on; }
--- user_files
>>> page/index.html
[<!--#include virtual="/private/page.txt" -->|<!--#include virtual="/private/page.txt?2" -->]
>>> private/page.txt
for ada
--- request
GET /page/
--- timeout: 30
--- response_body_unlike: for ada
--- flow
lookups();
my $lock  = hold_lock();
my @wires = map { wire(get('/page/', $::ada->{header})) } 1 .. 3;
await_lookup();
$wires[2]->leave;
$lock->rollback;
is($wires[$_]->answer->{body} =~ s/\s+//gr, '[forada|forada]', "page $_") for 0, 1;



=== TEST 5: mirror
--- http_config eval: $::http
--- config
location /public/ { mirror /mirror/; }
location /mirror/ { internal; auth_sigra on; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/mirror.sock; }
--- user_files eval: $::files
--- request
GET /public/page.txt
--- response_body
for ada
--- response_headers
! Set-Cookie
--- flow
is(client()->get('/public/page.txt', {cookie => $::ada->{cookie}})->{status}, 200, 'ada');
await { mirrored() == 1 } 'the mirror of ada';
is(client()->get('/public/page.txt', {cookie => $::dead})->{content}, "for ada\n", 'the main request does not mind');
is(client()->get('/public/page.txt', {cookie => $::ada->{cookie}})->{status}, 200, 'ada again');
await { mirrored() >= 2 } 'the second mirror of ada';
is(mirrored(), 2, 'no other request is mirrored');
