# Runs each configuration of examples/ and README.md with the installed nginx, a PostgreSQL with the tables of
# examples/schema.sql and the triggers of examples/revocation.sql, and the files that an example needs. Only what
# readers must replace themselves is replaced: listen addresses, the module's path, the upstream's address, the office's
# network; and timeouts, because the machine may be busy.

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use DBI;
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use POSIX ();
use Sigra::Fixture;
use Sigra::Wire ();
use Test::More;
use Time::HiRes qw(sleep time);

my $top    = abs_path(dirname($0) . '/..');
my $module = abs_path((split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // "$top/build/ngx_http_auth_sigra_module.so")[0]);
my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $prefix = tempdir('sigra-examples-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $secret = secret_key_base;
our $port;
my ($gate_port, $nginx);
my $owner = $$;

chmod 0755, $prefix;

END {
    local $?;
    stop_nginx() if $$ == $owner && $nginx;
}

sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or return '';
    local $/;
    return <$in> // '';
}

sub spew {
    my ($path, $text, $mode) = @_;
    make_path(dirname($path));
    open my $out, '>:raw', $path or die "$path: $!";
    print $out $text;
    close $out or die "$path: $!";
    chmod $mode // 0644, $path;
}

sub await {
    my ($what, $condition) = @_;
    my $deadline = time + 120;
    until ($condition->()) {
        die "$what: waited in vain\n" . slurp("$prefix/logs/error.log") if time > $deadline;
        sleep 0.01;
    }
}

# ---- the database, with the tables of examples/schema.sql

sub example_database {
    my ($layout) = @_;
    fresh_database($layout, name => "sigra_examples_$layout");
    db()->do('SET client_min_messages = warning');
    db()->do('DROP SCHEMA public CASCADE');
    db()->do('CREATE SCHEMA public');
    local %ENV = %ENV;
    delete @ENV{ 'LD_PRELOAD', grep { /^PG/ } keys %ENV };
    for my $file (qw(schema.sql revocation.sql) x 2) {    # they promise that they can run again
        my @psql = (
            'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', "schema=$layout", '-f', "$top/examples/$file",
            conninfo('sigra') . q( options='-c client_min_messages=warning')
        );
        system({ $psql[0] } @psql) == 0 or die "$file failed\n";
    }
}

sub conninfo {
    my ($user) = @_;
    return sprintf 'host=%s port=%s dbname=%s user=%s', @ENV{qw(SIGRA_TEST_PGHOST SIGRA_TEST_PGPORT)}, database()->{name}, $user;
}

# Grants what the comment at the top of a configuration says, and nothing else.
sub grant_as_told {
    my ($text) = @_;
    my ($options) = $text =~ /^#   psql -v role=nginx (.*) -f grants\.sql /m;
    grant_nginx(lockout => 'off', rehash => 'off', ($options // 'login=on') =~ /(\w+)=(\S+)/g);
}

# ---- the upstream: returns what it was sent, and accepts an upgrade

my $upstream = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "upstream: $!";
my $upstream_address = '127.0.0.1:' . $upstream->sockport;
my $upstream_pid = fork() // die "fork: $!";
if (!$upstream_pid) {
    $SIG{TERM} = 'DEFAULT';
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $client = $upstream->accept or next;
        my $child = fork();
        if (defined $child && $child == 0) {
            close $upstream;
            serve($client);
            POSIX::_exit(0);
        }
    }
}

END {
    local $?;
    if ($$ == $owner && $upstream_pid) {
        kill TERM => $upstream_pid;
        waitpid $upstream_pid, 0;
    }
}

sub serve {
    my ($client) = @_;
    local $/ = "\r\n\r\n";
    while (defined(my $head = <$client>)) {
        if ($head =~ /^Upgrade: websocket\r$/mi) {
            print $client "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
            my $said = <$client> // last;
            print $client "echo: $said";
            last;
        }
        if ($head =~ m{^GET /confirm-me }) {
            print $client "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /confirmed?to=/settings\r\nContent-Length: 0\r\n\r\n";
            next;
        }
        print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($head) . "\r\n\r\n$head";
    }
}

# ---- nginx

# Below the ephemeral ports, so that no outgoing connection uses it.
sub free_port {
    for (1 .. 500) {
        my $candidate = 12000 + int rand 8000;
        return $candidate if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $candidate, Listen => 1);
    }
    die "no free port\n";
}

sub as_run_here {
    my ($text) = @_;
    $text =~ s{^(\s*listen\s+)8080;}{${1}127.0.0.1:$port;}mg;
    $text =~ s{^(\s*listen\s+)127\.0\.0\.1:8081;}{${1}127.0.0.1:$gate_port;}mg;
    $text =~ s{http://127\.0\.0\.1:8081\b}{http://127.0.0.1:$gate_port}g;
    $text =~ s{^(\s*load_module\s+)\S+;}{$1"$module";}mg;
    $text =~ s{^(\s*server\s+)127\.0\.0\.1:4000;}{$1$upstream_address;}mg;
    $text =~ s{^(\s*auth_sigra_postgres\s+(?![^;]*\btimeout=)[^;]*);}{$1 timeout=60s;}mg;
    $text =~ s{^(\s*listen\s+)8443 }{${1}127.0.0.1:$gate_port }mg;
    $text =~ s{/etc/ssl/(?:certs|private)/site\.(pem|key)}{certificate()}ge;
    $text =~ s{^(\s*allow\s+)192\.0\.2\.0/24;}{${1}127.0.0.2;}mg;
    return $text;
}

# The certificate and the key in one file.
sub certificate {
    my $path = "$prefix/site.pem";
    return $path if -e $path;
    local %ENV = %ENV;
    delete $ENV{LD_PRELOAD};
    system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout $path.key -out $path.crt 2>/dev/null") == 0 or die "openssl: $?";
    spew($path, slurp("$path.crt") . slurp("$path.key"), 0600);
    return $path;
}

sub prepare {
    my ($text, %file) = @_;
    ($port, $gate_port) = ($ENV{TEST_NGINX_PORT} || free_port(), free_port());
    unlink glob "$prefix/logs/*";
    make_path("$prefix/logs");
    %file = (
        'conf/conninfo'        => [conninfo(nginx_role()) . "\n", 0600],
        'conf/secret_key_base' => ["$secret\n",       0600],
        'conf/secret_key_base.new' => ['n' x 64, 0600],
        'html/index.html'      => ["public\n"],
        (map { ("html/$_/index.html" => ["for members\n"]) } qw(members members/billing intranet reports)),
        'html/please-log-in.html'   => ["please log in\n"],
        'html/members/billing.html' => ["billing\n"],
        (map { ('conf/messages/' . basename($_) => [slurp($_)]) } glob "$top/examples/messages/*.json"),
        %file,
    );
    spew("$prefix/$_", @{ $file{$_} }) for keys %file;
    spew("$prefix/conf/nginx.conf", as_run_here($text));
}

# Not with nginx -t, which exits without freeing its memory, so that a leak detector reports it.

sub start_nginx {
    $nginx = fork() // die "fork: $!";
    if (!$nginx) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', "$prefix/logs/stderr.log";
        open STDERR, '>&', \*STDOUT;
        exec { $binary } $binary, '-p', "$prefix/", '-c', 'conf/nginx.conf', '-e', 'logs/error.log', '-g', 'daemon off;'
            or POSIX::_exit(127);
    }
    await(
        'nginx starts',
        sub {
            waitpid($nginx, POSIX::WNOHANG()) == 0 or die "nginx did not start\n" . slurp("$prefix/logs/stderr.log");
            return slurp("$prefix/logs/nginx.pid") =~ /^$nginx$/m
                && IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        }
    );
}

sub stop_nginx {
    my $pid = $nginx;
    undef $nginx;
    kill QUIT => $pid;
    my $status;
    await('nginx quits', sub { waitpid($pid, POSIX::WNOHANG()) == $pid and defined($status = $?) });
    return $status;
}

# Runs the checks while nginx runs, in a process group of their own.
sub runs {
    my ($name, $text, $checks, %file) = @_;
    subtest $name => sub {
        grant_as_told($text);
        prepare($text, %file);
        start_nginx();
        $checks->();
        is(stop_nginx(), 0, 'quits');
        my $log = slurp("$prefix/logs/error.log") . slurp("$prefix/logs/stderr.log");
        is(join("\n", grep { /\[(?:alert|crit|emerg)\]|Sanitizer|runtime error/ } split /\n/, $log), '', 'nothing amiss in its log');
        unlike($log . slurp("$prefix/logs/access.log"), qr/\Q$secret\E|SFMyNTY\./, 'no secret and no cookie in its logs');
    };
}

sub example { return slurp("$top/examples/$_[0]") || die "no $_[0]" }

# ---- requests

sub request {
    my ($method, $path, $headers, %option) = @_;
    my $http = HTTP::Tiny->new(
        max_redirect => 0, keep_alive => 0, timeout => 120, proxy => undef,
        ($option{from} ? (local_address => $option{from}) : ()),
    );
    return $http->request($method, "http://127.0.0.1:$port$path", { headers => $headers // {} });
}
sub get { return request(GET => @_) }

my %browser = (accept => 'text/html,application/xhtml+xml,*/*;q=0.8', 'sec-fetch-mode' => 'navigate');
sub as      { my ($session) = @_; return { %browser, cookie => $session->{cookie} } }
sub anybody { return {%browser} }

sub is_answer {
    my ($answer, $status, $name, $content) = @_;
    is($answer->{status}, $status, $name) or diag($answer->{content});
    like($answer->{content}, $content, "$name: the content") if $content;
}

# The line is written after the answer was sent.
sub is_logged {
    my ($pattern, $name) = @_;
    await($name, sub { slurp("$prefix/logs/access.log") =~ $pattern });
    pass($name);
}

sub is_sent_to_login {
    my ($answer, $name) = @_;
    is_answer($answer, 302, $name);
    is($answer->{headers}{location}, '/users/log-in', "$name: where to");
}

sub upgrade {
    my ($path, $cookie) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
    print $socket "GET $path HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . ($cookie ? "Cookie: $cookie\r\n" : '') . "\r\n";
    local $/ = "\r\n\r\n";
    my $head = <$socket> // '';
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
    return $status unless $status == 101;
    print $socket "hello\r\n\r\n";
    return "$status " . (<$socket> // '');
}

# A login with the form, a log-out with a form, and the end of a session by deleting its row.
my $password = 'correct horse battery staple';

# Fills in the page's form, or posts what an application's own page would, with a token of the session.
sub log_in {
    my ($browser, $field, %session) = @_;
    return $browser->submit('/users/log-in', $field) unless delete $session{application};
    my $session = $browser->cookies->{ $session{name} } ? $browser->session(%session) : {};
    $session->{_csrf_token} //= csrf_state();
    $browser->use_cookie(session_cookie($session, %session));
    return $browser->post('/users/log-in', { _csrf_token => csrf_mask($session->{_csrf_token}), %$field });
}

sub story {
    my ($path, $content, %session) = @_;
    my %as = %session;
    my $application = delete $session{application};
    my $user = user_fixture(email => "story-$$-@{[ int rand 1e9 ]}\@example.com", password => $password);
    my %field = ('user[email]' => $user->{email}, 'user[password]' => $password);
    my $browser = client(port => $port, headers => {%browser});
    is_sent_to_login($browser->get($path), 'the flow: anonymous');
    is_answer(log_in($browser, { %field, 'user[password]' => 'wrong' }, %as), 302, 'the flow: a wrong password');
    like($application ? $browser->session(%session)->{phoenix_flash}{error} : $browser->get('/users/log-in')->{content},
        qr/Invalid email or password/, 'the flow: with a message');
    my $answer = log_in($browser, \%field, %as);
    is("$answer->{status} $answer->{headers}{location}", "302 $path", 'the flow: logged in');
    is_answer($browser->get($path), 200, 'the story: what was wanted', $content) for 1, 2;
    my $state = $browser->session(%session)->{_csrf_token};
    $answer = $browser->post('/users/log-out', { _csrf_token => csrf_mask($state), _method => 'delete' });
    is_answer($answer, 302, 'the flow: logged out');
    is_sent_to_login($browser->get($path), 'the flow: after the log-out');

    $browser = client(port => $port, headers => {%browser});
    is_answer(log_in($browser, { %field, 'user[remember_me]' => 'true' }, %as), 302, 'the flow: logged in again');
    is_answer($browser->get($path), 200, 'the story: there again', $content) for 1, 2;
    my $tokens = database()->{tokens};
    db()->do("DELETE FROM $tokens WHERE user_id = ?", undef, $user->{user_id});
    await('a deleted row', sub { $browser->get($path)->{status} == 302 });
    pass('the flow: a deleted row ends the session');
}

# The same for a page that not every user may see.
sub logs_in {
    my ($name) = @_;
    my $user = user_fixture(email => "$name-$$\@example.com", password => $password);
    my $answer = client(port => $port, headers => {%browser})->submit('/users/log-in', { 'user[email]' => $user->{email}, 'user[password]' => $password });
    is("$answer->{status} $answer->{headers}{location}", '302 /', 'a login');
}

# ---- the examples

my %default_cookies = (
    cookie_name => '_sigra_key', signing_salt => 'auth_sigra', remember_cookie_name => '_sigra_user_remember_me',
);

my %default_session = (name => '_sigra_key', signing_salt => 'auth_sigra');

example_database('sigra');
my $ada = authenticated_fixture(email => 'ada@example.com', %default_cookies);
my $old = authenticated_fixture(user_id => $ada->{user_id}, email => $ada->{email}, age => 3600, %default_cookies);

subtest 'revocation.sql' => sub {
    my $eve = authenticated_fixture(email => 'eve@example.com', %default_cookies);
    my ($stored) = db()->selectrow_array(q(SELECT encode(token, 'hex') FROM users_tokens WHERE user_id = ?), {}, $eve->{user_id});
    my $said = sub { map { $_->[2] } grep { defined } map { db()->pg_notifies } 1 .. 10 };
    db()->do('LISTEN auth_sigra_revoked');
    db()->do('UPDATE users SET failed_login_attempts = 3 WHERE id = ?', {}, $eve->{user_id});
    is_deeply([$said->()], [], 'guesses of a password');
    db()->do('DELETE FROM users WHERE id = ?', {}, $eve->{user_id});
    is_deeply([sort $said->()], [sort $stored, "user:$eve->{user_id}"], 'a deleted user');
    db()->do('UNLISTEN *');
};

runs 'static-site.conf', example('static-site.conf'), sub {
    is_answer(get('/', anybody), 200, 'the public page', qr/public/);
    is_sent_to_login(get('/members/', anybody), 'anonymous');
    my $answer = get('/members/', as($ada));
    is_answer($answer, 200, 'a session', qr/for members/);
    is($answer->{headers}{'cache-control'}, 'no-store', 'a session: not kept');
    story('/members/', qr/for members/, %default_session);
    is_answer(get('/members/billing/', as($ada)), 200, 'a fresh session', qr/for members/);
    is_answer(get('/members/', as($old)), 200, 'an hour old: good enough for most');
    is_sent_to_login(get('/members/billing/', as($old)), 'an hour old: not for the bill');
    is_answer(get('/members/', { cookie => "$ada->{cookie}x" }), 302, 'an altered cookie');
    is_logged(qr/ 200 (?:miss|hit) user=$ada->{user_id} session=$ada->{session_hex16}$/m, 'the log has the user');
};

runs 'satisfy-any.conf', example('satisfy-any.conf'), sub {
    is_answer(get('/', anybody), 200, 'the public page', qr/public/);
    is_sent_to_login(get('/intranet/', anybody), 'anonymous, from another network');
    is_answer(get('/intranet/', as($ada)), 200, 'a session, from elsewhere', qr/for members/);
    is_answer(get('/intranet/', anybody, from => '127.0.0.2'), 200, 'anonymous, from the office', qr/for members/);
    is_answer(get('/reports/',  anybody), 401, 'by status: anonymous, from elsewhere', qr/please log in/);
    is_answer(get('/reports/',  as($ada)), 200, 'by status: a session', qr/for members/);
    is_answer(get('/reports/',  anybody, from => '127.0.0.2'), 200, 'by status: from the office', qr/for members/);
    story('/intranet/', qr/for members/, %default_session);
};

db()->do('ALTER TABLE users ADD role text, ADD tenant text, ADD name text');
db()->do('CREATE TABLE team_members (user_id bigint, owner boolean)');
my %of_role = map { $_ => authenticated_fixture(email => "$_\@example.com", columns => { role => $_, name => "\u$_ Lovelace", tenant => $_ eq 'staff' ? 'acme' : 'other' }, %default_cookies) } qw(admin staff owner);
db()->do('INSERT INTO team_members VALUES (?, ?)', {}, $of_role{$_}{user_id}, $_ eq 'owner' ? 'true' : 'false') for qw(staff owner);

runs 'admin.conf', example('admin.conf'), sub {
    is_sent_to_login(get('/admin/', anybody), 'anonymous');
    is_answer(get('/', as($of_role{staff})), 200, 'a session');
    for (1, 2) {
        is_answer(get('/admin/', as($of_role{admin})), 200, 'an administrator', qr/for administrators/);
        is_answer(get('/admin/', as($of_role{staff})), 403, 'somebody else', qr/you may not/);
        is_answer(get('/team/', as($of_role{$_->[0]})), $_->[1], "the team: $_->[0]") for [admin => 403], [staff => 200], [owner => 200];
        is_answer(request(POST => '/team/', as($of_role{$_->[0]})), $_->[1], "a change of the team's: $_->[0]") for [admin => 403], [staff => 403], [owner => 405];
    }
    is_logged(qr/ 403 forbidden user=$of_role{staff}{user_id}$/m, 'the log has the user');
    my $late = authenticated_fixture(columns => { role => 'admin' }, age => 13 * 3600, %default_cookies);
    is_sent_to_login(get('/admin/', as($late)), 'an administrator of this morning');
    story('/', qr/public/, %default_session);
}, 'html/admin/index.html' => ["for administrators\n"], 'html/team/index.html' => ["for the team\n"], 'html/denied.html' => ["you may not\n"];

runs 'tenants.conf', example('tenants.conf'), sub {
    my $at = sub {
        my ($who, $host, %more) = @_;
        my %headers = (%browser, host => $host, connection => 'close', ($who ? (cookie => $who->{cookie}) : ()), %more);
        my $answer = Sigra::Wire::wire("GET / HTTP/1.1\r\n" . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers) . "\r\n", port => $port)->answer;
        return { %$answer, content => $answer->{body} };
    };
    for (1, 2) {
        is_answer($at->($of_role{staff}, 'acme.example.com', 'x-auth-tenant' => 'other'), 200, "a tenant's own", qr/^X-Auth-Tenant: acme\r$/mi);
        unlike($at->($of_role{staff}, 'acme.example.com', 'x-auth-tenant' => 'other')->{content}, qr/tenant: other/i, 'by no other user');
        is_answer($at->($of_role{staff}, $_), 403, "another's: $_") for qw(other.example.com acme.other.example.com example.com acmeexample.com);
        is_answer($at->($of_role{owner}, 'other.example.com'), 200, 'of the other');
        is_answer($at->($ada, $_), 403, "of none: $_") for qw(acme.example.com example.com);
    }
    is($at->(undef, 'acme.example.com')->{headers}{location}, '/users/log-in', 'anonymous');
    logs_in('tenants');
};

runs 'grafana.conf', example('grafana.conf'), sub {
    is_sent_to_login(get('/', anybody), 'anonymous');
    is_answer(get('/', as($ada)), 403, 'of no role');
    for ([admin => 'Admin'], [staff => 'Editor'], [owner => 'Viewer']) {
        my ($name, $role) = @$_;
        my $answer = get('/', { %{ as($of_role{$name}) }, 'x-webauth-user' => 'root', 'X-WEBAUTH-ROLE' => 'Admin' });
        is_answer($answer, 200, $name, qr/^X-WEBAUTH-USER: $name\@example\.com\r$/m);
        like($answer->{content}, qr/^X-WEBAUTH-NAME: \u$name Lovelace\r$/m, "$name: the name");
        like($answer->{content}, qr/^X-WEBAUTH-ROLE: $role\r$/m, "$name: the role");
        is(() = $answer->{content} =~ /^x-webauth-/gmi, 3, "$name: each once");
        unlike($answer->{content}, qr/^cookie:|root/mi, "$name: nothing of the client");
    }
    is(upgrade('/api/live/ws', $of_role{staff}{cookie}), "101 echo: hello\r\n\r\n", 'a WebSocket');
    logs_in('grafana');
};

runs 'auth-request.conf', example('auth-request.conf'), sub {
    is_answer(get('/', anybody), 200, 'the public page', qr/public/);
    is_sent_to_login(get('/members/', anybody), 'anonymous');
    is_answer(get('/members/', as($ada)), 200, 'a session', qr/for members/);
    is_logged(qr{"GET /members/ HTTP/1.1" 200 user=$ada->{user_id}$}m, 'the log has the user');
    story('/members/', qr/for members/, %default_session);
    my $session = client(port => $port, headers => {%browser});
    $session->get('/members/?a=1&b=2');
    is($session->session(%default_session)->{user_return_to}, '/members/?a=1&b=2', 'the path to return to, whole');
    local $port = $gate_port;
    is_answer(get('/gate', anybody), 401, 'the gate itself, anonymous');
    my $answer = get('/gate', as($ada));
    is_answer($answer, 204, 'the gate itself, a session');
    is($answer->{headers}{'x-auth-email'}, 'ada@example.com', 'the gate itself sends the user');
};

runs 'api.conf', example('api.conf'), sub {
    my $answer = get('/api/things', anybody);
    is_answer($answer, 401, 'anonymous', qr/\A\{"error":"You must log in to access this page\."\}\z/);
    is($answer->{headers}{'content-type'}, 'application/json', 'anonymous: JSON');
    $answer = get('/api/things', { %{ as($ada) }, 'x-auth-user-id' => '999' });
    is_answer($answer, 200, 'a session', qr/^X-Auth-User-Id: $ada->{user_id}\r$/m);
    unlike($answer->{content}, qr/: 999|^cookie:/mi, 'a session: no cookie, nothing of the client');
    my %preflight = (origin => 'https://elsewhere.example', 'access-control-request-method' => 'PUT');
    is_answer(request(OPTIONS => '/api/things', \%preflight), 200, 'a preflight', qr/^OPTIONS /);
    is_answer(request(OPTIONS => '/api/things', anybody), 401, 'OPTIONS, and no preflight');
    $answer = get('/api/public/things', { %{ anybody() }, 'x-auth-email' => 'eve@example.com' });
    is_answer($answer, 200, 'public: anonymous');
    unlike($answer->{content}, qr/^x-auth/mi, 'public: anonymous, and no user');
    is_answer(get('/api/public/things', as($ada)), 200, 'public: a session', qr/^X-Auth-Email: ada\@example\.com\r$/m);
    is_answer(get('/api/comments/', anybody), 200, 'comments: anybody reads');
    is_answer(request(POST => '/api/comments/', anybody), 401, 'comments: not anybody writes');
    is_answer(request(OPTIONS => '/api/comments/', \%preflight), 200, 'comments: a preflight');
    is_answer(request(POST => '/api/comments/', as($ada)), 200, 'comments: a session writes');
};

runs 'api.conf: programs', example('api.conf'), sub {
    my $token = api_token_fixture(user_id => $ada->{user_id}, email => $ada->{email});
    my $answer = get('/api/v1/things', { authorization => "Bearer $token->{text}", 'x-auth-user-id' => '999' });
    is_answer($answer, 200, 'an API token', qr/^X-Auth-User-Id: $ada->{user_id}\r$/m);
    unlike($answer->{content}, qr/999|^authorization:/mi, 'an API token: not passed on');
    for ([{} => 'nothing'], [as($ada), 'a session'], [{ authorization => 'Bearer x' }, 'no token']) {
        is_answer(get('/api/v1/things', $_->[0]), 401, $_->[1], qr/\A\{"error"/);
    }
    is(get('/api/v1/things', { authorization => 'Bearer x' })->{headers}{'www-authenticate'}, 'Bearer error="invalid_token"', 'no token: why');
    db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $token->{token_id});
    is_answer(get('/api/v1/things', { authorization => "Bearer $token->{text}" }), 401, 'a deleted token');
};

runs 'api.conf: a login as JSON', example('api.conf'), sub {
    my $user = user_fixture(email => "json-$$\@example.com", password => $password);
    my $program = client(port => $port, headers => { accept => 'application/json' });
    my $token = decode_json($program->get('/api/session')->{content})->{csrf_token};
    my %json = ('content-type' => 'application/json');
    my $body = sub { encode_json({ email => $user->{email}, password => $_[0], _csrf_token => $token }) };
    is_answer($program->request(POST => '/api/session', \%json, $body->('wrong')), 401, 'a wrong password', qr/Invalid email or password/);
    my $answer = $program->request(POST => '/api/session', \%json, $body->($password));
    is_answer($answer, 200, 'a right one');
    is(decode_json($answer->{content})->{user}{email}, $user->{email}, 'has the user');
    is_answer($program->get('/api/things'), 200, 'in', qr/^X-Auth-Email: \Q$user->{email}\E\r$/m);
    $token = decode_json($program->get('/api/session')->{content})->{csrf_token};
    is_answer($program->request(DELETE => '/api/log-out', { 'x-csrf-token' => $token }), 204, 'out');
    is_answer($program->get('/api/things'), 401, 'and anonymous');
};

runs 'api.conf, PostgreSQL out of reach', example('api.conf') =~ s/file:conninfo/$& timeout=1s/r, sub {
    my $answer = get('/api/things', as($ada));
    is_answer($answer, 503, 'a session', qr/\A\{"error":"Try again in a moment\."\}\z/);
    ok($answer->{headers}{'retry-after'}, 'a session: Retry-After');
    ok(!$answer->{headers}{'set-cookie'}, 'a session: its cookies stay');
    is_answer(get('/api/things', anybody), 401, 'anonymous: needs no database');
    is_answer(get('/api/public/things', as($ada)), 200, 'public');
}, 'conf/conninfo' => ["host=/nowhere dbname=none connect_timeout=1\n", 0600];

example_database('phx_gen_auth');
my %my_app = (cookie_name => '_my_app_key', signing_salt => 'iLejisiU', remember_cookie_name => '_my_app_web_user_remember_me');
my $bob   = authenticated_fixture(email => 'bob@example.com', %my_app);
my $stale = authenticated_fixture(age => 15 * 86400, %my_app);
my $again = authenticated_fixture(email => 'eva@example.com', remember_me => 14 * 86400, %my_app);

runs 'phoenix.conf', example('phoenix.conf'), sub {
    my %forged = ('X-Auth-User-Id' => '999', 'X-Auth-Email' => 'eve@example.com');
    for my $path ('/', '/assets/app.js', '/live/longpoll') {
        my $answer = get($path, { %{ anybody() }, %forged });
        is_answer($answer, 200, "$path, anonymous", qr/^GET \Q$path\E /);
        unlike($answer->{content}, qr/^x-auth/mi, "$path, anonymous: no identity");
    }
    is_answer(get('/', as($bob)), 200, '/, a session', qr/^X-Auth-Email: bob\@example\.com\r$/m);
    my $answer = get('/dashboard/tasks?page=2', anybody);
    is_sent_to_login($answer, 'anonymous');
    my ($session) = $answer->{headers}{'set-cookie'} =~ /\A_my_app_key=([^;]+)/;
    $session = open_session("_my_app_key=$session", signing_salt => 'iLejisiU');
    is($session->{user_return_to}, '/dashboard/tasks?page=2', 'anonymous: the application will know where to go');
    $answer = get('/dashboard', { %{ as($bob) }, %forged });
    is_answer($answer, 200, 'a session', qr/^X-Auth-User-Id: $bob->{user_id}\r$/m);
    like($answer->{content}, qr/^cookie: \Q$bob->{cookie}\E\r$/mi, 'a session: the application sees its cookie');
    unlike($answer->{content}, qr/: (?:eve|999)/, 'a session: and nothing that is forged');
    is_sent_to_login(get('/dashboard', as($stale)), 'a session of 15 days');
    $answer = get('/dashboard', { %browser, cookie => $again->{remember_cookie} });
    is_answer($answer, 200, 'the remember-me cookie', qr/^X-Auth-Email: eva\@example\.com\r$/m);
    like($answer->{headers}{'set-cookie'}, qr/\A_my_app_key=/, 'the remember-me cookie: makes a session');
    is_answer(get('/users/settings', as($bob)), 200, 'a fresh session, sudo');
    is(upgrade('/socket/websocket'), 401, 'an upgrade, anonymous');
    is(upgrade('/socket/websocket', $bob->{cookie}), "101 echo: hello\r\n\r\n", 'an upgrade, a session');
    for my $slash ('', '/') {
        is_answer(get("/users/log-in$slash", anybody), 200, "log-in$slash: the application's page", qr{^GET /users/log-in$slash });
        my $answer = client(port => $port)->post("/users/log-in$slash", { 'user[email]' => 'eva@example.com', 'user[password]' => 'x' });
        is_answer($answer, 403, "log-in$slash: a POST does not reach the application");
        is_answer(client(port => $port)->post("/users/log-out$slash", {}), 403, "log-out$slash: nor does a POST here");
    }
    story('/dashboard', qr/^GET \/dashboard /, name => '_my_app_key', signing_salt => 'iLejisiU', application => 1);
    is(upgrade('/live/websocket'), "101 echo: hello\r\n\r\n", 'an upgrade of LiveView, anonymous');
};

example_database('sigra_sessions');
my $whole = user_fixture(email => 'whole@example.com', password => $password);
my $half  = user_fixture(email => 'half@example.com', password => $password, columns => { confirmed_at => undef });

runs 'second-factor.conf', example('second-factor.conf'), sub {
    story('/tasks', qr/^GET \/tasks /, %default_session);
    for my $case ([$whole, '/', 200], [$half, '/users/second-factor', 302]) {
        my ($user, $target, $status) = @$case;
        my $browser = client(port => $port, headers => {%browser});
        my $answer = $browser->submit('/users/log-in', { 'user[email]' => $user->{email}, 'user[password]' => $password });
        is("$answer->{status} $answer->{headers}{location}", "302 $target", "$user->{email}: where to");
        is_answer($browser->get('/'), $status, "$user->{email}: the application");
        is_answer($browser->get('/users/second-factor'), 200, "$user->{email}: the second factor");
        is_answer($browser->get('/confirmed'), 404, "$user->{email}: users cannot confirm themselves");
        is_answer($browser->get('/confirm-me'), 302, "$user->{email}: nor does a session with a pending factor") if $status == 302;
        next if $status == 302;
        my $before = $browser->session(%default_session)->{user_token};
        $answer = $browser->get('/confirm-me');
        is("$answer->{status} $answer->{headers}{location}", '302 /settings', 'the application confirms');
        isnt($browser->session(%default_session)->{user_token}, $before, 'a new token');
        is_answer($browser->get('/settings'), 200, 'which is good');
    }
};

# ---- README.md

runs 'devices.conf', example('devices.conf'), sub {
    is_sent_to_login(get('/account/devices/', anybody), 'anonymous');
    is_answer(get('/users/sessions', { accept => 'application/json' }), 401, 'the list, anonymous');
    my $user = user_fixture(email => "devices-$$\@example.com", password => $password);
    my ($here, $there) = map {
        my $browser = client(port => $port, headers => { %browser, 'user-agent' => $_ });
        is($browser->submit('/users/log-in', { 'user[email]' => $user->{email}, 'user[password]' => $password })->{status}, 302, "a login with $_");
        $browser;
    } 'A <b>browser</b>', 'Another one';
    my $page = $here->get('/account/devices/');
    is_answer($page, 200, 'the page', qr/Your devices/);
    like($page->{headers}{'content-security-policy'}, qr/^default-src 'none';.* connect-src 'self';/, 'its policy');
    unlike($page->{headers}{'content-security-policy'}, qr/unsafe|\*|https?:/, 'its policy: nothing from other sites');
    unlike($page->{content}, qr/<style|style=|\son\w+=|<script(?![^>]* src=)[^>]*>|javascript:/i, 'the page: nothing that its policy stops');
    for my $file ($page->{content} =~ /(?:src|href)="([^"]+)"/g) {
        is_answer($here->get("/account/devices/$file"), 200, $file);
        is_sent_to_login(get("/account/devices/$file", anybody), "$file, anonymous");
    }
    unlike($here->get('/account/devices/devices.js')->{content}, qr/innerHTML|insertAdjacentHTML|document\.write|eval/, 'the script: text is text');
    my $list = decode_json($here->get('/users/sessions', { accept => 'application/json' })->{content});
    is_deeply([map { [@$_{qw(user_agent ip)}, $_->{current} ? 'this' : ''] } sort { $a->{id} <=> $b->{id} } @{ $list->{sessions} }],
        [['A <b>browser</b>', '127.0.0.1', 'this'], ['Another one', '127.0.0.1', '']], 'both are listed');
    my ($other) = map { $_->{id} } grep { !$_->{current} } @{ $list->{sessions} };
    is_answer($there->get('/account/devices/'), 200, 'the other one passes') for 1, 2;
    is_answer($here->request('DELETE', "/users/sessions/$other", { 'x-csrf-token' => $list->{csrf_token}, accept => 'application/json' }), 204, 'its end');
    is_sent_to_login($there->get('/account/devices/'), 'the other one is out');
    is_answer($here->get('/account/devices/'), 200, 'this one passes');
    story('/account/devices/', qr/Your devices/, %default_session);
}, map { ("html/account/devices/$_" => [slurp("$top/examples/devices/$_")]) } qw(index.html devices.css devices.js);

example_database('sigra');
{
    my ($cora, $carl) = map { authenticated_fixture(email => "$_\@example.com", %default_cookies) } qw(cora carl);
    runs 'proxy-cache.conf', example('proxy-cache.conf'), sub {
        my $page = sub {
            my ($path, $who) = @_;
            my $answer = get($path, $who ? as($who) : anybody);
            my ($for) = $answer->{content} =~ /^X-Auth-Email: (\w+)/m;
            return join ' ', $answer->{status}, $answer->{headers}{'x-cache-status'} // '-', $for // 'nobody';
        };
        is_sent_to_login(get('/members/', anybody), 'anonymous');
        for my $path ('/members/', '/members/forms/') {
            is($page->($path, $cora), '200 MISS cora', "$path: not cached");
            is($page->($path, $cora), '200 HIT cora', "$path: kept");
            is($page->($path, $carl), '200 MISS carl', "$path: not for another");
        }
        is($page->('/'), '200 MISS nobody', '/: for all');
        is($page->('/'), '200 HIT nobody', '/: kept');
        is($page->('/', $cora), '200 BYPASS cora', '/: not for users who are logged in');
        is($page->('/'), '200 HIT nobody', '/: and nothing of hers is kept');
        is_sent_to_login(get('/members/', anybody), 'still anonymous');
        story('/members/', qr/^X-Auth-Email: story-/m, %default_session);
    };
}

example_database('sigra');
my $ida = authenticated_fixture(email => 'ida@example.com', %default_cookies);
my @snippets = join("\n", map { slurp($_) } "$top/README.md", glob "$top/docs/*.md") =~ /^```nginx\n(.*?)^```$/msg;
my ($first, @others) = @snippets;
ok(defined $first, 'README.md has a configuration') or done_testing, exit;

runs 'the first configuration of README.md', $first, sub {
    is_answer(get('/', anybody), 200, 'the public page', qr/public/);
    is_sent_to_login(get('/members/', anybody), 'anonymous');
    is_answer(get('/members/', as($ida)), 200, 'a session', qr/for members/);
    story('/members/', qr/for members/, %default_session);
};

for my $snippet (@others) {
    my ($head) = $snippet =~ /(\S[^\n]*)/;
    my $server = $snippet =~ /^(?:server|upstream|map|log_format)\b/m ? "$snippet server {\nlisten 8080;\n}"
        : "server {\nlisten 8080;\n$snippet}";
    runs "a snippet: $head", <<"CONF", sub { };
user www-data;
pid logs/nginx.pid;
error_log logs/error.log notice;
load_module module;
events {
}
http {
    access_log logs/access.log;
    auth_sigra_postgres        "host=localhost dbname=my_app";
    auth_sigra_secret_key_base file:secret_key_base;
    $server
}
CONF
}

done_testing;
