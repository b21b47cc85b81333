# auth_sigra_status while PostgreSQL fails: each 503 is counted by its cause, each channel by its worker, and a
# connection that comes back counts as a reconnect.

use v5.14;
use strict;
use warnings;
use JSON::PP qw(decode_json);
use Sigra::Cache;
use Sigra::Client;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Wire ();
use Test::More;

my ($nginx, $ada);

sub status_of { return decode_json(Sigra::Client->new(port => $nginx->port)->get('/status')->{content}) }
sub channels  { my $of = status_of()->{channels}; return join ' ', map { "$_:$of->{by_worker}{$_}{up}/$of->{by_worker}{$_}{down}" } sort keys %{ $of->{by_worker} } }
sub ask       { return seen($_[0], $ada, port => $nginx->port) }

# Sends requests until one gets this answer, and it is counted.
sub is_counted {
    my ($cause, $path) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $before = status_of()->{unavailable}{$cause};
    ok(await(sub { ask($path) eq '503' && status_of()->{unavailable}{$cause} > $before }), "503 for $cause") or diag explain(status_of()->{unavailable});
}

# Downloads that their session's end closes.
$nginx = gated_nginx(
    workers => 2,
    timeout => 60,
    http    => 'auth_sigra_unauthenticated status;',
    server  => 'location /long { auth_sigra on; auth_sigra_close_on_revoke on; limit_rate 1k; try_files /long.txt =404; }
        location /short { auth_sigra on; auth_sigra_close_on_revoke on; auth_sigra_session_ttl 1h; limit_rate 1k; try_files /long.txt =404; }
        location = /status { auth_sigra_status; }',
    files => { 'long.txt' => 'x' x 1_000_000 },
);
add_triggers();
ok(await(sub { channels() eq '0:1/0 1:1/0' }), 'a channel of each worker is up');

# A download that has started; nothing if the session had already ended.
sub begun {
    my ($path, $who) = @_;
    my $wire = Sigra::Wire::wire(Sigra::Wire::get($path, $who->{header}), port => $nginx->port);
    $wire->read_until(sub { $wire->{read} =~ /\r\n\r\n/ });
    return $wire->{read} =~ m{^HTTP/1.1 200 } ? $wire : undef;
}
my $carl = authenticated_fixture();
my $long = begun('/long', $carl);
ok($long, 'a download has begun');
revoke($carl);
ok(await(sub { status_of()->{closed}{revoked} == 1 }), 'closed: revoked');
my $short;
for my $left (5, 20, 60) { $short ||= begun('/short', authenticated_fixture(age => 3600 - $left)) }
ok($short, 'a download whose session ends soon');
ok(await(sub { status_of()->{closed}{expired} == 1 }), 'closed: expired');
has_no_problems($nginx);
undef $nginx;

# Requests that PostgreSQL does not answer in time, or not at all.
$nginx = gated_nginx(
    workers  => 2,
    timeout  => 1,
    postgres => 'queue=1 connect_timeout=1s max_reconnect_delay=1s',
    http     => 'auth_sigra_unauthenticated status;',
    server   => gated_locations() . 'location /cached { auth_sigra on; auth_sigra_cache zone=sessions:1m; try_files /private.txt =404; }
        location /broken { auth_sigra on; auth_sigra_require "u.email::int > 0"; try_files /private.txt =404; }
        location = /status { auth_sigra_status; }',
);
add_triggers();
$ada = user('ada');

ok(await(sub { channels() eq '0:1/0 1:1/0' }), 'a channel of each worker is up');
ok(await(sub { ask('/private') eq '200' }), 'well before');

# The lookup waits for the lock; then there is no room for another one.
my $lock  = Sigra::Wire::hold_lock();
my @wires = map { Sigra::Wire::wire(Sigra::Wire::get('/private', user($_)->{header}), port => $nginx->port) } (qw(ada bob eve)) x 2;
my @answers = map { $_->answer->{status} } @wires;
is(join(' ', grep { $_ != 503 } @answers), '', 'no request passes while nothing is cached');
cmp_ok(status_of()->{unavailable}{queue_full}, '>', 0, '503 for queue_full');
cmp_ok(status_of()->{lookups}{queue_full}, '>', 0, 'and the lookup too');
$lock->rollback;
ok(await(sub { ask('/private') eq '200' }), 'it works again');

is_counted(error => '/broken');

cluster('freeze');
is_counted(timeout => '/private');
ok(await(sub { channels() eq '0:0/1 1:0/1' }), 'the channels are down') or diag channels();
cluster('thaw');
ok(await(sub { ask('/private') eq '200' }), 'it works again');

my $reconnects = status_of()->{reconnects};
cluster(stop => 'fast');
is_counted(unreachable => '/private');
cluster('start');
ok(await(sub { ask('/private') eq '200' && status_of()->{reconnects} > $reconnects }), 'a reconnect');
ok(await(sub { channels() eq '0:1/0 1:1/0' }), 'and the channels are up');
cmp_ok(status_of()->{channels_lost}, '>=', 2, 'each was lost once, or more often');
has_no_problems($nginx);
done_testing();
