# Once one worker has received a revocation, the session passes in no worker, whatever happens meanwhile. Each block has
# its own nginx with two workers, to do what Test::Nginx blocks cannot: reload, lose a worker or a channel.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire qw(wire get await await_lookup);
use DBD::Pg ();
use Test::More;

my $nginx;

# Options: layout, id, postgres, cache (parameters), where, workers, server.
sub gate {
    my (%option) = @_;
    undef $nginx;
    my $where = delete $option{where};
    my $cache = join ' ', 'zone=sessions:1m ttl=1h', delete $option{cache} // ();
    $nginx = Sigra::Nginx->new(
        files => { page => 'for ada' },
        %option,
        http => sigra_http_config(
            postgres => $option{postgres}, where => $where,
            extra => "auth_sigra_unauthenticated status; auth_sigra_cache $cache;\n"
                . 'add_header X-Status $auth_sigra_status always; add_header X-Worker $pid always;'
        ),
        server => 'location / { auth_sigra on; } ' . ($option{server} // ''),
    );
    return $nginx;
}

sub asked { my ($who, $path) = @_; return seen($path // '/page', $who, port => $nginx->port) }

sub worker_of {
    my ($who, $path) = @_;
    my $answer = client(port => $nginx->port)->get($path // '/page', { cookie => $who->{cookie} });
    return ($answer->{headers}{'x-worker'}, "$answer->{status} $answer->{headers}{'x-status'}");
}

# Waits until the session is a hit on this many workers.
sub warm_all {
    my ($who, $path) = @_;
    my %warm;
    await {
        my ($pid, $seen) = worker_of($who, $path);
        $seen eq '200 hit' ? $warm{$pid}++ : delete $warm{$pid};
        keys %warm == ($nginx->{workers} // 2)
    } 'a hit on each worker';
    return;
}

# The session is eventually refused, and from then on by all workers.
sub out {
    my ($who, $name, $path) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    await { asked($who, $path) =~ /^401/ } "$name: the first refusal";
    my %seen = map { asked($who, $path) => 1 } 1 .. 30;
    is(join(', ', sort keys %seen), '401 unknown', "$name: passes nowhere from then on");
    return;
}

# The connections of the listeners, found by their own role; and how many of them have looked for the triggers last.
sub listeners {
    return @{ db()->selectcol_arrayref('SELECT pid FROM pg_stat_activity WHERE usename = ?', undef, 'sigra_listener') };
}
sub listening {
    return scalar admin()->selectrow_array(
        q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'sigra_listener' AND query LIKE '%pg_trigger%'));
}
sub admin { return Sigra::Fixture::connect_to(database()->{name}, 'postgres') }
sub listen_conninfo {
    return sprintf q("listen=host=%s port=%s dbname=%s user=sigra_listener"), Sigra::Fixture::server('HOST'),
        Sigra::Fixture::server('PORT'), database()->{name};
}
sub cut_channel {
    my $admin = admin();
    $admin->do('ALTER ROLE sigra_listener NOLOGIN');
    $admin->do(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = 'sigra_listener'));
    await { !listeners() } 'the end of the listeners';
    return;
}
sub restore_channel { admin()->do('ALTER ROLE sigra_listener LOGIN'); return }

for my $case (['sigra', 'bigint'], ['sigra', 'uuid'], ['phx_gen_auth', 'bigint'], ['sigra_sessions', 'uuid']) {
    my ($layout, $id) = @$case;
    fresh_database($layout, id => $id);
    add_triggers();
    my %who = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve);
    gate();
    warm_all($who{$_}) for qw(ada bob eve);
    revoke($who{ada});
    out($who{ada}, "$layout, $id: a row is deleted");
    is(asked($who{bob}), '200 hit', "$layout, $id: another session stays");

    my $users = database()->{users};
    db()->do("UPDATE $users SET email = ? WHERE id = ?", undef, 'new@example.com', $who{bob}{user_id});
    await { asked($who{bob}) eq '200 miss' } 'a miss';
    pass("$layout, $id: a user who changed is looked up again, and passes");
    is(asked($who{eve}), '200 hit', "$layout, $id: no other user is");
    db()->do("DELETE FROM $users WHERE id = ?", undef, $who{eve}{user_id});
    out($who{eve}, "$layout, $id: a user is gone");
    warm_all($who{bob});
    db()->do('TRUNCATE ' . database()->{tokens});
    out($who{bob}, "$layout, $id: TRUNCATE");
}

{
    fresh_database('sigra');
    add_triggers();
    my $ada = authenticated_fixture(email => 'ada@example.com');
    my $bob = authenticated_fixture(email => 'bob@example.com');
    db()->do(q{INSERT INTO users_tokens (user_id, token, context, inserted_at)
        SELECT ?, sha256(n::text::bytea), 'session', now() FROM generate_series(1, 100000) n}, undef, $ada->{user_id});
    gate();
    warm_all($_) for $ada, $bob;
    my $listener = db()->clone;
    $listener->do('LISTEN auth_sigra_revoked');
    db()->do('DELETE FROM users_tokens WHERE user_id = ?', undef, $ada->{user_id});
    out($ada, '100,000 rows at once');
    my @told;
    while (my $notify = $listener->pg_notifies) { push @told, $notify->[2] }
    is_deeply(\@told, ['*'], 'one notification');
    await { asked($bob) eq '200 hit' } 'a hit';
    pass('a session with a row is looked up and passes');

    # A wrong password does not count as a change of the user.
    my @answers;
    db()->do('UPDATE users SET failed_login_attempts = failed_login_attempts + 1');
    revoke(my $eve = authenticated_fixture());
    await { !!$listener->pg_notifies } 'what was notified later';
    is(asked($bob), '200 hit', 'wrong passwords evict nothing');
}

# A request by `$who` whose lookup is blocked `$rounds` times, while the user is changed each time.
sub overtaken {
    my ($who, $rounds) = @_;
    my $other = authenticated_fixture(email => "other-$rounds-$$-" . int(rand 1e9) . '@example.com');
    my $holder = db()->clone;
    $holder->do('SELECT pg_advisory_lock(42)');
    my $wire = wire(get('/page', $who->{header}), port => $nginx->port);
    my $count = sub {
        return db()->selectrow_array(
            q(SELECT xact_start FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory')) // '';
    };
    my $since = '';
    for my $round (1 .. $rounds) {
        await { my $now = $count->(); $now ne '' && $now ne $since && ($since = $now) } "attempt $round";
        warm_all($other, '/plain/page');
        db()->do('UPDATE users SET email = email || ? WHERE id IN (?, ?)', undef, 'y', $who->{user_id}, $other->{user_id});
        await { asked($other, '/plain/page') eq '200 miss' } 'the notification';
        # The next one waits for the lock before it is released, and so comes before the next attempt.
        my $next = db()->clone({ pg_async => 1 });
        $next->do('SELECT pg_advisory_lock(42)', { pg_async => DBD::Pg::PG_ASYNC() }) if $round < $rounds;
        await { db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory')) == 2 } 'the next holder'
            if $round < $rounds;
        $holder->do('SELECT pg_advisory_unlock(42)');
        $next->pg_result if $round < $rounds;
        $holder = $next;
    }
    return $wire;
}

# The notification arrives before the answer: the statement has its snapshot, and waits; meanwhile the row is deleted.
{
    fresh_database('sigra');
    add_triggers();
    db()->do(q{CREATE FUNCTION held_up() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_lock_shared(42); PERFORM pg_advisory_unlock_shared(42); RETURN true; END $$});
    my %who = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve);
    gate(
        workers => 1, postgres => 'timeout=60s', where => 'held_up()',
        # This one has its own pool, which nothing blocks; what it receives is removed from the same zone.
        server => sprintf q(location /plain/ { auth_sigra on; auth_sigra_schema sigra; alias html/;
            auth_sigra_postgres "host=%s port=%s dbname=%s user=sigra_nginx application_name=plain"; }),
            Sigra::Fixture::server('HOST'), Sigra::Fixture::server('PORT'), database()->{name},
    );
    warm_all($who{eve}, '/plain/page');
    for my $way (qw(row user)) {
        my $gone = authenticated_fixture(email => "gone-$way\@example.com");
        warm_all($who{bob}, '/plain/page');
        my $holder = db()->clone;
        $holder->do('SELECT pg_advisory_lock(42)');
        my $wire = wire(get('/page', $gone->{header}), port => $nginx->port);
        await_lookup();
        revoke($gone) if $way eq 'row';
        db()->do('UPDATE users SET email = ? WHERE id = ?', undef, 'changed@example.com', $gone->{user_id}) if $way eq 'user';
        # Notifications arrive in the order in which they were sent.
        db()->do('UPDATE users SET email = email || ? WHERE id = ?', undef, 'x', $who{bob}{user_id});
        await { asked($who{bob}, '/plain/page') eq '200 miss' } 'the notification';
        $holder->do('SELECT pg_advisory_unlock(42)');
        is($wire->answer->{status}, $way eq 'row' ? 401 : 200, "the answer is overtaken by the end of the $way: looked up again");
        like(asked($gone), $way eq 'row' ? qr/^401/ : qr/^200/, 'and so is the next');
    }
    # This repeats: three more times, then 503.
    my $ada = authenticated_fixture();
    is(overtaken($ada, 4)->answer->{status}, 503, 'looked up four times, each time overtaken: 503');
    like(asked($ada), qr/^200/, 'and in with the next request');

    # Each worker receives a change, and each one may do so before the lookup is answered.
    gate(
        workers => 2, postgres => 'timeout=60s', where => 'held_up()',
        server => sprintf q(location /plain/ { auth_sigra on; auth_sigra_schema sigra; alias html/;
            auth_sigra_postgres "host=%s port=%s dbname=%s user=sigra_nginx application_name=plain"; }),
            Sigra::Fixture::server('HOST'), Sigra::Fixture::server('PORT'), database()->{name},
    );
    warm_all($who{eve}, '/plain/page');
    is(overtaken($ada, 4)->answer->{status}, 200, 'with two workers the fifth answer counts');
}

# The channel is lost, and what is notified meanwhile is not received.
admin()->do('SET client_min_messages = warning; DROP ROLE IF EXISTS sigra_listener');
admin()->do('CREATE ROLE sigra_listener LOGIN');
for my $require ('on', 'off') {
    fresh_database('sigra');
    add_triggers();
    my %who = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob);
    gate(postgres => listen_conninfo(), cache => "require_listen=$require");
    warm_all($_) for values %who;
    await { listeners() == 2 } 'the listeners';
    cut_channel();
    if ($require eq 'on') {
        await { my ($pid, $seen) = worker_of($who{bob}); state %miss; $miss{$pid}++ if $seen eq '200 miss'; keys %miss == 2 } 'a miss on each';
        my %seen = map { asked($who{bob}) => 1 } 1 .. 20;
        is(join(', ', keys %seen), '200 miss', 'without a channel, PostgreSQL is asked each time');
        revoke($who{ada});
        is(join(', ', map { asked($who{ada}) } 1 .. 10), join(', ', ('401 unknown') x 10), 'and its answer counts at once');
    } else {
        revoke($who{ada});
        my %seen = map { asked($who{bob}) => 1 } 1 .. 20;
        is(join(', ', keys %seen), '200 hit', 'require_listen=off: cached sessions count without a channel');
    }
    restore_channel();
    await { listening() == 2 } 'the listeners';
    warm_all($who{bob});
    out($who{ada}, 'back again') if $require eq 'on';
    revoke($who{bob});
    out($who{bob}, "require_listen=$require: a revocation that is received");
}

# Backends and a worker are killed, and nginx is reloaded: what was deleted stays out, on old and new workers.
{
    fresh_database('sigra');
    add_triggers();
    my @who = map { authenticated_fixture() } 1 .. 12;
    gate();
    for my $round (1 .. 3) {
        my ($killed, $lost, $reloaded, $stays) = splice @who, 0, 4;
        warm_all($_) for $killed, $lost, $reloaded, $stays;
        kill_backends();
        revoke($killed);
        out($killed, "round $round: backends killed");
        warm_all($_) for $lost, $stays;
        $nginx->signal(KILL => ($nginx->workers)[0]);
        revoke($lost);
        out($lost, "round $round: a worker killed");
        await { $nginx->workers == 2 } 'a new worker';
        warm_all($_) for $reloaded, $stays;
        revoke($reloaded) if $round == 2;
        $nginx->reload;
        revoke($reloaded) if $round != 2;
        out($reloaded, "round $round: reloaded");
        warm_all($stays);
        pass("round $round: a session with a row passes, and is cached again");
    }
    is($nginx->stop, 0, 'nginx ends as it should');
    my @problems = $nginx->problems(qr/exited on signal 9/);
    ok(!@problems, 'nothing to complain of') or diag(join "\n", @problems);
}

undef $nginx;
done_testing();
