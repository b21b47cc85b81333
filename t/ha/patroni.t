# Patroni with etcd, as in examples/ha: a switchover, and a leader that is killed, under load, with two nodes of nginx.
# Nobody is logged out, and no session that has ended passes. Not part of make test; make test-ha runs it.

use v5.14;
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp ();
use HTTP::Tiny;
use JSON::PP qw(encode_json);
use List::Util qw(max);
use POSIX qw(WNOHANG);
use Sigra::Cache;
use Sigra::Fault qw(sees_only has_no_problems);
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

$ENV{PATH} .= ':/usr/sbin:/usr/bin';
for my $program (qw(etcd patroni)) {
    grep { -x "$_/$program" } split /:/, $ENV{PATH} or plan(skip_all => "no $program here");
}
my ($bin) = sort { $b cmp $a } glob '/usr/lib/postgresql/*/bin' or plan(skip_all => 'no PostgreSQL of Debian here');

my $owner  = $$;
my $folder = File::Temp->newdir('sigra-ha-XXXXXX', TMPDIR => 1);
my (undef, undef, $uid, $gid) = getpwnam 'postgres';
chmod 0755, "$folder";
my @of_server = $> == 0 ? ($uid, $gid) : ($>, $) + 0);
chown @of_server, "$folder";
my %pid;

# Runs as the server's user, which is not root.
sub run_as_server {
    my ($name, @command) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        chdir "$folder";
        open STDIN,  '<',  '/dev/null';
        open STDERR, '>>', "$folder/$name.log";
        open STDOUT, '>&', \*STDERR;
        if ($> == 0) { $( = $gid; $) = "$gid $gid"; POSIX::setuid($uid) }
        $ENV{HOME} = "$folder";
        delete @ENV{ 'LD_PRELOAD', grep { /^PG/ } keys %ENV };
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    $pid{$name} = $pid;
    return;
}

sub slurp { open my $in, '<', $_[0] or return ''; local $/; return <$in> // '' }

sub end {
    my ($name, $signal) = @_;
    my $pid = delete $pid{$name} or return;
    kill $signal => $pid;
    await(60, sub { waitpid($pid, WNOHANG) != 0 }) or kill KILL => $pid;
    return;
}

sub postmaster { return slurp("$folder/$_[0]/postmaster.pid") =~ /\A(\d+)/ ? $1 : undef }

END {
    if ($$ == $owner) {
        local $?;
        end($_, 'TERM') for sort { $b cmp $a } keys %pid;    # patroni before etcd
        for my $pid (grep { $_ } map { postmaster($_) } qw(db1 db2)) { kill QUIT => $pid }
    }
}

my %port = do { my %seen; map { my $port; do { $port = Sigra::Nginx::free_port() } while $seen{$port}++; $_ => $port } qw(etcd peer db1 db2 rest1 rest2) };
my %rest = (db1 => $port{rest1}, db2 => $port{rest2});

# What a reader of the example must change too, and a shorter loop_wait.
sub start_patroni {
    my ($name) = @_;
    my $text = slurp('examples/ha/patroni.yml');
    for ($text) {
        s/^name: db1/name: $name/m;
        s/^  listen: 0\.0\.0\.0:8008\n  connect_address: db1:8008/  listen: 127.0.0.1:$rest{$name}\n  connect_address: 127.0.0.1:$rest{$name}/m;
        s/^  hosts: \[.*\]/  hosts: ["127.0.0.1:$port{etcd}"]/m;
        s/^  listen: 0\.0\.0\.0:5432\n  connect_address: db1:5432/  listen: 127.0.0.1:$port{$name}\n  connect_address: 127.0.0.1:$port{$name}/m;
        s{/var/lib/postgresql/login}{$folder/$name};
        s{/usr/lib/postgresql/15/bin}{$bin};
        s{/var/lib/postgresql/\.pgpass-patroni}{$folder/$name.pgpass};
        s/\bsamenet\b/127.0.0.1\/32/g;
        s/local all all peer/local all all trust/;
        s/^(    ttl): 30\n(    loop_wait): 10\n(    retry_timeout): 10/$1: 20\n$2: 1\n$3: 3/m;
        s{^  parameters:\n}{  parameters:\n    unix_socket_directories: "$folder/socket"\n    fsync: "off"\n}m;
    }
    open my $out, '>', "$folder/$name.yml" or die "$name.yml: $!\n";
    print $out $text;
    close $out;
    run_as_server($name, 'patroni', "$folder/$name.yml");
    return;
}

sub is_it {
    my ($name, $what) = @_;
    return HTTP::Tiny->new(timeout => 5)->get("http://127.0.0.1:$rest{$name}/$what")->{status} == 200;
}

make_path("$folder/socket");
chown @of_server, "$folder/socket";
run_as_server('a-etcd', 'etcd', '--data-dir', "$folder/etcd",
    (map { ("--$_-client-urls", "http://127.0.0.1:$port{etcd}") } qw(listen advertise)),
    '--listen-peer-urls', "http://127.0.0.1:$port{peer}", '--initial-advertise-peer-urls', "http://127.0.0.1:$port{peer}",
    '--initial-cluster', "default=http://127.0.0.1:$port{peer}");
start_patroni('db1');
ok(await(240, sub { is_it('db1', 'primary') }), 'db1 leads') or BAIL_OUT(slurp("$folder/db1.log"));
start_patroni('db2');
ok(await(240, sub { is_it('db2', 'sync') }), 'db2 follows') or BAIL_OUT(slurp("$folder/db2.log"));

$ENV{SIGRA_TEST_PGHOST} = "$folder/socket";
$ENV{SIGRA_TEST_PGPORT} = $port{db1};
Sigra::Fixture::connect_to('postgres', 'postgres')->do("CREATE ROLE $_ LOGIN PASSWORD 'sigra-secret'") for 'sigra', nginx_role();
Sigra::Fixture::connect_to('postgres', 'postgres')->do('GRANT pg_read_all_stats, pg_signal_backend TO sigra');
fresh_database('sigra', name => 'ha');
add_triggers();
my %user = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve);
my $conninfo = "host=127.0.0.1,127.0.0.1 port=$port{db1},$port{db2} dbname=ha user=sigra_nginx password=sigra-secret"
    . ' target_session_attrs=read-write';
my @nodes = map {
    Sigra::Nginx->new(
        files  => { page => 'for ada', 'cached/page' => 'for ada' },
        http   => sigra_http_config(conninfo => $conninfo, postgres => 'timeout=1s connect_timeout=2s max_reconnect_delay=1s',
            extra => "auth_sigra_unauthenticated status;\nadd_header X-Status \$auth_sigra_status always;"),
        server => "location / { auth_sigra on; }\nlocation /cached/ { auth_sigra on; auth_sigra_cache zone=sessions:1m; }",
    )
} 1, 2;
for my $node (@nodes) {
    for my $who (qw(ada eve)) {
        ok(await(60, sub { seen('/cached/page', $user{$who}, port => $node->port) eq '200 hit' }), "a hit of $who")
            or BAIL_OUT(seen('/cached/page', $user{$who}, port => $node->port) . "\n" . $node->log);
    }
}
revoke($user{eve});
db()->disconnect;
for my $node (@nodes) {
    Sigra::Wire::await { seen('/cached/page', $user{eve}, port => $node->port) =~ /^401/ } 'the end of eve';
}
my %clients = (
    ada    => [1, '/page', $user{ada}{header}],
    cached => [1, '/cached/page', $user{bob}{header}],
    eve    => [1, '/page', $user{eve}{header}],
    gone   => [1, '/cached/page', $user{eve}{header}],
);

# Runs `change`, which makes the other node the leader, and waits until it is.
sub survives {
    my ($name, $leader, $change) = @_;
    my @load = map { start_load(port => $_->port, clients => \%clients, pause => 0.02, seconds => 600) } @nodes;
    for my $load (@load) {
        ok($load->await_answers(30, 10, sub { $_[0]{kind} eq 'ada' && $_[0]{status} == 200 }), "$name: well before");
    }
    my $down = now();
    $change->();
    ok(await(240, sub { is_it($leader, 'primary') }), "$name: $leader leads");
    my $up = now();
    my @answers;
    for my $load (@load) {
        for my $kind (qw(ada cached)) {
            ok($load->await_answers(60, 20, sub { $_[0]{kind} eq $kind && $_[0]{status} == 200 && $_[0]{from} > $up }), "$name: $kind is back");
        }
        ok($load->await_answers(60, 5, sub { $_[0]{kind} eq 'eve' && $_[0]{status} == 401 && $_[0]{from} > $up }), "$name: eve is not");
    }
    for my $load (@load) { push @answers, $load->stop }
    sees_only('ada|cached', '200|503', $name, @answers);
    sees_only('eve|gone', '401|503', $name, @answers);
    my @refused = grep { $_->{status} == 503 } @answers;
    ok(!(grep { $_->{to} < $down } @refused), "$name: no 503 before it");
    my $last = max($up, map { $_->{to} } @refused);
    cmp_ok($last - $up, '<', 5 * patience(), "$name: and none soon after it");
    diag(sprintf '%s: a new leader after %.1f s, the last 503 %.2f s after that', $name, $up - $down, $last - $up) if $ENV{TEST_VERBOSE};
    return;
}

survives('switchover', 'db2', sub {
    my $answer = HTTP::Tiny->new(timeout => 120)->post("http://127.0.0.1:$rest{db1}/switchover",
        { content => encode_json({ leader => 'db1', candidate => 'db2' }), headers => { 'content-type' => 'application/json' } });
    is($answer->{status}, 200, 'the switchover is done') or diag($answer->{content});
});
ok(await(240, sub { is_it('db1', 'sync') }), 'db1 follows by now') or diag(slurp("$folder/db1.log"));
survives('killed leader', 'db1', sub {
    my $postmaster = postmaster('db2');
    kill KILL => $pid{db2};
    kill QUIT => $postmaster;
});
has_no_problems($_) for @nodes;
done_testing();
