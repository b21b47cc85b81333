# nginx uses a database that subscribes to a publication. Rows that are deleted or changed at the publisher are changed
# here by a worker process of PostgreSQL, which fires no statement triggers: the row triggers notify nginx.

use v5.14;
use strict;
use warnings;
use Cwd qw(abs_path);
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Standby;
use Sigra::Wire ();
use Test::More;

fresh_database('sigra', name => 'fault');
my %user = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob carl dora);

# A copy of the whole cluster becomes the publisher, so that both start with the same rows.
my $publisher = Sigra::Standby->new;
$publisher->has_caught_up(db());
$publisher->promote;
$publisher->db('postgres')->do('ALTER SYSTEM SET wal_level = logical');
$publisher->run('restart');
my $there = $publisher->db('fault');
$there->do('CREATE PUBLICATION everything FOR TABLE users, users_tokens');

# Only the publisher has the publication, and only the subscriber the triggers.
add_triggers();
my $here = Sigra::Fixture::connect_to('fault', 'postgres');
$here->do('SET client_min_messages = warning');
$here->do(sprintf "CREATE SUBSCRIPTION here CONNECTION 'host=%s port=%s dbname=fault user=postgres'"
    . ' PUBLICATION everything WITH (copy_data = false)', abs_path("$publisher->{folder}/socket"), $publisher->port);

my $nginx = Sigra::Nginx->new(
    workers => 2,
    files   => { page => 'for all' },
    http    => sigra_http_config(extra => <<'END'),
auth_sigra_unauthenticated status;
auth_sigra_cache zone=sessions:1m ttl=1h;
add_header X-Status $auth_sigra_status always;
END
    server => 'location / { auth_sigra on; }',
);

sub is_a_hit {
    my ($name) = @_;
    return Sigra::Wire::await { seen('/page', $user{$name}, port => $nginx->port) eq '200 hit' } "a hit of $name";
}
is_a_hit($_) for sort keys %user;

$there->do('DELETE FROM users_tokens WHERE id = ?', undef, $user{ada}{session_id});
Sigra::Wire::await { seen('/page', $user{ada}, port => $nginx->port) eq '401 unknown' } 'the end of ada';
pass('a row that is deleted at the publisher ends the session here');

$there->do('DELETE FROM users WHERE id = ?', undef, $user{bob}{user_id});
Sigra::Wire::await { seen('/page', $user{bob}, port => $nginx->port) eq '401 unknown' } 'the end of bob';
pass('and so does a user');

$there->do(q(UPDATE users SET email = 'caroline@example.com' WHERE id = ?), undef, $user{carl}{user_id});
Sigra::Wire::await { seen('/page', $user{carl}, port => $nginx->port) eq '200 miss' } 'another look at carl';
pass('a user who changed is looked up again');

is_a_hit('dora');
$there->do('TRUNCATE users_tokens');
Sigra::Wire::await { seen('/page', $user{dora}, port => $nginx->port) eq '401 unknown' } 'the end of dora';
pass('TRUNCATE ends all');

has_no_problems($nginx);
$here->do($_) for 'ALTER SUBSCRIPTION here DISABLE', 'ALTER SUBSCRIPTION here SET (slot_name = NONE)',
    'DROP SUBSCRIPTION here';
done_testing();
