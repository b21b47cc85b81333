# README.md and docs/: everything that a user types or sees is documented, links lead somewhere, and the commands run as
# they are printed.
use v5.14;
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));

use Test::More;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__)) . '/lib';
use Sigra::Fixture ();

my $top = dirname(dirname(abs_path(__FILE__)));
chdir $top or die "$top: $!\n";

sub slurp { my ($path) = @_; open my $in, '<:encoding(UTF-8)', $path or die "$path: $!\n"; local $/; return <$in> }

my @pages = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', glob 'docs/*.md');
my %text = map { $_ => slurp($_) } @pages;
my $user_docs = join "\n", map { $text{$_} } grep { /README|docs/ } @pages;

# ---- what the sources have

my $sources = join "\n", map { slurp($_) } glob 'src/nginx/*.cpp src/nginx/*/*.cpp';
my %is_directive = map { $_ => 1 } slurp('src/nginx/module.cpp') =~ /ngx_string\("(auth_sigra\w*)"\)/g;
cmp_ok(scalar keys %is_directive, '>', 35, 'directives in the sources');
my %entry = $text{'docs/directives.md'} =~ /^### (auth_sigra\w*)\n(.*?)(?=^##|\z)/msg;
for my $name (sort keys %is_directive) {
    like($entry{$name} // '', qr/\A\n    Syntax:  $name\b[^\n]*(?:\n {17}[^\n]*)*;\n    Default: (?:$name [^\n]*;|—|60d)[^\n]*\n    Context: \S/, "$name: syntax, default, context");
    like($text{'docs/directives.md'}, qr/\[$name\]\(#$name\)/, "$name: in the index");
}
my %parameter = map { $_ => 1 } $sources =~ /\barguments\s*\.(?:text|number|seconds|milliseconds|flag)\(\s*"(\w+)"/g;
cmp_ok(scalar keys %parameter, '>', 30, 'parameters in the sources');
like($text{'docs/directives.md'}, qr/^ {4}.*[\[ ]$_=/m, "parameter $_=: in some syntax") for sort keys %parameter;
is_deeply([grep { !$is_directive{$_} } sort keys %entry], [], 'no entry of what is no directive');

my %variable = map { $_ => 1 } slurp('src/nginx/gate/variables.cpp') =~ /"(auth_sigra_\w+)"/g;
cmp_ok(scalar keys %variable, '>', 8, 'variables in the sources');
# A prefix is followed by a name.
like($text{'docs/variables.md'}, /_\z/ ? qr/\$$_/ : qr/\$$_\b/, "\$$_") for sort keys %variable;

my $metrics = join '', map { slurp("src/nginx/endpoints/$_.cpp") } qw(metric_table prometheus);
my @verdicts = $metrics =~ /\{requests, \{Counter::\w+, "(\w+)"/g;
cmp_ok(scalar @verdicts, '>', 7, 'values of $auth_sigra_status');
like($text{'docs/variables.md'}, qr/`$_`/, "\$auth_sigra_status $_") for @verdicts;
my @logins = $metrics =~ /\{logins, \{Counter::\w+, "(\w+)"/g;
cmp_ok(scalar @logins, '>', 7, 'values of $auth_sigra_login');
like($text{'docs/variables.md'}, qr/`$_`/, "\$auth_sigra_login $_") for @logins;
ok($user_docs =~ /`\Q$_\E`/, "metric $_") for sort { $a cmp $b } keys %{ { map { $_ => 1 } $metrics =~ /"(auth_sigra_\w+)"/g } };

# The pictures of README are small enough for a repository.
cmp_ok($_->[1], '<', 60_000, "$_->[0]: its size") for map { [$_, -s] } glob 'docs/*.png';

# ---- examples

for my $path (grep { !m{/(?:sigra-user\.1|demo)\z} } glob 'examples/*') {
    my $name = $path =~ s{.*/}{}r;
    ok($user_docs =~ /(?<![\w-])\Q$name\E(?![\w-])/, "$path is mentioned");
}

# The configuration must not depend on the environment, which is not the same for every nginx -t.
unlike(slurp($_), qr/^[^#]*\benv:/m, "$_: reads files") for glob 'examples/*.conf examples/*/*.conf';

# ---- links

sub slug {
    my ($title) = @_;
    $title = lc $title =~ s/`//gr =~ s/\A\s+|\s+\z//gr;
    return $title =~ s/[^\w\- ]//gr =~ tr/ /-/r;
}

my %anchors;
for my $page (@pages) {
    my $prose = $text{$page} =~ s/^```.*?^```$//msgr;
    $anchors{$page} = { map { slug($_) => 1 } $prose =~ /^#+ (.*)$/mg };
}
for my $page (@pages) {
    my $prose = $text{$page} =~ s/^```.*?^```$//msgr;
    for my $link (sort { $a cmp $b } keys %{ { map { $_ => 1 } $prose =~ /\]\(([^)\s]+)\)/g } }) {
        next if $link =~ /\A[a-z]+:/;
        my ($path, $anchor) = split /#/, $link, 2;
        my $target = $path eq '' ? $page : dirname($page) eq '.' ? $path : dirname($page) . "/$path";
        1 while $target =~ s{[^/]+/\.\./}{};
        my $there = -e $target && (!defined $anchor || ($anchors{$target} // {})->{$anchor});
        ok($there, "$page: $link leads somewhere");
    }
}

# ---- commands

my %target = map { $_ => 1 } slurp('Makefile') =~ /^([a-z][a-z-]*):/mg;
my @commands;
for my $page (grep { /README|docs/ } @pages) {
    my $prose = $text{$page} =~ s/^```.*?^```$//msgr;
    my @lines = map { s/\s+#.*//r } $prose =~ /^    (\S.*)$/mg;
    push @commands, map { [$page, $_] } @lines;
    for my $words ((map { /^(?:sudo )?make ([a-z-]+)/ ? $1 : () } @lines), $prose =~ /`make ([a-z-]+)/g) {
        ok($target{$words} || $words eq 'modules', "$page: make $words");    # nginx's own
    }
}

my $pg = sub { Sigra::Fixture::connect_to(@_) };
local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
$pg->('postgres', 'postgres')->do($_) for 'DROP DATABASE IF EXISTS my_app', 'CREATE DATABASE my_app OWNER sigra',
    q(DO $$ BEGIN CREATE ROLE nginx LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$);
$pg->('my_app', 'postgres')->do('CREATE EXTENSION IF NOT EXISTS citext');
local %ENV = (%ENV, PGHOST => $ENV{SIGRA_TEST_PGHOST}, PGPORT => $ENV{SIGRA_TEST_PGPORT}, PGUSER => 'sigra', LD_PRELOAD => '');
is(system('psql -X -q -v ON_ERROR_STOP=1 -f examples/schema.sql dbname=my_app >/dev/null 2>&1'), 0, 'the tables');
# The other tables that the commands name.
$pg->('my_app', 'sigra')->do($_) for 'CREATE TABLE memberships (user_id bigint)', 'CREATE SCHEMA billing', 'CREATE TABLE billing.plans (owner_id bigint)';
my $ran = 0;
for (@commands) {
    my ($page, $command) = @$_;
    next unless $command =~ /^(?:psql|examples\/sigra-user) /;
    my $said = qx(PSQLRC=/dev/null ON_ERROR_STOP=1 $command 2>&1);
    is($?, 0, "$page: $command") or diag($said);
    unlike($said, qr/ERROR/, 'without an error');
    $ran++;
}
cmp_ok($ran, '>=', 4, 'commands that ran');

# Statements run too, on tables without the columns that they add.
$ran = 0;
for (@commands) {
    my ($page, $statement) = @$_;
    next unless $statement =~ /^(?:ALTER|CREATE|DELETE|GRANT|NOTIFY|UPDATE) .*;$/;
    my $admin = $pg->('my_app', 'postgres');
    if ($statement =~ /^ALTER TABLE (\w+)/) {
        my $table = $1;
        $admin->do("ALTER TABLE $table DROP COLUMN IF EXISTS $_") for $statement =~ /\bADD (\w+)/g;
    }
    ok(eval { $admin->do($statement) }, "$page: $statement") or diag($@);
    $ran++;
}
cmp_ok($ran, '>=', 4, 'statements that ran');

# ---- sigra-user: the manual page and operations.md have the commands that --help lists

my ($listed) = qx(examples/sigra-user --help) =~ /^Commands:\n(.*?)^$/ms;
my $manual = slurp('examples/sigra-user.1') =~ s/\\-/-/gr;
for my $command ($listed =~ /^  (\w+)/mg) {
    like($manual, qr/^\.BI? $command\b|^\.BR $command /m, "sigra-user $command: in the manual page");
    like($text{'docs/operations.md'}, qr/`$command(?: EMAIL[^`]*)?`/, "sigra-user $command: in operations.md");
}

done_testing;
