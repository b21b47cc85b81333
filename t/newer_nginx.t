# What nginx versions newer than that of Debian 12 do to a request: early hints, bodies that are read before the
# location is known, tunnels.

use Test::Nginx::Socket 'no_plan';
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Versions;
use Sigra::Wire;

fresh_database('sigra');
add_triggers();
our $http     = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status;');
our $password = 'a good password';
our $ada      = authenticated_fixture(email => 'ada@example.com', password => $password);

# An upstream that the test itself answers for.
our $upstream = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die;
our $port     = $upstream->sockport;

sub head_of {
    my ($socket) = @_;
    my $head = '';
    until ($head =~ /\r\n\r\n/) { sysread $socket, $head, 65536, length $head or last }
    return $head;
}

sub form { return join '&', map { join '=', map { s/([^\w.-])/sprintf '%%%02X', ord $1/ger } @$_ } @_ }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: early hints come after the gate, and take no cookie from the answer
--- skip_eval: 2: !Sigra::Versions::nginx_knows('early_hints')
--- http_config eval: $::http
--- config eval
"location = /ready { auth_sigra off; return 200; }
location / { early_hints 1; auth_sigra_forward on; proxy_pass http://127.0.0.1:$::port; }"
--- request
GET /ready
--- flow
is(wire(get('/page', 'Connection: close'))->answer->{status}, 401, 'anonymous requests get none');

# With the remember-me cookie alone: the answer sets a session cookie.
my $kim  = authenticated_fixture();
my $wire = wire(get('/page', $kim->{remember_header}, 'Connection: close'));
my $served = $::upstream->accept;
like(head_of($served), qr/^X-Auth-User-Id: $kim->{user_id}\r$/mi, 'the upstream gets the user');
syswrite $served, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
my $hints = $wire->answer;
is("$hints->{status} $hints->{headers}{link}", '103 </style.css>; rel=preload', 'the hints arrive at once');
is_deeply([grep { !/^(?:link|date|server|connection)$/ } sort keys %{ $hints->{headers} }], [], 'with nothing of the module');
syswrite $served, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
close $served;
my $answer = $wire->answer;
is("$answer->{status} $answer->{body}", '200 ok', 'the answer follows');
like($answer->{headers}{'set-cookie'} // '', qr/^@{[session_cookie_name]}=/, 'with the session');
is($answer->{headers}{'cache-control'}, 'private, no-store', 'which must not be stored');



=== TEST 2: a body that is read before the location is known
--- skip_eval: 2: !Sigra::Versions::nginx_knows('client_body_early_read')
--- http_config eval: $::http
--- config eval
"client_body_early_read 1;
location = /ready { auth_sigra off; return 200; }
location = /users/log-in { auth_sigra_login; auth_sigra_password_checks floor=1ms; }
location = /users/log-out { auth_sigra_logout; }
location / { proxy_pass http://127.0.0.1:$::port; }"
--- request
GET /ready
--- flow
my $browser = client(timeout => 60);
is($browser->submit('/users/log-in', { 'user[email]' => 'ada@example.com', 'user[password]' => $::password })->{status}, 302, 'a login');
my $session = join '; ', map { "$_=" . $browser->cookies->{$_} } sort keys %{ $browser->cookies };
my $wire = wire("POST /page HTTP/1.1\r\nHost: localhost\r\nCookie: $session\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
my $served = $::upstream->accept;
like(head_of($served), qr/\r\n\r\nbody\z/, 'a body is passed on to the upstream');
syswrite $served, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
close $served;
is($wire->answer->{status}, 200, 'of a user who is logged in');
is(wire("POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")->answer->{status}, 401, 'and of no other');
my $large = form(['user[email]', 'a' x 9000]);
my $chunked = sprintf "%x\r\n%s\r\n0\r\n\r\n", length $large, $large;
for (["Content-Length: @{[length $large]}", $large], ['Transfer-Encoding: chunked', $chunked]) {
    my ($length, $body) = @$_;
    is(wire("POST /users/log-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n$length\r\nConnection: close\r\n\r\n$body")
        ->answer->{status}, 413, "one that is too large for a login is, by $length");
}
is($browser->post('/users/log-out', { _csrf_token => csrf_mask($browser->session->{_csrf_token}) })->{status}, 302, 'a log-out');
is(wire(get('/page', "Cookie: $session", 'Connection: close'))->answer->{status}, 401, 'that ends the session');



=== TEST 3: such a body in a temporary file
--- skip_eval: 2: !Sigra::Versions::nginx_knows('client_body_early_read')
--- http_config eval: $::http
--- config
client_body_early_read $http_x_early;
client_body_buffer_size 64;
location = /ready { auth_sigra off; return 200; }
location = /users/log-in { auth_sigra_login; auth_sigra_password_checks floor=1ms; }
--- request
GET /ready
--- flow
# The body is sent only when nginx asks for it, and not with the header, because it would then stay in the header's
# buffer.
my $login = sub {
    my ($early) = @_;
    my $browser = client(timeout => 60);
    $browser->get('/users/log-in');
    my $body = form(['_csrf_token', csrf_mask($browser->session->{_csrf_token})], ['user[email]', 'ada@example.com'], ['user[password]', $::password]);
    my $wire = wire(join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', "X-Early: $early", 'Expect: 100-continue',
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, 'Connection: close',
        'Cookie: ' . join('; ', map { "$_=" . $browser->cookies->{$_} } sort keys %{ $browser->cookies }), '', '');
    is($wire->answer->{status}, 100, 'nginx asks for the body');
    return $wire->send($body)->answer->{status};
};
is($login->(1), 413, 'is not read from there');
is($login->(0), 302, 'and is in memory where it is read in its time');



=== TEST 4: a tunnel
--- skip_eval: 2: !Sigra::Versions::nginx_knows('tunnel_pass')
--- http_config eval: $::http
--- config eval
"location = /ready { auth_sigra off; return 200; }
location / { auth_sigra_close_on_revoke on; tunnel_pass 127.0.0.1:$::port; }"
--- request
GET /ready
--- flow
my $connect = sub { return join "\r\n", "CONNECT localhost:$::port HTTP/1.1", "Host: localhost:$::port", @_, '', '' };
is(wire($connect->())->answer->{status}, 401, 'is not for anonymous requests');
await { db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_trigger%')) } 'the listener';
my $wire = wire($connect->($::ada->{header}));
my $served = $::upstream->accept;
is($wire->answer('HEAD')->{status}, 200, 'is for users who are logged in');
$wire->send('ping');
sysread $served, my $heard, 4;
is($heard, 'ping', 'bytes go in');
syswrite $served, 'pong';
is($wire->take(4), 'pong', 'and out');
revoke($::ada);
is($wire->more, 0, 'until the session ends');
