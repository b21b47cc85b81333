# auth_sigra_forward: the upstream gets the identity only from the module.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_forward on;') . echo_upstream();
our $ada    = authenticated_fixture(email => 'ada@example.com', authenticated_age => 3600, age => 7200);
our $never  = authenticated_fixture(email => 'bob@example.com', authenticated_age => undef);
our ($at)   = db()->selectrow_array(q(SELECT to_char(authenticated_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM users_tokens WHERE id = ?), undef, $ada->{session_id});

our @forged = map { ("$_: 1", lc($_) . ': 2', uc($_) . ': 3') } qw(X-Auth-User-Id X-Auth-Email X-Auth-Authenticated-At
    X_Auth_User_Id X_Auth_Email X-Auth_User-Id X.Auth.User.Id);

# What the upstream got: id, email, authenticated_at; or the status, if the request did not reach it.
sub told {
    my ($path, @headers) = @_;
    my $answer = wire(get($path, @headers, 'Connection: close'))->answer;
    my @told = $answer->{body} =~ /^id=(.*)\nemail=(.*)\nauthenticated_at=(.*)$/m or return $answer->{status};
    return join '|', @told;
}

# The listening sockets of gateways: the test itself reads what nginx sends, and closes the connection.
our $gateway      = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die;
our $gateway_port = $gateway->sockport;

# An upstream that answers with the header lines that it got.
our $port = do {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die;
    my $pid = fork() // die;
    if (!$pid) {
        $SIG{ALRM} = 'DEFAULT';
        alarm 300;
        while (my $socket = $listener->accept) {
            my $read = '';
            until ($read =~ /\r\n\r\n/) { sysread $socket, $read, 65536, length $read or last }
            $read =~ s/\r\n\r\n.*//s;
            print $socket "HTTP/1.0 200 OK\r\nContent-Length: ", length $read, "\r\n\r\n$read";
            close $socket;
        }
        kill KILL => $$;
    }
    add_cleanup_handler(sub { local $?; kill KILL => $pid; waitpid $pid, 0 });
    $listener->sockport;
};

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: the identity headers
--- http_config eval: $::http
--- config
underscores_in_headers on;
ignore_invalid_headers off;
location / { proxy_pass http://echo; }
location /optional { auth_sigra optional; proxy_pass http://echo; }
location /off { auth_sigra off; proxy_pass http://echo; }
location /silent { auth_sigra_forward off; proxy_pass http://echo; }
location /preflight { auth_sigra_preflight pass; proxy_pass http://echo; }
location /any { satisfy any; allow all; proxy_pass http://echo; }
location /old { auth_sigra optional; auth_sigra_session_ttl 1s; proxy_pass http://echo; }
location /login { auth_sigra_login_url /login; proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
my $who = "$::ada->{user_id}|ada\@example.com|$::at";
for my $forged ([], \@::forged) {
    my $what = @$forged ? 'forged' : 'plain';
    is(told('/', $::ada->{header}, @$forged), $who, "$what: a session");
    is(told('/', @$forged, $::ada->{header}), $who, "$what: its cookie behind");
    is(told('/optional', $::ada->{header}, @$forged), $who, "$what: optional");
    is(told('/login', $::ada->{header}, @$forged), $who, "$what: the login page");
    is(told('/', $::never->{header}, @$forged), "$::never->{user_id}|bob\@example.com|", "$what: never authenticated");
    is(told('/', @$forged), 401, "$what: anonymous");
    is(told($_, @$forged), '||', "$what: anonymous at $_") for qw(/optional /off /any /login);
    is(told($_, $::ada->{header}, @$forged), '||', "$what: not looked at, at $_") for qw(/off /any);
    is(told('/old', $::ada->{header}, @$forged), '||', "$what: expired here");
}
is(told('/silent', $::ada->{header}), '||', 'off');
is(told('/silent', $::ada->{header}, 'X-Auth-User-Id: 7'), '7||', 'off does not look');
my $preflight = wire("OPTIONS /preflight HTTP/1.1\r\n" . join("\r\n", 'Host: x', 'Origin: http://a.example', 'Access-Control-Request-Method: PUT',
    $::ada->{header}, @::forged, 'Connection: close', '', ''))->answer;
like($preflight->{body}, qr/^id=\nemail=\nauthenticated_at=\n/m, 'a preflight has no identity');



=== TEST 2: the other headers stay as they are
--- http_config eval: $::http
--- config eval
"underscores_in_headers on;
location / { proxy_pass http://127.0.0.1:$::port; }
location /keepalive { proxy_pass http://127.0.0.1:$::port; proxy_http_version 1.1; proxy_set_header Connection \$http_connection; }
location /for { proxy_pass http://127.0.0.1:$::port; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; proxy_set_header X-Agent \$http_user_agent; }"
--- request
GET /
--- error_code: 401
--- flow
my @plain = map { "X-Number-$_: " . 'v' x $_ } 1 .. 60;
my $sent = wire(get('/', @plain[0 .. 29], @::forged, $::ada->{header}, 'X-Auth-User: kept', 'X-Auth-User-Id-2: kept', 'Range: bytes=0-1', 'User-Agent: me',
    @plain[30 .. 59], 'Connection: close'))->answer->{body};
ok($sent =~ /^\Q$_\E\r?$/m, substr $_, 0, 20) for @plain, 'X-Auth-User: kept', 'X-Auth-User-Id-2: kept', 'Range: bytes=0-1', 'User-Agent: me', $::ada->{header};
is_deeply([$sent =~ /^(x[-_.]auth[-_.](?:user[-_.]id|email|authenticated[-_.]at): .*?)\r?$/mig],
    ["X-Auth-User-Id: $::ada->{user_id}", 'X-Auth-Email: ada@example.com', "X-Auth-Authenticated-At: $::at"], 'each once');

for (
    ['close, X-Auth-User-Id',                   'close'],
    ['X-Auth-User-Id',                          undef],
    ['x_auth_email , close,X-AUTH-USER-ID',     'close'],
    ['x-other, X-Auth-Email, close',            'x-other, close'],
) {
    my ($connection, $left) = @$_;
    my $wire = wire(get('/keepalive', $::ada->{header}, "Connection: $connection"));
    my ($seen) = $wire->answer->{body} =~ /^Connection: (.*?)\r?$/m;
    is($seen, $left, "Connection: $connection");
}
$sent = wire(get('/for', $::ada->{header}, 'X-Forwarded-For: 1.2.3.4', 'X-Forwarded-For: 5.6.7.8', 'User-Agent: me', 'Connection: close'))->answer->{body};
like($sent, qr/^X-Forwarded-For: 1\.2\.3\.4, 5\.6\.7\.8, 127\.0\.0\.1\r?$/m, 'X-Forwarded-For of two lines');
like($sent, qr/^X-Agent: me\r?$/m, 'a variable of a header');



=== TEST 3: a value that a header cannot contain
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
for my $email ("a\@b.c\n", "a\r\nX-Admin: 1\@b.c", "a b\@c.d", "a\tb\@c.d", "a\x7f\@c.d", '') {
    my $odd = authenticated_fixture(email => $email);
    like(told('/', $odd->{header}), qr/\A$odd->{user_id}\|\|\d{4}-[^|]*\z/, 'not forwarded: ' . unpack 'H*', $email);
}
my $utf8 = authenticated_fixture(email => "\xc3\xa4\@example.com");
like(told('/', $utf8->{header}), qr/^\d+\|\xc3\xa4\@example\.com\|/, 'UTF-8 is');
--- error_log
[warn]
X-Auth-Email
it is not forwarded
--- no_error_log
X-Admin



=== TEST 4: FastCGI, uwsgi and SCGI
--- http_config eval: $::http
--- config eval
"underscores_in_headers on;
location /fastcgi { fastcgi_pass 127.0.0.1:$::gateway_port; fastcgi_param A b; }
location /uwsgi { uwsgi_pass 127.0.0.1:$::gateway_port; uwsgi_param A b; }
location /scgi { scgi_pass 127.0.0.1:$::gateway_port; scgi_param A b; }"
--- request
GET /fastcgi
--- error_code: 401
--- flow
my %protocol = (
    fastcgi => qr/\x01\x05\x00\x01\x00\x00\x00\x00\z/,    # the end of its standard input
    uwsgi   => qr/\A\x00(?<length>..)\x00/s,
    scgi    => qr/\A\d+:.*,\z/s,
);
for my $kind (sort keys %protocol) {
    my $wire = wire(get("/$kind", $::ada->{header}, @::forged));
    my $upstream = $::gateway->accept;
    my $read = '';
    until ($read =~ $protocol{$kind} && (!$+{length} || length $read == 4 + unpack 'v', $+{length})) { sysread $upstream, $read, 65536, length $read or last }
    close $upstream;
    is($wire->answer->{status}, 502, "$kind: reached");
    for (['USER_ID', $::ada->{user_id}], ['EMAIL', 'ada@example.com'], ['AUTHENTICATED_AT', $::at]) {
        my ($name, $value) = @$_;
        is(scalar(() = $read =~ /HTTP_X_AUTH_$name/gi), 1, "$kind: $name once");
        like($read, qr/HTTP_X_AUTH_$name.{0,2}?\Q$value\E/s, "$kind: $name is the module's");
    }
}



=== TEST 5: internal redirects and named locations
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
location /try { try_files /none @named; }
location /accel { auth_sigra_forward off; error_page 404 = @named; }
location @named { proxy_pass http://echo; }
location /open { auth_sigra off; try_files /none @named; }
--- request
GET /
--- error_code: 401
--- flow
my $who = "$::ada->{user_id}|ada\@example.com|$::at";
for my $path (qw(/try /accel /open)) {
    is(told($path, $::ada->{header}, @::forged), $who, $path);
    is(told($path, @::forged), 401, "$path, anonymous");
}



=== TEST 6: percent-encoded
--- http_config eval: $::http
--- config
location / { auth_sigra_forward encoded; proxy_pass http://echo; }
location /below/ { proxy_pass http://echo; }
location /off/ { auth_sigra_forward off; proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
my $encode = sub { $_[0] =~ s/([^A-Za-z0-9._~\@:-])/sprintf '%%%02X', ord $1/ger };
for my $email ('ada.b-c_d~e@example.com', "m\xc3\xbcller\@example.com", 'a+b@example.com', '100%@example.com', 'a%40b@example.com', "a b\@y.example",
    "a\r\nX-Admin: 1\@y.example", "a\x7f\@y.example", q("a,b;c"@example.com), "\xf0\x9f\x98\x80\@example.com") {
    my $user = authenticated_fixture(email => $email);
    my $encoded = $encode->($email);
    is((split /\|/, told('/', $user->{header}, @::forged))[1], $encoded, "encoded: $encoded");
    is($encoded =~ s/%(..)/chr hex $1/ger, $email, 'and found again');
}
is(told('/', $::ada->{header}), "$::ada->{user_id}|ada\@example.com|$::at", 'an id, a time and a plain email look the same');
is(told('/', $::ada->{header}, @::forged), "$::ada->{user_id}|ada\@example.com|$::at", 'and nothing that is forged');
is(told('/off/', $::ada->{header}, 'X-Auth-User-Id: 7'), '7||', 'off does not look');
--- no_error_log
it is not forwarded



=== TEST 7: percent-encoded, and nothing to encode
--- http_config eval: $::http
--- config
location / { auth_sigra_forward encoded; proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
my ($nameless) = db()->selectrow_array(q(SELECT id FROM users WHERE email = ''));
like(told('/', authenticated_fixture(user_id => $nameless)->{header}), qr/\A$nameless\|\|\d{4}-/, 'an empty value is not forwarded');
--- error_log
the value for X-Auth-Email is empty
