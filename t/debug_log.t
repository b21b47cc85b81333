# `error_log … debug` shows each step of a request in the module, and nothing that gives access to a session.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status; auth_sigra_password_checks floor=1ms;');

add_block_preprocessor(sub { $_[0]->set_value(skip_all => 'nginx was built without --with-debug') if qx($ENV{TEST_NGINX_BINARY} -V 2>&1) !~ /--with-debug/ });
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a request with a session, one without, and a login
--- config
--- request
GET /
--- timeout: 60
--- flow
my $nginx = Sigra::Nginx->new(
    workers => 1, log_level => 'debug', files => { page => 'x' },
    http    => "$::http auth_sigra_cache zone=sessions:1m ttl=1h require_listen=off;",
    server  => 'location / { auth_sigra on; } location = /log-in { auth_sigra_login; }',
);
my $lines = sub {
    my ($code) = @_;
    my $before = length $nginx->log;
    $code->();
    my @lines;
    await { @lines = map { /\[debug\].*auth_sigra: (.*)/ ? $1 =~ s/, client: .*//r : () } split /\n/, substr $nginx->log, $before; scalar @lines } 'lines';
    return \@lines;
};
my $ada = authenticated_fixture(email => 'ada@example.com', password => 'right');
my $hash = substr Digest::SHA::sha256_hex($ada->{token}), 0, 16;
my $ask = sub { my (@headers) = @_; sub { is(wire(get('/page', @headers, 'Connection: close'), port => $nginx->port)->answer->{status}, @headers ? 200 : 401, 'answered') } };
is_deeply($lines->($ask->($ada->{header})), [
    "session $hash of the session cookie", 'PostgreSQL is asked for the session', 'gate "on": ask PostgreSQL, status anonymous',
    'PostgreSQL has the session', 'gate "on": pass, status miss',
], 'the first time');
is_deeply($lines->($ask->($ada->{header})), [
    "session $hash of the session cookie", 'the cache has the session', 'gate "on": pass, status hit',
], 'and again');
is_deeply($lines->($ask->()), ['no token: anonymous', 'gate "on": anonymous, status anonymous'], 'anonymous');
my $browser = client(port => $nginx->port, timeout => 60);
my $csrf = csrf_mask($browser->get('/log-in') && $browser->session->{_csrf_token});
my $said = join "\n", @{ $lines->(sub {
    is($browser->post('/log-in', { _csrf_token => $csrf, 'user[email]' => 'ada@example.com', 'user[password]' => 'right' })->{status}, 302, 'a login');
}) };
like($said, qr/^login: the form\n.*^login: look for the user\n.*^login: the user's row\n.*^login: a new session\n.*^the answer sets the cookie "_my_app_key"$/ms, 'a login');
my $all = join "\n", map { /\[debug\].*auth_sigra: (.*)/ ? $1 : () } split /\n/, $nginx->log;
unlike($all, qr/\Q$_\E/, 'nothing secret') for $ada->{cookie} =~ s/.*?=//r, $hash . substr(Digest::SHA::sha256_hex($ada->{token}), 16, 8), 'right', $csrf;
