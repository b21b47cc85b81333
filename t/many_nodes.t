# Checks the two formulas of docs/operations.md, "Many nodes", with running nodes: how many connections PostgreSQL has,
# and how many lookups it gets.

use v5.14;
use strict;
use warnings;
use JSON::PP qw(decode_json);
use Sigra::Cache;
use Sigra::Client;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire qw(await);
use Test::More;

fresh_database('sigra');
add_triggers();
my ($sessions, $rounds) = (20, 6);
my @ada = authenticated_fixture(email => 'ada@example.com', password => 'right');
push @ada, authenticated_fixture(user_id => $ada[0]{user_id}, email => $ada[0]{email}) for 2 .. $sessions;
my $server = "$ENV{SIGRA_TEST_PGHOST}:$ENV{SIGRA_TEST_PGPORT}";
my $conninfo = sprintf 'host=%s port=%s dbname=%s user=sigra_nginx application_name=nginx', $ENV{SIGRA_TEST_PGHOST}, $ENV{SIGRA_TEST_PGPORT}, database()->{name};

sub node {
    my ($workers) = @_;
    return Sigra::Nginx->new(
        workers => $workers,
        files   => { page => 'for ada', 'cached/page' => 'for ada' },
        http    => sigra_http_config(conninfo => $conninfo, postgres => 'timeout=60s connections=2',
            extra => "auth_sigra_unauthenticated status;\nauth_sigra_password_hash argon2id m=8 t=1 p=1;\nauth_sigra_password_checks floor=1ms;"),
        server => 'location / { auth_sigra on; } location /cached/ { auth_sigra on; auth_sigra_cache zone=sessions:1m ttl=1h; }
            location = /log-in { auth_sigra_login; } location = /status { auth_sigra_status; }',
    );
}

sub status_of { return decode_json(Sigra::Client->new(port => $_[0]->port)->get('/status')->{content}) }
sub processes { return db()->selectrow_array("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nginx'") }

# The sum over all nodes.
sub sum { my ($of, @nodes) = @_; my $sum = 0; $sum += $of->(status_of($_)) // 0 for @nodes; return $sum }

sub log_in {
    my ($port) = @_;
    my $browser = Sigra::Client->new(port => $port);
    my $token = $browser->get('/log-in', { accept => 'application/json' })->{content} =~ /"csrf_token":"([^"]+)"/ ? $1 : '';
    return $browser->post('/log-in', { _csrf_token => $token, email => 'ada@example.com', password => 'right' }, { accept => 'application/json' })->{status};
}

for my $point ([1, 1], [2, 2]) {
    my ($count, $workers) = @$point;
    my $name  = "$count nodes of $workers workers";
    my @nodes = map { node($workers) } 1 .. $count;
    my $up    = $count * $workers;
    await { sum(sub { $_[0]{channels}{up} }, @nodes) == $up } "$name: channels";

    # First, while nothing is cached yet, so that the lookups can be counted.
    for my $node (@nodes) {
        for (1 .. $rounds) { seen('/cached/page', $_, port => $node->port) eq '200' or die "not let in\n" for @ada }
    }
    is(sum(sub { $_[0]{lookups}{found} }, @nodes), $count * $sessions, "$name: each session is looked up once by each node");

    # Eventually each worker has had work of both kinds.
    my $most   = $count * $workers * (1 * 2 + 1);
    my $beyond = 0;
    await {
        for my $node (@nodes) { log_in($node->port) == 200 or die "not logged in\n"; seen('/page', $ada[0], port => $node->port) }
        my $now = processes();
        $beyond ||= $now > $most;
        $now >= $most;
    } "$name: all connections";
    is(processes(), $most, "$name: $most connections in pg_stat_activity");
    ok(!$beyond, "$name: and never more");
    my %state;
    my $counted = await {
        my @states = map { status_of($_)->{connections} } @nodes;
        %state = ();
        for my $of (map { $_->{$server} // {} } @states) { $state{$_} += $of->{$_} for keys %$of }
        ($state{listening} // 0) == $up && ($state{idle} // 0) + ($state{busy} // 0) == 2 * $up;
    } "$name: auth_sigra_status has them";
    ok($counted, "$name: auth_sigra_status counts the same, by server and state");
    is($state{connecting}, 0, "$name: none is under way");
    is($_->stop, 0, "$name: a node ends") for @nodes;
    await { processes() == 0 } "$name: its connections are closed";
}
done_testing();
