# The traces of a login: $auth_sigra_login, $auth_sigra_login_email, the user, and a line in the error log.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => "auth_sigra_password_checks floor=1ms;\nauth_sigra_lockout threshold=2 duration=15m;")
    . "log_format login '\$auth_sigra_login|\$auth_sigra_login_email|\$auth_sigra_user_id|\$auth_sigra_email';\n";
our $config = '
access_log logs/login.log login;
location = /log-in { auth_sigra_login fallback=@app; }
location = /log-out { auth_sigra_logout; }
location @app { return 200 "the application\n"; }
location = /plain { return 200 "plain\n"; }
';
our $ada = user_fixture(email => 'ada@example.com', password => 'right');
our $eve = user_fixture(email => 'eve@example.com', password => 'right');
log_level('info');

# Waits until the access log has this many lines, and returns the last one.
sub logged {
    my ($lines) = @_;
    my @all;
    await {
        open my $in, '<', "$ENV{TEST_NGINX_SERVER_ROOT}/logs/login.log" or return 0;
        @all = <$in>;
        @all >= $lines;
    } "$lines lines of the log";
    # nginx writes «-» for a missing value.
    return $all[-1] =~ s/\n\z//r =~ s/(?<![^|])-(?![^|])//gr;
}

sub token { return $_[0]->get('/log-in', { accept => 'application/json' })->{content} =~ /"csrf_token":"([^"]+)"/ ? $1 : '' }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: each result
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /plain
--- response_body
plain
--- timeout: 60
--- flow
$client = client(timeout => 120);
my $lines = 1;
is(logged($lines), '|||', 'another request has none');
my $log = sub {
    my ($form, $headers) = @_;
    my $browser = client(timeout => 120);
    my $csrf = token($browser);
    $browser->post('/log-in', ref $form ? { _csrf_token => $csrf, %$form } : $form, { accept => 'application/json', %{ $headers // {} } });
    $lines += 2;
    return logged($lines);
};
my ($ada, $eve) = ($main::ada->{user_id}, $main::eve->{user_id});
is($log->({ email => 'ada@example.com', password => 'right' }), "ok|ada\@example.com|$ada|ada\@example.com", 'ok: and the user');
is($log->({ email => 'Ada@Example.com', password => 'wrong' }), 'refused|Ada@Example.com||', 'a wrong password');
is($log->({ email => "no\"body\n, client: 1.2.3.4,", password => 'x' }), 'refused|no%22body%0A%2C%20client%3A%201.2.3.4%2C||', 'an unknown email, with characters that a log must not have');
is($log->({ email => 'eve@example.com', password => 'x' }), 'refused|eve@example.com||', 'once') for 1 .. 2;
is($log->({ email => 'eve@example.com', password => 'right' }), 'locked|eve@example.com||', 'locked');
is($log->({ email => 'ada@example.com' }), 'fallback|ada@example.com||', 'to the application');
is($log->({ _csrf_token => 'x', email => 'ada@example.com', password => 'right' }), 'csrf|ada@example.com||', 'no good token');
is($log->('{', { 'content-type' => 'application/json' }), 'malformed|||', 'a body that is none');
is($log->({ email => 'ada@example.com', password => 'right' }, { origin => 'https://evil.example' }), 'origin|||', 'from another site');

open my $in, '<', "$ENV{TEST_NGINX_SERVER_ROOT}/logs/error.log" or die $!;
my $error_log = do { local $/; <$in> };
like($error_log, qr/\[info\] \S+ \*\d+ auth_sigra: login of user \Q$ada\E, client: 127\.0\.0\.1,/, 'a login');
like($error_log, qr/auth_sigra: login refused for "Ada\@Example\.com": wrong password, client: 127\.0\.0\.1,/, 'a refusal, and why');
like($error_log, qr/auth_sigra: login refused for "no%22body[^"]*": unknown email, client: 127\.0\.0\.1,/, 'an email as it may be');
like($error_log, qr/auth_sigra: login refused for "eve\@example\.com": locked, client/, 'a lockout');
unlike($error_log, qr/right|wrong(?! password)/, 'no password');
my ($regex) = grep { -x } map { "$_/fail2ban-regex" } split /:/, $ENV{PATH};
SKIP: {
    skip 'no fail2ban-regex', 1 if !$regex;
    local $ENV{LD_PRELOAD};
    my $said = qx($regex $ENV{TEST_NGINX_SERVER_ROOT}/logs/error.log examples/fail2ban/nginx-auth-sigra.conf 2>&1);
    like($said, qr/^Lines: \d+ lines, 0 ignored, 5 matched/m, 'fail2ban sees each refusal') or diag($said);
}



=== TEST 2: why another endpoint answers 403
--- http_config eval: $::http
--- config
location = /log-out { auth_sigra_logout; }
location = /renew { auth_sigra_renew; }
location /sessions { auth_sigra_sessions; }
location = /me { auth_sigra_session; }
location = /page { ssi on; ssi_types *; }
location = /plain { return 200 "plain\n"; }
--- user_files
>>> page
<!--# include virtual="/me" -->
--- request
GET /plain
--- response_body
plain
--- timeout: 60
--- flow
my $session = authenticated_fixture(email => 'kim@example.com');
my $said = sub {
    my ($request, @headers) = @_;
    my $path = "$ENV{TEST_NGINX_SERVER_ROOT}/logs/error.log";
    my $read = sub { open my $in, '<', $path or return ''; local $/; return <$in> // '' };
    my $before = length $read->();
    my $answer = wire("$request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n" . join('', map { "$_\r\n" } @headers) . "\r\n")->answer;
    return "$answer->{status} " . join ', ', substr($read->(), $before) =~ /\[info\] .*?auth_sigra: (.*? answers 403: .*?), client: 127/g;
};
my $token = q(the CSRF token is missing, or is not this session's);
my $site  = 'another site has sent it, by Sec-Fetch-Site or Origin';
is($said->($_->[0], $session->{header}), "403 \"$_->[1]\" answers 403: $token", "$_->[1]: no token")
    for ['POST /log-out', 'auth_sigra_logout'], ['POST /renew', 'auth_sigra_renew'], ['DELETE /sessions/1', 'auth_sigra_sessions'];
is($said->($_->[0], $session->{header}, 'Sec-Fetch-Site: cross-site'), "403 \"$_->[1]\" answers 403: $site", "$_->[1]: from another site")
    for ['POST /log-out', 'auth_sigra_logout'], ['POST /renew', 'auth_sigra_renew'], ['DELETE /sessions/1', 'auth_sigra_sessions'], ['GET /me', 'auth_sigra_session'];
is($said->('GET /page', $session->{header}), '200 "auth_sigra_session" answers 403: a subrequest', 'a subrequest');
is($said->('POST /log-out', 'Sec-Fetch-Site: same-origin'), '302 ', 'an old form is led on, and is no refusal');



=== TEST 3: in a header of the answer
--- http_config eval: $::http
--- config
add_header X-Login "$auth_sigra_login $auth_sigra_login_email $auth_sigra_user_id" always;
location = /log-in { auth_sigra_login fallback=@app; }
location @app { return 200 "the application\n"; }
--- request
GET /log-in
--- timeout: 60
--- flow
my $id = $::ada->{user_id};
db()->do('UPDATE users SET failed_login_attempts = 0, locked_at = NULL');
for my $json (0, 1) {
    my $log = sub {
        my ($form) = @_;
        my $browser = client(timeout => 120);
        my $csrf = token($browser);
        my $answer = $browser->post('/log-in', { _csrf_token => $csrf, %$form }, $json ? { accept => 'application/json' } : ());
        return "$answer->{status} $answer->{headers}{'x-login'}";
    };
    my $is = $json ? 'as JSON' : 'to a person';
    is($log->({ email => 'ada@example.com', password => 'right' }), ($json ? 200 : 302) . " ok ada\@example.com $id", "right, $is");
    is($log->({ email => 'ada@example.com', password => 'no' }), ($json ? 401 : 302) . ' refused ada@example.com ', "refused, $is");
    is($log->({ email => 'ada@example.com' }), '200 fallback ada@example.com ', "to the application, $is");
}
