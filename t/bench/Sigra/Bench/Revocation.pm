package Sigra::Bench::Revocation;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Kept;
use Sigra::Bench::Rows;
use Sigra::Fixture;
use Sigra::Nginx;

# From sending the COMMIT of a DELETE, so including the commit itself, until the second of two workers has answered 302.
# Both get requests all the time. The session was in the cache.
my $times = 1000;

sub run {
    return skipped('revocation', 'nginx does not know auth_sigra_cache') unless knows('auth_sigra_cache');
    my $database = database_of($times, 'revoked');
    my $nginx = bench_nginx(
        workers => 2,
        http    => sigra_http_config(conninfo => conninfo_of($database), layout => 'phx_gen_auth'),
        server  => 'add_header X-Pid $pid always; add_header X-Verdict $auth_sigra_status always;'
            . 'location / { auth_sigra on; auth_sigra_cache zone=sessions:8m; }',
    );
    my @workers = workers($nginx);
    my $db = server_dbh($database, 'sigra');
    my @latencies = map { revoke($db, $_, @workers) } 1 .. $times;
    $db->disconnect;
    my $p99 = percentile(99, @latencies);
    return (
        result(what => 'median', values => [median(@latencies)], unit => 'ms'),
        result(what => 'p99', values => [$p99], unit => 'ms', target => '20 ms or less', met => $p99 <= 20,
            note => sprintf 'the last: %.1f ms', percentile(100, @latencies)),
    );
}

# A connection to each worker.
sub workers {
    my ($nginx) = @_;
    my %by_pid;
    for (1 .. 200) {
        my $connection = Sigra::Bench::Kept->new($nginx->port);
        $by_pid{ $connection->get('/file', cookie_of(1))->{pid} } //= $connection;
        last if keys %by_pid == 2;
    }
    keys %by_pid == 2 or die "no two workers answer\n";
    return values %by_pid;
}

sub revoke {
    my ($db, $row, @workers) = @_;
    my $cookie = cookie_of($row);
    for my $worker (@workers) {
        # The worker's channel must be up, and the entry in the cache.
        await(10, sub { $worker->get('/file', $cookie)->{verdict} eq 'hit' }) or die "session $row does not get into the cache\n";
    }
    $db->begin_work;
    $db->do('DELETE FROM users_tokens WHERE id = ?', undef, $row) == 1 or die "no session $row\n";
    my $sent = now();
    $db->commit;
    my @left = @workers;
    my $seen = $sent;
    while (@left) {
        @left = grep {
            my $status = $_->get('/file', $cookie)->{status};
            $status == 200 || $status == 302 or die "session $row: $status\n";
            $seen = now() if $status == 302;
            $status == 200;
        } @left;
    }
    return ($seen - $sent) * 1000;
}

1;
