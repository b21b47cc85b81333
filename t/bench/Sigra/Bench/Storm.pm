package Sigra::Bench::Storm;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Bench::Storming;
use Sigra::Fixture;

# A protected static file at half its maximum rate, alone and while others log in: once from the cache, once with
# lookups. All requests have the same session, and those at the same time share a lookup.
my ($readers, $clients) = (16, 32);

sub run {
    for (qw(auth_sigra_login auth_sigra_cache)) {
        return skipped('a protected file under logins', "nginx does not know $_") unless knows($_);
    }
    my $nginx = login_server(
        database_of(100_000),
        server => <<'END',
        location = /private { auth_sigra on; auth_sigra_cache zone=sessions:8m ttl=1h; alias html/file; }
        location = /uncached { auth_sigra on; auth_sigra_cache off; alias html/file; }
END
    );
    return map { beside_logins($nginx, @$_) } ['private', 'cached', 3], ['uncached', 'uncached', 2];
}

sub beside_logins {
    my ($nginx, $path, $kind, $most) = @_;
    my $url = 'http://127.0.0.1:' . $nginx->port . "/$path";
    my $rate = int(h2load($url, seconds => seconds())->{rate} / 2 / $readers) || 1;
    my %figures = interleaved(
        alone => sub { h2load($url, rate => $rate)->{p99} },
        storm => sub {
            my $stop = start_logins($nginx, $clients);
            my $measured = h2load($url, rate => $rate);
            $stop->();
            return $measured->{p99};
        },
    );
    my $what = "$kind, p99 at " . $rate * $readers . ' req/s';
    return (
        result(what => "$what, alone", values => $figures{alone}, unit => 'ms'),
        result(what => "$what, $clients clients log in", values => $figures{storm}, unit => 'ms', ratios => ratios_of(@figures{qw(storm alone)}),
            against => 'alone', target => "within $most times, none fails", most => $most),
    );
}

# {rate, p99 in milliseconds}; dies if a request fails. `rate`: of one connection.
sub h2load {
    my ($url, %option) = @_;
    my $log = scratch() . '/h2load';
    unlink $log;
    my $text = run_program(
        'h2load', '--h1', '-t1', "-c$readers", '-D', $option{seconds} // seconds(),
        (defined $option{rate} ? ("--rps=$option{rate}") : ()),
        "--log-file=$log", '-H', 'Cookie: ' . cookie_of(4711), $url
    );
    my ($done, $good, $failed, $errored, $timed_out) =
        $text =~ /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/ or die "h2load says:\n$text\n";
    $text =~ /status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx/ && $failed + $errored + $timed_out == 0 && $good == $done
        or die "requests fail:\n$text\n";
    open my $in, '<', $log or die "$log: $!\n";
    my @times = map { (split)[2] / 1000 } <$in>;
    return { rate => $done / ($option{seconds} // seconds()), p99 => percentile(99, @times) };
}

1;
