# Which password hashes are supported, how many checks run and wait, clients that leave meanwhile, and reloads that
# wait.

use Test::Nginx::Socket 'no_plan';
use Sigra::Check;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;');
our $password = 'correct horse battery staple';
# Takes long enough to catch a check and hold it.
our $slow = output_of("printf %s '$password' | argon2 somesalt -id -t 3 -k 65536 -p 1 -e");
user_fixture(email => 'slow@example.com', hashed_password => $slow);
user_fixture(email => 'quick@example.com');
our $config = 'location = /status { stub_status; } location = /x.txt { } location = /users/log-in { auth_sigra_login; auth_sigra_password_checks running=1 queue=2 floor=1ms; }'
    . 'location = /locked/log-in { auth_sigra_login; auth_sigra_lockout threshold=5 duration=1m; auth_sigra_password_checks running=1 queue=2 floor=1ms; }'
    . 'location = /none/log-in { auth_sigra_login; auth_sigra_password_checks running=1 queue=0 floor=1ms; }';

sub output_of {
    my (@command) = @_;
    local %ENV = %ENV;
    delete $ENV{LD_PRELOAD};
    open my $in, '-|', 'bash', '-c', @command or return '';
    local $/;
    my $text = <$in> // '';
    return $text =~ s/\s+\z//r;
}

sub request {
    my ($email, $path, $with) = @_;
    my $state = csrf_state();
    my $body = join '&', '_csrf_token=' . csrf_mask($state), "email=$email\@example.com", 'password=' . ($with // $password) =~ tr/ /+/r;
    return join "\r\n", 'POST ' . ($path // '/users/log-in') . ' HTTP/1.1', 'Host: localhost', 'Cookie: ' . session_cookie({ _csrf_token => $state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body;
}
sub is_answered { return IO::Select->new($_[0]{socket})->can_read(0) }
sub writing { my ($count) = wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: (\d+)/; return $count - 1 }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: when the queue is full, logins are answered 503
--- http_config eval: $::http
--- config eval: $::config
--- user_files
>>> x.txt
hello
--- request
GET /users/log-in
--- timeout: 60
--- flow
my @wires = wire(request('slow'));
my ($worker) = slurp('logs/nginx.pid') =~ /(\d+)/;
my $check = hold_checks(1, $worker);
push @wires, map { wire(request('slow')) } 2 .. 6;
await { 3 == grep { is_answered($_) } @wires } 'three answers';
my @refused = grep { is_answered($_) } @wires;
my %is_refused = map { $_ => 1 } @refused;
my @accepted = grep { !$is_refused{$_} } @wires;
for (@refused) {
    my $answer = $_->answer;
    is("$answer->{status} $answer->{headers}{'retry-after'}", '503 2', 'refused');
    is($answer->{headers}{'set-cookie'}, undef, 'no cookie is touched');
    like($answer->{headers}{'cache-control'}, qr/no-store/, 'no-store');
}
is(client()->get('/x.txt')->{content}, "hello\n", 'the worker answers others meanwhile');
is(client()->get('/users/log-in')->{status}, 200, 'the login page as well');

# An attempt is not counted if nobody will check it.
my $before = db()->selectrow_array(q(SELECT failed_login_attempts FROM users WHERE email = 'quick@example.com'));
is(wire(request('quick', '/locked/log-in', 'wrong'))->answer->{status}, 503, 'full for an account that can be locked');
is(db()->selectrow_array(q(SELECT failed_login_attempts FROM users WHERE email = 'quick@example.com')), $before, 'and nothing is counted');
is(wire(request('quick', '/none/log-in'))->answer->{status}, 503, 'without a queue: full');

# A waiting client leaves and makes room for another one; the client of the running check leaves, and the next one is
# answered in time.
$accepted[2]->leave;
await { writing() == 2 } 'one leaves';
my $next = wire(request('quick'));
await { writing() == 3 } 'the place is taken';
$accepted[0]->leave;
await { writing() == 2 } 'this one leaves too';
release_checks($check);
is($accepted[1]->answer->{headers}{location}, '/', 'the waiting login succeeds');
is($next->answer->{headers}{location}, '/', 'and the one that took the place');
is(wire(request('quick', '/none/log-in'))->answer->{headers}{location}, '/', 'without a queue, when none runs');
is(db()->selectrow_array(q(SELECT count(*) FROM users_tokens t JOIN users u ON u.id = t.user_id WHERE u.email = 'slow@example.com')), 1, 'the one that left has no session');



=== TEST 2: hashes of other programs
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; auth_sigra_password_checks floor=1ms; }
--- request
GET /users/log-in
--- timeout: 60
--- flow
my $python = 'import base64, hashlib, os; salt = b"0123456789abcdef"; b = lambda x: base64.b64encode(x).decode().replace("+", ".").rstrip("="); '
    . 'print("$pbkdf2-%s$%d$%s$%s" % ("DIGEST", 1000, b(salt), b(hashlib.pbkdf2_hmac("DIGEST", b"' . $::password . '", salt, 1000))))';
my %made = (
    (map { ("argon2$_" => output_of("printf %s '$::password' | argon2 somesalt -$_ -t 2 -k 1024 -p 2 -e")) } 'i', 'd', 'id'),
    'argon2 of version 16' => output_of("printf %s '$::password' | argon2 somesalt -id -v 10 -t 2 -k 1024 -p 2 -e"),
    bcrypt => output_of("htpasswd -nbB -C 4 x '$::password'") =~ s/^x://r,
    'bcrypt $2b$' => output_of("htpasswd -nbB -C 4 x '$::password'") =~ s/^x:\$2y/\$2b/r,
    'bcrypt $2a$' => output_of("htpasswd -nbB -C 4 x '$::password'") =~ s/^x:\$2y/\$2a/r,
    map { ("pbkdf2-$_" => output_of("python3 -c '" . $python =~ s/DIGEST/$_/gr . "'")) } 'sha256', 'sha512',
);
for my $name (sort keys %made) {
    SKIP: {
        skip "no program makes $name here", 3 unless $made{$name} =~ /^\$/;
        my $email = lc $name =~ s/\W//gr;
        user_fixture(email => "$email\@example.com", hashed_password => $made{$name});
        is(wire(request($email))->answer->{headers}{location}, '/', "$name: in");
        is(wire(request($email, undef, $_))->answer->{headers}{location}, '/users/log-in', "$name: another password") for "${\ uc $::password}", $::password . 'x';
    }
}

# bcrypt reads 72 bytes, as every bcrypt does; the others read all bytes.
my $long = 'x' x 72;
user_fixture(email => 'long2b@example.com', hashed_password => bcrypt_hash("${long}a"));
user_fixture(email => 'longpb@example.com', hashed_password => pbkdf2_hash("${long}a"));
is(wire(request('long2b', undef, "${long}$_->[0]"))->answer->{headers}{location}, $_->[1], "bcrypt: $_->[0] after 72 bytes") for ['a', '/'], ['b', '/'];
is(wire(request('longpb', undef, "${long}$_->[0]"))->answer->{headers}{location}, $_->[1], "pbkdf2: $_->[0] after 72 bytes") for ['a', '/'], ['b', '/users/log-in'];



=== TEST 3: a reload in the middle of a check
--- http_config eval: $::http
--- config
--- request
GET /nothing
--- error_code: 404
--- timeout: 60
--- flow
my $nginx = Sigra::Nginx->new(workers => 1, http => $::http, server => $::config, files => { 'x.txt' => 'hello' });
my @wires = map { wire(request('slow'), port => $nginx->port) } 1, 2;
await { my ($count) = wire(get('/status', 'Connection: close'), port => $nginx->port)->answer->{body} =~ /Writing: (\d+)/; $count == 3 } 'two that wait';
my $check = hold_checks(1, $nginx->workers);
$nginx->reload;
is(wire(get('/x.txt', 'Connection: close'), port => $nginx->port)->answer->{status}, 200, 'the new worker serves');
release_checks($check);
is($_->answer->{headers}{location}, '/', 'the old one answers') for @wires;
$_->leave for @wires;
await { $nginx->workers == 1 } 'the end of the old worker';
my $wire = wire(request('slow'), port => $nginx->port);
await { my ($count) = wire(get('/status', 'Connection: close'), port => $nginx->port)->answer->{body} =~ /Writing: (\d+)/; $count == 2 } 'one that waits';
$nginx->signal('TERM');
await { !$nginx->running } 'the end of a fast shutdown';
is_deeply([$nginx->problems], [], 'without an alert');
