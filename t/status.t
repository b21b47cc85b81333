# auth_sigra_status: what all workers have counted, as JSON and in Prometheus' format.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;
use JSON::PP qw(decode_json);

fresh_database('sigra');
our $http = sigra_http_config(extra => "auth_sigra_cache zone=status:1m require_listen=off;\nauth_sigra_password_checks floor=1ms;") . echo_upstream();
our $ada = authenticated_fixture(email => 'ada@example.com', password => 'right');
our $config = '
location /private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
location = /log-in { auth_sigra_login; }
location = /log-out { auth_sigra_logout; }
location = /status { auth_sigra_status; }
location = /metrics { auth_sigra_status format=prometheus; }
location = /guarded { auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_status; }
';

sub status { return decode_json(client()->get('/status')->{content}) }

sub server_states { return status()->{connections}{"$ENV{SIGRA_TEST_PGHOST}:$ENV{SIGRA_TEST_PGPORT}"} // {} }

# The difference between two states, as "family.name" => by how much.
sub difference {
    my ($before, $after, $prefix) = @_;
    my %changed;
    for my $name (keys %$after) {
        my $path = defined $prefix ? "$prefix.$name" : $name;
        if (ref $after->{$name}) { %changed = (%changed, difference($before->{$name} // {}, $after->{$name}, $path)) }
        elsif ($after->{$name} != ($before->{$name} // 0)) { $changed{$path} = $after->{$name} - ($before->{$name} // 0) }
    }
    return %changed;
}

# What a block's code counts: the counters that it has changed, without those of time.
sub counted {
    my ($what) = @_;
    my $before = status();
    $what->();
    my %changed = difference($before, status());
    delete @changed{ grep { /^(?:revocations|lookup_latency_ms|password_check_ms|connections|connects|reconnects|syncs|statements|channels|batch_size|zones)/ } keys %changed };
    return join ' ', map { "$_=$changed{$_}" } sort keys %changed;
}

sub log_in {
    my ($browser, $password) = @_;
    my $token = $browser->get('/log-in', { accept => 'application/json' })->{content} =~ /"csrf_token":"([^"]+)"/ ? $1 : '';
    return $browser->post('/log-in', { _csrf_token => $token, email => 'ada@example.com', password => $password },
        { accept => 'application/json' })->{status};
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: everything is counted once
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /private
--- error_code: 401
--- flow
my $cookie = { cookie => $main::ada->{cookie} };
is(status()->{workers}, 1, 'one worker');
is(counted(sub { $client->get('/private') }), 'requests.anonymous=1', 'anonymous');
is(counted(sub { $client->get('/private', $cookie) }), 'cache_lookups.miss=1 lookups.found=1 requests.miss=1', 'looked up');
is(counted(sub { $client->get('/private', $cookie) for 1 .. 3 }), 'cache_lookups.hit=3 requests.hit=3', 'cached');
my $gone = authenticated_fixture();
db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $gone->{session_id});
is(counted(sub { $client->get('/private', { cookie => $gone->{cookie} }) }),
    'cache_lookups.miss=1 lookups.absent=1 requests.unknown=1', 'a row that is gone');
is(counted(sub { $client->get('/private', { cookie => session_cookie_name() . '=x.y.z' }) }), 'requests.invalid=1', 'no good signature');
is(counted(sub { is(log_in(client(timeout => 60), 'wrong'), 401, 'refused') }), 'logins.refused=1', 'a wrong password');
my $browser = client(timeout => 60);
is(counted(sub { is(log_in($browser, 'right'), 200, 'logged in') }), 'logins.ok=1', 'the right one');
is(status()->{password_check_ms}{count}, 2, 'two hashes were computed');
my $zone = status()->{zones}{status};
cmp_ok($zone->{cells}, '>', 3000, 'a zone of 1 MB');
is($zone->{entries}, 2, 'the session that was found, and the missing one');
is($zone->{evictions}, 0, 'nothing was evicted');
await { my $sizes = status()->{batch_size}; $sizes->{count} > 0 && $sizes->{sum} >= $sizes->{count} } 'statements were sent, one at a time or more';
is(counted(sub {
    $client->post('/log-in', { email => 'ada@example.com', password => 'right' }, { 'sec-fetch-site' => 'cross-site' });
}), 'logins.origin=1', 'from another site');
is(counted(sub { $client->post('/log-in', { email => 'a', password => 'b' }, { accept => 'application/json' }) }), 'logins.csrf=1', 'no CSRF token');
is(counted(sub { $client->post('/log-in', '{', { 'content-type' => 'application/json' }) }), 'logins.malformed=1', 'a body that is none');
is(counted(sub {
    is($browser->delete('/log-out', { _csrf_token => csrf_mask($browser->session->{_csrf_token}) })->{status}, 302, 'logged out');
}), 'logouts=1', 'a log-out');



=== TEST 2: Prometheus
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /metrics
--- response_headers
Content-Type: text/plain; version=0.0.4
Cache-Control: no-store
--- response_body_like eval: qr/^auth_sigra_requests_total\{verdict="hit"\} \d+$/m
--- flow
$client->get('/private', { cookie => $main::ada->{cookie} });
await { server_states()->{idle} } 'the connection was counted';
my $text = $client->get('/metrics')->{content};
my $server = quotemeta "$ENV{SIGRA_TEST_PGHOST}:$ENV{SIGRA_TEST_PGPORT}";
like($text, qr/^auth_sigra_connections\{server="$server",state="idle"\} [1-9]\d*$/m, 'connections by server and state');
like($text, qr/^auth_sigra_connections\{server="$server",state="listening"\} \d+$/m, 'those for revocations too');
like($text, qr/^auth_sigra_channels\{worker="0",state="down"\} \d+$/m, 'channels by worker');
like($text, qr/^auth_sigra_lookup_duration_seconds_bucket\{le="0.001"\} \d+$/m, 'a bucket');
like($text, qr/^auth_sigra_lookups_total\{result="found"\} [1-9]\d*$/m, 'a count');
my ($count) = $text =~ /^auth_sigra_lookup_duration_seconds_count (\d+)$/m;
my ($most)  = $text =~ /^auth_sigra_lookup_duration_seconds_bucket\{le="\+Inf"\} (\d+)$/m;
is($most, $count, 'the last bucket holds all');
my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
SKIP: {
    skip 'no promtool', 4 if !$promtool;
    my $file = "$ENV{TEST_NGINX_SERVER_ROOT}/logs/metrics.txt";
    open my $out, '>', $file or die $!;
    print $out $text;
    close $out;
    local $ENV{LD_PRELOAD};
    my $said = qx($promtool check metrics <$file 2>&1);
    is($said, '', 'promtool finds nothing');
    for my $command ('check rules alerts.yml', 'test rules alerts_test.yml', 'check config prometheus.yml') {
        my $output = qx(cd examples/monitoring && $promtool $command 2>&1);
        is($?, 0, "promtool $command") or diag($output);
    }
}
# The metrics that the examples use exist.
my %there = map { $_ => 1 } $text =~ /^# TYPE (\S+)/mg;
for my $file (glob 'examples/monitoring/{alerts.yml,dashboard.json}') {
    open my $in, '<', $file or die $!;
    my %asked = map { s/_(?:bucket|sum|count)\z//r => 1 } do { local $/; <$in> } =~ /\b(auth_sigra_\w+)/g;
    delete @asked{qw(auth_sigra_lockout auth_sigra_postgres auth_sigra_status)};    # directives
    is(join(' ', grep { !$there{$_} } sort keys %asked), '', "$file: every metric is there");
}



=== TEST 3: who may not see it, and which methods it has
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /guarded
--- error_code: 401
--- flow
is($client->get('/guarded', { cookie => $main::ada->{cookie} })->{status}, 200, 'the gate applies');
is($client->post('/status', {})->{status}, 405, 'POST');
is($client->request(HEAD => '/status')->{status}, 200, 'HEAD');



=== TEST 4: an unknown format
--- config
location = /status { auth_sigra_status format=xml; }
--- must_die
--- error_log
invalid value "xml" of "format", it must be "json" or "prometheus" in "auth_sigra_status" directive
