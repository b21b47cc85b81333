package Sigra::Bench::Facts;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;

# What auth_sigra_require and auth_sigra_attribute cost: three conditions and two attributes compared with none, in
# turns on the same connections. Each has its own connection string, or both would use the same statement.
my $sessions = 100_000;
my $in_a_row = 20;

sub run {
    my $database = database_of($sessions);
    my $cookies = cookies_of('requests', $sessions, sub { 1 + $_[0] * 61_803 % $sessions });
    my $facts = <<'END';
auth_sigra_require "u.id > 0";
auth_sigra_require "u.confirmed_at IS NOT NULL";
auth_sigra_require "u.email LIKE '%@example.com'";
auth_sigra_attribute name "split_part(u.email::text, '@', 1)";
auth_sigra_attribute since "u.inserted_at::date::text";
END
    my $conninfo = conninfo_of($database);
    my $nginx = bench_nginx(
        http   => sigra_http_config(conninfo => $conninfo, layout => 'phx_gen_auth'),
        server => <<"END",
        location /plain/ {
            auth_sigra_postgres "$conninfo application_name=plain";
            location = /plain/cached { auth_sigra on; auth_sigra_cache zone=plain:64m ttl=1h; alias html/file; }
            location = /plain/uncached { auth_sigra on; auth_sigra_cache off; alias html/file; }
        }
        location /facts/ {
            auth_sigra_postgres "$conninfo application_name=facts";
            $facts
            location = /facts/cached { auth_sigra on; auth_sigra_cache zone=facts:64m ttl=1h; alias html/file; }
            location = /facts/uncached { auth_sigra on; auth_sigra_cache off; alias html/file; }
        }
END
    );
    my $origin = "http://127.0.0.1:@{[ $nginx->port ]}";
    my $turns = sub {
        my ($kind, $repeat) = @_;
        return sub {
            my ($round) = @_;
            # Fills the zones with all sessions first.
            if (!$round && $kind eq 'cached') { wrk("$origin/$_/cached", cookies => $cookies, seconds => 15) for qw(plain facts) }
            return in_turns($origin, 640, map {
                ("$kind-$_" => { path => "/$_/$kind", cookies => $cookies, repeat => $repeat, from => $round * 16_000 % $sessions })
            } qw(plain facts));
        };
    };
    my %figures = interleaved(cached => $turns->('cached', $in_a_row), uncached => $turns->('uncached', 1));
    return map {
        my ($kind, $least) = @$_;
        my ($plain, $with) = @figures{ "$kind-plain", "$kind-facts" };
        (
            result(what => "$kind", values => $plain, unit => 'req/s'),
            result(what => "$kind, three conditions and two attributes", values => $with, unit => 'req/s',
                ratios => ratios_of($with, $plain), against => 'without', target => "$least or more", least => $least),
        );
    } ['cached', 0.99], ['uncached', 0.95];
}

1;
