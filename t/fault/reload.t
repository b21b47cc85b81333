# nginx is reloaded under load: no request is lost, and no old worker remains. New workers without a database answer
# requests that do not need it.

use v5.14;
use strict;
use warnings;
use HTTP::Tiny;
use IO::Socket::INET;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

# Waits until none of them is left.
sub are_gone {
    my ($nginx, @pids) = @_;
    return await(sub { my %there = map { $_ => 1 } $nginx->workers; !grep { $there{$_} } @pids });
}

{
    my $nginx = gated_nginx(timeout => 60);
    my $load  = start_load(port => $nginx->port, clients => { clients() });
    for my $round (1 .. 5) {
        my @old = $nginx->reload;
        ok($load->await_everybody(now()), "reload $round: all are served");
        ok(are_gone($nginx, @old), "reload $round: the old workers go");
        is(scalar(my @workers = $nginx->workers), 2, "reload $round: two new ones");
    }
    my @answers = $load->stop;
    sees_only('valid|other|optional|public', '200', 'reloaded', @answers);
    sees_only('unknown|anonymous', '302', 'reloaded', @answers);
    has_no_problems($nginx);
}

# A new worker connects before the first request comes to it, so that it does not wait for a connection, and before the
# old one is gone, which half a request keeps there.
{
    my $nginx = gated_nginx(workers => 1, http => 'client_header_timeout 1h;');
    my $held  = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port) or die "connect: $@\n";
    print $held "GET /public HTTP/1.1\r\n";
    my @old = $nginx->reload;
    ok(await(sub { backends("state = 'idle'") == 1 }), 'reloaded: the worker has a connection');
    my ($warm) = backends();
    my $answer = HTTP::Tiny->new->get("http://127.0.0.1:@{[ $nginx->port ]}/private", { headers => { Cookie => user('ada')->{cookie} } });
    is($answer->{status}, 200, 'reloaded: the first request is served');
    ok((grep { $_ == $warm } backends()), 'reloaded: and the connection is still there');
    close $held;
    ok(are_gone($nginx, @old), 'reloaded: the old worker goes');
    has_no_problems($nginx);
}

# Requests that wait for the database during the reload are answered by the workers that accepted them.
{
    my $nginx = gated_nginx();
    my $load  = start_load(port => $nginx->port, clients => { clients() });
    cluster('freeze');
    ok($load->await_answers(3, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 503 }), 'frozen');
    my @old = $nginx->reload;
    cluster('thaw');
    my $up = now();
    ok(are_gone($nginx, @old), 'reloaded while requests wait: the old workers go');
    ok($load->await_answers(20, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 200 && $_[0]{from} > $up }), 'it works again');
    my @answers = $load->stop;
    sees_only('valid|other', '200|503', 'reloaded while frozen', @answers);
    sees_only('unknown',     '302|503', 'reloaded while frozen', @answers);
    sees_only('optional|public', '200', 'reloaded while frozen', @answers);
    has_no_problems($nginx);
}

for my $way ('stopped', 'frozen') {
    my $nginx = gated_nginx();
    cluster($way eq 'stopped' ? 'stop' : 'freeze');
    $nginx->reload;
    my $load = start_load(port => $nginx->port, clients => { clients() });
    $load->await_answers(6, sub { $_[0]{kind} eq 'valid' }) or die "nobody is answered\n";
    my $up = $way eq 'stopped' ? cluster('start') : do { cluster('thaw'); now() };
    ok($load->await_everybody($up, sub { $_[0]{status} != 503 }), "started while the database was $way: well afterwards");
    my $back = now();
    ok($load->await_answers(40, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 200 && $_[0]{from} > $back }),
        "started while the database was $way: and from then on");
    my @answers = $load->stop;
    my @late = grep { $_->{status} == 503 && $_->{from} > $back } @answers;
    ok(!@late, "started while the database was $way: then no 503 any more");
    my @slow = grep { $_->{kind} =~ /public|anonymous/ && $_->{to} - $_->{from} > deadline() } @answers;
    ok(!@slow, "started while the database was $way: what needs none does not wait for it");
    sees_only('valid|other', '200|503', "started while the database was $way", @answers);
    sees_only('optional|public', '200', "started while the database was $way", @answers);
    has_no_problems($nginx);
}

done_testing();
