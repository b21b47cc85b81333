# Workers are killed while they write to the zone of auth_sigra_cache, which is too small for all sessions. The other
# worker, and new ones, continue to use it.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

fresh_database('sigra', name => 'fault');
add_triggers();
my ($user, @many) = authenticated_fixture(email => 'ada@example.com');
push @many, authenticated_fixture(user_id => $user->{user_id}, email => $user->{email}) for 1 .. 600;
my $nginx = Sigra::Nginx->new(
    files  => { page => 'for ada' },
    http   => sigra_http_config(extra => "auth_sigra_unauthenticated status;\nauth_sigra_cache zone=small:64k;\nadd_header X-Status \$auth_sigra_status always;"),
    server => 'location / { auth_sigra on; }',
);
Sigra::Wire::await { seen('/page', $user, port => $nginx->port) eq '200 hit' } 'a hit';
my $load = start_load(port => $nginx->port, clients => { map { ("known$_" => [1, '/page', $many[ 75 * $_ ]{header}]) } 0 .. 7 });
for my $round (1 .. 12) {
    my @turn = @many[ map { ($round * 50 + $_) % 600 } 0 .. 49 ];
    my ($victim) = $nginx->workers;
    my $killed = 0;
    for (@turn) {
        seen('/page', $_, port => $nginx->port);
        $nginx->signal(KILL => $victim) if ++$killed == 25;
    }
    ok(await(sub { $nginx->workers == 2 }), "round $round: two workers again");
    Sigra::Wire::await { seen('/page', $user, port => $nginx->port) eq '200 hit' } 'a hit';
}
$load->stop;
revoke($user);
Sigra::Wire::await { seen('/page', $user, port => $nginx->port) =~ /^401/ } 'its end';
is(seen('/page', $user, port => $nginx->port), '401 unknown', 'and revocations count');
has_no_problems($nginx, qr/exited on signal 9/);
done_testing();
