# Attacks on the identity headers: no header of a client may reach the upstream in their place.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::Raw;
use Sigra::Upstream;
use Sigra::Versions;

no_root_location();
fresh_database('sigra');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $http = sigra_http_config() . "    auth_sigra_forward on;\n";

# Protocols that use HTTP/2 to the upstream are sent to another server of this nginx, which proxies them to the HTTP
# upstream.
my $h2 = Sigra::Nginx::free_port();
my @over_h2;
if (nginx_has('http_v2_module')) {
    my $listen = http2_listen("127.0.0.1:$h2");
    $http .= "    server { $listen auth_sigra_forward off; location / { proxy_pass http://unix:\$TEST_NGINX_SERVER_ROOT/logs/http.sock; } }\n";
    @over_h2 = ([grpc => "grpc_pass grpc://127.0.0.1:$h2;"]);
    push @over_h2, [http2 => "proxy_pass http://127.0.0.1:$h2; proxy_http_version 2;"] if nginx_at_least('1.29.4');
}

# The same gate for each protocol: on, optional and off.
our $config = join '', "location /ready { return 200; }\n", map {
    my ($protocol, $pass) = @$_;
    map { "location /$protocol/$_ { auth_sigra $_; $pass }\n" } qw(on optional off);
} (
    @over_h2,
    [http    => 'proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/http.sock; proxy_http_version 1.1;'],
    [fastcgi => 'fastcgi_pass unix:$TEST_NGINX_SERVER_ROOT/logs/fastcgi.sock; fastcgi_param REQUEST_METHOD $request_method;'],
    [uwsgi   => 'uwsgi_pass unix:$TEST_NGINX_SERVER_ROOT/logs/uwsgi.sock; uwsgi_param REQUEST_METHOD $request_method;'],
);
# nginx drops such names by default. Here it is told not to, so that the module must remove them.
our $permissive = "underscores_in_headers on;\nignore_invalid_headers off;\n";

my @listening = qw(http fastcgi uwsgi);
our @protocols = (@listening, map { $_->[0] } @over_h2);

# Creates an upstream for each protocol when there is a folder for their sockets. nginx, and its folder, is new for each
# block with a configuration.
sub upstreams { start_upstream($_ => "$ENV{TEST_NGINX_SERVER_ROOT}/logs/$_.sock") for @listening }

# What an upstream would take for the identity: {user_id => [...], ...}, from all names that a gateway could map to it.
sub told {
    my ($answer) = @_;
    my %told;
    for my $line (split /\n/, $answer->{body}) {
        my ($name, $value) = $line =~ /\A([^:=\s]+)(?::[ \t]*|=)(.*)\z/ or next;
        my $folded = lc($name) =~ s/[^a-z0-9]/_/gr =~ s/\Ahttp_//r;
        push @{ $told{$1} }, $value if $folded =~ /\Ax_auth_(\w+)\z/;
    }
    return \%told;
}

sub is_told_ada {
    my ($answer, $name) = @_;
    my $told = told($answer);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply([@$told{qw(user_id email)}], [[$::ada->{user_id}], ['ada@example.com']], "$name - the module's value, once");
    is(scalar @{ $told->{authenticated_at} // [] }, 1, "$name - and when, once");
}

sub is_told_nobody {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->{status}, 200, "$name - served");
    is_deeply(told($answer), {}, "$name - no identity is sent");
}

# With a session, without one, and with the gate off.
sub cannot_override {
    my ($name, @headers) = @_;
    for my $protocol (@::protocols) {
        is_told_ada(ask("/$protocol/on", $::ada->{header}, @headers), "$protocol, $name");
        is_told_ada(ask("/$protocol/on", @headers, $::ada->{header}), "$protocol, $name, in front");
        is_told_nobody(ask("/$protocol/optional", @headers), "$protocol, $name, no session");
        is_told_nobody(ask("/$protocol/off", $::ada->{header}, @headers), "$protocol, $name, gate off");
    }
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the client sends the identity headers itself
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /ready
--- flow
upstreams();
cannot_override('nothing of their own');
cannot_override('X-Auth-User-Id', 'X-Auth-User-Id: 1', 'X-Auth-Email: eve@example.com', 'X-Auth-Authenticated-At: 2030-01-01T00:00:00Z');
cannot_override('mixed case', 'x-AUTH-user-ID: 1', 'X-AUTH-EMAIL: eve@example.com', 'x-auth-authenticated-at: 0');
cannot_override('repeated', ('X-Auth-User-Id: 1') x 5, ('x-auth-email: eve@example.com') x 30);
cannot_override('empty', 'X-Auth-User-Id:', 'X-Auth-Email:', 'X-Auth-Authenticated-At:');
cannot_override('underscores', 'X_Auth_User_Id: 1', 'X_Auth_Email: eve@example.com', 'X_Auth-Authenticated_At: 0');



=== TEST 2: the same when nginx accepts underscores and invalid names
--- http_config eval: $::permissive . $::http
--- config eval: $::config
--- request
GET /ready
--- flow
upstreams();
cannot_override('underscores', 'X_Auth_User_Id: 1', 'X_Auth_Email: eve@example.com', 'X_Auth_Authenticated_At: 0');
cannot_override('mixed', 'X_Auth-User_Id: 1', 'x-auth_EMAIL: eve@example.com', 'x_Auth-authenticated-At: 0');
cannot_override('names that fold into the same variable', 'X.Auth.User.Id: 1', 'X!Auth~Email: eve@example.com',
    "X'Auth+Authenticated*At: 0");
cannot_override('both at once', 'X-Auth-User-Id: 1', 'X_Auth_User_Id: 2', 'X-Auth-User_Id: 3', 'X_Auth_Email: eve@example.com');



=== TEST 3: named in Connection
--- http_config eval: $::permissive . $::http
--- config eval: $::config
--- request
GET /ready
--- flow
upstreams();
cannot_override("Connection: $_", "Connection: $_") for 'close, X-Auth-User-Id', 'close,x-auth-user-id,X-AUTH-EMAIL , X-Auth-Authenticated-At',
    'X-Auth-Email, close', 'close, X_Auth_User_Id', "close,\tX-Auth-User-Id\t";
cannot_override('a value and its name in Connection', 'Connection: close, X-Auth-User-Id', 'X-Auth-User-Id: 1');
cannot_override('Connection twice', 'Connection: close', 'Connection: X-Auth-User-Id, X-Auth-Email');



=== TEST 4: names in Connection that a gateway passes on are no identity headers
--- http_config eval: $::http
--- config
location /ready { return 200; }
location / {
    auth_sigra on;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/http.sock;
    proxy_http_version 1.1;
    proxy_set_header Connection $http_connection;
}
--- request
GET /ready
--- flow
upstreams();
my $answer = ask('/', $::ada->{header}, 'Connection: close, X-Auth-User-Id, x-auth-email, X-Other');
is_told_ada($answer, 'passed on');
like($answer->{body}, qr/^Connection: close, X-Other$/mi, 'the rest of Connection is there');



=== TEST 5: a client cannot set the administrator's own variable of that name
--- http_config eval: $::permissive . $::http
--- config
location /ready { return 200; }
location /proxy {
    auth_sigra on;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/http.sock;
    proxy_set_header X-User "[$http_x_auth_user_id]";
}
location /open {
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/http.sock;
    proxy_set_header X-User "[$http_x_auth_user_id]";
}
--- request
GET /ready
--- flow
upstreams();
for my $header ('X-Auth-User-Id: 4711', 'X_Auth_User_Id: 4711') {
    unlike(ask($_, $header, $::ada->{header})->{body}, qr/: \[?4711/, "$_, $header - gone") for '/proxy', '/open';
}
like(ask('/proxy', $::ada->{header})->{body}, qr/^X-User: \[$::ada->{user_id}\]$/m, "the module's is there");



=== TEST 6: an email with a line feed and other bytes that a header cannot contain
--- http_config eval: $::http
--- config eval: $::config
--- request
GET /ready
--- error_log
it is not forwarded
--- flow
upstreams();
for my $email ("a\@b.c\nX-Auth-User-Id: 1", "a\@b.c\r\nX-Evil: 1", "\n", "a\@b.c\t", "a b\@c", "a\@b.c\x7f", '', "a\@b.c\n\n<body>") {
    my $eve = authenticated_fixture(email => $email);
    for my $protocol (@::protocols) {
        my $answer = ask("/$protocol/on", $eve->{header});
        my $name = $email =~ s/([^!-~])/sprintf '<%02x>', ord $1/ger;
        is_deeply([@{ told($answer) }{qw(user_id email)}], [[$eve->{user_id}], undef], "$protocol, $name - the id, no email");
        unlike($answer->{body}, qr/^(?:HTTP_)?X.EVIL|<body>/mi, "$protocol, $name - no header of its own");
    }
    db()->do('DELETE FROM users WHERE id = ?', undef, $eve->{user_id});
}
my $polite = authenticated_fixture(email => "\xc3\xa9ve+tag\@example.com");
is_deeply(told(ask('/http/on', $polite->{header}))->{email}, ["\xc3\xa9ve+tag\@example.com"], 'UTF-8 is a value');
db()->do('DELETE FROM users WHERE id = ?', undef, $polite->{user_id});



=== TEST 7: with a hundred other headers, which arrive unchanged
--- http_config eval: $::permissive . "large_client_header_buffers 8 32k;\n$::http"
--- config eval: $::config
--- request
GET /ready
--- flow
upstreams();
my @many = map { ("X-Other-$_: $_", 'X-Auth-User-Id: 1', "X_auth_email: $_") } 1 .. 100;
cannot_override('a hundred', @many);
my $answer = ask('/http/on', $::ada->{header}, @many);
is(scalar(() = $answer->{body} =~ /^X-Other-(\d+): \1$/mg), 100, 'the other hundred are there');
cannot_override('and names that are merely like it stay', 'X-Auth-User-Id: 1');
like(ask('/http/on', $::ada->{header}, 'X-Auth-User-Id-2: a', 'XX-Auth-User-Id: b')->{body},
    qr/^X-Auth-User-Id-2: a\nXX-Auth-User-Id: b$/m, 'a longer name is not taken');
