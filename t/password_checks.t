# A limited number of password checks run in nginx's threads, a limited number wait, and the worker serves other
# requests meanwhile.

use Test::Nginx::Socket 'no_plan';
use Sigra::Check;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire;

fresh_database('sigra');
# Unknown emails are checked against a hash of this cost, which takes long enough to catch a check and hold it. Logins
# that must wait behind it are for a known user with a very cheap hash: a login has only one minute in all, and other
# programs may use most of the machine.
user_fixture(email => 'known@example.com', password => 'right');
our $slow = 'auth_sigra_password_hash argon2id m=65536 t=3 p=1;';
our $http = sigra_http_config();
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location = /status { stub_status; }
location = /static { return 200 static; }
END
our $state = csrf_state();

sub log_in {
    my ($email, $password) = @_;
    my $body = HTTP::Tiny->new->www_form_urlencode({ _csrf_token => csrf_mask($::state), 'user[email]' => $email, 'user[password]' => $password });
    return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Cookie: ' . session_cookie({ _csrf_token => $::state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body;
}

sub slow_login  { return wire(log_in('nobody@example.com', 'x'), @_) }
sub quick_login { return wire(log_in('known@example.com', 'wrong'), @_) }

sub nginx_pid { return slurp('logs/nginx.pid') =~ /(\d+)/ ? $1 : die "no pid\n" }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: one runs, two wait, the others are refused at once
--- http_config eval: $::http . $::slow
--- config eval: $::locations . 'auth_sigra_password_checks running=1 queue=2 floor=1ms;'
--- request
GET /static
--- timeout: 30
--- flow
my @wires = slow_login();
my $check = hold_checks(1, nginx_pid());
push @wires, map { quick_login() } 2 .. 5;
await { 2 == grep { IO::Select->new($_->{socket})->can_read(0) } @wires } 'two answers';
is(client()->get('/static')->{content}, 'static', 'the worker serves others');
is(checks_of(nginx_pid()), 1, 'while one check runs');
is_deeply([nicer_by($check, nginx_pid())], [4], 'the first check shares the processor with others');
release_checks($check);
my @answers = map { $_->answer } @wires;
is_deeply([sort map { $_->{status} } @answers], [302, 302, 302, 503, 503], 'three were checked');
is_deeply([grep { $_->{status} == 503 && $_->{headers}{'retry-after'} !~ /^\d+$/ } @answers], [], 'the others get Retry-After');
await { !checks_of(nginx_pid()) } 'the end of the last thread';
is(quick_login()->answer->{status}, 302, 'and there is room');
# After one that was not held, it depends on what else runs on the machine.
slow_login()->answer;
my $next = slow_login();
$check = hold_checks(1, nginx_pid());
like(join(' ', nicer_by($check, nginx_pid())), qr/\A(?:4|13)\z/, 'a later one may yield to others');
release_checks($check);
is($next->answer->{status}, 302, 'and ends as well');



=== TEST 2: a client that leaves makes room
--- http_config eval: $::http . $::slow
--- config eval: $::locations . 'auth_sigra_password_checks running=1 queue=2 floor=1ms;'
--- request
GET /static
--- timeout: 30
--- flow
my $writing = sub { my ($count) = @_; await { client()->get('/status')->{content} =~ /Writing: (\d+)/ && $1 - 1 == $count } "$count requests" };
my $first = slow_login();
my $check = hold_checks(1, nginx_pid());
my @leaving = map { quick_login() } 1, 2;
$writing->(3);
is(quick_login()->answer->{status}, 503, 'full');
$_->leave for @leaving;
$writing->(1);
my @instead = map { quick_login() } 1, 2;
$writing->(3);
release_checks($check);
is_deeply([map { $_->answer->{status} } $first, @instead], [302, 302, 302], 'others in their place');
$first = slow_login();
$check = hold_checks(1, nginx_pid());
$first->leave;
$writing->(0);
my $next = quick_login();
$writing->(1);
release_checks($check);
is($next->answer->{status}, 302, 'a client that leaves while its check runs does not affect others');



=== TEST 3: the limits apply to a worker, whichever location checks
--- http_config eval: $::http . $::slow
--- config eval
$::locations =~ s/ \}/ auth_sigra_password_checks running=1 queue=0 floor=1ms; }/r . '
location = /other/log-in { auth_sigra_login; auth_sigra_password_checks running=2 queue=0 floor=1ms; }'
--- request
GET /static
--- timeout: 30
--- flow
my $first = slow_login();
my $check = hold_checks(1, nginx_pid());
is(quick_login()->answer->{status}, 503, 'one is all here');
my $other = wire(log_in('nobody@example.com', 'x') =~ s{/users/}{/other/}r);
await { checks_of(nginx_pid()) == 2 } 'a second one there';
release_checks($check);
is_deeply([map { $_->answer->{status} } $first, $other], [302, 302], 'both are answered');



=== TEST 4: a better hash is stored after a right password, and then no more
--- http_config eval: $::http . 'auth_sigra_password_hash argon2id m=1024 t=2 p=1;'
--- config eval: $::locations
--- request
GET /static
--- timeout: 30
--- flow
my $user = user_fixture(email => 'old@example.com', hashed_password => bcrypt_hash('right'));
my $stored = sub { scalar db()->selectrow_array('SELECT hashed_password FROM users WHERE id = ?', undef, $user->{user_id}) };
wire(log_in('old@example.com', 'wrong'))->answer;
is($stored->(), $user->{hashed_password}, 'not after a wrong one');
is(wire(log_in('old@example.com', 'right'))->answer->{headers}{location}, '/', 'a right one');
my $new = $stored->();
like($new, qr/^\$argon2id\$v=19\$m=1024,t=2,p=1\$/, 'argon2id, as configured');
is(wire(log_in('old@example.com', 'right'))->answer->{headers}{location}, '/', 'it is of the same password');
is($stored->(), $new, 'and good enough');
wire(log_in('old@example.com', 'wrong'))->answer;
is($stored->(), $new, 'a wrong one changes nothing');



=== TEST 5: a worker that shuts down answers running and waiting logins
--- http_config eval: $::http . $::slow
--- config eval: $::locations
--- request
GET /static
--- timeout: 60
--- flow
my $nginx = Sigra::Nginx->new(workers => 1, http => $::http . $::slow, main => 'thread_pool checks threads=2;',
    server => $::locations . 'auth_sigra_thread_pool checks; auth_sigra_password_checks running=1 queue=8 floor=1ms;');
for my $how (qw(reload stop)) {
    my @old   = $nginx->workers;
    my @wires = slow_login(port => $nginx->port);
    my $check = hold_checks(1, @old);
    push @wires, map { quick_login(port => $nginx->port) } 1, 2;
    await { wire(get('/status', 'Connection: close'), port => $nginx->port)->answer->{body} =~ /Writing: 4\b/ } 'all three';
    $how eq 'reload' ? $nginx->reload : $nginx->signal('QUIT');
    # The listening socket is closed, so nginx has received the signal.
    await { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port) } 'the end of the listener' if $how eq 'stop';
    release_checks($check);
    is_deeply([map { my $answer = $_->answer; $answer ? $answer->{status} : 'closed' } @wires], [302, 302, 302], "$how: all are answered");
    await { !grep { -e "/proc/$_" } @old } 'the old worker gone' if $how eq 'reload';
}
is($nginx->stop, 0, 'nginx has ended well');
is_deeply([$nginx->problems], [], 'and has nothing to complain of');
