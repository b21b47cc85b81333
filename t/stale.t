# stale=T: what was verified before an outage passes for T, but only while PostgreSQL cannot be reached, and not if it
# was revoked before.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire qw(wire get hold_lock);
use Test::More;

fresh_database('sigra');
add_triggers();
my %who = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve new);
# One worker: a second one might take longer to reconnect.
my $nginx = Sigra::Nginx->new(
    workers => 1,
    files => { page => 'for ada', 'strict/page' => 'for ada' },
    http  => sigra_http_config(
        postgres => 'timeout=500ms connections=1 queue=2',
        extra => "auth_sigra_unauthenticated status;\nadd_header X-Status \$auth_sigra_status always;",
    ),
    server => <<'END',
location / { auth_sigra on; auth_sigra_cache zone=sessions:1m ttl=1s stale=1h; add_header X-Who $auth_sigra_email; add_header X-Status $auth_sigra_status always; }
location /strict/ { auth_sigra on; auth_sigra_cache zone=sessions ttl=1s; }
location /short/ { auth_sigra on; auth_sigra_cache zone=sessions ttl=1s stale=3s; alias html/; }
location /old/ { auth_sigra on; auth_sigra_cache zone=sessions ttl=1s stale=1h; auth_sigra_session_ttl 1h; alias html/; }
location /optional/ { auth_sigra optional; auth_sigra_cache zone=sessions ttl=1s stale=1h; alias html/; }
location /aging/ { auth_sigra on; auth_sigra_cache zone=sessions ttl=1s stale=1h; auth_sigra_reissue_age 1h; alias html/; }
location = /users/log-out { auth_sigra_logout; }
location = /status { stub_status; }
END
);
sub asked { my ($name, $path) = @_; return seen($path // '/page', $who{$name}, port => $nginx->port) }
sub until_seen { my ($expected, @ask) = @_; return Sigra::Wire::await { asked(@ask) eq $expected } $expected }

$who{aging} = authenticated_fixture(age => 7200);
$who{ending} = authenticated_fixture(age => 3590);    # expires in ten seconds in /old/
until_seen('200 hit', $_) for qw(ada bob eve ending aging);
revoke($who{eve});
until_seen('401 unknown', 'eve');
until_seen('200 hit', $_) for qw(bob ada);

for my $way ('frozen', 'stopped') {
    $who{tired} = authenticated_fixture();
    # The same user with a cookie of another token.
    my $remembered = authenticated_fixture(user_id => $who{tired}{user_id}, email => $who{tired}{email}, remember_me => 86400);
    $who{remembered} = { cookie => $remembered->{remember_cookie} };
    until_seen('200 hit', $_) for qw(ada bob tired remembered);
    db()->disconnect;
    cluster($way eq 'frozen' ? 'freeze' : 'stop');
    until_seen('200 stale', 'ada');
    pass("$way: what was verified passes");
    is(asked('ada'), '200 stale', "$way: again");
    is(client(port => $nginx->port)->get('/page', { cookie => $who{ada}{cookie} })->{headers}{'x-who'}, 'ada@example.com', "$way: by name");
    is(asked('ada', '/optional/page'), '200 stale', "$way: where it is optional");
    is(asked('ada', '/strict/page'), '503 error', "$way: only where it is configured");
    is(asked('eve'), '503 error', "$way: not what was revoked");
    is(asked('new'), '503 error', "$way: not what was never seen");
    until_seen('503 error', 'bob', '/short/page');
    pass("$way: only for the configured time");
    until_seen('401 expired', 'ending', '/old/page');
    pass("$way: a session expires all the same");
    is(asked('bob'), '200 stale', "$way: and longer where that is configured");
    # Both wait for the lookup; a reissue would wait as long again.
    my %took;
    for my $path ('/page', '/aging/page', '/page', '/aging/page') {
        my $from = Sigra::Nginx::now();
        is(asked('aging', $path), '200 stale', "$way: $path");
        $took{$path} += Sigra::Nginx::now() - $from;
    }
    cmp_ok($took{'/aging/page'}, '<', 1.6 * $took{'/page'} + 0.4, "$way: no reissue is tried");
    my $answer = client(port => $nginx->port)->delete('/users/log-out', '', { cookie => "$who{tired}{cookie}; $who{remembered}{cookie}", 'x-csrf-token' => $who{tired}{csrf_token} });
    is($answer->{status}, 503, "$way: no log-out without a database");
    like($answer->{content}, qr/still logged in/, "$way: shows it");
    is_deeply($answer->{cookies}, {}, "$way: and touches no cookie");
    is(asked('tired'), '503 error', "$way: but a user who wanted to log out does not pass with stale");
    is(asked('remembered'), '503 error', "$way: nor by the remember-me cookie");
    is(asked('ada'), '200 stale', "$way: the others are");
    cluster($way eq 'frozen' ? 'thaw' : 'start');
    until_seen('200 hit', 'ada');
    pass("$way: it works again");
    # A lookup may take longer than its time on a busy machine, which says 503.
    my $seen;
    Sigra::Wire::await { ($seen = asked('eve')) ne '503 error' } 'an answer';
    is($seen, '401 unknown', "$way: what was revoked is out");
}

# An error of PostgreSQL does not count as unreachable.
until_seen('200 hit', 'ada');
db()->do('REVOKE SELECT ON users FROM sigra_nginx');
until_seen('503 error', 'ada');
is(asked('ada'), '503 error', 'a server that refuses is no outage');
db()->do('GRANT SELECT ON users TO sigra_nginx');
until_seen('200 hit', 'ada');

# Nor does a full queue: two wait for an answer, and no more may.
undef $nginx;
$nginx = Sigra::Nginx->new(
    workers => 1,
    files   => { page => 'for ada' },
    http    => sigra_http_config(
        postgres => 'timeout=60s connections=1 queue=2',
        extra    => "auth_sigra_unauthenticated status;\nauth_sigra_cache zone=sessions:1m ttl=1ms stale=1h;\n"
            . 'add_header X-Status $auth_sigra_status always;',
    ),
    server => 'location / { auth_sigra on; } location = /status { stub_status; }',
);
until_seen('200 miss', 'ada') for 1 .. 2;
my $lock  = hold_lock();
my @wires = map { wire(get('/page', $who{$_}{header}), port => $nginx->port) } qw(bob new);
Sigra::Wire::await { wire(get('/status', 'Connection: close'), port => $nginx->port)->answer->{body} =~ /Writing: 3\b/ } 'two that wait';
is(asked('ada'), '503 error', 'a queue that is full is no outage');
$lock->rollback;
is($_->answer->{status}, 200, 'the waiting request passes') for @wires;

undef $nginx;
done_testing();
