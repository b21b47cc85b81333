# What log-out and renewal have in common: their contexts, HTTP/2, TLS, slow bodies, clients that leave, reloads.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Versions ();
use Sigra::Nginx ();
use Sigra::Wire;

fresh_database('sigra');
our $http      = sigra_http_config();
our $locations = 'location = /log-out { auth_sigra_logout; } location = /renew { auth_sigra_renew; } location = /status { stub_status; }';
our $form      = 'Content-Type: application/x-www-form-urlencoded';

sub log_out {
    my ($fixture, @headers) = @_;
    return join "\r\n", 'DELETE /log-out HTTP/1.1', 'Host: localhost', $fixture->{header}, "X-CSRF-Token: $fixture->{csrf_token}", @headers, '', '';
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: two endpoints in one location
--- http_config eval: $::http
--- config
location = /a { auth_sigra_logout; auth_sigra_renew; }
--- must_die
--- error_log
the location has "auth_sigra_logout" already; give each a location of its own



=== TEST 2: an unknown parameter
--- http_config eval: $::http
--- config
location = /a { auth_sigra_logout anywhere; }
--- must_die
--- error_log
invalid parameter "anywhere" in "auth_sigra_logout"



=== TEST 3: a parameter of another directive
--- http_config eval: $::http
--- config
location = /a { auth_sigra_renew everywhere; }
--- must_die
--- error_log
invalid parameter "everywhere" in "auth_sigra_renew"



=== TEST 4: no database
--- config
location = /a { auth_sigra_logout; }
--- must_die
--- error_log
"auth_sigra_postgres"



=== TEST 5: no secret
--- http_config
auth_sigra_postgres "host=127.0.0.1 port=1";
--- config
location = /a { auth_sigra_renew; }
--- must_die
--- error_log
"auth_sigra_secret_key_base"



=== TEST 6: only in a location
--- http_config eval: $::http
--- config
auth_sigra_logout;
--- must_die
--- error_log
"auth_sigra_logout" directive is not allowed here



=== TEST 7: a body in chunks, and one that comes slowly
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /renew
--- error_code: 405
--- response_headers
Allow: POST
--- flow
my $ada = authenticated_fixture();
my $body = "_csrf_token=$ada->{csrf_token}";
my $wire = wire(join "\r\n", 'POST /log-out HTTP/1.1', 'Host: localhost', $ada->{header}, $::form, 'Transfer-Encoding: chunked', '', '');
for (substr($body, 0, 20), substr $body, 20) { $wire->send(sprintf "%x\r\n%s\r\n", length, $_) }
is($wire->send("0\r\n\r\n")->answer->{status}, 302, 'chunks');
is(session_row($ada), undef, 'the row');
my $bob = authenticated_fixture();
$body = "_csrf_token=$bob->{csrf_token}";
$wire = wire(join "\r\n", 'POST /log-out HTTP/1.1', 'Host: localhost', $bob->{header}, $::form, 'Content-Length: ' . length $body, '', substr $body, 0, 5);
await_requests('/status', 0);
is($wire->send(substr $body, 5)->answer->{status}, 302, 'in two parts');
my $eve = authenticated_fixture();
is($wire->send(log_out($eve))->answer->{status}, 302, 'and the connection stays open');



=== TEST 8: HTTP/2
--- http_config eval: $::http
--- http2
--- skip_eval: 1: !Sigra::Versions::http2_blocks_start()
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- flow
my $url = "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}";
for my $path (qw(/log-out /renew)) {
    my $ada = authenticated_fixture();
    open my $pipe, '-|', qw(curl -s -i --http2-prior-knowledge -X POST -H), $ada->{header}, '-H', "X-CSRF-Token: $ada->{csrf_token}", "$url$path" or die;
    my $answer = join '', <$pipe>;
    like($answer, qr{^HTTP/2 302}, $path);
    like($answer, qr/^cache-control: private, no-store/m, 'no-store');
    is(session_row($ada), undef, 'the row');
}



=== TEST 9: over TLS
--- http_config eval
$::http . '
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 ssl http2;
    ssl_certificate ' . $ENV{SIGRA_TEST_PGDIR} . '/server.crt;
    ssl_certificate_key ' . $ENV{SIGRA_TEST_PGDIR} . '/server.key;
    location / { auth_sigra_logout; }
}'
--- config
location = /port { add_header X-Port $TEST_NGINX_RAND_PORT_1; alias html/page; }
--- user_files
>>> page
page
--- request
GET /port
--- flow
my $port = client()->get('/port')->{headers}{'x-port'};
my $ada = authenticated_fixture();
open my $pipe, '-|', qw(curl -sk -i -X DELETE -H), $ada->{header}, '-H', "X-CSRF-Token: $ada->{csrf_token}", "https://127.0.0.1:$port/" or die;
my @cookies = grep { /^set-cookie/i } <$pipe>;
is(scalar(grep { /; secure;/ } @cookies), 2, 'both cookies are Secure');



=== TEST 10: a client that leaves while its query runs
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-out
--- error_code: 405
--- timeout: 30
--- flow
my ($ada, $bob, $eve) = map { authenticated_fixture() } 1 .. 3;
is(wire(log_out($eve))->answer->{status}, 302, 'the connection is open');
my $lock = hold_lock('users_tokens');
my $wire = wire(log_out($ada));
await_lookup();
$wire->leave;
await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ } 'the leave';
$lock->rollback;
await { !session_row($ada) } 'the log-out, which was under way';
is(wire(log_out($bob))->answer->{status}, 302, 'the next one');



=== TEST 11: a reload while a log-out runs
--- config
--- request
GET /
--- timeout: 60
--- flow
my $nginx = Sigra::Nginx->new(http => sigra_http_config(postgres => 'timeout=60s'), server => $::locations, workers => 1);
my ($ada, $bob, $eve) = map { authenticated_fixture() } 1 .. 3;
is(wire(log_out($eve), port => $nginx->port)->answer->{status}, 302, 'the connection is open');
my $lock = hold_lock('users_tokens');
my $wire = wire(log_out($ada), port => $nginx->port);
await_lookup();
$nginx->reload;
$lock->rollback;
is($wire->answer->{status}, 302, 'the old worker answers');
is(session_row($ada), undef, 'the row');
is(wire(log_out($bob), port => $nginx->port)->answer->{status}, 302, 'so does the new one');
is($nginx->stop, 0, 'the end');
is_deeply([$nginx->problems], [], 'nothing in the log');



=== TEST 12: the handler that runs decides, not the location that has the directive
--- http_config eval: $::http . echo_upstream()
--- config
auth_sigra_unauthenticated status;
location = /log-in {
    auth_sigra on;
    auth_sigra_login;
    if ($arg_other) { proxy_pass http://echo; }
    if ($arg_same) { add_header X-Same yes; }
}
--- request
GET /log-in
--- timeout: 60
--- flow
my $ada = authenticated_fixture();
my $answer = wire(get('/log-in'))->answer;
is($answer->{status}, 200, 'the login page looks nobody up');
like($answer->{body}, qr/<form/, 'it is the page');
$answer = wire(get('/log-in?same=1'))->answer;
is($answer->{status}, 200, 'in an "if" without a handler of its own too');
is(wire(get('/log-in?other=1'))->answer->{status}, 401, 'a proxy in an "if" stands behind the gate');
$answer = wire(get('/log-in?other=1', $ada->{header}))->answer;
is($answer->{status}, 200, 'and lets a session in');
like($answer->{body}, qr/^GET \/log-in\?other=1/, 'to the application');
