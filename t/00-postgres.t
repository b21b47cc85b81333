# The private cluster: what the fault tests need of it.
use strict;
use warnings;

use Cwd qw(abs_path);
use DBI;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Test::More;

delete @ENV{ grep { /^PG|^SIGRA_TEST_/ } keys %ENV };
my $library = abs_path('t/lib');
my $dir = tempdir('sigra-XXXXXX', TMPDIR => 1);
END { my $status = $?; system "$library/private-postgres", 'stop', $dir if $dir; remove_tree($dir) if $dir; $? = $status }

sub control { my ($command, @rest) = @_; return system("$library/private-postgres", $command, $dir, @rest) == 0 }

sub dial {
    my (%option) = @_;
    my %conninfo = (port => $ENV{SIGRA_TEST_PGPORT}, dbname => 'postgres', connect_timeout => 2, %option);
    my $user     = delete $conninfo{user} // 'sigra';
    my $password = delete $conninfo{password};
    my $source   = 'dbi:Pg:' . join ';', map { "$_=$conninfo{$_}" } sort keys %conninfo;
    return DBI->connect($source, $user, $password, { PrintError => 0, RaiseError => 0 });
}

ok(control('start'), 'start') or BAIL_OUT('no private PostgreSQL');
for (split /\n/, `$library/private-postgres env $dir`) { /^export (\w+)=(.*)/ and $ENV{$1} = $2 }
my $password = $ENV{SIGRA_TEST_PGPASSWORD};
my %socket   = (host => $ENV{SIGRA_TEST_PGHOST});
my %tcp      = (host => '127.0.0.1', password => $password);

ok(dial(%socket, user => 'postgres'), 'the socket trusts');
ok(dial(%tcp), 'TCP with the password');
ok(!dial(%tcp, password => 'wrong'), 'TCP with another');
ok(dial(%tcp, sslmode => 'verify-full', sslrootcert => "$dir/ca.crt"), 'TLS, by address');
ok(dial(%tcp, host => 'localhost', sslmode => 'verify-full', sslrootcert => "$dir/ca.crt"), 'TLS, by name');
ok(!dial(%tcp, sslmode => 'verify-full', sslrootcert => "$dir/other-ca.crt"), 'TLS, the other authority');

my $port = $ENV{SIGRA_TEST_PGPORT};
ok(control('freeze'), 'freeze');
ok(!dial(%socket), 'there is no answer');
ok(control('thaw'), 'thaw');
ok(dial(%socket), 'it answers again');

my $open = dial(%socket);
ok(control('freeze') && control('restart'), 'restart, frozen as it was');
ok(!$open->ping, 'connections are gone');
ok(dial(%socket), 'it is back');
ok(control('stop', 'immediate') && control('stop'), 'stop, twice');
ok(!dial(%tcp), 'gone');
ok(control('start'), 'start');
ok(dial(%tcp), 'with the roles it had');
like(`$library/private-postgres env $dir`, qr/PORT=$port$/m, 'on the port it had');

my $marker = "$dir/marker";
is(system("$library/with-postgres", 'sh', '-c', qq(echo "\$SIGRA_TEST_PGDIR" > $marker; exit 7)) >> 8, 7, 'with-postgres keeps the exit code');
my $other = do { open my $in, '<', $marker or die $!; my $line = <$in>; chomp $line; $line };
ok($other ne $dir && !-e $other, 'and leaves nothing behind');

done_testing();
