# All backends are killed while the server keeps running: lookups are repeated over another connection, and clients do
# not notice.

use v5.14;
use strict;
use warnings;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

# The deadline is far away: a request that reaches it was forgotten, and not only late.
my $nginx = gated_nginx(timeout => 60);

for my $how ('terminated', 'terminated twice') {
    my $load = start_load(port => $nginx->port, clients => { clients() });
    ok($load->await_answers(20, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 200 }), "$how: well before");
    my ($killed, $last) = (0, 0);
    for my $round (1 .. 20) {
        await(sub { scalar(my @pids = backends()) }) or last;
        $killed += kill_backends();
        # A second time at once, perhaps while nginx connects.
        $killed += kill_backends() if $how eq 'terminated twice';
        $last = now();
        # Waits until every worker has got an answer again: nothing can work if the backends are always killed before
        # that.
        $load->await_everybody($last) or die "not everybody is answered\n";
    }
    ok($load->await_answers(40, sub { $_[0]{kind} eq 'valid' && $_[0]{from} > $last }),
        "$how: well afterwards");
    my @answers = $load->stop;
    cmp_ok($killed, '>=', 20, "$how: $killed backends");
    sees_only('valid|other|optional|public', '200', $how, @answers);
    sees_only('unknown|anonymous', '302', $how, @answers);
    my @slow = grep { $_->{to} - $_->{from} > 0.5 * deadline() } @answers;
    ok(!@slow, "$how: nobody waits for the deadline");
}
has_no_problems($nginx);

done_testing();
