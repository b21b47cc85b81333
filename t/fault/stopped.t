# PostgreSQL is stopped and started again, over the socket and over TCP.

use v5.14;
use strict;
use warnings;
use Sigra::Fault;
use Test::More;

for my $way ('socket', 'TCP') {
    my $nginx = gated_nginx($way eq 'TCP' ? (conninfo => "host=127.0.0.1 port=$ENV{SIGRA_TEST_PGPORT} dbname=fault user=sigra_nginx "
            . "password=$ENV{SIGRA_TEST_PGPASSWORD}") : ());
    for my $mode ('fast', 'immediate') {
        survives_outage("stopped $mode, $way", $nginx, down => sub { cluster(stop => $mode) }, up => sub { cluster('start') });
    }
    like($nginx->log, qr/connection to PostgreSQL lost: /, "$way: the log says that it was lost");
    like($nginx->log, qr/connection to PostgreSQL restored/, "$way: and that it is back");
    unlike($nginx->log, qr/\Q$ENV{SIGRA_TEST_PGPASSWORD}\E/, "$way: and no password");
    has_no_problems($nginx);
}

done_testing();
