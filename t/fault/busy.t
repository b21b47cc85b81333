# A login beside busy programs: its password check gets its share of the processors, whatever scheduling group nginx is
# in.

use v5.14;
use strict;
use warnings;
use Sigra::Check;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Wire ();
use Test::More;

my ($rounds, $most) = (3, 10);    # it should be at most five times; twice that leaves a margin

fresh_database('sigra', name => 'fault');
# An unknown email is checked against a hash of the usual cost.
my $nginx = Sigra::Nginx->new(
    workers => 1,
    http    => sigra_http_config(extra => 'auth_sigra_password_checks running=1 floor=1ms;'),
    server  => 'location = /users/log-in { auth_sigra_login; }',
);

sub attempt {
    my $state = csrf_state();
    my $body  = "email=nobody\@example.com&password=x&_csrf_token=" . csrf_mask($state);
    return Sigra::Wire::wire(join("\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Connection: close',
        'Cookie: ' . session_cookie({ _csrf_token => $state }), 'Content-Type: application/x-www-form-urlencoded',
        'Content-Length: ' . length $body, '', $body), port => $nginx->port);
}

sub seconds_of_an_attempt {
    my $from = now();
    my $answer = attempt()->answer;
    $answer && $answer->{status} == 302 or die "no answer\n";
    return now() - $from;
}

# Two busy loops for two processors, and so on, so that each processor is shared.
sub with_busy_loops {
    my ($code) = @_;
    my $processors = () = Sigra::Nginx::slurp('/proc/cpuinfo') =~ /^processor/mg;
    my @loops = map {
        my $pid = fork() // die "fork: $!\n";
        if (!$pid) { alarm 600; 1 while 1 }
        $pid;
    } 1 .. ($processors || 2);
    my @values = eval { $code->() };
    my $problem = $@;
    kill KILL => @loops;
    waitpid $_, 0 for @loops;
    die $problem if $problem;
    return @values;
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[ $#sorted / 2 ] }

seconds_of_an_attempt();
my (@alone, @beside);
for (1 .. $rounds) {
    push @alone, seconds_of_an_attempt() for 1, 2;
    push @beside, with_busy_loops(sub { return map { seconds_of_an_attempt() } 1, 2 });
}
my $ratio = median(@beside) / median(@alone);
cmp_ok($ratio, '<', $most, sprintf 'a login beside busy loops takes %.1f times as long', $ratio);

# How this works: password checks run in batch threads, with a slightly higher nice value than the worker's.
my $wire = attempt();
my $check = hold_checks(1, $nginx->workers);
is(checks_of($nginx->workers), 1, 'a check is a batch thread');
release_checks($check);
is($wire->answer->{status}, 302, 'and ends');
is($nginx->stop, 0, 'nginx ends as it should');
is_deeply([$nginx->problems], [], 'with nothing to complain of');
done_testing();
