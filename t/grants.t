# examples/grants.sql: its rights are enough for everything that the module does, in every layout, and are no more than
# that.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Nginx ();
use Sigra::Wire;

our $role = 'sigra_granted';
Sigra::Fixture::connect_to('postgres', 'postgres')->do("CREATE ROLE $role LOGIN");

sub grants {
    my (@options) = @_;
    my $database = database();
    local %ENV = (%ENV, LD_PRELOAD => '');
    my $said = join ' ', map { quotemeta } (
        'psql', '-X', '-q', '-h', $ENV{SIGRA_TEST_PGHOST}, '-p', $ENV{SIGRA_TEST_PGPORT}, '-U', 'sigra', '-d', $database->{name},
        '-v', "role=$role", '-v', "schema=$database->{layout}", '-v', "users=$database->{users}", '-v', "tokens=$database->{tokens}",
        (map { ('-v', $_) } @options), '-f', 'examples/grants.sql',
    );
    return scalar qx($said 2>&1);
}

our $layouts = make_layouts('grants', <<'END', extra => "auth_sigra_password_checks floor=1ms;\nauth_sigra_reissue_age 1h;\nauth_sigra_password_hash argon2id m=64 t=1 p=1;");
LOCKOUT
location = PATH/log-in { auth_sigra_login; }
location = PATH/log-out { auth_sigra_logout; }
location = PATH/everywhere { auth_sigra_logout everywhere; }
location = PATH/renew { auth_sigra_renew; }
location PATH/sessions { auth_sigra_sessions; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
$layouts =~ s/user=sigra_nginx\b/user=$role/g;
# The layouts of Phoenix have no columns for this.
$layouts =~ s{LOCKOUT(?=\nlocation = /(phx|phx_17|admin)/)}{}g;
$layouts =~ s{LOCKOUT}{auth_sigra_lockout threshold=5 duration=15m;}g;

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a gate, logins, renewal, reissue, log-outs
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/log-out
--- error_code: 405
--- timeout: 60
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $lockout = $name =~ /phx|admin/ ? 'off' : 'on';
    is(main::grants("login=on", "lockout=$lockout", 'rehash=on'), '', "$name: granted");
    my $ada = authenticated_fixture(password => 'right', age => 7200);
    my $browser = client(timeout => 120)->use_cookie($ada->{cookie});
    is($browser->get("/$name/private")->{status}, 200, "$name: the gate, and a reissue");
    isnt($browser->session->{database()->{singular} . '_token'}, $ada->{token_text}, "$name: a new token");
    my $csrf = sub { { _csrf_token => csrf_mask($browser->session->{_csrf_token}) } };
    is($browser->post("/$name/renew", $csrf->())->{status}, 302, "$name: a renewal");
    my $elsewhere = authenticated_fixture(user_id => $ada->{user_id});
    like($browser->get("/$name/sessions")->{content}, qr/"id":"$elsewhere->{session_id}"/, "$name: a list");
    is($browser->delete("/$name/sessions/$elsewhere->{session_id}", $csrf->())->{status}, 204, "$name: an end");
    is($browser->delete("/$name/log-out", $csrf->())->{status}, 302, "$name: a log-out");
    is($browser->get("/$name/private")->{status}, 401, "$name: out");
    for my $password (qw(wrong right)) {
        $browser = client(timeout => 120);
        my ($token) = $browser->get("/$name/log-in", { accept => 'application/json' })->{content} =~ /"csrf_token":"([^"]+)"/;
        is($browser->post("/$name/log-in", { _csrf_token => $token, email => $ada->{email}, password => $password, remember_me => 'true' },
            { accept => 'application/json' })->{status}, $password eq 'right' ? 200 : 401, "$name: a login with a $password password");
    }
    like(db()->selectrow_array('SELECT hashed_password FROM ' . database()->{users} . ' WHERE email = ?', undef, $ada->{email}),
        qr/argon2id.*m=64/, "$name: rehashed");
    is($browser->delete("/$name/everywhere", $csrf->())->{status}, 302, "$name: log-out everywhere");
    my $users = database()->{users};
    for my $column (qw(email confirmed_at)) {
        ok(!db()->selectrow_array('SELECT has_column_privilege(?, ?, ?, ?)', undef, $main::role, $users, $column, 'UPDATE'),
            "$name: it may not write $column");
    }
    ok(!db()->selectrow_array("SELECT has_table_privilege(?, ?, 'DELETE, INSERT, TRUNCATE')", undef, $main::role, $users), "$name: nor users");

    is(main::grants(), '', "$name: the gate alone");
    my $eve = authenticated_fixture();
    is(client()->get("/$name/private", { cookie => $eve->{cookie} })->{status}, 200, "$name: which is enough");
    is(client()->get("/$name/sessions", { cookie => $eve->{cookie} })->{status}, 200, "$name: a list as well");
    ok(!db()->selectrow_array("SELECT has_table_privilege(?, ?, 'INSERT, UPDATE, DELETE')", undef, $main::role, database()->{tokens}), "$name: and the role has no more rights");
    my $sequence = db()->selectrow_array("SELECT pg_get_serial_sequence(?, 'id')", undef, database()->{tokens});
    ok(!defined $sequence || !db()->selectrow_array("SELECT has_sequence_privilege(?, ?, 'USAGE, SELECT, UPDATE')", undef, $main::role, $sequence),
        "$name: nor on the sequence of the ids");
}
--- no_error_log
42501



=== TEST 2: wrong usage
--- config
--- request
GET /
--- flow
use_layout('sigra');
like(main::grants('users=nosuch'), qr/relation "nosuch" does not exist/, 'a table that does not exist');
like(main::grants('role=nosuch'), qr/role "nosuch" does not exist/, 'a role that does not exist');



=== TEST 3: a role that may delete expired sessions but not log in users
--- config
--- request
GET /
--- timeout: 60
--- flow
for my $layout (qw(sigra phx_gen_auth sigra_sessions)) {
    fresh_database($layout);
    is(main::grants('prune=on'), '', "$layout: granted");
    my $dead = authenticated_fixture(age => 3 * 86_400);
    my $nginx = Sigra::Nginx->new(
        http   => (sigra_http_config(layout => $layout) =~ s/user=sigra_nginx\b/user=$::role/r) . ' auth_sigra_prune 100ms;',
        server => 'location / { auth_sigra on; auth_sigra_session_ttl 1d; }',
    );
    await { !session_row($dead) } "$layout: the row";
    is($nginx->stop, 0, "$layout: the end");
}



=== TEST 4: tables that conditions and attributes read
--- config
--- request
GET /
--- timeout: 120
--- flow
fresh_database('sigra', name => 'grants_reads');
db()->do('CREATE SCHEMA billing');
db()->do('CREATE TABLE memberships (user_id bigint)');
db()->do('CREATE TABLE billing."Plans" (owner_id bigint, name text)');
my $ada = authenticated_fixture();
db()->do('INSERT INTO memberships VALUES (?)', undef, $ada->{user_id});
db()->do(q(INSERT INTO billing."Plans" VALUES (?, 'pro')), undef, $ada->{user_id});
is(main::grants(), '', 'without them');
my $nginx = Sigra::Nginx->new(
    files  => { page => 'for ada', 'x/page' => 'for ada' }, http => sigra_http_config() =~ s/user=sigra_nginx\b/user=$::role/r,
    server => 'auth_sigra on; auth_sigra_unauthenticated status; location / { } location /x/ { '
        . 'auth_sigra_require "EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id)"; '
        . q(auth_sigra_attribute plan "(SELECT p.name FROM billing.\"Plans\" p WHERE p.owner_id = u.id)"; add_header X-Plan $auth_sigra_attribute_plan; }),
);
my $asked = sub { my ($nginx, $path) = @_; my $answer = client(port => $nginx->port)->get($path, { cookie => $ada->{cookie} }); return "$answer->{status} " . ($answer->{headers}{'x-plan'} // '') };
is($asked->($nginx, '/page'), '200 ', 'a session');
is($asked->($nginx, '/x/page'), '503 ', 'a condition that the role may not evaluate');
is(main::grants('reads=memberships,billing."Plans"'), '', 'with them');
await { $asked->($nginx, '/x/page') eq '200 pro' } 'the right';
pass('the right counts without a reload');
for my $table ('memberships', 'billing."Plans"') {
    ok(!db()->selectrow_array("SELECT has_table_privilege(?, ?, 'INSERT, UPDATE, DELETE, TRUNCATE')", undef, $::role, $table), "no more than to read: $table");
}
is(main::grants('reads=memberships,billing."Plans"', 'login=on'), '', 'again');
like(main::grants('reads=memberships,nosuch'), qr/relation "nosuch" does not exist/, 'a table that does not exist');
is($nginx->stop, 0, 'the end');



=== TEST 5: API tokens in a table of their own
--- config
--- request
GET /
--- timeout: 60
--- flow
fresh_database('sigra_sessions', name => 'grants_api_tokens');
my $ada = api_token_fixture();
my $nginx = Sigra::Nginx->new(
    files  => { page => 'for ada' }, http => sigra_http_config() =~ s/user=sigra_nginx\b/user=$::role/r,
    server => 'auth_sigra on; auth_sigra_bearer only; location / { }',
);
my $status = sub { client(port => $nginx->port)->get('/page', { authorization => "Bearer $ada->{text}" })->{status} };
is(main::grants(), '', 'without the table');
is($status->(), 503, 'the role may not read it');
is(main::grants('api_tokens=users_tokens', 'login=on'), '', 'with the table');
await { $status->() == 200 } 'the right';
ok(!db()->selectrow_array("SELECT has_table_privilege(?, 'users_tokens', 'INSERT, UPDATE, DELETE, TRUNCATE')", undef, $::role), 'only to read it');
is($nginx->stop, 0, 'nginx stops');
