package Sigra::Bench::Before;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;

# The module compared with an older one, OLD=PATH, each in its own nginx on the same core and with the same database.
# They take turns of a second, or SECONDS, so that other work of the machine affects both nearly alike. An older module
# may look for other triggers than these, so the cache does without them.
my $sessions = 100_000;
my $in_a_row = 20;

sub run {
    my $old = $ENV{OLD} or return skipped('this module against an older one', 'OLD=PATH is not set');
    my $database = database_of($sessions);
    my $cookies = cookies_of('requests', $sessions, sub { 1 + $_[0] * 61_803 % $sessions });
    my %module = (new => $ENV{TEST_NGINX_LOAD_MODULES}, old => abs_path($old) // die "no module $old\n");
    my %nginx;
    for my $which (qw(old new)) {
        local $ENV{TEST_NGINX_LOAD_MODULES} = $module{$which};
        $nginx{$which} = bench_nginx(
            http   => sigra_http_config(conninfo => conninfo_of($database), layout => 'phx_gen_auth'),
            server => <<'END',
        location = /uncached { auth_sigra on; auth_sigra_cache off; alias html/file; }
        location = /cached { auth_sigra on; auth_sigra_cache zone=sessions:64m ttl=1h require_listen=off; alias html/file; }
END
        );
    }
    my @cases;
    for my $case (['cached', 32], ['uncached', 32], ['uncached', 1]) {
        my ($path, $connections) = @$case;
        for my $which (qw(old new)) {
            my $origin = "http://127.0.0.1:@{[ $nginx{$which}->port ]}";
            push @cases, "$path-$connections-$which" => sub {
                my ($round) = @_;
                # Fills the zone with all sessions first.
                wrk("$origin/cached", cookies => $cookies, seconds => 15) if !$round && $path eq 'cached';
                return wrk("$origin/$path", cookies => $cookies, connections => $connections, repeat => $path eq 'cached' ? $in_a_row : 1,
                    from => $round * 16_000 % $sessions);
            };
        }
    }
    my %figures = interleaved(@cases);
    my $row = sub {
        my ($what, $name, $least) = @_;
        my ($one, $other) = @figures{ "$name-new", "$name-old" };
        return (
            result(what => "$what, the older module", values => $other, unit => 'req/s'),
            result(what => "$what, this module", values => $one, unit => 'req/s', ratios => ratios_of($one, $other),
                against => 'the older module', target => "$least or more", least => $least),
        );
    };
    return ($row->('cached', 'cached-32', 0.99), $row->('uncached', 'uncached-32', 1), $row->('uncached, one connection', 'uncached-1', 0.98));
}

1;
