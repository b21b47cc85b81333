# nginx -t with a wrong configuration: names the directive and the fix. It does not connect to the database.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use File::Temp qw(tempdir);

# Nothing listens on this port: if nginx -t connected, it would take longer, or fail.
our $nowhere = 'host=127.0.0.1 port=1 user=sigra dbname=sigra';
our $http    = sigra_http_config(conninfo => $nowhere);
our $secret  = 'auth_sigra_secret_key_base ' . secret_key_base . ';';
our $cookie  = 'auth_sigra_session_cookie';
our $domain  = 'auth_sigra_cookie_domain';

# Each: a configuration, and the expected message. What is needed above it is added, unless it begins with «alone:».
our @wrong = (
    ['auth_sigra yes;',                     'invalid value "yes", it must be "off", "on" or "optional" in "auth_sigra"'],
    ['auth_sigra;',                         'invalid number of arguments in "auth_sigra"'],
    ['auth_sigra on on;',                   'invalid number of arguments in "auth_sigra"'],
    ['auth_sigra on; auth_sigra on;',       '"auth_sigra" directive is duplicate'],
    ['if ($arg_a) { auth_sigra on; }',      '"auth_sigra" directive is not allowed here'],
    ['limit_except GET { auth_sigra_forward on; }', '"auth_sigra_forward" directive is not allowed here'],
    ['alone: auth_sigra on;',               '"auth_sigra" needs a database: say which with "auth_sigra_postgres"'],
    ['alone: auth_sigra optional;',         '"auth_sigra" needs a database'],
    ["alone: limit_except GET { auth_sigra on; }", '"auth_sigra" needs a database'],
    ["alone: auth_sigra on; auth_sigra_postgres '$nowhere';", '"auth_sigra" needs a secret: give the application\'s with "auth_sigra_secret_key_base"'],

    ['auth_sigra_postgres;',                'invalid number of arguments in "auth_sigra_postgres"'],
    ['auth_sigra_postgres "host";',         'invalid conninfo: missing "=".* in "auth_sigra_postgres"'],
    ['auth_sigra_postgres "no_such=1";',    'invalid conninfo: .*no_such.* in "auth_sigra_postgres"'],
    ['auth_sigra_postgres "postgresql://a:b@[x/y";', 'invalid conninfo: .* in "auth_sigra_postgres"'],
    ['auth_sigra_postgres file:/no/such/file;', 'cannot open "/no/such/file" .* in "auth_sigra_postgres"'],
    ['auth_sigra_postgres host=a host=b;',  'invalid parameter "host=b" in "auth_sigra_postgres" directive; quote the connection string as a whole: "host=localhost dbname=my_app"'],
    ['auth_sigra_postgres ecto://a:hush@h/d?pool_size=10;', '"ecto://" is a scheme of Ecto only: say "postgresql://".* in "auth_sigra_postgres"'],
    ['auth_sigra_postgres /etc/nginx/conninfo;', 'a path is not a conninfo: to read one from a file say "file:PATH" in "auth_sigra_postgres"'],
    ['auth_sigra_secret_key_base /etc/nginx/secret;', 'has 17 bytes, it must have at least 64 \(say "file:PATH" to read it from a file\) in "auth_sigra_secret_key_base"'],
    ['auth_sigra_secret_key_base env:NO_SUCH;', 'the environment variable "NO_SUCH" is not set .*file:PATH works from any shell'],
    ['auth_sigra_schema sigra where=u.deleted_at IS NULL;', 'invalid parameter "IS" in "auth_sigra_schema" directive; quote a parameter that has a blank: "where=u.deleted_at IS"'],
    ["auth_sigra_schema sigra\nauth_sigra_forward on;", 'invalid parameter "auth_sigra_forward" in "auth_sigra_schema" directive; is the ";" before it missing\?'],
    ["auth_sigra_postgres host=a\nproxy_pass http://b;", 'invalid parameter "proxy_pass" .*is the ";" before it missing\?'],
    ['auth_sigra_require;',                 'invalid number of arguments in "auth_sigra_require"'],
    ['auth_sigra_require u.role = 1;',      'invalid parameter "=" in "auth_sigra_require" directive; quote the condition as a whole: "u.role = \'admin\'"'],
    ['auth_sigra_require "u.a" or "u.b";',  'invalid parameter "or" in "auth_sigra_require" directive; quote the condition as a whole'],
    ["auth_sigra_require 'true'\nauth_sigra_forward on;", 'invalid parameter "auth_sigra_forward" in "auth_sigra_require" directive; is the ";" before it missing\?'],
    ['auth_sigra_attribute team (SELECT t.name FROM teams t);', 'invalid parameter "t.name" in "auth_sigra_attribute" directive; quote the expression as a whole: "\(SELECT'],
    ['auth_sigra_require "";',              'the SQL is empty, it must be on the users row "u" .* in "auth_sigra_require"'],
    ['auth_sigra_require on;',              '"on" is not a condition, it must be SQL on the users row "u" .* in "auth_sigra_require"'],
    (map { ["$_->[0];", "the SQL becomes part of a statement: leave out its last \";\" in \"$_->[1]\""] }
        [q(auth_sigra_require "u.role = 'admin'; "), 'auth_sigra_require'], ['auth_sigra_attribute name "u.name;"', 'auth_sigra_attribute'],
        ['auth_sigra_schema sigra "where=u.deleted_at IS NULL;"', 'auth_sigra_schema'], ['auth_sigra_second_factor "true;" url=/code', 'auth_sigra_second_factor']),
    ['auth_sigra_require off; auth_sigra_require "true";', '"off" cannot be used together with a condition in "auth_sigra_require"'],
    ['auth_sigra_require "true"; auth_sigra_require off;', '"off" cannot be used together with a condition'],
    ['auth_sigra on; ' . join(' ', map { qq(auth_sigra_require "$_ = $_";) } 1 .. 65), '"auth_sigra_require" is used with more than 64 conditions of one database'],
    ['auth_sigra_attribute name;',          'invalid number of arguments in "auth_sigra_attribute"'],
    ['auth_sigra_attribute a-b name;',      'the name of an attribute must be made of letters, digits and "_" in "auth_sigra_attribute"'],
    ['auth_sigra_attribute User_Id id;',    '"user_id" is the name of an identity header, give the attribute another name in "auth_sigra_attribute"'],
    ['auth_sigra_attribute a b; auth_sigra_attribute A c;', 'the attribute "a" is defined twice here in "auth_sigra_attribute"'],
    ['auth_sigra_attribute a "";',          'the SQL is empty'],
    ['auth_sigra_attribute name u.name 64;', 'invalid parameter "64" in "auth_sigra_attribute" directive; it takes "size="'],
    ['auth_sigra_attribute a b size=0;',    'invalid value "0" of "size".* in "auth_sigra_attribute"'],
    ['auth_sigra_attribute a b length=3;',  'invalid parameter "length=3" in "auth_sigra_attribute"'],
    ['limit_except GET { auth_sigra_attribute a b; }', '"auth_sigra_attribute" directive is not allowed here'],
    ['auth_sigra on; ' . join(' ', map { "auth_sigra_attribute a$_ $_;" } 1 .. 33), '"auth_sigra_attribute" is used with more than 32 expressions'],
    ['auth_sigra on; ' . join(' ', map { "auth_sigra_attribute a$_ $_ size=4096;" } 1 .. 2), '"auth_sigra_attribute" needs more than 8k for the attributes of a session'],
    ['auth_sigra_lockout 5 15m;',           'invalid parameter "5" in "auth_sigra_lockout" directive; say "threshold=5 duration=15m"'],
    ['auth_sigra_login title="My Site";',   'invalid parameter "Site"" in "auth_sigra_login" directive; quote a parameter that has a blank: "title=My Site"'],
    # Invalid parameters of a directive.
    ['auth_sigra_bearer on api-token;',     'invalid parameter "api-token" in "auth_sigra_bearer" directive; it takes "context=", "ttl=" or "tokens="'],
    ['auth_sigra_prune 1h 500;',            'invalid parameter "500" in "auth_sigra_prune" directive; it takes "batch="'],
    ['auth_sigra_password_checks 4;',       'invalid parameter "4" in "auth_sigra_password_checks" directive; it takes "running=", "queue=" or "floor="'],
    ['auth_sigra_session_ttl 14 days;',     'invalid parameter "days" in "auth_sigra_session_ttl" directive; it takes "remember_me="'],
    ['auth_sigra_status prometheus;',       'invalid parameter "prometheus" in "auth_sigra_status" directive; it takes "format="'],
    ['auth_sigra_logout all;',              'invalid parameter "all" in "auth_sigra_logout" directive; it takes "everywhere"'],
    ['auth_sigra_renew sudo;',              'invalid parameter "sudo" in "auth_sigra_renew" directive; it takes "authenticated"'],
    (map { ["$_->[0] off $_->[1];", "invalid parameter \"$_->[1]\" in \"$_->[0]\" directive; \"off\" takes no parameter"] }
        ['auth_sigra_cache', 'zone=z:1m'], ['auth_sigra_prune', 'batch=5'], ['auth_sigra_lockout', 'threshold=5'], ['auth_sigra_bearer', 'context=api'],
        ['auth_sigra_remember_me_cookie', 'max_age=60d']),
    ["$cookie _my_app_key signing_salt = s;", 'a "=" by itself, it must be written NAME=VALUE in "auth_sigra_session_cookie"'],
    ['auth_sigra_remember_me_cookie on;',   'say the cookie\'s name, or "off" in "auth_sigra_remember_me_cookie"'],
    ['auth_sigra_revocation_channel on;',   '"on" is not a name: leave the directive out for "auth_sigra_revoked" in "auth_sigra_revocation_channel"'],
    # Errors that libpq would report only when it connects.
    (map { ["auth_sigra_postgres '$_->[0]';", "invalid conninfo: $_->[1].* in \"auth_sigra_postgres\""] }
        ['host=a sslmode=verify_full', '"sslmode" must be one of disable, allow, prefer, require, verify-ca, verify-full'],
        ['postgresql://a,b/c?target_session_attrs=readwrite', '"target_session_attrs" must be one of any, read-write, read-only, primary, standby, prefer-standby'],
        ['host=a port=54320000', '"port" must be a number from 1 to 65535'], ['host=a,b port=5432,x', '"port" must be'],
        ['host=a,b port=5432,5433,5434', 'the numbers of host and port values differ'],
        ['postgresql://u:p@ss@db/c', 'a host name has a "@": in the user and the password of a URI, write "@" as "%40"'],
        ['host=db1, db2 dbname=c', '.*\(a list of hosts has no blanks: "host=db1,db2"\)']),
    # Names that do not exist.
    ['auth_sigra_require $nosuch;',         'unknown "nosuch" variable in "auth_sigra_require" directive'],
    ['auth_sigra_cookie_secure $Nosuch;',   'unknown "nosuch" variable in "auth_sigra_cookie_secure" directive'],
    ['auth_sigra_login; proxy_pass http://127.0.0.1:1;', '"auth_sigra_login" shares its location with another directive that answers requests, .* give each a location of its own'],
    ['proxy_pass http://127.0.0.1:1; auth_sigra_login;', '"auth_sigra_login" shares its location with another directive that answers requests, .* give each a location of its own .*in "auth_sigra_login"'],
    ['auth_sigra_logout; stub_status;',     '"auth_sigra_logout" shares its location with another'],
    ['auth_sigra_status; proxy_pass http://127.0.0.1:1;', '"auth_sigra_status" shares its location with another'],
    ['stub_status; auth_sigra_status;',     '"auth_sigra_status" shares its location with another'],
    ['empty_gif; auth_sigra_renew;',        '"auth_sigra_renew" shares its location with another'],
    ['auth_sigra_login fallback=@nosuch;',  '"auth_sigra_login" refers to "@nosuch", but this server has no "location @nosuch"'],
    (map { ["auth_sigra_postgres host=a $_;", "invalid (?:value \"[^\"]*\" of )?.*in \"auth_sigra_postgres\""] } qw(connections=0 connections=x connections=-1
        connections=1001 connections= queue=0 queue=1k timeout=0 timeout=x timeout=-1 connect_timeout=0 max_reconnect_delay=soon prepare=yes pool=2 connections)),
    ['auth_sigra_postgres host=a; auth_sigra_postgres host=b;', '"auth_sigra_postgres" directive is duplicate'],
    ["auth_sigra_postgres '$nowhere' connections=3;", 'the same conninfo is used elsewhere with other parameters; .* give both the same ones in "auth_sigra_postgres"'],
    ["auth_sigra_postgres '$nowhere' timeout=5s;", 'the same conninfo is used elsewhere with other parameters'],

    ['auth_sigra_bearer yes;',              'invalid value "yes", it must be "off", "on" or "only" in "auth_sigra_bearer"'],
    ['auth_sigra_bearer on context=session;', 'the context "session" is that of logins in "auth_sigra_bearer"'],
    ['auth_sigra_bearer on "context=a b";', 'a context is made of letters, digits, "-", "_", "\." and ":" in "auth_sigra_bearer"'],
    ['auth_sigra_bearer on ttl=0;',         '"ttl".* in "auth_sigra_bearer"'],
    ['auth_sigra_bearer off ttl=1d;',       'invalid parameter "ttl=1d" in "auth_sigra_bearer"'],
    ['auth_sigra_bearer on; auth_sigra_bearer only;', '"auth_sigra_bearer" directive is duplicate'],
    ["alone: auth_sigra on; auth_sigra_bearer on; auth_sigra_postgres '$nowhere';", '"auth_sigra" needs a secret'],
    ['auth_sigra_schema phoenix;',          'invalid layout "phoenix", it must be "sigra", "phx_gen_auth" or "sigra_sessions" in "auth_sigra_schema"'],
    ['auth_sigra_schema sigra where=;',     '"where".* in "auth_sigra_schema"'],
    ['auth_sigra_schema sigra user=x;',     'invalid parameter "user=x" in "auth_sigra_schema"'],
    ['auth_sigra_schema sigra singular=a-b;', '"singular" and "plural" must be made of letters, digits and "_" in "auth_sigra_schema"'],
    ['auth_sigra_schema sigra "plural=a b";', '"singular" and "plural" must be'],
    ['auth_sigra_schema sigra; auth_sigra_schema sigra;', '"auth_sigra_schema" directive is duplicate'],
    ['auth_sigra_schema sigra users=a users=b;', 'invalid parameter "users=b" in "auth_sigra_schema" directive; it is given twice'],

    ["$cookie k;",                          '"signing_salt" is missing; it is in the application\'s endpoint.ex, in @session_options in "auth_sigra_session_cookie"'],
    ["$cookie 'a b' signing_salt=s;",       'invalid cookie name "a b" in "auth_sigra_session_cookie"'],
    ["$cookie a=b signing_salt=s;",         'invalid cookie name "a=b"'],
    (map { ["$cookie k signing_salt=s $_;", 'in "auth_sigra_session_cookie" directive'] } qw(key_iterations=0 key_iterations=x key_length=0 key_digest=md5
        max_age=0 max_age=x path=x same_site=lax same_site=Maybe encryption_salt= salt=x signing_salt=t), 'encryption_salt=e key_length=16', '"path=/;x"'),
    ["$cookie __Host-k signing_salt=s path=/x;",  '"auth_sigra_session_cookie" __Host-k needs path=/'],
    ["$cookie __Host-k signing_salt=s; $domain example.com;", '"auth_sigra_session_cookie" __Host-k allows no "auth_sigra_cookie_domain"'],
    ["$cookie __Host-k signing_salt=s; auth_sigra_cookie_secure off;", '"auth_sigra_session_cookie" __Host-k needs "auth_sigra_cookie_secure" auto or on'],
    ["$cookie __Secure-k signing_salt=s; auth_sigra_cookie_secure off;", '"auth_sigra_session_cookie" __Secure-k needs "auth_sigra_cookie_secure" auto or on'],
    ["$cookie k signing_salt=s same_site=None; auth_sigra_cookie_secure off;", '"auth_sigra_session_cookie" k with same_site=None needs "auth_sigra_cookie_secure" auto or on'],

    ['auth_sigra_remember_me_cookie "a;b";', 'invalid cookie name "a;b" in "auth_sigra_remember_me_cookie"'],
    (map { ["auth_sigra_remember_me_cookie m $_;", 'in "auth_sigra_remember_me_cookie" directive'] } qw(max_age=0 max_age=x path=x same_site=no age=1)),
    ['auth_sigra_remember_me_cookie __Host-m path=/x;', '"auth_sigra_remember_me_cookie" __Host-m needs path=/'],
    ['auth_sigra_remember_me_cookie __Secure-m; auth_sigra_cookie_secure off;', '"auth_sigra_remember_me_cookie" __Secure-m needs "auth_sigra_cookie_secure" auto or on'],
    ['auth_sigra_remember_me_cookie _my_app_key;', 'the session and the remember-me cookie have the same name, "_my_app_key"'],

    (map { ["$domain '$_';", 'invalid domain .* in "auth_sigra_cookie_domain"'] } 'a b', 'a;b', 'http://a', 'a:80', ''),
    ['auth_sigra_cookie_secure $https; auth_sigra_cookie_secure on;', '"auth_sigra_cookie_secure" directive is duplicate'],
    ['auth_sigra_cookie_secure on; auth_sigra_cookie_secure $https;', '"auth_sigra_cookie_secure" directive is duplicate'],
    ['auth_sigra_cookie_secure yes;', 'invalid value "yes", it must be "auto", "on" or "off" in "auth_sigra_cookie_secure"'],
    ['auth_sigra_session_ttl 0;',           'invalid time "0", it must be a time above zero like "14d" in "auth_sigra_session_ttl"'],
    ['auth_sigra_session_ttl soon;',        'invalid time "soon", it must be a time above zero like "14d" in "auth_sigra_session_ttl"'],
    ['auth_sigra_session_ttl -1;',          'invalid time "-1"'],
    ['auth_sigra_session_ttl off;',         'invalid time "off"'],
    ['auth_sigra_session_ttl 1d remember_me=0;', '"remember_me".* in "auth_sigra_session_ttl"'],
    ['auth_sigra_session_ttl 1d 2d;',       'invalid parameter "2d" in "auth_sigra_session_ttl"'],
    ['auth_sigra_unauthenticated 401;', 'invalid value "401", it must be "auto", "redirect" or "status" in "auth_sigra_unauthenticated"'],
    (map { ["auth_sigra_login_url '$_';", 'invalid URL .*it must be a path like "/users/log-in" or start with "https://" in "auth_sigra_login_url"'] }
        'users/log-in', '//evil.example', '/\\\\evil', '', 'javascript:x', '/a b', 'ftp://a'),
    ['auth_sigra_idle_timeout 30m;',        '"auth_sigra_idle_timeout" .*"auth_sigra_schema" sigra_sessions'],
    ['auth_sigra_reissue_age 59s;',         '"auth_sigra_reissue_age" must be at least 1m'],
    ['auth_sigra_reissue_age often;',       'invalid time "often", it must be a time above zero or "off" in "auth_sigra_reissue_age"'],
    ['auth_sigra_idle_timeout soon;',       'invalid time "soon", it must be a time above zero or "off" in "auth_sigra_idle_timeout"'],
    ['auth_sigra_forward yes;',             'invalid value "yes", it must be "off", "on" or "encoded" in "auth_sigra_forward"'],
    ['auth_sigra_hide_cookies 1;',          'invalid value "1" in "auth_sigra_hide_cookies" directive'],
    ['auth_sigra_preflight on;', 'invalid value "on", it must be "deny" or "pass" in "auth_sigra_preflight"'],
    ['auth_sigra_cache_control public;', 'invalid value "public", it must be "private", "no-store" or "off" in "auth_sigra_cache_control"'],
    ['auth_sigra_sudo 0;',                  'invalid time "0", it must be a time above zero or "off" in "auth_sigra_sudo"'],
    ['auth_sigra_sudo now;',                'invalid time "now"'],
    ['auth_sigra_no_such 1;',               'unknown directive "auth_sigra_no_such"'],
);

our @right = (
    'auth_sigra_reissue_age 1m;', 'auth_sigra_reissue_age off;',
    '', 'auth_sigra_schema sigra_sessions; auth_sigra_idle_timeout 30m;', 'auth_sigra_idle_timeout off;', 'auth_sigra_schema sigra_sessions; auth_sigra_idle_timeout 30m; limit_except GET { auth_sigra off; }',
    'auth_sigra off; auth_sigra_idle_timeout 30m;',
    "auth_sigra_postgres '$nowhere' connections=2 queue=1024 timeout=2s connect_timeout=5s max_reconnect_delay=10s prepare=on;",
    'auth_sigra_postgres postgresql://a:b@no-such-host.invalid:1,[::1]/c?sslmode=require&target_session_attrs=read-write prepare=off;',
    "$cookie __Host-k signing_salt=s same_site=None;", "$cookie __Secure-k signing_salt=s path=/x; $domain example.com;",
    'auth_sigra_remember_me_cookie off;', 'auth_sigra_session_ttl 1d remember_me=60d;', 'auth_sigra_login_url https://login.example.com/;',
    'auth_sigra_login_url /in?a=b;', 'auth_sigra_sudo 10m; limit_except GET { auth_sigra_sudo 1m; auth_sigra_unauthenticated status; auth_sigra off; }',
    'if ($arg_a) { set $a b; }',
    (map { "auth_sigra_postgres '$_';" } 'host=a,b port=1', 'host=a,b port=,5433 sslmode=verify-full', 'host=/run/a@b', 'host=@abstract', 'postgresql://u:p%40ss@db/c', 'password=p@ss host=a'),
    'auth_sigra_require $Uri;', 'auth_sigra_cookie_secure $a; set $a b;', 'auth_sigra_cookie_secure "${scheme}x";', 'auth_sigra_require "u.name = \';\'";',
);

# Warnings about configurations that are accepted but do not do what was meant; a pattern, or that there is no warning.
our @warned = (
    ['auth_sigra_verify;', qr{"auth_sigra_verify" in location "/" answers 401 to everybody: "auth_sigra" is "off" there}],
    ['auth_sigra on; auth_sigra_verify trusted=10.0.0.1/8;', qr{low address bits of 10\.0\.0\.1/8 are meaningless in \S+:\d+}],
    ['auth_sigra on; auth_sigra_bearer only; auth_sigra_sudo 10m;', qr{"auth_sigra_sudo" in location "/" lets nobody in: "auth_sigra_bearer only" accepts only API tokens, and these never count as a fresh login}],
    ['auth_sigra on; auth_sigra_attribute name u.name; add_header X-Name $auth_sigra_attribute_nam;', qr{"\$auth_sigra_attribute_nam" is always empty: no "auth_sigra_attribute" has the name "nam"}],
    ['auth_sigra on; auth_sigra_attribute Full_Name u.name; add_header X-Name $auth_sigra_attribute_full_name;'],
    ['auth_sigra optional; auth_sigra_verify trusted=10.0.0.0/8;'], ['auth_sigra on; auth_sigra_bearer on; auth_sigra_sudo 10m;'],
);

# Runs nginx -t with a location; returns its output, and whether it succeeded.
sub test_config {
    my ($directives) = @_;
    my $root  = $ENV{TEST_NGINX_SERVER_ROOT};
    my $alone = $directives =~ s/^alone: //;
    my $above = $alone ? '' : $http;
    my $on    = $alone || $directives =~ /auth_sigra(?: |;)|\Aauth_sigra_verify;\z/ ? '' : 'auth_sigra on;';
    my $load  = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    open my $out, '>', "$root/conf/wrong.conf" or die "$root: $!";
    print $out "${load}pid $root/logs/wrong.pid;\nerror_log stderr;\nevents { }\nhttp {\n    access_log off;\n$above    server {\n"
        . "        listen 127.0.0.1:1;\n        location / { $on $directives }\n    }\n}\n";
    close $out;
    my $said = qx($ENV{TEST_NGINX_BINARY} -e stderr -t -p $root/ -c conf/wrong.conf 2>&1);
    return ($said, $? == 0);
}

# A secret in the form of an environment file, and a file with the old secret below the new one.
our $secrets = tempdir(CLEANUP => 1);
for (['env' => 'SECRET_KEY_BASE=' . 's' x 64], ['two' => 's' x 64 . "\n" . 't' x 64]) {
    open my $out, '>', "$secrets/$_->[0]" or die $!;
    print $out "$_->[1]\n";
    close $out;
    push @wrong, ["auth_sigra_secret_key_base file:$secrets/$_->[0];", 'the secret must be one line that is the secret itself, without "SECRET_KEY_BASE=" in "auth_sigra_secret_key_base"'];
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: all wrong values
--- config
--- request
GET /
--- flow
for (@::wrong) {
    my ($directives, $expected) = @$_;
    my ($said, $content) = test_config($directives);
    my ($line) = $said =~ /(\[emerg\].*)/;
    ok(!$content, "refused: $directives");
    like($line // $said, qr{$expected.* in \S*/conf/wrong\.conf:\d+}, "message: $directives");
    unlike($said, qr/Sanitizer|runtime error|\[alert\]/, "no crash: $directives");
}



=== TEST 2: all right values, without asking a database
--- config
--- request
GET /
--- flow
for (@::right) {
    my ($said, $content) = test_config($_);
    ok($content, "accepted: $_") or diag($said);
}



=== TEST 3: accepted, with a warning
--- config
--- request
GET /
--- flow
for (@::warned) {
    my ($directives, $expected) = @$_;
    my ($said, $content) = test_config($directives);
    ok($content, "accepted: $directives") or diag($said);
    my $warned = join "\n", grep { !/"auth_sigra on" redirects to/ } $said =~ /(\[warn\].*)/g;
    $expected ? like($warned, $expected, "warned of: $directives") : is($warned, '', "no warning: $directives");
}



=== TEST 4: a password is not shown
--- config
--- request
GET /
--- user_files
>>> conninfo
host=a password=hush hush=1
>>> good
host=a password=hush
--- flow
my $html = $ENV{TEST_NGINX_HTML_DIR};
my ($said, $content) = test_config("auth_sigra_postgres file:$html/conninfo;");
ok(!$content, 'refused');
like($said, qr/the file does not have a valid conninfo in "auth_sigra_postgres" directive/, 'logged');
unlike($said, qr/hush/, 'without the password');
my $root = $ENV{TEST_NGINX_SERVER_ROOT};
($said, $content) = test_config("auth_sigra_postgres file:$html/good;");
ok($content, 'a file that is well-formed');
unlike(scalar qx($ENV{TEST_NGINX_BINARY} -e stderr -T -p $root/ -c conf/wrong.conf 2>&1), qr/hush/, 'nginx -T does not show it');



=== TEST 5: nginx itself refuses to start
--- http_config
auth_sigra on;
--- config
--- must_die
--- error_log
"auth_sigra" needs a database: say which with "auth_sigra_postgres" here or above
