# Requests that wait for the database: many with one token, with several, and those whose client leaves.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Versions ();
use Sigra::Wire;

fresh_database('sigra');
our $http  = sigra_http_config(postgres => 'timeout=60s', extra => 'auth_sigra_unauthenticated status;');
our @users = map { authenticated_fixture(email => "user-$_\@example.com") } 0 .. 19;
our $ada   = $users[0];
our $files = [map { [$_ => "for users\n"] } qw(private/page.txt optional/page.txt)];
log_statements();

worker_connections(256);
no_shuffle();
run_tests();

__DATA__

=== TEST 1: twenty requests with one token are one query
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; add_header X-Who $auth_sigra_email; }
location /optional/ { auth_sigra optional; add_header X-Who $auth_sigra_email; }
location = /status { stub_status; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
lookups();
my $lock  = hold_lock();
my @wires = map { wire(get($_ % 2 ? '/private/page.txt' : '/optional/page.txt', $::ada->{header})) } 0 .. 19;
await_requests('/status', 20);
$lock->rollback;
is_deeply([map { my $a = $_->answer; "$a->{status} $a->{headers}{'x-who'}" } @wires], [('200 user-0@example.com') x 20], 'all in');
is(lookups(), 1, 'one query');
is($wires[0]->send(get('/private/page.txt', $::ada->{header}))->answer->{status}, 200, 'and the connection stays open');
is(lookups(), 1, 'with a query of its own');



=== TEST 2: twenty tokens at once, each gets its own answer
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; add_header X-Who $auth_sigra_email; }
location = /status { stub_status; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
lookups();
my $lock  = hold_lock();
my @wires = map { wire(get('/private/page.txt', $_->{header})) } @::users;
my @lost  = map { wire(get('/private/page.txt', 'Cookie: ' . session_cookie({user_token => chr($_) x 32}))) } 1 .. 5;
await_requests('/status', 25);
$lock->rollback;
is_deeply([map { $_->answer->{headers}{'x-who'} } @wires], [map { $_->{email} } @::users], 'each its own');
is_deeply([map { $_->answer->{status} } @lost], [(401) x 5], 'and anonymous');
is(lookups(), 25, 'a query each');



=== TEST 3: the client leaves while its session is looked up
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
location = /status { stub_status; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
my $lock = hold_lock();
my @wires = map { wire(get('/private/page.txt', $_->{header})) } ($::ada) x 5, @::users[1 .. 3];
await_requests('/status', 8);
$_->leave for @wires[1 .. 7];
await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 2\b/ } 'the leave of seven';
$lock->rollback;
is($wires[0]->answer->{status}, 200, 'the one that stayed passes');
is($wires[0]->send(get('/private/page.txt', $::users[1]{header}))->answer->{status}, 200, 'the next one as well');

$lock = hold_lock();
my $wire = wire(get('/private/page.txt', $::ada->{header}));
await_lookup();
$wire->leave;
await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ } 'the leave of the last';
my $next = wire(get('/private/page.txt', $::ada->{header}));
await_requests('/status', 1);
$lock->rollback;
is($next->answer->{status}, 200, 'a request after the last client has left');
--- access_log
 499 



=== TEST 4: the client has left when its request is read
--- http_config eval: $::http =~ s/timeout=60s/timeout=1h/r
--- config
location /private/ { auth_sigra on; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
my $lock = hold_lock();
while_stopped { $_->leave for map { wire(get('/private/page.txt', $_->{header})) } @::users[0 .. 2] };
await { (() = slurp('logs/access.log') =~ / 499 /g) == 3 } 'the leave of three';
$lock->rollback;
is(wire(get('/private/page.txt', $::ada->{header}))->answer->{status}, 200, 'the next one passes');
--- access_log
 499 



=== TEST 5: HTTP/2 streams that leave
--- http_config eval: $::http
--- http2
--- skip_eval: 1: !Sigra::Versions::http2_blocks_start()
--- config
location /private/ { auth_sigra on; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
my $url  = "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}/private/page.txt";
my @curl = ('curl', '-s', '-o', '/dev/null', '--http2-prior-knowledge', '-H', $::ada->{header}, $url);
my $lock = hold_lock();
my $pid  = fork() // die;
exec @curl or POSIX::_exit(127) unless $pid;
await_lookup();
kill KILL => $pid;
waitpid $pid, 0;
$lock->rollback;
is(system(@curl[0 .. 3], '-f', @curl[4 .. $#curl]), 0, 'the next one');



=== TEST 6: pipelined after a request that waits
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; add_header X-Who $auth_sigra_email; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- error_code: 401
--- timeout: 30
--- flow
my $lock = hold_lock();
my $wire = wire(join '', map { get('/private/page.txt', $_->{header}) } @::users);
await_lookup();
$lock->rollback;
is_deeply([map { $wire->answer->{headers}{'x-who'} } @::users], [map { $_->{email} } @::users], 'in their order');



=== TEST 7: a queue that is full refuses the rest
--- http_config eval
sigra_http_config(postgres => 'connections=1 queue=2 timeout=60s', extra => 'auth_sigra_unauthenticated status;')
--- config
location /private/ { auth_sigra on; }
location /optional/ { auth_sigra optional; add_header X-Status $auth_sigra_status; }
location = /status { stub_status; }
--- user_files eval: $::files
--- request
GET /private/page.txt
--- more_headers eval: $::ada->{header}
--- timeout: 30
--- flow
my $lock  = hold_lock();
my @wires = map { wire(get('/private/page.txt', $_->{header})) } @::users;
await {
    my ($handled) = wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: (\d+)/;
    $handled == 3 && 18 == grep { IO::Select->new($_->{socket})->can_read(0) } @wires
} 'eighteen answers';
my ($refused, $waiting) = ([], []);
push @{ IO::Select->new($_->{socket})->can_read(0) ? $refused : $waiting }, $_ for @wires;
is_deeply([map { my $a = $_->answer; "$a->{status} $a->{headers}{'retry-after'} $a->{headers}{'cache-control'}" } @$refused],
    [('503 2 no-store') x 18], 'refused at once, with Retry-After');
my $other = 'Cookie: ' . session_cookie({user_token => 'x' x 32});
is(wire(get('/optional/page.txt', $other))->answer->{headers}{'x-status'}, 'error', 'optional passes');
$lock->rollback;
is_deeply([map { $_->answer->{status} } @$waiting], [200, 200], 'two have waited');
