# The primary dies under load, and its standby is promoted: two nodes of nginx switch over to it. Nobody is logged out,
# no session that has ended passes, and later revocations are received.

use v5.14;
use strict;
use warnings;
use List::Util qw(max min);
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Sigra::Standby;
use Test::More;

fresh_database('sigra', name => 'fault');
add_triggers();
my %user = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve carl);
my $standby = Sigra::Standby->new;
my $conninfo = "host=127.0.0.1,127.0.0.1 port=$ENV{SIGRA_TEST_PGPORT}," . $standby->port
    . " dbname=fault user=sigra_nginx password=$ENV{SIGRA_TEST_PGPASSWORD} target_session_attrs=read-write";
my @nodes = map {
    Sigra::Nginx->new(
        files  => { page => 'for ada', 'cached/page' => 'for ada' },
        http   => sigra_http_config(conninfo => $conninfo, postgres => 'timeout=1s max_reconnect_delay=1s',
            extra => "auth_sigra_unauthenticated status;\nadd_header X-Status \$auth_sigra_status always;"),
        server => "location / { auth_sigra on; }\nlocation /cached/ { auth_sigra on; auth_sigra_cache zone=sessions:1m; }",
    )
} 1, 2;
for my $node (@nodes) {
    Sigra::Wire::await { seen('/cached/page', $user{$_}, port => $node->port) eq '200 hit' } "a hit of $_" for qw(ada eve);
}
my %clients = (
    (map { $_ => [1, '/page', $user{$_}{header}] } qw(ada bob)),
    cached => [1, '/cached/page', $user{ada}{header}],
    eve    => [1, '/page', $user{eve}{header}],
    gone   => [1, '/cached/page', $user{eve}{header}],
);
revoke($user{eve});
for my $node (@nodes) {
    Sigra::Wire::await { seen('/cached/page', $user{eve}, port => $node->port) =~ /^401/ } 'the end of eve';
}
my @load = map { start_load(port => $_->port, clients => \%clients) } @nodes;
for my $load (@load) {
    ok($load->await_answers(20, 20, sub { $_[0]{kind} eq 'ada' && $_[0]{status} == 200 }), 'well before');
}
ok($standby->has_caught_up(db()), 'the standby has everything');
db()->disconnect;

my $down = now();
cluster(stop => 'immediate');
for my $load (@load) {
    ok($load->await_answers(20, 3, sub { $_[0]{kind} eq 'ada' && $_[0]{status} == 503 }), 'it is felt');
}
my $up   = $standby->promote;
my $room = 2 * patience();
for my $load (@load) {
    for my $kind (qw(ada bob cached)) {
        ok($load->await_answers(20, 10, sub { $_[0]{kind} eq $kind && $_[0]{status} == 200 && $_[0]{from} > $up }), "$kind is back");
    }
    ok($load->await_answers(20, 10, sub { $_[0]{kind} eq 'eve' && $_[0]{status} == 401 && $_[0]{from} > $up }), 'eve is not');
}
my @answers;
for my $load (@load) { push @answers, $load->stop }
sees_only('ada|bob|cached', '200|503', 'nobody is logged out', @answers);
sees_only('eve|gone', '401|503', 'none of them passes', @answers);
my @refused = grep { $_->{status} == 503 } @answers;
my @outside = grep { $_->{to} < $down || $_->{from} > $up + $room } @refused;
ok(!@outside, '503 only in between');
my $back = max(map { my $node = $_; min(map { $_->{to} } grep { $_->{status} == 200 && $_->{from} > $up && $_->{client} =~ /^\Q$node\E/ } @answers) }
    map { "$_->{folder}" } @load);
cmp_ok($back - $up, '<', $room, 'both nodes are back within two seconds of the promotion');
diag(sprintf '%d answers, %d of them 503; back %.2f s after the promotion, the last 503 at %.2f s', scalar @answers, scalar @refused,
    $back - $up, max(map { $_->{to} } @refused) - $up) if $ENV{TEST_VERBOSE};

# They listen on the new primary.
for my $node (@nodes) {
    Sigra::Wire::await { seen('/cached/page', $user{carl}, port => $node->port) eq '200 hit' } 'a hit of carl';
}
$standby->db('fault')->do('DELETE FROM users_tokens WHERE id = ?', undef, $user{carl}{session_id});
for my $node (@nodes) {
    Sigra::Wire::await { seen('/cached/page', $user{carl}, port => $node->port) =~ /^401/ } 'the end of carl';
    is(seen('/cached/page', $user{carl}, port => $node->port), '401 unknown', 'a session that ends there is noticed');
    has_no_problems($node);
}
cluster('start');
done_testing();
