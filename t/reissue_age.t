# auth_sigra_reissue_age: a session that has reached this age gets a new token when a request passes.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Nginx ();
use Sigra::Wire;

my $inside = 'rewrite ^ /echo break; proxy_pass http://echo;';
our $layouts = make_layouts('reissue', <<"END", extra => 'auth_sigra_reissue_age 1h; auth_sigra_unauthenticated status;');
location PATH/private { auth_sigra on; auth_sigra_forward on; $inside }
location = PATH/log-out { auth_sigra_logout; }
END
use_layout('sigra');
our $http      = sigra_http_config(extra => 'auth_sigra_reissue_age 1h; auth_sigra_unauthenticated status;') . echo_upstream();
our $locations = <<"END";
location /private { auth_sigra on; auth_sigra_forward on; $inside }
location /optional { auth_sigra optional; auth_sigra_forward on; $inside }
location /off { auth_sigra on; auth_sigra_reissue_age off; $inside }
location = /log-out { auth_sigra_logout; }
END

sub raw_token {
    my ($session) = @_;
    my $text = $session->{ database()->{singular} . '_token' };
    return database()->{layout} eq 'sigra_sessions' ? MIME::Base64::decode_base64url($text) : $text;
}

sub authenticated_at { my ($row) = @_; return exists $row->{sudo_at} ? $row->{sudo_at} : $row->{authenticated_at} }

# How many seconds a row had left when the new token was written, according to the same statement.
sub left {
    my ($fixture, $row, $ttl) = @_;
    return scalar db()->selectrow_array('SELECT extract(epoch FROM CAST(? AS timestamp) - CAST(? AS timestamp)) + ?', undef,
        session_row($fixture)->{inserted_at}, $row->{inserted_at}, $ttl);
}

sub rows_of {
    my ($user) = @_;
    my ($table, $key) = (database()->{tokens}, database()->{singular});
    return scalar db()->selectrow_array("SELECT count(*) FROM $table WHERE ${key}_id = ?", undef, $user->{user_id});
}

sub visit {
    my ($fixture, $path, %headers) = @_;
    return client()->get($path // '/private', { cookie => $fixture->{cookie}, %headers });
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: in every layout
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/private
--- error_code: 401
--- flow
my %ttl = (sigra => 60 * 86400, phx_gen_auth => 14 * 86400, sigra_sessions => 86400);
for my $name (layouts()) {
    use_layout($name);
    my $key = database()->{singular};
    my $ada = authenticated_fixture(age => 7200, authenticated_age => 7300, session => { other => tuple(atom('a'), integer(1)) });
    my $before = session_row($ada);
    my $browser = client()->use_cookie($ada->{cookie});
    my $answer = $browser->get("/$name/private");
    is($answer->{status}, 200, "$name: in");
    is($answer->{headers}{'cache-control'}, 'private, no-store', "$name: Cache-Control");
    my $session = $browser->session;
    isnt($session->{"${key}_token"}, $ada->{token_text}, "$name: a new token");
    is($session->{live_socket_id}, live_socket_id($session->{"${key}_token"}, database()->{plural}), "$name: live_socket_id");
    is($session->{_csrf_token}, $ada->{csrf_state}, "$name: the CSRF state is kept");
    is(encode_term($session->{other}), encode_term($ada->{session}{other}), "$name: so are other keys");
    is($answer->{cookies}{_my_app_user_remember_me}, undef, "$name: without remember-me");
    like($answer->{content}, qr/^cookie=_my_app_key=\Q@{[ $browser->cookies->{_my_app_key} ]}\E$/m, "$name: the upstream sees the new cookie");
    my $row = session_row(raw_token($session));
    is($row->{"${key}_id"}, $ada->{user_id}, "$name: the row of the user");
    is($row->{id}, $before->{id}, "$name: the one that it was");
    is(authenticated_at($row), authenticated_at($before), "$name: authenticated_at is carried over");
    my $left = left($ada, $row, $ttl{ database()->{layout} });
    ok($left >= 59 && $left <= 61, "$name: the old row has a minute ($left s)");
    is(client()->get("/$name/private", { cookie => $ada->{cookie} })->{status}, 200, "$name: in which it passes");
    is(rows_of($ada), 2, "$name: without another reissue");
    is(keys %{ $browser->get("/$name/private")->{cookies} }, 0, "$name: nor is the new one reissued");
    is($browser->request('DELETE', "/$name/log-out", { 'x-csrf-token' => $ada->{csrf_token} })->{status}, 302, "$name: log-out");
    is(rows_of($ada), 0, "$name: ends both");
    is(client()->get("/$name/private", { cookie => $ada->{cookie} })->{status}, 401, "$name: the old cookie no longer works");
}
use_layout('sigra');



=== TEST 2: which requests are reissued
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- flow
for ([young => 3500], [old => 7200]) {
    my ($name, $age) = @$_;
    for (['/private', {}], ['/optional', {}], ['/off', {}], ['/private', { purpose => 'prefetch' }], ['/private', { 'sec-purpose' => 'prefetch;prerender' }],
        ['/private', { upgrade => 'websocket', connection => 'Upgrade' }], ['/private', { accept => 'application/json' }],
    ) {
        my ($path, $headers) = @$_;
        my $ada = authenticated_fixture(age => $age);
        my $answer = visit($ada, $path, %$headers);
        my $due = $name eq 'old' && $path ne '/off' && !grep { /purpose|upgrade/ } keys %$headers;
        is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . rows_of($ada), $due ? '200 1 2' : '200 0 1', join ' ', $name, $path, %$headers);
    }
}
for my $method (qw(HEAD POST PUT DELETE)) {
    my $ada = authenticated_fixture(age => 7200);
    my $answer = client()->request($method, '/private', { cookie => $ada->{cookie} });
    is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . rows_of($ada), '200 1 2', $method);
}
my $ada = authenticated_fixture(age => 60 * 86400 - 40);
is(visit($ada)->{status} . ' ' . rows_of($ada), '200 1', 'what has less than the grace left is let die');
my $dead = authenticated_fixture(age => 61 * 86400);
is(visit($dead)->{status} . ' ' . rows_of($dead), '401 1', 'expired sessions are not reissued');



=== TEST 3: remember-me
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- flow
for my $way (qw(session remember_cookie)) {
    my $ada = authenticated_fixture(age => 7200, remember_me => 86400);
    my $browser = client()->use_cookie($way eq 'session' ? ($ada->{cookie}, $ada->{remember_cookie}) : $ada->{remember_cookie});
    my $answer = $browser->get('/private');
    is($answer->{status}, 200, "by $way");
    is_deeply([sort keys %{ $answer->{cookies} }], [qw(_my_app_key _my_app_user_remember_me)], 'both cookies');
    ok($browser->session->{user_remember_me}, 'user_remember_me');
    is(length $browser->session->{_csrf_token}, 24, 'a CSRF state');
    my $token = $browser->session->{user_token};
    isnt($token, $ada->{token}, 'a new token');
    my $back = client()->use_cookie("_my_app_user_remember_me=" . $browser->cookies->{_my_app_user_remember_me});
    is($back->get('/private')->{status}, 200, 'back by the new one');
    is($back->session->{user_token}, $token, 'of the same token');
    is(rows_of($ada), 2, 'one new row');
}



=== TEST 4: not in a subrequest, and off by default
--- http_config eval
sigra_http_config(extra => 'auth_sigra_unauthenticated status;') . echo_upstream()
--- config
location = /page { auth_request /check; }
location = /check { auth_sigra on; auth_sigra_reissue_age 1h; rewrite ^ /echo break; proxy_pass http://echo; }
location = /private { auth_sigra on; rewrite ^ /echo break; proxy_pass http://echo; }
--- user_files
>>> page
page
--- request
GET /private
--- error_code: 401
--- flow
for my $path (qw(/page /private)) {
    my $ada = authenticated_fixture(age => 30 * 86400);
    my $answer = visit($ada, $path);
    is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . rows_of($ada), '200 0 1', $path);
}



=== TEST 5: a client that leaves, a database that goes down
--- http_config eval
sigra_http_config(postgres => 'timeout=5s', extra => 'auth_sigra_reissue_age 1h; auth_sigra_unauthenticated status;') . echo_upstream()
--- config eval: $::locations . 'location = /status { stub_status; }'
--- request
GET /private
--- error_code: 401
--- timeout: 30
--- flow
my ($ada, $bob) = map { authenticated_fixture(age => 7200) } 1, 2;
my $lock = db()->clone({ AutoCommit => 0 });
$lock->do('LOCK TABLE users_tokens IN SHARE MODE');
my $wire = wire(get('/private', $ada->{header}));
await_lookup();
$wire->leave;
await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ } 'the leave';
my $answer = visit($bob);
is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 0', 'the request that was looked up passes, with the old token');
await { !db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')) } 'the end of both statements';
$lock->rollback;
$answer = visit($bob);
is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 1', 'and is reissued when it is back');
--- error_log
auth_sigra



=== TEST 6: twenty at once, over two workers
--- http_config
--- config
--- request
GET /
--- timeout: 60
--- flow
my $nginx = Sigra::Nginx->new(
    http => ($::http =~ s{\$TEST_NGINX_SERVER_ROOT}{$ENV{TEST_NGINX_SERVER_ROOT}}gr =~ s{upstream\.sock}{two-workers.sock}gr),
    server => $::locations, workers => 2,
);
for my $round (1 .. 3) {
    my $ada = authenticated_fixture(age => 7200, remember_me => 86400 * 30);
    my $lock = db()->clone({ AutoCommit => 0 });
    $lock->do('LOCK TABLE users_tokens IN SHARE MODE');
    my @wires = map { wire(get('/private', $ada->{header}), port => $nginx->port) } 1 .. 20;
    await_lookup();
    $lock->rollback;
    my @answers = map { $_->answer } @wires;
    is_deeply([map { $_->{status} } @answers], [(200) x 20], 'none is refused');
    is(scalar(grep { ($_->{headers}{'set-cookie'} // '') =~ /^_my_app_key=/ } @answers), 1, 'one has a new session');
    is(rows_of($ada), 2, 'one new token');
}
is($nginx->stop, 0, 'the end');
is_deeply([$nginx->problems], [], 'nothing in the log');



=== TEST 7: a role that may not write
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- flow
my $ada = authenticated_fixture(age => 7200);
db()->do('REVOKE UPDATE ON users_tokens FROM sigra_nginx');
my $answer = visit($ada);
db()->do('GRANT UPDATE ON users_tokens TO sigra_nginx');
is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 0', 'passes with the old token');
--- error_log
[error]
auth_sigra: PostgreSQL refused a new token, the old one stays: 42501 permission denied
