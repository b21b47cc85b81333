# auth_sigra_bearer: API tokens in the Authorization header, as in the guide to API authentication of mix phx.gen.auth.

use Test::Nginx::Socket 'no_plan';
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Layouts;
use Sigra::Wire;

our $layouts = make_layouts('bearer', <<'END');
location = PATH/page { auth_sigra on; auth_sigra_bearer on; auth_sigra_forward on; rewrite ^ /echo break; proxy_pass http://echo; }
location = PATH/only { auth_sigra on; auth_sigra_bearer only; rewrite ^ /echo break; proxy_pass http://echo; }
END
fresh_database('sigra', name => 'sigra_bearer_other');
add_triggers();
our $other = sigra_http_config(extra => 'add_header X-Status $auth_sigra_status always; auth_sigra_cache zone=sessions:1m;');
our $other_database = database();
fresh_database('sigra');
add_triggers(contexts => 'api-token,mobile.v2');
our $database = database();
our $http = sigra_http_config(extra => 'add_header X-Status $auth_sigra_status always;') . echo_upstream();
our $files = [map { [$_ => "for ada\n"] } qw(page on/page only/page off/page other/page any/page sudo/page optional/page)];
our $locations = <<'END';
location /on/       { alias html/; auth_sigra on; auth_sigra_bearer on; }
location /only/     { alias html/; auth_sigra on; auth_sigra_bearer only; }
location /off/      { alias html/; auth_sigra on; }
location /other/    { alias html/; auth_sigra on; auth_sigra_bearer on context=mobile.v2 ttl=1h; }
location /sudo/     { alias html/; auth_sigra on; auth_sigra_bearer on; auth_sigra_sudo 1h; }
location /optional/ { alias html/; auth_sigra optional; auth_sigra_bearer on; }
location /any/      { alias html/; auth_sigra on; auth_sigra_bearer on; satisfy any; allow all; }
location = /session { auth_sigra_session; auth_sigra_bearer on; }
END

# The status, $auth_sigra_status, and the challenge if there is one.
sub answer {
    my ($path, %headers) = @_;
    my $answer = client()->get($path, \%headers);
    return join ' ', grep { defined } $answer->{status}, @{ $answer->{headers} }{qw(x-status www-authenticate)};
}
sub bearer { return (authorization => 'Bearer ' . (ref $_[0] ? $_[0]{text} : $_[0])) }

our $wrong   = 'Bearer error="invalid_token"';
our $nothing = 'Bearer realm="auth_sigra"';

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a token passes, in every layout
--- http_config eval: $::http
--- config eval: $::layouts
--- request
GET /sigra/only
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm="auth_sigra"
Cache-Control: no-store
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $ada = api_token_fixture();
    my $answer = client()->get("/$name/page", { bearer($ada) });
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 0', "$name: in, and no cookie");
    like($answer->{content}, qr/^id=\Q$ada->{user_id}\E\nemail=\Q$ada->{email}\E\nauthenticated_at=\n/m, "$name: the user");
    is(client()->get("/$name/only", { bearer($ada) })->{status}, 200, "$name: where it has to be one");

    my $bob = authenticated_fixture();
    is(client()->get("/$name/page", { cookie => $bob->{cookie} })->{status}, 200, "$name: a session passes too");
    is(client()->get("/$name/only", { cookie => $bob->{cookie} })->{status}, 401, "$name: but where it has to be a token");
    is(answer("/$name/page", bearer(MIME::Base64::encode_base64url($bob->{token}))), "401 unknown $::wrong", "$name: a session's token is none");
    my $cookie = session_cookie({ database()->{singular} . '_token' => database()->{layout} eq 'sigra_sessions' ? $ada->{text} : $ada->{token} });
    is(client()->get("/$name/page", { cookie => $cookie, accept => 'application/json' })->{status}, 401, "$name: and a token is no session's");
    db()->do("DELETE FROM $ada->{tokens} WHERE id = ?", undef, $ada->{token_id});
    is(answer("/$name/page", bearer($ada)), "401 unknown $::wrong", "$name: a deleted token");
}
use_database($::database);



=== TEST 2: malformed, unknown and expired tokens
--- http_config eval: $::http
--- config eval: $::locations
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture();
is(answer('/on/page', bearer($ada)), '200 miss', 'a token');
for (['' => 'none'], ['x' => 'short'], [$ada->{text} . 'AAAA' => 'long'], [$ada->{text} . '=' => 'padded'], [substr($ada->{text}, 1) => 'cut'],
    ["$ada->{text} x" => 'two words'], ['!' x 43 => 'another alphabet'], ['A' x 4000 => 'very long']) {
    my ($text, $name) = @$_;
    is(answer("/$_/page", bearer($text)), "401 invalid $::wrong", "$name, $_") for qw(on only);
}
is(wire(get('/on/page', "Authorization: Bearer \xff\x80" . 'A' x 41))->answer->{status}, 401, 'bytes');
is(answer('/on/page', bearer('A' x 43)), "401 unknown $::wrong", 'unknown');
for my $scheme ('bearer', 'BEARER', 'Bearer  ') { is(answer('/on/page', authorization => "$scheme $ada->{text}"), '200 miss', "«$scheme»") }
for my $scheme ('Basic', 'Bearers', 'Token') {
    is(answer('/only/page', authorization => "$scheme $ada->{text}"), "401 anonymous $::nothing", "$scheme is another scheme");
    is((answer('/on/page', authorization => "$scheme $ada->{text}"))[0], '302 anonymous', 'and does not identify the user');
}
for my $blank ("\t", "\t ", " \t") {
    for my $where (qw(on only)) {
        my $answer = wire(get("/$where/page", "Authorization: Bearer$blank$ada->{text}", authenticated_fixture()->{header}))->answer;
        is("$answer->{status} $answer->{headers}{'www-authenticate'}", "401 $::wrong", "a blank that is none, $where: " . unpack 'H*', $blank);
    }
}
is(answer('/on/page', bearer(api_token_fixture(age => 366 * 86400))), "401 expired $::wrong", 'older than a year');
is(answer('/on/page', bearer(api_token_fixture(age => 364 * 86400))), '200 miss', 'younger');
is(answer('/on/page', bearer(api_token_fixture(context => 'mobile.v2'))), "401 unknown $::wrong", 'another context');
is(answer('/on/page', bearer(api_token_fixture(context => 'reset_password'))), "401 unknown $::wrong", 'a link in a mail');
is(answer('/other/page', bearer(api_token_fixture(context => 'mobile.v2'))), '200 miss', 'its own location');
is(answer('/other/page', bearer(api_token_fixture(context => 'mobile.v2', age => 3700))), "401 expired $::wrong", 'its own ttl');
is(answer('/other/page', bearer($ada)), "401 unknown $::wrong", 'and none of the others');
is(answer('/on/page', bearer(api_token_fixture(sent_to => 'old@example.com'))), "401 unknown $::wrong", 'issued for an old email');
db()->do('UPDATE users SET email = ? WHERE id = ?', undef, 'countess@example.com', $ada->{user_id});
is(answer('/on/page', bearer($ada)), "401 unknown $::wrong", 'the email has changed');
db()->do('UPDATE users SET email = ? WHERE id = ?', undef, $ada->{email}, $ada->{user_id});
is(answer('/on/page', bearer($ada)), '200 miss', 'and back');



=== TEST 3: never a redirect, a cookie or a session
--- http_config eval: $::http
--- config eval: $::locations . 'auth_sigra_reissue_age 1m; auth_sigra_unauthenticated redirect;'
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture(age => 3 * 86400);
my $bob = authenticated_fixture(age => 3 * 86400, remember_me => 5 * 86400);
for my $case ([$ada, 200, 'on'], ['x', 401, 'on'], ['x', 401, 'only'], [$ada, 403, 'sudo'], ['x', 200, 'optional'], [$ada, 200, 'session'], ['x', 401, 'session']) {
    my ($token, $status, $where) = @$case;
    my $answer = client()->get($where eq 'session' ? '/session' : "/$where/page", { bearer($token), accept => 'text/html' });
    is("$answer->{status} " . ($answer->{headers}{location} // '') . keys %{ $answer->{cookies} }, "$status 0", "$where: " . (ref $token ? 'good' : 'bad'));
    $answer = client()->get($where eq 'session' ? '/session' : "/$where/page", { bearer($token), accept => 'text/html', cookie => "$bob->{cookie}; $bob->{remember_cookie}" });
    is("$answer->{status} " . ($answer->{headers}{location} // '') . keys %{ $answer->{cookies} }, "$status 0", "$where: with cookies");
}
ok(session_row($bob), 'the session is as it was');
my $answer = client()->get('/only/page', { cookie => $bob->{cookie}, accept => 'text/html' });
is("$answer->{status} " . keys %{ $answer->{cookies} }, '401 0', 'where a token is required, a browser is not redirected either');
is(wire(get('/only/page', 'Cookie: a=b', 'Cookie: c=d', $ada->{header}))->answer->{status}, 200, 'and cookies are ignored');
is(wire(get('/on/page', 'Cookie: a=b', 'Cookie: c=d', $ada->{header}))->answer->{status}, 400, 'in other locations two are too many');
is(wire(get('/on/page', $ada->{header}, $ada->{header}))->answer->{status}, 400, 'as are two tokens');



=== TEST 4: two different credentials: the token counts
--- http_config eval: $::http . 'auth_sigra_cache zone=sessions:1m;'
--- config eval: $::locations . 'add_header X-Who "$auth_sigra_email $auth_sigra_csrf_token" always; add_header X-Status $auth_sigra_status always;'
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture();
my $bob = authenticated_fixture();
my @both = (cookie => $bob->{cookie}, bearer($ada));
await { answer('/on/page', bearer($ada)) eq '200 hit' } 'a hit';
await { answer('/on/page', cookie => $bob->{cookie}) eq '200 hit' } 'a hit';
is(client()->get('/on/page', { @both })->{headers}{'x-who'}, "$ada->{email} ", 'the token, and no CSRF token of the session');
is(client()->get('/off/page', { @both })->{headers}{'x-who'} =~ s/ .*//r, $bob->{email}, 'the session where tokens are not looked at');
is(answer('/on/page', cookie => $bob->{cookie}, bearer('x')), "401 invalid $::wrong", 'also a bad one');
is(answer('/optional/page', cookie => $bob->{cookie}, bearer('x')), '200 invalid', 'who is anonymous then');



=== TEST 5: a cached API token is not taken for a session
--- http_config eval: $::http . 'auth_sigra_cache zone=sessions:1m ttl=1h;'
--- config eval: $::locations . 'add_header X-Status $auth_sigra_status always;'
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture();
# In this layout the same 32 bytes could be a session's token; only the context differs.
my $cookie = session_cookie({ user_token => $ada->{token} });
await { answer('/on/page', bearer($ada)) eq '200 hit' } 'a hit';
is(answer('/off/page', cookie => $cookie, accept => 'application/json'), '401 unknown Cookie realm="auth_sigra"', 'no session');
is(answer('/on/page', cookie => $cookie, accept => 'application/json'), "401 unknown $::nothing", 'nowhere');
is(answer('/other/page', bearer($ada)), "401 unknown $::wrong", 'nor one of another context');
is(answer('/on/page', bearer($ada)), '200 hit', 'but still what it is');
my $bob = authenticated_fixture();
await { answer('/on/page', cookie => $bob->{cookie}) eq '200 hit' } 'a hit';
is(answer('/on/page', bearer(MIME::Base64::encode_base64url($bob->{token}))), "401 unknown $::wrong", 'and a session no token');



=== TEST 6: a deleted token is refused at once, in every layout
--- config
--- request
GET /
--- timeout: 120
--- flow
use Sigra::Nginx ();
for my $layout (qw(sigra phx_gen_auth sigra_sessions)) {
    fresh_database($layout, name => "sigra_bearer_$layout");
    my $ada = api_token_fixture();
    my $bob = api_token_fixture();
    my $eve = authenticated_fixture(user_id => $bob->{user_id}, email => $bob->{email});
    add_triggers();
    my $nginx = Sigra::Nginx->new(
        workers => 2, files => { page => 'for ada' },
        http => sigra_http_config(extra => 'auth_sigra_cache zone=sessions:1m ttl=1h; add_header X-Status $auth_sigra_status always; add_header X-Worker $pid always;'),
        server => 'location / { auth_sigra on; auth_sigra_bearer on; auth_sigra_unauthenticated status; }',
    );
    my $ask = sub {
        my $answer = client(port => $nginx->port)->get('/page', { @_ });
        return ("$answer->{status} $answer->{headers}{'x-status'}", $answer->{headers}{'x-worker'});
    };
    my $warm = sub {
        my @who = @_;
        my %warm;
        await { my ($seen, $pid) = $ask->(@who); $seen eq '200 hit' ? $warm{$pid}++ : delete $warm{$pid}; keys %warm == 2 } 'a hit on each worker';
    };
    $warm->(bearer($ada));
    $warm->(bearer($bob));
    $warm->(cookie => $eve->{cookie});
    db()->do("DELETE FROM $ada->{tokens} WHERE id = ?", undef, $ada->{token_id});
    await { ($ask->(bearer($ada)))[0] =~ /^401/ } 'the first refusal';
    my %seen = map { ($ask->(bearer($ada)))[0] => 1 } 1 .. 20;
    is(join(', ', sort keys %seen), '401 unknown', "$layout: passes nowhere from then on");
    is(($ask->(bearer($bob)))[0], '200 hit', "$layout: another token stays");
    db()->do('UPDATE users SET email = ? WHERE id = ?', undef, 'new@example.com', $bob->{user_id});
    await { ($ask->(bearer($bob)))[0] =~ /^401/ } 'the refusal';
    pass("$layout: with the email the tokens end");
    is((($ask->(cookie => $eve->{cookie}))[0]) =~ s/ .*//r, '200', "$layout: and the sessions stay");
    is($nginx->stop, 0, "$layout: the end");
    is_deeply([$nginx->problems], [], "$layout: nothing in the log");
}
use_database($::database);



=== TEST 7: triggers that do not know the context, and triggers from before there were API tokens
--- http_config eval: $::other
--- config eval: $::locations
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- error_log
no triggers that notify "auth_sigra_revoked" on "users_tokens" (context mobile.v2): run examples/revocation.sql
--- flow
use_database($::other_database);
my $ada = api_token_fixture();
is(statuses(3, '/off/page', authenticated_fixture()), '200 miss, 200 miss, 200 miss', 'nothing is kept');
is(answer('/on/page', bearer($ada)), '200 miss', 'nor this');
await { backends(q(query LIKE '%pg_trigger%')) } 'the query for the triggers';
# The triggers as they were before: three arguments.
my $listener = db()->clone;
$listener->do('LISTEN auth_sigra_revoked');
db()->do('DROP TRIGGER auth_sigra_revoke_delete ON users_tokens');
db()->do(q{CREATE TRIGGER auth_sigra_revoke_delete AFTER DELETE ON users_tokens REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION auth_sigra_revoke('auth_sigra_revoked', 'sigra', '{updated_at}')});
my $bob = authenticated_fixture();
revoke($bob);
use_database($::database);
my $heard;
await { $heard = $listener->pg_notifies } 'a notification';
is($heard->[2], $bob->{token_hash}, 'a trigger with three arguments notifies of sessions');



=== TEST 8: with subrequests, satisfy any, error_page, HEAD
--- http_config eval: $::http
--- config eval
$::locations . '
location /ask/  { auth_request /auth; alias html/; }
location = /auth { auth_sigra on; auth_sigra_bearer on; alias html/page; }
location /error/ { auth_sigra on; auth_sigra_bearer only; error_page 401 /sorry; alias html/; }
location = /sorry { alias html/page; }'
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture();
is(answer('/ask/page', bearer($ada)) =~ s/ .*//r, '200', 'auth_request');
is(client()->get('/ask/page', { bearer('x') })->{headers}{'www-authenticate'}, $::wrong, 'and its challenge');
is(client()->get('/any/page', { bearer('x') })->{headers}{'www-authenticate'}, undef, 'none where another lets it in');
my $answer = client()->get('/error/page', { bearer('x') });
is("$answer->{status} $answer->{content} $answer->{headers}{'www-authenticate'}", "401 for ada\n $::wrong", 'error_page');
is(client()->request('HEAD', '/on/page', { bearer($ada) })->{status}, 200, 'HEAD');



=== TEST 9: an API without cookies needs no secret; sudo and where apply
--- http_config eval: (sigra_http_config(where => 'u.deleted_at IS NULL') =~ s/auth_sigra_secret_key_base .*;//r)
--- config
location /only/ { alias html/; auth_sigra on; auth_sigra_bearer only; add_header X-Status $auth_sigra_status always; }
location = /session { auth_sigra_session; auth_sigra_bearer only; }
--- user_files eval: $::files
--- request
GET /only/page
--- error_code: 401
--- flow
my $ada = api_token_fixture();
is(answer('/only/page', bearer($ada)), '200 miss', 'in');
my $me = client()->get('/session', { bearer($ada) });
like($me->{content}, qr/^\{"user":\{"id":$ada->{user_id},"email":"\Q$ada->{email}\E"\},"authenticated_at":null,"expires_at":"[^"]*","csrf_token":null\}$/, 'the current user');
is(client()->get('/session')->{headers}{'www-authenticate'}, $::nothing, 'anonymous');
is(client()->get('/session', { bearer('x') })->{headers}{'www-authenticate'}, $::wrong, 'a bad token');
db()->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $ada->{user_id});
is(answer('/only/page', bearer($ada)), "401 unknown $::wrong", 'a user who does not meet «where»');



=== TEST 10: with sessions, a secret is needed
--- http_config eval: sigra_http_config() =~ s/auth_sigra_secret_key_base .*;//r
--- config
location / { auth_sigra on; auth_sigra_bearer on; }
--- must_die
--- error_log
"auth_sigra" needs a secret



=== TEST 11: endpoints for sessions use only cookies
--- http_config eval: $::http . 'auth_sigra_bearer on;'
--- config
location = /log-in { auth_sigra_login; }
location = /log-out { auth_sigra_logout; }
location = /renew { auth_sigra_renew; }
--- request
GET /log-in
--- flow
my $ada = api_token_fixture();
my $bob = authenticated_fixture();
is(client()->get('/log-in', { bearer($ada) })->{status}, 200, 'the form');
is(client()->post('/log-out', {}, { bearer($ada), cookie => $bob->{cookie} })->{status}, 403, 'a log-out requires the CSRF token');
ok(session_row($bob), 'and ends nothing');
is(client()->post('/renew', {}, { bearer($ada), cookie => $bob->{cookie} })->{status}, 403, 'as does a renewal');
is(client()->post('/log-out', { _csrf_token => $bob->{csrf_token} }, { bearer($ada), cookie => $bob->{cookie} })->{status}, 302, 'with it, a log-out');
is(session_row($bob), undef, 'of the session');
ok(db()->selectrow_array('SELECT true FROM users_tokens WHERE id = ?', undef, $ada->{token_id}), 'and not of the token');



=== TEST 12: no database
--- http_config eval: sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra')
--- config
location / { auth_sigra on; auth_sigra_bearer only; }
--- request
GET /
--- more_headers eval: api_token_fixture()->{header}
--- error_code: 503
--- response_headers
Retry-After: 2
! WWW-Authenticate
--- error_log
cannot connect



=== TEST 13: auth_sigra_require and auth_sigra_attribute hold for tokens as for sessions
--- http_config eval: $::http . 'auth_sigra_cache zone=sessions:1m;'
--- config
auth_sigra_bearer on;
auth_sigra_attribute domain "split_part(u.email, '@', 2)";
add_header X-Status $auth_sigra_status always;
add_header X-Domain $auth_sigra_attribute_domain always;
location /on/    { alias html/; auth_sigra on; auth_sigra_require "u.confirmed_at IS NOT NULL"; auth_sigra_require "u.email LIKE 'admin%'"; }
location /only/  { alias html/; auth_sigra on; auth_sigra_bearer only; auth_sigra_require "u.email LIKE 'admin%'"; }
location /other/ { alias html/; auth_sigra on; auth_sigra_require "no_such_column"; }
location = /session { auth_sigra_session; }
--- user_files eval: $::files
--- request
GET /on/page
--- error_code: 302
--- error_log
no_such_column
--- flow
my $ada = api_token_fixture();
my $unique = join '-', $$, map { int rand 1e9 } 1, 2;
my $admin = api_token_fixture(email => "admin-$unique\@example.com");
for my $try (1, 2) {
    for (['on', $ada, '403 forbidden'], ['on', $admin, '200 '], ['only', $ada, '403 forbidden'], ['only', $admin, '200 '], ['other', $admin, '503 error']) {
        my ($where, $who, $expected) = @$_;
        my $answer = answer("/$where/page", bearer($who));
        like($answer, qr/^\Q$expected\E/, "$where, $who->{email}: $expected");
    }
    await { answer('/on/page', bearer($admin)) eq '200 hit' } 'a hit';
}
my $answer = client()->get('/on/page', { bearer($ada), accept => 'text/html' });
is("$answer->{content} $answer->{headers}{'x-domain'}", '{"error":"You are not allowed to access this page."} example.com', 'a program gets JSON');
like(client()->get('/session', { bearer($ada) })->{content}, qr/"attributes":\{"domain":"example.com"\}/, 'the current user');
db()->do('UPDATE users SET email = ? WHERE id = ?', undef, "former-$unique\@example.com", $admin->{user_id});
db()->do('UPDATE users_tokens SET sent_to = ? WHERE user_id = ?', undef, "former-$unique\@example.com", $admin->{user_id});
await { answer('/on/page', bearer($admin)) !~ /^200/ } 'the change';
like(answer('/on/page', bearer($admin)), qr/^403 forbidden/, 'a user who changes is looked up again');



=== TEST 14: Vary says what an answer depends on
--- http_config eval: $::http
--- config
location /optional/ { alias html/; auth_sigra optional; auth_sigra_bearer on; }
location /only/ { alias html/; auth_sigra optional; auth_sigra_bearer only; }
location /off/ { alias html/; auth_sigra optional; }
--- user_files eval: $::files
--- request
GET /off/on/page
--- flow
my $vary = sub { join ', ', sort map { s/^\s+|\s+$//gr } map { split /,/ } grep { defined } map { ref ? @$_ : $_ } client()->get($_[0])->{headers}{vary} };
is($vary->('/optional/on/page'), 'Authorization, Cookie', 'on');
is($vary->('/only/on/page'), 'Authorization', 'only');
is($vary->('/off/on/page'), 'Cookie', 'off');



=== TEST 15: a token is not fresh for auth_sigra_sudo, whatever its row says
--- http_config eval: $::http
--- config
location /sudo/ { alias html/; auth_sigra on; auth_sigra_bearer on; auth_sigra_sudo 1h; }
--- user_files eval: $::files
--- request
GET /sudo/on/page
--- error_code: 302
--- flow
my $ada = api_token_fixture();
db()->do(q(UPDATE users_tokens SET authenticated_at = now() AT TIME ZONE 'utc' WHERE user_id = ?), undef, $ada->{user_id});
is(client()->get('/sudo/on/page', { bearer($ada) })->{status}, 403, 'not fresh');



=== TEST 16: contexts of tokens that are sent by mail
--- http_config eval: $::http
--- config
location / { auth_sigra on; auth_sigra_bearer on context=reset_password; }
--- must_die
--- error_log
the context "reset_password" is that of tokens sent by mail



=== TEST 17: times that are infinite
--- http_config eval: $::http
--- config
location / { auth_sigra on; auth_sigra_bearer on ttl=9223372036854775807; }
--- must_die
--- error_log
invalid value "9223372036854775807" of "ttl"
