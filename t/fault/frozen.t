# PostgreSQL hangs: none of its processes runs, but the kernel still accepts connections for it.

use v5.14;
use strict;
use warnings;
use Sigra::Fault;
use Test::More;

for my $connections (1, 4) {
    my $nginx = gated_nginx(postgres => "connections=$connections");
    survives_outage("frozen, $connections connections", $nginx, down => sub { cluster('freeze') }, up => sub { cluster('thaw') })
        for 1 .. 2;
    has_no_problems($nginx);
}

done_testing();
