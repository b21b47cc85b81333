# auth_sigra_schema: the three layouts, their names and types, and the condition on the users row.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

our ($http, $ada, @others);
my $extra = 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_forward on;';

# Creates a database of a layout with ada in it; optional SQL changes it before and after she is inserted.
sub layout {
    my ($layout, %option) = @_;
    my ($sql, $after, $where, $columns) = delete @option{qw(sql after where columns)};
    fresh_database($layout, name => "sigra_schema_$layout", %option);
    db()->do($_) for @{ $sql // [] };
    our $http = sigra_http_config(extra => $extra, where => $where) . echo_upstream();
    our $ada  = authenticated_fixture(email => 'Ada@Example.com', columns => $columns);
    db()->do($_) for @{ $after // [] };
}

# What the upstream gets for a fixture or a cookie: status, id, email.
sub seen {
    my ($who) = @_;
    my $answer = client()->get('/', { cookie => ref $who ? $who->{cookie} : $who });
    my ($id, $email) = ($answer->{content} // '') =~ /^id=(.*)\nemail=(.*)$/m;
    return join ' ', grep { defined } $answer->{status}, $id, $email;
}
sub is_ada { is(seen($ada), "200 $ada->{user_id} Ada\@Example.com", "ada: $_[0]") }

# A row of another kind is not a session, even if it has a token.
sub is_nobody { is(seen(authenticated_fixture(%{ $_[0] })), 401, "nobody: $_[1]") }

add_block_preprocessor(sub {
    my ($block) = @_;
    eval $block->init . '; 1' or die $@;
    $block->set_value(init   => '1');
    $block->set_value(http_config => $http);
    $block->set_value(config   => 'location / { proxy_pass http://echo; }') unless defined $block->config;
    $block->set_value(request  => 'GET /');
    $block->set_value(error_code => 401);
});
no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: sigra
--- init: layout('sigra')
--- flow
is_ada('bigint');
is_nobody({ context => $_ }, "context $_") for qw(reset_password confirm login change:x Session);
is_nobody({ row => { token => \"decode('00', 'hex')" } }, 'another token');
is(seen(session_cookie({ user_token => pack 'H*', $::ada->{stored_hex} })), 401, 'the stored hash is no token');
my $twice = authenticated_fixture(user_id => $::ada->{user_id}, email => $::ada->{email}, columns => {});
is(seen($twice), "200 $::ada->{user_id} Ada\@Example.com", 'another session of hers');
db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $twice->{session_id});
is(seen($twice), 401, 'which is then deleted');
db()->do('DELETE FROM users WHERE id = ?', undef, $::ada->{user_id});
is(seen($::ada), 401, 'a deleted user');



=== TEST 2: sigra with uuids
--- init: layout('sigra', id => 'uuid')
--- flow
is_ada('uuid');
like($::ada->{user_id}, qr/^[0-9a-f-]{36}$/, 'it is one');



=== TEST 3: phx_gen_auth
--- init: layout('phx_gen_auth')
--- flow
is_ada('the token as it is');
is_nobody({ context => 'login' }, 'a magic link');
is(seen(session_cookie({ user_token => pack 'H*', $::ada->{token_hash} })), 401, 'its hash');



=== TEST 4: phx_gen_auth with uuids
--- init: layout('phx_gen_auth', id => 'uuid')
--- flow
is_ada('uuid');



=== TEST 5: phx_gen_auth before 1.8
--- init: layout('phx_gen_auth_17')
--- config
location / { proxy_pass http://echo; add_header X-At "[$auth_sigra_authenticated_at]"; }
location /sudo { auth_sigra_sudo 1d; }
--- error_log: auth_sigra_sudo needs the column "authenticated_at" of relation "users_tokens"
--- flow
is_ada('no authenticated_at');
is(client()->get('/', {cookie => $::ada->{cookie}})->{headers}{'x-at'}, '[]', 'none');
is(client()->get('/sudo', {cookie => $::ada->{cookie}})->{status}, 403, 'never fresh');



=== TEST 6: sigra_sessions
--- init: layout('sigra_sessions')
--- flow
is_ada('the token as text');
is(seen(authenticated_fixture(email => 'bob@example.com', type => 'remember_me')) =~ s/\d+ (?=bob)//r, '200 bob@example.com', 'type remember_me');
is_nobody({ type => $_ }, "type $_") for qw(mfa_pending api STANDARD);
is(seen(session_cookie({ user_token => $::ada->{token} })), 401, 'the token in raw bytes');
is(seen(session_cookie({ user_token => $::ada->{token_text} . '=' })), 401, 'with padding');



=== TEST 7: sigra_sessions with uuids
--- init: layout('sigra_sessions', id => 'uuid')
--- flow
is_ada('uuid');



=== TEST 8: other names, in another schema
--- init: layout('sigra', users => 'auth.admins', tokens => 'auth.admin_tokens', singular => 'admin', plural => 'chiefs')
--- flow
like($::http, qr/users=auth.admins tokens=auth.admin_tokens singular=admin plural=chiefs/, 'configured so');
is_ada('admin');
is(seen(session_cookie({ user_token => $::ada->{token} })), 401, 'user_token is another one\'s');
my $answer = client()->get('/', {cookie => $::ada->{remember_cookie}});
my $session = open_session($answer->{cookies}{_my_app_key}{value});
is($session->{admin_token}, $::ada->{token}, 'admin_token');
is($session->{live_socket_id}, live_socket_id($::ada->{token}, 'chiefs'), 'live_socket_id');
ok($session->{admin_remember_me}, 'admin_remember_me');



=== TEST 9: names that need quotes
--- init
layout('sigra', after => ['ALTER TABLE users RENAME TO "User ""Accounts"', 'ALTER TABLE users_tokens RENAME TO "order"']);
$::http =~ s/auth_sigra_schema sigra/auth_sigra_schema sigra 'users=User "Accounts' tokens=order/;
--- flow
is_ada('quotes');



=== TEST 10: timestamps with a time zone
--- init
layout('sigra', sql => ['ALTER TABLE users_tokens ALTER inserted_at TYPE timestamptz, ALTER authenticated_at TYPE timestamptz']);
@::others = map { authenticated_fixture(row => { inserted_at => \"now() - interval '$_'", authenticated_at => \"now() - interval '$_'" }) }
    '59 days 23 hours 59 minutes', '60 days 1 minute', '-1 hour';
--- config
location / { proxy_pass http://echo; add_header X-At "$auth_sigra_authenticated_at"; }
--- flow
like(seen($::others[0]), qr/^200/, 'a minute before the end');
is(seen($::others[1]), 401, 'a minute after it');
like(seen($::others[2]), qr/^200/, 'a clock that was ahead');
my ($at) = db()->selectrow_array(q(SELECT to_char(authenticated_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM users_tokens WHERE id = ?),
    undef, $::others[0]{session_id});
is(client()->get('/', {cookie => $::others[0]{cookie}})->{headers}{'x-at'}, $at, 'authenticated_at in UTC');



=== TEST 11: where
--- init
layout('sigra', where => 'u.deleted_at IS NULL AND u.confirmed_at IS NOT NULL');
--- flow
is_ada('met');
is_nobody({ columns => { deleted_at => \'now()' } }, 'deleted');
is_nobody({ columns => { confirmed_at => undef } }, 'not confirmed');
db()->do('UPDATE users SET deleted_at = now()');
is(seen($::ada), 401, 'from now on');



=== TEST 12: a condition with an OR, bare names, a comment and quotes
--- init
layout('sigra', where => q{email LIKE 'Ada%' OR inserted_at > now() + interval '1 year' -- ) and so on});
--- flow
is_ada('met');
is_nobody({ email => 'bob@example.com' }, 'not met');
is(seen(session_cookie({ user_token => 'x' x 32 })), 401, 'an OR lets no other row in');



=== TEST 13: a condition that PostgreSQL refuses is no answer
--- init
layout('sigra', where => 'u.no_such_column');
--- flow
is(client()->get('/', {cookie => $::ada->{cookie}})->{status}, 503, '503');
is(client()->get('/')->{status}, 401, 'nothing is looked up');
ok(grep({ /no_such_column/ } split /\n/, slurp('logs/error.log')), 'the reason is in the log');



=== TEST 14: an account that is locked keeps its sessions
--- init
layout('sigra', columns => { failed_login_attempts => 5, locked_at => \'now()' });
--- flow
is_ada('locked');



=== TEST 15: several layouts of one database
--- init
layout('sigra');
db()->do('CREATE TABLE staff AS SELECT 42::bigint AS id, \'chief@example.com\'::citext AS email');
db()->do('CREATE TABLE staff_tokens AS SELECT id, 42::bigint AS admin_id, token, context, inserted_at FROM users_tokens');
grant_nginx(users => 'staff', tokens => 'staff_tokens', map { $_ => 'off' } qw(login lockout rehash));
--- config
location / { proxy_pass http://echo; }
location /staff { auth_sigra_schema sigra users=staff tokens=staff_tokens singular=admin plural=admins; proxy_pass http://echo; }
--- flow
is_ada('here');
my $get = sub { client()->get('/staff', {cookie => $_[0]})->{content} };
like($get->(session_cookie({ admin_token => $::ada->{token} })), qr/^email=chief\@example.com$/m, 'there');
unlike($get->($::ada->{cookie}), qr/email/, 'each with its own key');
