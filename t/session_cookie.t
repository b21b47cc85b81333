# auth_sigra_session_cookie: the cookies of the reference implementation, key parameters and attributes.

use Test::Nginx::Socket 'no_plan';
use JSON::PP qw(decode_json);
use Sigra::Fixture;

fresh_database('sigra');
our $vectors = decode_json(do { open my $in, '<', 't/unit/vectors/phoenix.json' or die; local $/; <$in> });
our $http  = sigra_http_config();
our $token = pack 'H*', $vectors->{token1_hex};
our $ada   = authenticated_fixture(email => 'ada@example.com', token => $token);
our $crypt = { encryption_salt => encryption_salt };
our $encrypted = session_cookie({ user_token => $token }, %$crypt);

# The cookie that is set with the redirect to the login page, with its attributes.
sub set_cookie {
    my ($path, %option) = @_;
    my ($cookie) = values %{ client(%option)->get($path)->{cookies} };
    return $cookie;
}
sub attributes {
    my ($cookie) = @_;
    return join ' ', map { /^(?:count|value|expires)$/ ? () : "$_=$cookie->{$_}" } sort keys %$cookie;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: all cookies of the test vectors
--- http_config eval: $::http
--- config eval
"location /optional/ { auth_sigra optional; alias html/; add_header X-Who \"\$auth_sigra_status:\$auth_sigra_email\"; }
location /encrypted/ { auth_sigra optional; alias html/; add_header X-Who \"\$auth_sigra_status:\$auth_sigra_email\";
    auth_sigra_session_cookie $::vectors->{session_cookie} signing_salt=x encryption_salt=$::vectors->{encryption_salt}; }
location /gate/ { auth_sigra on; auth_sigra_unauthenticated status; alias html/; }"
--- user_files
>>> page
for ada
--- request
GET /gate/page
--- error_code: 401
--- flow
for my $vector (@{ $::vectors->{cookies} }) {
    my ($name, $expect) = @$vector{qw(name expect)};
    my $encrypted = $name =~ /encrypted/;
    for my $path ('/optional/page', '/encrypted/page') {
        my $who = client()->get($path, { cookie => "$vector->{cookie}=$vector->{value}" })->{headers}{'x-who'};
        my $expected = $name =~ /^session/ && ($encrypted xor $path =~ /encrypted/) ? 'none' : $expect;
        like($who, $expected eq 'token' ? qr/^miss:ada\@example\.com$/ : $expected eq 'unknown-token' ? qr/^unknown:$/
            : $expected eq 'none' ? qr/^(?:anonymous|expired|invalid):$/ : qr/^(?:miss|anonymous|invalid):/, "$name, $path: $expected");
    }
    next if $encrypted;
    is(client()->get('/gate/page', { cookie => "$vector->{cookie}=$vector->{value}" })->{status},
        $expect eq 'token' ? 200 : 401, "$name: gate") unless $expect eq 'either';
}



=== TEST 2: key_iterations, key_length, key_digest, salts and names
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_unauthenticated status;
location /iterations/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU key_iterations=10; }
location /length/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU key_length=64; }
location /digest/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU key_digest=sha512; }
location /all/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU key_digest=sha384 key_length=20 key_iterations=2000; }
location /salt/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=other; }
location /name/ { alias html/; auth_sigra_session_cookie other signing_salt=iLejisiU; }
location /encrypted/ { alias html/; auth_sigra_session_cookie _my_app_key signing_salt=x encryption_salt=XtRbWVqw key_digest=sha512 key_iterations=10; }
--- user_files
>>> page
for ada
--- request
GET /page
--- more_headers eval: $::ada->{header}
--- flow
my %key = (
    '/'           => {},
    '/iterations/' => { key_iterations => 10 },
    '/length/'    => { key_length => 64 },
    '/digest/'    => { key_digest => 'sha512' },
    '/all/'       => { key_digest => 'sha384', key_length => 20, key_iterations => 2000 },
    '/salt/'      => { signing_salt => 'other' },
    '/name/'      => { name => 'other' },
    '/encrypted/' => { %$::crypt, key_digest => 'sha512', key_iterations => 10 },
);
for my $cookie (sort keys %key) {
    my $value = session_cookie({ user_token => $::token }, %{ $key{$cookie} });
    is_deeply([grep { client()->get("${_}page", { cookie => $value })->{status} == 200 } sort keys %key], [$cookie], "a key for $cookie opens that alone");
}
for my $digest (qw(sha256 sha384 sha512)) {
    is(client()->get('/page', { cookie => session_cookie({ user_token => $::token }, digest => $digest) })->{status}, 200, "signed with $digest");
}



=== TEST 3: written cookies can be read, signed or encrypted
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_unauthenticated redirect;
location /encrypted/ { auth_sigra_session_cookie _my_app_key signing_salt=x encryption_salt=XtRbWVqw; }
location /digest/ { auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU key_digest=sha512; }
--- request
GET /
--- error_code: 302
--- response_headers_like
Set-Cookie: _my_app_key=SFMyNTY\.[\w.-]+; path=/; HttpOnly; SameSite=Lax
--- flow
for (['/', {}], ['/encrypted/', $::crypt], ['/digest/', { key_digest => 'sha512' }]) {
    my ($path, $option) = @$_;
    my $client = client();
    my $before = session_cookie({ cart => 'full' }, %$option);
    $client->get($path, { accept => 'text/html', cookie => $before });
    my $session = $client->session(%$option);
    is($session->{cart}, 'full', "$path: the other keys");
    is($session->{user_return_to}, $path, "$path: and what is new");
    my $value = $client->cookies->{_my_app_key};
    like($value, $path eq '/encrypted/' ? qr/^XCP\.[\w-]+$/ : qr/^SFMyNTY\.[\w-]+\.[\w-]+$/, "$path: its form");
}
isnt(set_cookie('/encrypted/')->{value}, set_cookie('/encrypted/')->{value}, 'another nonce each time');



=== TEST 4: attributes
--- http_config eval: $::http
--- config
auth_sigra on;
auth_sigra_unauthenticated redirect;
location /age/ { auth_sigra_session_cookie k signing_salt=s max_age=1d; }
location /path/ { auth_sigra_session_cookie k signing_salt=s path=/path; }
location /strict/ { auth_sigra_session_cookie k signing_salt=s same_site=Strict; }
location /none/ { auth_sigra_session_cookie k signing_salt=s same_site=None; }
location /host/ { auth_sigra_session_cookie __Host-k signing_salt=s; }
location /secure/ { auth_sigra_session_cookie __Secure-k signing_salt=s path=/secure; auth_sigra_cookie_domain example.com; }
location /on/ { auth_sigra_cookie_secure on; }
location /off/ { auth_sigra_cookie_secure off; }
location /domain/ { auth_sigra_cookie_domain .example.com; }
--- request
GET /
--- error_code: 302
--- flow
for (
    ['/',        'httponly=1 path=/ samesite=Lax'],
    ['/age/',    'httponly=1 max-age=86400 path=/ samesite=Lax'],
    ['/path/',   'httponly=1 path=/path samesite=Lax'],
    ['/strict/', 'httponly=1 path=/ samesite=Strict'],
    ['/none/',   'httponly=1 path=/ samesite=None secure=1'],
    ['/host/',   'httponly=1 path=/ samesite=Lax secure=1'],
    ['/secure/', 'domain=example.com httponly=1 path=/secure samesite=Lax secure=1'],
    ['/on/',     'httponly=1 path=/ samesite=Lax secure=1'],
    ['/off/',    'httponly=1 path=/ samesite=Lax'],
    ['/domain/', 'domain=.example.com httponly=1 path=/ samesite=Lax'],
) {
    my ($path, $expected) = @$_;
    is(attributes(set_cookie($path)), $expected, $path);
}
like(set_cookie('/age/')->{expires}, qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, 'expires with max-age');



=== TEST 5: Secure by default over TLS
--- http_config eval
$::http . '
auth_sigra on;
auth_sigra_unauthenticated redirect;
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 ssl http2;
    ssl_certificate ' . $ENV{SIGRA_TEST_PGDIR} . '/server.crt;
    ssl_certificate_key ' . $ENV{SIGRA_TEST_PGDIR} . '/server.key;
    location / { }
    location /off/ { auth_sigra_cookie_secure off; }
}'
--- config
location = /port { auth_sigra off; add_header X-Port $TEST_NGINX_RAND_PORT_1; alias html/page; }
--- user_files
>>> page
for ada
--- request
GET /
--- error_code: 302
--- flow
my $port = client()->get('/port')->{headers}{'x-port'};
my $over = sub { my ($line) = grep { /^set-cookie:/i } qx(curl -sk -i @_); return $line // '' };
for my $http ('--http1.1', '--http2') {
    like($over->($http, "https://127.0.0.1:$port/"), qr/; secure;/, "TLS, $http");
    unlike($over->($http, "https://127.0.0.1:$port/off/"), qr/secure/, "configured off, $http");
}
unlike($over->('-H X-Forwarded-Proto:https', "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}/"), qr/secure/, 'a client\'s header does not count');



=== TEST 6: without a Phoenix application, neither name nor salt is needed
--- http_config eval
(sigra_http_config() =~ s/auth_sigra_(?:session|remember_me)_cookie[^\n]*//gr) . 'auth_sigra on; auth_sigra_unauthenticated status;'
--- config
--- user_files
>>> page
for ada
--- request
GET /page
--- more_headers eval: 'Cookie: ' . session_cookie({ user_token => $::token }, name => '_sigra_key', signing_salt => 'auth_sigra')
--- response_body
for ada
--- flow
is(client()->get('/page', { cookie => remember_me_cookie($::token, name => '_sigra_user_remember_me') })->{status}, 200, 'the remember-me cookie as well');
