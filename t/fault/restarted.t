# PostgreSQL is restarted under load: whether a request gets 503 depends on how long this takes.

use v5.14;
use strict;
use warnings;
use Sigra::Fault;
use Test::More;

my $nginx = gated_nginx();
for my $mode (qw(fast immediate)) {
    survives_outage("restarted $mode", $nginx, felt => 0, down => sub { cluster(stop => $mode) }, up => sub { cluster('start') })
        for 1 .. 3;
}
has_no_problems($nginx);

done_testing();
