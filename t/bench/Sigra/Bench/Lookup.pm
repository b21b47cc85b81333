package Sigra::Bench::Lookup;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;

# A lookup for each request, nginx and PostgreSQL on one core, compared with PostgreSQL alone on that core.
my $sessions = 100_000;

sub run {
    my $database = database_of($sessions);
    my $cookies = cookies_of('requests', $sessions, sub { 1 + $_[0] * 61_803 % $sessions });
    my $off = knows('auth_sigra_cache') ? 'auth_sigra_cache off;' : '';
    my $nginx = bench_nginx(
        http   => sigra_http_config(conninfo => conninfo_of($database), layout => 'phx_gen_auth'),
        server => "location / { auth_sigra on; $off }",
    );
    my $url = "http://127.0.0.1:@{[ $nginx->port ]}/file";
    my %figures = interleaved(
        module  => sub { wrk($url, cookies => $cookies) },
        pgbench => sub { pgbench($database, "random(1, $sessions)", $url) },
    );
    return (
        result(what => 'pgbench, the same query, prepared, 8 clients', values => $figures{pgbench}, unit => 'tps'),
        result(what => 'this module, uncached', values => $figures{module}, unit => 'req/s', ratios => ratios_of(@figures{qw(module pgbench)}),
            against => 'pgbench', target => '2.5 or more', least => 2.5),
    );
}

1;
