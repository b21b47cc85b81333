package Sigra::Bench::Memory;

use v5.14;
use strict;
use warnings;

use Sigra::Bench;
use Sigra::Bench::Kept;
use Sigra::Bench::Rows;
use Sigra::Fixture;
use Sigra::Nginx;

# The size of a zone divided by the number of sessions that it holds when it is full. More sessions than fit are
# requested one after the other, and then again from the newest back until one is not in the zone. LRU keeps the newest,
# so the first miss ends this.
my ($sessions, $megabytes) = (50_000, 4);

sub run {
    return skipped('memory of a cached session', 'nginx does not know auth_sigra_cache') unless knows('auth_sigra_cache');
    my $nginx = bench_nginx(
        http   => sigra_http_config(conninfo => conninfo_of(database_of(100_000)), layout => 'phx_gen_auth'),
        server => 'keepalive_requests 10000000; add_header X-Verdict $auth_sigra_status always;'
            . "location / { auth_sigra on; auth_sigra_cache zone=sessions:${megabytes}m ttl=1h; }",
    );
    my $connection = Sigra::Bench::Kept->new($nginx->port);
    # Nothing is stored before the worker listens.
    await(10, sub { $connection->get('/file', cookie_of(1))->{verdict} eq 'hit' }) or die "nothing gets into the cache\n";
    $connection->get('/file', cookie_of($_))->{status} == 200 or die "session $_ does not pass\n" for 1 .. $sessions;
    my $held = 0;
    $held++ while $held < $sessions && $connection->get('/file', cookie_of($sessions - $held))->{verdict} eq 'hit';
    $held or die "the zone holds nothing\n";
    die "a zone of $megabytes MB holds all of the $sessions sessions\n" if $held == $sessions;
    my $bytes = $megabytes * 2**20 / $held;
    return result(what => "a zone of $megabytes MB holds $held sessions", values => [$bytes], unit => 'bytes each',
        target => '320 or less', met => $bytes <= 320);
}

1;
