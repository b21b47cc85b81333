# Cached sessions are read from the zone without its lock, while the other worker writes to it. There are more sessions
# than the zone has room for, so cells are reused all the time. No request ever gets the session of another one.

use v5.14;
use strict;
use warnings;
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

my ($clients, $each, $users, $favoured) = (4, 4_000, 400, 60);

fresh_database('sigra', name => 'fault');
add_triggers();
# Emails of all lengths, because the text of a cell is read in two pieces.
my @who = map { authenticated_fixture(email => 'e' x (1 + $_ * 7 % 140) . "-$_\@example.com") } 1 .. $users;
my $nginx = Sigra::Nginx->new(
    files => { page => 'for all' },
    http  => sigra_http_config(extra => <<'END'),
auth_sigra_unauthenticated status;
auth_sigra_cache zone=small:64k;
add_header X-Status $auth_sigra_status always;
add_header X-Who "$auth_sigra_status $auth_sigra_user_id $auth_sigra_email" always;
END
    server => 'location / { auth_sigra on; }',
);
Sigra::Wire::await { seen('/page', $who[0], port => $nginx->port) eq '200 hit' } 'a hit';

# Most requests are for a few sessions, which are in the zone now and then.
sub ask {
    my ($file, $seed) = @_;
    srand $seed;
    open my $out, '>', $file or die "$file: $!\n";
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port) or die "connect: $@\n";
    my %seen;
    for (1 .. $each) {
        my $one = $who[ rand() < 0.8 ? rand $favoured : rand $users ];
        my $text = Sigra::Load::converse($socket, join "\r\n", 'GET /page HTTP/1.1', 'Host: localhost', $one->{header}, '', '');
        my ($how, $whom) = $text =~ /^X-Who: (\S*) (.*?)\r$/m or die "who is not said:\n$text\n";
        $seen{$how}++;
        $seen{another}++, print $out "$one->{email} is taken for $whom\n" if $whom ne "$one->{user_id} $one->{email}";
        next if $text !~ /^Connection: close/m;
        $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port) or die "connect: $@\n";
    }
    print $out "$_ $seen{$_}\n" for sort keys %seen;
    close $out or die "$file: $!\n";
}

my $folder = File::Temp->newdir('sigra-readers-XXXXXX', TMPDIR => 1);
my @pids;
for my $number (1 .. $clients) {
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        my $ok = eval { ask("$folder/$number", $number); 1 } or warn $@;
        POSIX::_exit($ok ? 0 : 1);
    }
    push @pids, $pid;
}
my $failed = grep { waitpid $_, 0; $? != 0 } @pids;
is($failed, 0, 'all were answered');
my (%sum, @mistakes);
for my $line (map { split /\n/, Sigra::Nginx::slurp("$folder/$_") } 1 .. $clients) {
    if ($line =~ /^(\w+) (\d+)$/) { $sum{$1} += $2 }
    else                          { push @mistakes, $line }
}
is("@mistakes[0 .. ($#mistakes < 4 ? $#mistakes : 4)]", '', 'no request got another session');
is_deeply([sort keys %sum], ['hit', 'miss'], 'each passed');
cmp_ok($sum{hit}, '>', $clients * $each / 4, "many from the cache: $sum{hit}");
cmp_ok($sum{miss}, '>', 3 * $users, "and many displaced others: $sum{miss}");
has_no_problems($nginx);
done_testing();
