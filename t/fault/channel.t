# When a channel comes up again, the pool's connections are replaced: what has cut the channel, such as a firewall that
# forgot its connections, may have cut them too.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Test::More;

fresh_database('sigra', name => 'fault');
add_triggers();
my $user  = authenticated_fixture(email => 'ada@example.com');
my $nginx = Sigra::Nginx->new(
    files   => { page => 'for ada' },
    workers => 1,
    http    => sigra_http_config(extra => "auth_sigra_unauthenticated status;\nauth_sigra_cache zone=small:64k;\nadd_header X-Status \$auth_sigra_status always;"),
    server  => 'location / { auth_sigra on; }',
);
# A lookup names the table; the query for the triggers has it in a parameter.
sub pool_backends    { return backends(q(query LIKE '%users_tokens%')) }
sub channel_backends { return backends(q(query NOT LIKE '%users_tokens%')) }

Sigra::Wire::await { seen('/page', $user, port => $nginx->port) eq '200 hit' } 'a hit';
# One that was opened before the channel may still be closing.
ok(await(sub { pool_backends() == 1 && channel_backends() == 1 }), 'a connection of the pool, and one of the channel');
my ($pool)    = pool_backends();
my ($channel) = channel_backends();

db()->do('SELECT pg_terminate_backend(?)', undef, $channel);
ok(await(sub { grep { $_ != $channel } channel_backends() }), 'the channel comes up again');
ok(await(sub { !grep { $_ == $pool } pool_backends() }), "the pool's connection is closed");
Sigra::Wire::await { seen('/page', $user, port => $nginx->port) eq '200 hit' } 'a hit';
ok((grep { $_ != $pool } pool_backends()), 'and another one used');
has_no_problems($nginx, qr/channel|connection/);
done_testing();
