# A worker can get no more memory: requests are refused or their connections closed, nobody gets in without a check, the
# worker lives, and it recovers when there is memory again.

use v5.14;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Raw;
use Test::More;

plan skip_all => 'a sanitizer ends a process that is out of memory' if $ENV{SANITIZE};

sub get {
    my ($nginx, $target, @headers) = @_;
    return raw_exchange(join("\r\n", "GET $target HTTP/1.1", 'Host: localhost', @headers, 'Connection: close', '', ''),
        port => $nginx->port);
}

sub address_space { open my $in, '<', "/proc/$_[0]/statm" or die; return (split ' ', <$in>)[0] * 4096 }

sub limit_to {
    my ($pid, $value) = @_;
    system('prlimit', '--pid', $pid, "--as=$value:") == 0 or die "prlimit: $?\n";
}

# Connections with half a header, which nginx keeps: each takes about two thousand bytes, until there are none left.
sub occupy {
    my ($nginx, $count) = @_;
    my @held;
    while (@held < $count) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 10) or last;
        local $SIG{PIPE} = 'IGNORE';
        syswrite $socket, "GET /public HTTP/1.1\r\nHost: localhost\r\nX: " . 'a' x 200;
        # It is closed at once if there is no memory for it.
        last if @held % 16 == 15 && IO::Select->new(@held[-8 .. -1], $socket)->can_read(0.01);
        push @held, $socket;
    }
    return @held;
}

my $nginx = gated_nginx(workers => 1, connections => 4096, http => 'client_header_timeout 300s;');
my ($worker) = $nginx->workers;
my $good   = user('ada')->{header};
my $many   = session_cookie({ map { ("key $_" => 'v' x 10) } 1 .. 100 });
my $flash  = session_cookie({ phoenix_flash => { map { ("key $_" => 'v' x 100) } 1 .. 20 } });
my %may_be = (
    $good                                            => '200 for ada',
    'Cookie: ' . session_cookie({ user_token => 1 }) => '302',
    "Cookie: $many"                                  => '302',
    "Cookie: $flash"                                 => '302',
);
is(get($nginx, '/private', $good)->{status}, 200, 'well before');

my (%seen, @wrong);
for my $round (1 .. 3) {
    my $in_a_row = 0;
    limit_to($worker, address_space($worker));
    my @held = occupy($nginx, 3000);
    # Each time a little more memory is free: at first the connection is refused, then the request, then what the module
    # allocates.
    while (@held) {
        close $_ for splice @held, 0, $round;
        kill_backends() if @held % 7 == 0;
        for my $header (sort keys %may_be) {
            my $answer = get($nginx, '/private', $header);
            $seen{ $answer->{status} }++;
            my $told = $answer->{status} . ($answer->{body} =~ /for ada/ ? ' for ada' : '');
            push @wrong, substr($header, 0, 60) . ": $told" unless $told =~ /^(?:\Q$may_be{$header}\E|0|4\d\d|500|503)$/;
            push @wrong, 'a cookie on a ' . $answer->{status} if $answer->{status} =~ /^5/ && header($answer, 'Set-Cookie');
            $in_a_row = $answer->{status} =~ /^[23]/ ? $in_a_row + 1 : 0;
        }
        last if $in_a_row > 40;
    }
    limit_to($worker, 'unlimited');
}
ok(!@wrong, 'nobody gets what is another user\'s') or diag(join "\n", @wrong);
diag(join ', ', map { "$_: $seen{$_}" } sort keys %seen) if $ENV{TEST_VERBOSE};
ok($seen{0} || $seen{500} || $seen{503}, 'it was felt');
ok(await(sub { get($nginx, '/private', $good)->{status} == 200 }), 'it works again with memory');
is_deeply([$nginx->workers], [$worker], 'by the same worker');
has_no_problems($nginx, qr/\[emerg\].*(?:alloc|memalign|mmap)\b?.*failed \(12: Cannot allocate memory\)/);

done_testing();
