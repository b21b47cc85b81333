# auth_sigra_prune: one worker deletes the rows of expired sessions, and keeps those that are valid for some location.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config();

sub aged {
    my ($age, %option) = @_;
    my $fixture = authenticated_fixture(%option);
    db()->do('UPDATE users_tokens SET inserted_at = inserted_at - ?::interval WHERE id = ?', undef, $age, $fixture->{session_id});
    return $fixture;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: expired rows are deleted, in batches
--- config
--- request
GET /
--- timeout: 60
--- flow
my $alive = aged('59 minutes');
my @dead = map { aged('3 hours') } 1 .. 7;
my $elsewhere = aged('90 minutes');
db()->do(q(UPDATE users_tokens SET context = 'confirm' WHERE id = ?), undef, $dead[6]{session_id});
my $nginx = Sigra::Nginx->new(
    workers => 2, log_level => 'info', http => "$::http auth_sigra_prune 100ms batch=2;",
    server => <<'END',
    location / { auth_sigra on; auth_sigra_session_ttl 1h; }
    location /long/ { auth_sigra on; auth_sigra_session_ttl 2h; }
    location = /status { auth_sigra_status; }
END
);
await { !grep { session_row($_) } @dead[0 .. 5] } 'the rows';
ok(session_row($alive), 'a live session stays');
ok(session_row($elsewhere), 'one that is valid in another location stays');
ok(session_row($dead[6]), 'rows that are not sessions stay');
await { $nginx->log =~ /\[info\].*auth_sigra: 6 expired sessions were deleted/ } 'the line';
like(wire(get('/status'), port => $nginx->port)->answer->{body}, qr/"pruned":\s*6\b/, 'counted');
# Rows that expire later, too.
my $late = aged('3 hours');
await { !session_row($late) } 'what expires later';
$nginx->reload;
my $last = aged('3 hours');
await { !session_row($last) } 'after a reload';
is($nginx->stop, 0, 'the end');
is_deeply([$nginx->problems], [], 'nothing in the log');



=== TEST 2: without the right a line says so, and the gate goes on
--- config
--- request
GET /
--- timeout: 60
--- flow
db()->do('REVOKE DELETE ON users_tokens FROM sigra_nginx');
my $dead = aged('3 hours');
my $nginx = Sigra::Nginx->new(
    workers => 1, http => "$::http auth_sigra_prune 100ms;",
    server => 'location / { auth_sigra on; auth_sigra_session_ttl 1h; }', files => { page => 'x' },
);
await { $nginx->log =~ /\[warn\].*auth_sigra: expired sessions were not deleted: permission denied/ } 'the line';
is(wire(get('/page', authenticated_fixture()->{header}), port => $nginx->port)->answer->{status}, 200, 'the gate');
ok(session_row($dead), 'the row exists');
db()->do('GRANT DELETE ON users_tokens TO sigra_nginx');
await { !session_row($dead) } 'and are deleted once the right is there';



=== TEST 3: off
--- http_config eval: $::http
--- config
auth_sigra_prune 1h batch=1000;
location /page { auth_sigra on; auth_sigra_prune off; }
--- request
GET /page
--- error_code: 302



=== TEST 4: not a time
--- config
auth_sigra_prune soon;
--- must_die
--- error_log
invalid time "soon", it must be a time above zero or "off" in "auth_sigra_prune"



=== TEST 5: too many at once
--- config
auth_sigra_prune 1h batch=1001;
--- must_die
--- error_log
invalid value "1001" of "batch"



=== TEST 6: parameters beside off
--- config
auth_sigra_prune off batch=10;
--- must_die
--- error_log
invalid parameter "batch=10" in "auth_sigra_prune"



=== TEST 7: twice
--- config
auth_sigra_prune 1h;
auth_sigra_prune 2h;
--- must_die
--- error_log
"auth_sigra_prune" directive is duplicate



=== TEST 8: one table with two names
--- config
--- request
GET /
--- timeout: 60
--- flow
my $long = aged('90 minutes');
my $dead = aged('3 hours');
my $nginx = Sigra::Nginx->new(
    workers => 1, http => "$::http auth_sigra_prune 100ms;", files => { 'long/page' => 'x' },
    server => <<'END',
    location / { auth_sigra on; auth_sigra_session_ttl 1h; }
    location /long/ { auth_sigra on; auth_sigra_schema sigra tokens=public.users_tokens; auth_sigra_session_ttl 2h; }
END
);
await { !session_row($dead) } 'what has expired everywhere';
is(wire(get('/long/page', $long->{header}), port => $nginx->port)->answer->{status}, 200, 'a row that is valid with the other name stays');
