# auth_sigra_postgres: how the module connects to PostgreSQL, and what happens to requests if it cannot.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;
use Time::HiRes ();

fresh_database('sigra');
our $name     = database()->{name};
our ($dir, $port, $password, $socket) = @ENV{map { "SIGRA_TEST_PG$_" } qw(DIR PORT PASSWORD HOST)};
our $ada      = authenticated_fixture(email => 'ada@example.com');
our $tcp      = "host=127.0.0.1 port=$port dbname=$name user=sigra_nginx password=$password";
our $refusing = do {    # a port on which nothing listens
    my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
    $probe->sockport;
};
my $extra = 'auth_sigra on; auth_sigra_unauthenticated status;';
our @page = ([page => 'for ada']);

# http {} for a connection string with parameters after it.
sub at { my ($conninfo, $postgres) = @_; return sigra_http_config(conninfo => $conninfo, postgres => $postgres, extra => $extra) }

# nginx's connections in the database.
sub connections { return scalar(my @pids = backends(@_)) }
sub status { return client()->get($_[0] // '/page', { cookie => $ada->{cookie} })->{status} }

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config       => '') unless defined $block->config;
    $block->set_value(user_files   => \@page) unless defined $block->user_files;
    $block->set_value(request      => 'GET /page');
    $block->set_value(more_headers => $ada->{header}) unless defined $block->more_headers;
});
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a unix socket
--- http_config eval: main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx")
--- response_body chomp
for ada



=== TEST 2: TCP and SCRAM
--- http_config eval: main::at("$::tcp sslmode=disable")
--- flow
is(connections("client_addr = '127.0.0.1' AND NOT EXISTS (SELECT FROM pg_stat_ssl s WHERE s.pid = pg_stat_activity.pid AND s.ssl)"), 1, 'one connection, in the open');



=== TEST 3: a URI
--- http_config eval: main::at("postgresql://sigra_nginx:$::password\@127.0.0.1:$::port/$::name")
--- flow
is(connections("EXISTS (SELECT FROM pg_stat_ssl s WHERE s.pid = pg_stat_activity.pid AND s.ssl)"), 1, 'TLS where it is offered');



=== TEST 4: a host that has to be looked up
--- http_config eval: main::at($::tcp =~ s/127\.0\.0\.1/localhost/r)



=== TEST 5: a wrong password
--- http_config eval: main::at($::tcp =~ s/password=\S+/password=wrong-secret/r, 'timeout=1s')
--- error_code: 503
--- response_headers
Retry-After: 2
Cache-Control: no-store
! Set-Cookie
--- error_log
password authentication failed
--- no_error_log
wrong-secret



=== TEST 6: a password file
--- http_config eval: main::at('file:$TEST_NGINX_HTML_DIR/conninfo')
--- user_files eval
[@::page, [conninfo => "$::tcp\n"]]
--- no_error_log eval
qr/\Q$::password/



=== TEST 7: verify-full with the right authority
--- http_config eval: main::at("$::tcp sslmode=verify-full sslrootcert=$::dir/ca.crt")
--- flow
is(connections("EXISTS (SELECT FROM pg_stat_ssl s WHERE s.pid = pg_stat_activity.pid AND s.ssl)"), 1, 'over TLS');



=== TEST 8: verify-full by name
--- http_config eval: main::at("$::tcp sslmode=verify-full sslrootcert=$::dir/ca.crt" =~ s/127\.0\.0\.1/localhost/r)



=== TEST 9: verify-full with the wrong authority
--- http_config eval: main::at("$::tcp sslmode=verify-full sslrootcert=$::dir/other-ca.crt", 'timeout=1s')
--- error_code: 503
--- error_log
certificate verify failed



=== TEST 10: the first host refuses
--- http_config eval: main::at("host=127.0.0.1,$::socket,127.0.0.1 port=$::refusing,$::port,$::refusing dbname=$::name user=sigra_nginx")
--- response_body chomp
for ada



=== TEST 11: two servers share one pool
--- http_config eval
main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx", 'connections=1') . "
server {
    listen unix:\$TEST_NGINX_SERVER_ROOT/logs/other.sock;
    auth_sigra_postgres 'host=$::socket port=$::port dbname=$::name user=sigra_nginx' connections=1;
}"
--- config
location /other/ { auth_sigra off; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/other.sock:/; }
--- flow
is(status("${_}page"), 200, $_) for '/', '/other/', '/';
is(connections(), 1, 'one connection for both');



=== TEST 12: the same database with other parameters
--- http_config eval
main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx") . "
server { listen unix:\$TEST_NGINX_SERVER_ROOT/logs/other.sock; auth_sigra_postgres 'host=$::socket port=$::port dbname=$::name user=sigra_nginx' queue=5; }"
--- must_die
--- error_log eval
[qr/\[emerg\].*the same conninfo is used elsewhere with other parameters.* in "auth_sigra_postgres" directive/]



=== TEST 13: connections are opened on demand
--- http_config eval: main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx", 'connections=3')
--- more_headers: X-A: b
--- error_code: 401
--- flow
is(connections(), 0, 'none for anonymous requests');
is(status(), 200, 'ada');
is(status(), 200, 'ada again') for 1 .. 5;
is(connections(), 1, 'one for one after the other');



=== TEST 14: without prepared statements
--- http_config eval: main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx", 'prepare=off')
--- response_body chomp
for ada
--- flow
is(status(), 200, 'again') for 1 .. 3;
log_statements();



=== TEST 15: no answer in time
--- http_config eval: main::at("host=$::socket port=$::port dbname=$::name user=sigra_nginx", 'timeout=5s')
--- config
location /optional/ { auth_sigra optional; alias html/; add_header X-Status "$auth_sigra_status"; }
location /page/ { alias html/; error_page 503 /sorry; }
location = /sorry { auth_sigra off; alias html/page; }
--- timeout: 60
--- flow
my $lock  = hold_lock();
my $start = Time::HiRes::time();
my $browser = client();
$browser->use_cookie($::ada->{cookie}, 'other=1');
my $answer = $browser->get('/page');
my $took = Time::HiRes::time() - $start;
is($answer->{status}, 503, 'no answer');
cmp_ok($took, '>=', 4.9, 'after the time');
cmp_ok($took, '<', 60, "within it, with room: $took");
is($answer->{headers}{'retry-after'}, 2, 'Retry-After');
is($answer->{headers}{'cache-control'}, 'no-store', 'Cache-Control');
ok(!%{ $answer->{cookies} }, 'no cookie is touched');
is(client()->get('/page')->{status}, 401, 'a request without a token does not wait');
$answer = client()->get('/optional/page', { cookie => $::ada->{cookie} });
is("$answer->{status} $answer->{headers}{'x-status'}", '200 error', 'optional passes');
is($answer->{headers}{'cache-control'}, undef, 'as if anonymous');
$answer = client()->get('/page/', { cookie => $::ada->{cookie} });
is("$answer->{status} $answer->{content} $answer->{headers}{'retry-after'}", '503 for ada 2', 'an error page');
is(client()->get('/page', { cookie => $::ada->{remember_cookie} })->{status}, 503, 'by remember-me');
$lock->rollback;
await { status() == 200 } 'an answer again';
ok(1, 'and then it answers again');



=== TEST 16: no server, and nginx starts
--- http_config eval: main::at("host=127.0.0.1 port=$::refusing dbname=$::name user=sigra_nginx", 'timeout=500ms')
--- config
location /open/ { auth_sigra off; alias html/; }
--- error_code: 503
--- response_headers
Retry-After: 2
! Set-Cookie
--- flow
is(client()->get('/open/page')->{content}, 'for ada', 'what is public is served');
is(client()->get('/page')->{status}, 401, 'anonymous requests stay anonymous');
--- error_log
onnection refused



=== TEST 17: a host that does not resolve
--- http_config eval: main::at("host=no-such-host.invalid port=5432 dbname=$::name user=sigra_nginx", 'timeout=500ms')
--- error_code: 503
--- timeout: 30
--- error_log
no-such-host.invalid



=== TEST 18: a database that is created after nginx has started
--- http_config eval: main::at("host=$::socket port=$::port dbname=sigra_postgres_later user=sigra_nginx", 'timeout=5s max_reconnect_delay=200ms')
--- error_code: 503
--- timeout: 60
--- flow
fresh_database('sigra', name => 'sigra_postgres_later');
my $eve = authenticated_fixture(email => 'eve@example.com');
await { client()->get('/page', { cookie => $eve->{cookie} })->{status} == 200 } 'the new database';
ok(1, 'it is found');
kill_backends();
await { client()->get('/page', { cookie => $eve->{cookie} })->{status} == 200 } 'another connection';
ok(1, 'a backend that is killed is replaced');
db()->do('ALTER TABLE users ADD nickname text');
db()->do('ALTER TABLE users ALTER email TYPE text');
is(client()->get('/page', { cookie => $eve->{cookie} })->{status}, 200, 'a migration is not noticed by clients');
--- error_log
does not exist
