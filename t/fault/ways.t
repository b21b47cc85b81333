# Other ways to connect to the server: TLS with verification of the name, IPv6, a service file; and a server that has no
# connections left.

use v5.14;
use strict;
use warnings;
use File::Temp ();
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Wire qw(wire get);
use Test::More;

my $port   = $ENV{SIGRA_TEST_PGPORT};
my $folder = $ENV{SIGRA_TEST_PGDIR};
my $rest   = "port=$port dbname=fault user=sigra_nginx password=$ENV{SIGRA_TEST_PGPASSWORD}";

sub superuser { return Sigra::Fixture::connect_to('postgres', 'postgres') }
sub status { my ($nginx) = @_; return wire(get('/private', user('ada')->{header}), port => $nginx->port)->answer->{status} }
# How nginx itself is connected, from pg_stat_ssl and pg_stat_activity.
sub seen_by_server {
    my ($what) = @_;
    return superuser()->selectrow_array("SELECT DISTINCT $what FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
            . q( WHERE datname = 'fault' AND application_name = 'nginx auth_sigra'));
}

my $nginx = gated_nginx(conninfo => "host=localhost $rest sslmode=verify-full sslrootcert=$folder/ca.crt");
is(status($nginx), 200, 'TLS, verified');
ok(seen_by_server('ssl'), 'and it is TLS');
has_no_problems($nginx);

$nginx = gated_nginx(conninfo => "host=other.example hostaddr=127.0.0.1 $rest sslmode=verify-full sslrootcert=$folder/ca.crt");
is(status($nginx), 503, 'another name is refused');
like($nginx->log, qr/server certificate for "localhost".* does not match host name "other\.example"/, 'and the reason is in the log');
has_no_problems($nginx);

SKIP: {
    require IO::Socket::IP;
    IO::Socket::IP->new(LocalAddr => '::1', Listen => 1) or skip('no IPv6 here', 3);
    superuser()->do(q(ALTER SYSTEM SET listen_addresses = '127.0.0.1, ::1'));
    open my $hba, '>>', "$folder/data/pg_hba.conf" or die "pg_hba.conf: $!\n";
    print $hba "host all all ::1/128 scram-sha-256\n";
    close $hba;
    cluster('restart');
    $nginx = gated_nginx(conninfo => "host=::1 $rest");
    is(status($nginx), 200, 'IPv6');
    is(seen_by_server('host(client_addr)'), '::1', 'and it is IPv6');
    is($nginx->stop, 0, 'nginx ends as it should');
    superuser()->do('ALTER SYSTEM RESET listen_addresses');
    cluster('restart');
}

my $service = File::Temp->new;
print $service "[login]\nhost=127.0.0.1\n", join("\n", split ' ', $rest), "\napplication_name=by service\n";
close $service;
chmod 0644, "$service";
$nginx = gated_nginx(conninfo => 'service=login', main => "env PGSERVICEFILE=$service;");
is(status($nginx), 200, 'a service file');
is(superuser()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'by service')), 1, 'which was read');
has_no_problems($nginx);

# Only the connections reserved for superusers are left.
$nginx = gated_nginx();
my @others;
1 while eval { push @others, DBI->connect("dbi:Pg:host=$ENV{SIGRA_TEST_PGHOST};port=$port;dbname=fault", 'sigra', undef,
        { RaiseError => 1, PrintError => 0 }) };
cmp_ok(@others, '>', 10, scalar(@others) . ' connections were left');
is(status($nginx), 503, 'none for nginx');
like($nginx->log, qr/too many clients already|remaining connection slots/, 'the reason is in the log');
$_->disconnect for @others;
ok(await(10, sub { status($nginx) == 200 }), 'until there is one again');
has_no_problems($nginx);

done_testing();
