# The binary is upgraded on the fly under load: the new master process and its workers take the listening sockets over
# from the old ones. No request is lost, and nobody is let in who has logged out, while both serve and afterwards.

use v5.14;
use strict;
use warnings;
use HTTP::Tiny;
use Sigra::Cache qw(seen);
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

# Waits until the old master process and its workers are gone.
sub ends {
    my ($nginx, $master) = @_;
    my @workers = Sigra::Nginx::children_of($master);
    $nginx->signal(QUIT => $master);
    return await(sub { !grep { $_ != $nginx->{pid} && Sigra::Nginx::is_running($_) } $master, @workers });
}

sub delete_session { return db()->do('DELETE FROM users_tokens WHERE id = ?', undef, user($_[0])->{session_id}) }

my %cached = (
    daemon => 1, triggers => 1,
    server => 'auth_sigra_cache zone=sessions:1m ttl=1h;' . gated_locations()
        . 'location /hit { auth_sigra optional; add_header X-Status "$auth_sigra_status $pid"; try_files /public.txt =404; }',
);

# Waits until one of these workers has answered a request with the user's session from its cache.
sub is_cached {
    my ($nginx, $name, @workers) = @_;
    return await(sub { my $seen = seen('/hit', user($name), port => $nginx->port); grep { $seen eq "200 hit $_" } @workers });
}

{
    my $nginx = gated_nginx(%cached, timeout => 60);
    ok(is_cached($nginx, 'bob', $nginx->workers), 'the cache is used');
    my $load = start_load(port => $nginx->port, clients => { clients() });
    my $old  = $nginx->upgrade;
    ok($load->await_everybody(now()), 'both: all are served');
    ok(is_cached($nginx, 'bob', $nginx->workers), 'both: the new ones use theirs');
    delete_session('bob');
    ok($load->await_answers(1, sub { $_[0]{kind} eq 'other' && $_[0]{status} == 302 }), 'both: the deleted session has ended');
    my $ended = now();
    ok($load->await_everybody($ended), 'both: all are served again');
    ok(ends($nginx, $old), 'the old processes go');
    my $alone = now();
    ok($load->await_everybody($alone), 'the new ones: all are served');
    my @answers = $load->stop;
    sees_only('valid|optional|public', '200', 'upgraded', @answers);
    sees_only('unknown|anonymous',     '302', 'upgraded', @answers);
    sees_only('other', '200|302', 'upgraded', @answers);
    sees_only('other', '302', 'upgraded, the new ones alone', grep { $_->{from} > $alone } @answers);
    has_no_problems($nginx);
}

# As after a reload, a new worker connects before the first request comes to it.
{
    my $nginx = gated_nginx(daemon => 1, workers => 1);
    my $old   = $nginx->upgrade;
    ok(await(sub { backends("state = 'idle'") == 1 }), 'upgraded: the worker has a connection');
    my ($warm) = backends();
    ok(ends($nginx, $old), 'upgraded: the old processes go');
    my $answer = HTTP::Tiny->new->get("http://127.0.0.1:@{[ $nginx->port ]}/private", { headers => { Cookie => user('ada')->{cookie} } });
    is($answer->{status}, 200, 'upgraded: the first request is served');
    ok((grep { $_ == $warm } backends()), 'upgraded: and the connection is still there');
    has_no_problems($nginx);
}

# The upgrade is taken back: the new processes go, and the old ones continue.
{
    my $nginx = gated_nginx(%cached, timeout => 60);
    my $load  = start_load(port => $nginx->port, clients => { clients() });
    my $old   = $nginx->upgrade;
    my $new   = $nginx->{pid};
    $nginx->{pid} = $old;
    ok(ends($nginx, $new), 'taken back: the new processes go');
    ok(await(sub { $nginx->master == $old }), 'taken back: the old master process is the only one');
    ok($load->await_everybody(now()), 'taken back: all are served');
    delete_session('bob');
    ok($load->await_answers(1, sub { $_[0]{kind} eq 'other' && $_[0]{status} == 302 }), 'taken back: a deleted session has ended');
    my @answers = $load->stop;
    sees_only('valid|optional|public', '200', 'taken back', @answers);
    sees_only('unknown|anonymous',     '302', 'taken back', @answers);
    has_no_problems($nginx);
}

done_testing();
