# The module's file: what it exports, how it is hardened, and that a reload can unload it.
use v5.14;
use strict;
use warnings;

use Sigra::Nginx;
use Test::More;

my ($module) = split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
$module // plan skip_all => 'no module to load';

sub output_of { open my $pipe, '-|', @_ or die "$_[0]: $!\n"; local $/; return <$pipe> // '' }

my $instrumented = $ENV{SANITIZE};
my $symbols      = output_of(qw(nm -D -P), $module);
my @exported     = sort map { /^(\S+) ([A-Zuvw]) / && $2 !~ /[Uvw]/ ? $1 : () } split /\n/, $symbols;
my @weak         = map { /^(\S+) [VWvwu] [0-9a-f]/ ? $1 : () } split /\n/, $symbols;

is_deeply([@exported, @weak],
    [qw(ngx_http_auth_sigra_module ngx_module_names ngx_module_order ngx_modules)], 'it exports what nginx looks up');

SKIP: {
    skip 'an instrumented module is for finding faults', 6 if $instrumented;
    my $dynamic = output_of(qw(readelf -dW), $module);
    my $program = output_of(qw(readelf -lW), $module);
    like($dynamic, qr/BIND_NOW|FLAGS_1.*\bNOW\b/, 'all is bound when it is loaded');
    like($program, qr/GNU_RELRO/, 'and what was bound is read-only');
    like($program, qr/GNU_STACK.* RW +0x/, 'the stack is not executable');
    unlike($dynamic, qr/TEXTREL|RPATH|RUNPATH/, 'no code is rewritten, and libraries have no path of their own');
    like($symbols, qr/^__stack_chk_fail U\b|^__stack_chk_fail\@\S+ U\b/m, 'it has stack canaries');
    like($symbols, qr/^__\w+_chk(?:\@\S+)? U\b/m, 'and fortified functions');
}

# The module uses at least one symbol of each library that it names. ldd asks the loader.
SKIP: {
    skip 'a sanitizer takes the place of some functions', 2 if $instrumented;
    my $unused = output_of('ldd', '-u', $module);
    my @needed = output_of(qw(readelf -dW), $module) =~ /NEEDED.*\[(\S+)\]/g;
    ok(@needed >= 5, 'it needs libraries');
    is_deeply([grep { $unused =~ /\Q$_\E/ } @needed], [], 'and uses each of them');
}

# Each symbol that it needs is in one of these libraries or in nginx. A library that another one needs may be gone in
# its next version, and an nginx with the module built in would not link.
SKIP: {
    skip 'a sanitizer is preloaded', 1 if $instrumented;
    my %path  = output_of('ldd', $module) =~ /^\s*(\S+) => (\S+)/mg;
    my %given = map { s/\@.*//r => 1 } map { /^(\S+) [^Uwv ]/mg } map { output_of(qw(nm -D -P), $_) }
        $ENV{TEST_NGINX_BINARY}, map { $path{$_} // () } output_of(qw(readelf -dW), $module) =~ /NEEDED.*\[(\S+)\]/g;
    is_deeply([grep { !$given{$_} } map { /^([^\s\@]+)\S* U/ ? $1 : () } split /\n/, $symbols], [], 'all symbols that it needs exist');
}

# A unique symbol or a thread-local destructor would keep it mapped for ever.
SKIP: {
    skip 'the sanitizers are loaded with it', 4 if $instrumented;
    my $nginx  = Sigra::Nginx->new(server => 'location / { return 204; }', workers => 1);
    my $mapped = sub { my $pid = shift; open my $maps, '<', "/proc/$pid/maps" or return 0; scalar grep { /auth_sigra/ } <$maps> };
    ok($mapped->($nginx->{pid}), 'the master has the module');
    $nginx->write('conf/nginx.conf', $nginx->configuration =~ s/^load_module .*;$//mr);
    $nginx->reload;
    ok(await(20, sub { $nginx->workers == 1 }), 'a reload without load_module starts a worker');
    ok(!$mapped->($nginx->{pid}), 'the master has let go of the module');
    is_deeply([grep { $mapped->($_) } $nginx->workers], [], 'and so has the worker');
}

done_testing;
