# examples/docker: no container runs here, but each part is tested: the files that it names exist, the secrets are
# created, nginx accepts its configuration, and the script creates a role that can do what nginx needs.

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use Sigra::Fixture;

my $top    = dirname(dirname(abs_path(__FILE__)));
my $docker = "$top/examples/docker";
my $place  = tempdir('sigra-docker-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $place;

sub slurp { my ($path) = @_; open my $in, '<:raw', $path or die "$path: $!\n"; local $/; return <$in> }
sub spew  { my ($path, $text) = @_; open my $out, '>:raw', $path or die "$path: $!\n"; print $out $text; close $out or die "$path: $!\n"; return $path }

sub run {
    my (@command) = @_;
    local $ENV{LD_PRELOAD};
    delete $ENV{LD_PRELOAD};
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if (!$pid) { open STDERR, '>&', \*STDOUT; exec { $command[0] } @command or exit 127 }
    my $said = do { local $/; <$out> } // '';
    close $out;
    return ($?, $said);
}

# ---- the files that they name

my $dockerfile = slurp("$docker/Dockerfile");
my @copied = $dockerfile =~ /^COPY (?!--from)(\S+) /mg;
cmp_ok(scalar @copied, '>', 2, 'the image copies');
ok(-e "$top/$_", "COPY $_") for @copied;
my $compose = slurp("$docker/compose.yaml");
my @mounted = $compose =~ m{^ *- (\.\.?/\S+?):/}mg;
cmp_ok(scalar @mounted, '>', 4, 'compose.yaml mounts');
ok(-e "$docker/$_", "mounts $_") for @mounted;
ok(-x "$docker/$_", "$_ can be run") for qw(role.sh make-secrets);

# ---- secrets

system('cp', '-r', $docker, "$place/docker") == 0 or die "cp: $?\n";
my ($status, $said) = run("$place/docker/make-secrets");
is($status, 0, 'secrets are made') or diag($said);
my @secrets = $compose =~ m{^ *file: (secrets/\S+)$}mg;
is(join(' ', sort @secrets), join(' ', sort map { s{.*/(secrets/)}{$1}r } glob "$place/docker/secrets/*"), 'those that compose.yaml reads');
my %secret = map { $_ => slurp("$place/docker/$_") } @secrets;
run("$place/docker/make-secrets");
is(slurp("$place/docker/$_"), $secret{$_}, "$_: a second time changes nothing") for @secrets;
my @used = "$compose$dockerfile" . slurp("$docker/site.conf") . slurp("$docker/role.sh");
for my $secret (map { s{.*/}{}r } @secrets) { like($used[0], qr{/run/secrets/$secret\b}, "$secret is read") }

# ---- nginx

my $site = slurp("$docker/site.conf") =~ s{/run/secrets/}{$place/docker/secrets/}gr =~ s{/srv/html}{$place/docker/html}gr
    =~ s{listen 80 }{listen unix:$place/nginx.sock }r;
mkdir "$place/logs";
my $load = join '', map { 'load_module ' . abs_path($_) . ";\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
spew("$place/nginx.conf", "${load}pid logs/nginx.pid;\nerror_log stderr;\nevents { }\nhttp {\n$site}\n");
($status, $said) = run($ENV{TEST_NGINX_BINARY} || 'nginx', '-t', '-p', "$place/", '-e', 'stderr', '-c', 'nginx.conf');
is($status, 0, 'nginx -t accepts the site') or diag($said);
unlike($said, qr/\[warn\]/, 'without a warning');

# ---- the role

fresh_database('sigra', name => 'docker');
my $role = slurp("$docker/role.sh") =~ s{/run/secrets/}{$place/docker/secrets/}gr =~ s{/grants\.sql}{$top/examples/grants.sql}r
    =~ s/ROLE nginx/ROLE sigra_docker/r =~ s/role=nginx/role=sigra_docker/r;
spew("$place/role.sh", $role);
{
    local %ENV = (%ENV, POSTGRES_DB => database()->{name}, PGHOST => $ENV{SIGRA_TEST_PGHOST}, PGPORT => $ENV{SIGRA_TEST_PGPORT});
    ($status, $said) = run('bash', "$place/role.sh");
}
is($status, 0, 'the role is made') or diag($said);
my $may = sub { my ($what, $table) = @_; return db()->selectrow_array('SELECT has_table_privilege(?, ?, ?)', undef, 'sigra_docker', $table, $what) };
ok($may->(SELECT => 'users'), 'it may read users');
ok($may->($_ => 'users_tokens'), "it may $_ sessions") for qw(SELECT INSERT UPDATE DELETE);
ok(!$may->(DELETE => 'users'), 'it may not delete users');
ok(db()->selectrow_array(q(SELECT has_column_privilege('sigra_docker', 'users', 'locked_at', 'UPDATE'))), 'it may lock an account');
my $admin = Sigra::Fixture::connect_to(database()->{name}, 'postgres');
$admin->do('DROP OWNED BY sigra_docker');
$admin->do('DROP ROLE sigra_docker');
done_testing();
