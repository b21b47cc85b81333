package Sigra::Cache;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use Sigra::Client;
use Sigra::Fixture ();
use Sigra::Wire ();

our @EXPORT = qw(add_triggers seen warm statuses revoke);

# What the tests of the cache and of revocation have in common.

my $sql = dirname(abs_path(__FILE__)) . '/../../../examples/revocation.sql';

# The triggers of examples/revocation.sql, in the database that was created last.
sub add_triggers {
    my (%option) = @_;
    my $database = Sigra::Fixture::database();
    Sigra::Fixture::run_psql($sql, schema => $database->{layout}, (map { $_ => $database->{$_} } qw(users tokens)), %option);
    return;
}

# The answer to a request with the fixture's cookie: the status, and $auth_sigra_status if the location sends it in
# X-Status. Options: port, headers.
sub seen {
    my ($path, $fixture, %option) = @_;
    my $client = Sigra::Client->new(port => $option{port} // $ENV{TEST_NGINX_SERVER_PORT});
    my $answer = $client->get($path, { cookie => $fixture->{cookie}, %{ $option{headers} // {} } });
    return join ' ', $answer->{status}, $answer->{headers}{'x-status'} // ();
}

# Waits until the fixture's session comes from the cache; then the channel is up.
sub warm {
    my ($path, $fixture, %option) = @_;
    return Sigra::Wire::await { seen($path, $fixture, %option) eq '200 hit' } 'a hit';
}

# This many answers in a row.
sub statuses {
    my ($count, $path, $fixture, %option) = @_;
    return join ', ', map { seen($path, $fixture, %option) } 1 .. $count;
}

# Deletes the row, as an application does.
sub revoke {
    my ($fixture) = @_;
    my $tokens = Sigra::Fixture::database()->{tokens};
    Sigra::Fixture::db()->do("DELETE FROM $tokens WHERE id = ?", undef, $fixture->{session_id}) == 1 or die "no row\n";
    return;
}

# Sections can use these functions too.
{
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
}

1;
