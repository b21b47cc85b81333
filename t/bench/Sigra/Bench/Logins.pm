package Sigra::Bench::Logins;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Bench::Storming;
use Sigra::Fixture;
use Time::HiRes qw(sleep);

# Logins per second, compared with the bare hash function in as many threads on the same core.
my $clients = 8;

sub run {
    return skipped('logins', 'nginx does not know auth_sigra_login') unless knows('auth_sigra_login');
    my $program = -x $ENV{HASH} ? $ENV{HASH} : die "no program for the hash: run make bench\n";
    my $nginx = login_server(database_of(100_000), server => '');
    my $seconds = seconds() * 3;    # one login takes a large part of a second
    my %figures = interleaved(
        logins => sub {
            my $stop = start_logins($nginx, $clients);
            sleep($seconds);
            my @moments = $stop->();
            @moments > 2 or die "no more than @{[ scalar @moments ]} logins\n";
            return (@moments - 1) / ($moments[-1] - $moments[0]);
        },
        hashes => sub {
            on_core(server_core(), sub {
                run_program($program, Sigra::Bench::Storming::running(), $seconds, argon2id_hash('sigra'));
            });
        },
    );
    return (
        result(what => 'the bare hash: argon2id, 64 MiB, 3 passes, 1 thread', values => $figures{hashes}, unit => 'a second'),
        result(what => "logins, $clients clients", values => $figures{logins}, unit => 'a second', ratios => ratios_of(@figures{qw(logins hashes)}),
            against => 'the hash', target => '0.9 or more', least => 0.9),
    );
}

1;
