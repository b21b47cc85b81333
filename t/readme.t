# Does what readers of "A first nginx.conf" in README.md and "Testing your own nginx.conf" in recipes.md do: saves the
# configuration, and runs the commands as they are printed, in their order. Only what differs on each machine is
# replaced: the ports, the module's path, the names of the database and its role, and the user postgres.

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Sigra::Fixture ();

my $top  = dirname(dirname(abs_path(__FILE__)));
my $here = tempdir('sigra-readme-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $owner = $$;
chmod 0755, $here;

sub slurp { my ($path) = @_; open my $in, '<:raw', $path or die "$path: $!\n"; local $/; return <$in> }

sub spew {
    my ($path, $text, $mode) = @_;
    make_path(dirname($path));
    open my $out, '>:raw', $path or die "$path: $!\n";
    print $out $text;
    close $out or die "$path: $!\n";
    chmod $mode // 0644, $path;
}

my $port = $ENV{TEST_NGINX_PORT} or die 'TEST_NGINX_PORT';
my $module = abs_path((split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '')[0] // die 'no module');
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';

my ($section) = slurp("$top/README.md") =~ /^## A first nginx\.conf\n(.*?)^## /ms or die 'no section';
my ($conf) = $section =~ /^```nginx\n(.*?)^```$/ms or die 'no configuration';
my @blocks;    # blocks of commands
{
    my $block = '';
    for ((split /^/, $section =~ s/^```.*?^```$//msgr), '.') {
        if (/^    (.*)/s || ($block ne '' && /^$/)) { $block .= $1 // "\n" }
        elsif ($block ne '') { push @blocks, $block; $block = '' }
    }
}
is(scalar @blocks, 3, 'the blocks of commands: the database, the first user and the start, a program');

# ---- where it runs: a clone, and the commands that need root

system('cp', '-r', "$top/examples", "$here/examples") == 0 or die "cp: $?";
make_path("$here/bin");
spew("$here/bin/runuser", <<'END', 0755);
#!/bin/sh
[ "$1 $2 $3" = "-u postgres --" ] || exit 64
shift 3
exec "$@"
END
# The process that starts the daemon exits without freeing its memory; this is not a leak.
spew("$here/bin/nginx", qq{#!/bin/sh\nunset PGHOST PGPORT PGUSER\nexport ASAN_OPTIONS=detect_leaks=0\nexec "$nginx" "\$@"\n}, 0755);

my $admin = Sigra::Fixture::connect_to('postgres', 'postgres');
$admin->do('SET client_min_messages = warning');
my $drop = sub { $admin->do($_) for 'DROP DATABASE IF EXISTS my_app_readme WITH (FORCE)', 'DROP ROLE IF EXISTS nginx_readme' };
$drop->();

sub as_done_here {
    my ($text) = @_;
    $text =~ s/\bmy_app\b/my_app_readme/g;
    $text =~ s/\bROLE nginx\b/ROLE nginx_readme/g;
    $text =~ s/\b(role|user)=nginx\b/$1=nginx_readme/g;
    $text =~ s/host=localhost/host=127.0.0.1 port=$ENV{SIGRA_TEST_PGPORT}/g;
    $text =~ s/localhost:8080/127.0.0.1:$port/g;
    return $text;
}

sub run {
    my ($script) = @_;
    local %ENV = (%ENV, PATH => "$here/bin:$ENV{PATH}", PGHOST => $ENV{SIGRA_TEST_PGHOST}, PGPORT => $ENV{SIGRA_TEST_PGPORT}, PGUSER => 'postgres');
    delete @ENV{qw(LD_PRELOAD)};
    spew("$here/commands", "cd $here || exit\nset -e -o pipefail\n$script");
    my $said = qx(bash $here/commands 2>&1);
    return ($?, $said);
}

spew("$here/try/conf/nginx.conf", $conf =~ s/listen  8080;/listen  127.0.0.1:$port;/r =~ s{^load_module .*}{load_module "$module";}mr);

sub quit { return run(qq{nginx -p "\$PWD/try/" -c conf/nginx.conf -s quit}) }
END {
    local $?;
    if ($$ == $owner && -e "$here/try/logs/nginx.pid") { quit() }
}

for my $i (0, 1) {
    my ($status, $said) = run(as_done_here($blocks[$i]));
    is($status, 0, "block $i runs");
    $said =~ s/^.*the "user" directive makes sense only .*\n//m;    # if it is not run by root
    unlike($said, qr/ERROR|error|warn|denied/, "block $i: without a complaint") or diag($said);
}
my $deadline = time + 120;
until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)) {
    die "nginx did not start\n" . slurp("$here/try/logs/error.log") if time > $deadline;
    select undef, undef, undef, 0.05;
}
my ($status, $said) = run(as_done_here($blocks[2]));
is($status, 0, 'a program logs in');
like($said, qr/\A\{"redirect_to":"\/","user":\{"id":1,"email":"me\@example\.com"\}\}/, 'its login') or diag(slurp("$here/try/logs/error.log"));
like($said, qr/a page of members\n.*name="_csrf_token" value="[\w-]{56}"/s, 'its page, with the form');

# The rest of the section.
($status, $said) = run(as_done_here(q(runuser -u postgres -- psql -q -c 'DELETE FROM users_tokens' my_app)));
is($status, 0, 'the rows are deleted');
$deadline = time + 120;
my $answer = '';
until ($answer eq '302') {
    last if time > $deadline;
    $answer = (run(as_done_here(q(curl -sb jar -o page -w '%{http_code}' localhost:8080/members/))))[1];
}
is($answer, '302', 'everybody is logged out');
is((quit())[0], 0, 'quits');
$deadline = time + 120;
select undef, undef, undef, 0.05 while -e "$here/try/logs/nginx.pid" && time < $deadline;
ok(!-e "$here/try/logs/nginx.pid", 'and is gone');
unlike(slurp("$here/try/logs/error.log"), qr/\[(?:warn|error|crit|alert|emerg)\]/, 'nothing amiss in its log');
$drop->();

# ---- the test in recipes.md

my ($test) = slurp("$top/docs/recipes.md") =~ /^```perl\n(.*?)^```$/ms or die 'no test';
spew("$here/members.conf", "location /members/ {\n    auth_sigra  on;\n}\n");
spew("$here/members.t", $test =~ s{/etc/nginx/snippets/members\.conf}{$here/members.conf}gr);
{
    make_path("$here/servroot");
    my @include = map { "-I$_" } grep { !ref && m{/t/lib|/lib\z|\bt/lib} } @INC;
    local $ENV{TEST_NGINX_SERVROOT} = "$here/servroot";
    local $ENV{TEST_NGINX_SERVER_ROOT} = "$here/servroot";
    $said = qx(cd $top && $^X @include $here/members.t 2>&1);
    is($?, 0, 'the test of recipes.md passes') or diag($said);
    like($said, qr/^ok \d+ - (?:\S+ )?TEST 2: a session of 15 days does not/m, 'both of its blocks');
}

done_testing;
