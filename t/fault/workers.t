# A worker dies under load: the other one continues, and a new one replaces it.

use v5.14;
use strict;
use warnings;
use Sigra::Fault;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

for my $signal (qw(KILL TERM)) {
    my $nginx = gated_nginx();
    for my $database ('well', 'frozen') {
        my $load = start_load(port => $nginx->port, clients => { clients() });
        if ($database eq 'frozen') {
            cluster('freeze');
            ok($load->await_answers(3, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 503 }), "$signal: frozen");
        }
        my ($victim, $survivor) = $nginx->workers;
        $nginx->signal($signal => $victim);
        ok(await(sub { my @now = $nginx->workers; @now == 2 && !grep { $_ == $victim } @now }), "$signal, $database: replaced");
        ok(scalar(grep { $_ == $survivor } $nginx->workers), "$signal, $database: the other one lives");
        if ($database eq 'frozen') { cluster('thaw') }
        ok($load->await_everybody(now()), "$signal, $database: all are served again");
        my $again = now();
        ok($load->await_everybody($again), "$signal, $database: and served from then on");
        my @answers = $load->stop;
        # A connection to the dead worker breaks once; the client repeats the request.
        my @broken = grep { !$_->{status} } @answers;
        my %once;
        $once{ $_->{client} }++ for @broken;
        ok(!(grep { $_ > 1 } values %once), "$signal, $database: a connection breaks at most once");
        ok(!(grep { $_->{from} > $again } @broken), "$signal, $database: and none later on");
        @answers = grep { $_->{status} } @answers;
        my $maybe = $database eq 'frozen' ? '|503' : '';
        sees_only('valid|other', "200$maybe", "$signal, $database", @answers);
        sees_only('unknown', "302$maybe", "$signal, $database", @answers);
        sees_only('anonymous', '302', "$signal, $database", @answers);
        sees_only('optional|public', '200', "$signal, $database", @answers);
    }
    has_no_problems($nginx, $signal eq 'KILL' ? qr/worker process \d+ exited on signal 9/ : ());
}

done_testing();
