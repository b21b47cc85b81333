package Sigra::Bench::ManyRows;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;

# The lookup in a small table and in a large one: in the latter with sessions from all of it, and with a working set.
my ($few, $working_set, $sample) = (1_000, 100_000, 300_000);

sub run {
    my $many = rows_wanted();
    my %database = (few => database_of($few), many => database_of($many));
    my $step = int($many / $working_set) || 1;
    my $set = $many < $working_set ? $many : $working_set;
    my $uniform = $many < $sample ? $many : $sample;
    srand 1;    # the same sessions each time
    my %cookies = (
        few     => cookies_of('few', $few, sub { 1 + $_[0] }),
        uniform => cookies_of('uniform', $uniform, sub { 1 + int rand $many }),
        set     => cookies_of('set', $set, sub { 1 + $_[0] * 61_803 % $set * $step }),
    );
    my $off = knows('auth_sigra_cache') ? 'auth_sigra_cache off;' : '';
    my $nginx = bench_nginx(
        http   => sigra_http_config(conninfo => conninfo_of($database{few}), layout => 'phx_gen_auth'),
        server => join "\n", map {
            "location = /$_ { auth_sigra on; $off auth_sigra_postgres \"@{[ conninfo_of($database{$_}) ]}\"; alias html/file; }"
        } qw(few many),
    );
    my $origin = "http://127.0.0.1:@{[ $nginx->port ]}";
    my $per_round = int($uniform / rounds());
    # Long turns: within a tenth of a turn each session of the working set was requested, and is in the processor's
    # caches again.
    my $lookups = sub {
        my ($round) = @_;
        return in_turns($origin, 10 * $few,
            few     => { path => '/few',  cookies => $cookies{few} },
            uniform => { path => '/many', cookies => $cookies{uniform}, from => $round * $per_round % $uniform },
            set     => { path => '/many', cookies => $cookies{set} });
    };
    my %figures = interleaved(
        lookups     => $lookups,
        few_sql     => sub { pgbench($database{few}, "random(1, $few)", "$origin/few") },
        uniform_sql => sub { pgbench($database{many}, "random(1, $many)", "$origin/many") },
        set_sql     => sub { pgbench($database{many}, "1 + random(0, $set - 1) * $step", "$origin/many") },
    );
    my $row = sub {
        my ($what, $name, $unit, $within) = @_;
        my $base = $unit eq 'tps' ? 'few_sql' : 'few';
        return result(what => $what, values => $figures{$name}, unit => $unit, ratios => ratios_of(@figures{ $base, $name }), against => '1,000 rows, in cost',
            ($within ? (target => "within $within times", most => $within) : ()));
    };
    my $size = commas($many);
    return (
        result(what => 'lookup, 1,000 rows', values => $figures{few}, unit => 'req/s'),
        $row->("lookup, $size rows, uniformly random tokens", 'uniform', 'req/s', 1.4),
        $row->("lookup, $size rows, a working set of @{[ commas($set) ]}", 'set', 'req/s', 1.3),
        result(what => 'pgbench, 1,000 rows', values => $figures{few_sql}, unit => 'tps'),
        $row->("pgbench, $size rows, uniformly random tokens", 'uniform_sql', 'tps'),
        $row->("pgbench, $size rows, a working set of @{[ commas($set) ]}", 'set_sql', 'tps'),
    );
}

sub commas { my ($number) = @_; 1 while $number =~ s/^(\d+)(\d{3})/$1,$2/; return $number }

1;
