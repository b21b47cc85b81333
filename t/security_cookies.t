# Attacks on the Cookie header and on signed values: names, formats, signatures, terms.

use Test::Nginx::Socket 'no_plan';
use Compress::Zlib qw(compress);
use MIME::Base64 qw(encode_base64url decode_base64url);
use Sigra::Fixture;
use Sigra::Raw;

no_root_location();
fresh_database('sigra');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $host = authenticated_fixture(user_id => $ada->{user_id}, cookie_name => '__Host-s');
our $http = "large_client_header_buffers 4 1m;\n" . sigra_http_config();

# The database of the second location cannot be reached: a request that needs it gets 503, so any other answer was given
# without a query. The third location has encrypted sessions, the fourth another cookie name.
our $config = <<'EOF';
add_header X-Status $auth_sigra_status always;
location /private { auth_sigra on; try_files /private.txt =404; }
location /dead {
    auth_sigra on;
    auth_sigra_postgres "host=127.0.0.1 port=1 dbname=none user=nobody" timeout=100ms;
    try_files /private.txt =404;
}
location /encrypted {
    auth_sigra on;
    auth_sigra_session_cookie _my_app_key signing_salt=iLejisiU encryption_salt=XtRbWVqw;
    try_files /private.txt =404;
}
location /host {
    auth_sigra on;
    auth_sigra_session_cookie __Host-s signing_salt=iLejisiU;
    try_files /private.txt =404;
}
EOF
our $files = ">>> private.txt\nfor ada\n";

sub printable { my ($text) = @_; return substr($text, 0, 60) =~ s/([^ -~])/sprintf '<%02x>', ord $1/ger }

# The request is anonymous, and the database was not asked.
sub is_refused_unasked {
    my ($cookie, $name, $status) = @_;
    $name //= printable($cookie);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $place ('/private', '/dead') {
        my $answer = ask($place, "Cookie: $cookie");
        is_anonymous($answer, "$name, $place");
        like(header($answer, 'X-Status'), $status // qr/\A(?:invalid|anonymous)\z/, "$name, $place - status");
    }
}

sub next_good_request {
    is_served(ask('/private', $ada->{header}), 'the next good request is served');
    is(ask('/dead', $ada->{header})->{status}, 503, 'and it would ask a database that is down');
}

sub invalid { is_refused_unasked(@_[0, 1], qr/\Ainvalid\z/) }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: names that only resemble the cookie's
--- http_config eval: $::http
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- flow
my ($name, $value) = split /=/, $::host->{cookie}, 2;
for my $other ("=$name=$value", "\"$name\"=$value", "%5f%5fHost-s=$value", "__host-s=$value", "__HOST-S=$value", "__Host-S=$value",
    " =$value", "$name =$value", "$name\t=$value", "$name\0=$value", "x$name=$value", "${name}x=$value", "\\$name=$value",
    "$name;$value", "$name: $value", "\$$name=$value", "\xe2\x80\xa8$name=$value", "\xc2\xa0$name=$value", "=$value", $value) {
    my $answer = ask('/host', "Cookie: $other");
    if ($answer->{status} == 400) { unlike($answer->{text}, qr/for ada/, printable($other) . ' - refused by nginx') }
    else                          { is_anonymous($answer, printable($other)) }
}
for my $bad ("=$name=bad", "\"$name\"=bad", "%5f%5fHost-s=bad", "__host-s=bad", "$name =bad", 'a=b') {
    is_served(ask('/host', "Cookie: $bad; $::host->{cookie}"), "$bad before the real one is ignored");
}
next_good_request();



=== TEST 2: quotes mean nothing, as for the application
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name, $value) = split /=/, $::host->{cookie}, 2;
is_served(ask('/host', qq{Cookie: lang="b; $name=$value; c=d"}), 'a pair inside quotes is a pair');
is_anonymous(ask('/host', qq{Cookie: lang="b; x; c=d"}), 'nothing is made of what is left');
is_anonymous(ask('/host', qq{Cookie: $name="$value"}), 'a quoted value holds its quotes');
is_anonymous(ask('/host', qq{Cookie: $name=$value"; c=d}), 'and one that comes after it');
is_anonymous(ask('/host', qq{Cookie: \$Version=1; $name=$value, other=1}), 'a comma is no separator');
is_served(ask('/host', qq{Cookie: \$Version=1; $name=$value; \$Path=/}), "RFC 2109's attributes are cookies");
next_good_request();



=== TEST 3: the same name twice: the first counts
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name, $value) = split /=/, $::ada->{cookie}, 2;
is_served(ask('/private', "Cookie: $name=$value; $name=bad"), 'good, then bad');
is_anonymous(ask('/private', "Cookie: $name=bad; $name=$value"), 'bad, then good');
is_anonymous(ask('/private', "Cookie: $name=; $name=$value"), 'empty, then good');
is_anonymous(ask('/private', 'Cookie: ' . join '; ', ("$name=bad") x 60, "$name=$value"), 'sixty bad, then good');
my $again = ask('/private', "Cookie: $name=bad; $name=$value");
is_login_redirect($again, 'no loop: the same answer again');
is(scalar(headers_named($again, 'Set-Cookie')), 1, 'with one cookie');
next_good_request();



=== TEST 4: two Cookie headers
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $place ('/private', '/dead') {
    for my $headers ([$::ada->{header}, 'Cookie: a=b'], ['Cookie: a=b', $::ada->{header}], [($::ada->{header}) x 2],
        ['Cookie:', $::ada->{header}], [$::ada->{header}, 'cookie:'], ['COOKIE: a=b', 'Cookie: c=d'], [('Cookie: a=b') x 50]) {
        my $answer = ask($place, @$headers);
        is($answer->{status}, 400, "$place, " . printable(join ', ', map { substr $_, 0, 12 } @$headers));
        unlike($answer->{text}, qr/for ada|Set-Cookie/, 'not in, no cookie');
    }
}
next_good_request();



=== TEST 5: spaces and tabs around name and value, as the application reads them
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name, $value) = split /=/, $::ada->{cookie}, 2;
is_served(ask('/private', "Cookie: $_"), printable($_)) for "$name=\t; $name=$value", "a=b;\t$name=$value", "a=b;$name=$value",
    ";;; $name=$value", "$name=$value  ; a=b", "$name; $name=$value", "$name=\tx; $name=$value", "$name =x; $name=$value";
is_refused_unasked($_) for "$name =$value", "$name= $value", "$name=$value\tx", "$name=\t$value", "$name\t=$value",
    "$name=\x0b$value", "$name=$value\x0c", "$name";
next_good_request();



=== TEST 6: empty, one character, 8 kB, and invalid base64
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name, $value) = split /=/, $::ada->{cookie}, 2;
is_refused_unasked('', 'an empty header');
is_refused_unasked("$name=$_") for '', '=', '==', '.', '..', '...', '....', 'SFMyNTY', 'SFMyNTY.', 'SFMyNTY..', 'SFMyNTY.g3QAAAAA',
    'SFMyNTY.g3QAAAAA.', '.g3QAAAAA.', 'XCP.', 'XCP', 'XCP.AAAA', 'QTEyOEdDTQ.a.b.c.d', "\xff\xfe", '%00', '%53FMyNTY', 'null';
is_refused_unasked("$name=" . 'a' x 8192, '8 kB of one sign');
is_refused_unasked("$name=SFMyNTY." . 'a' x 8192 . '.' . 'a' x 43, '8 kB between two points');
is_refused_unasked("$name=" . '.' x 8192, '8 kB of points');
my ($head, $payload, $signature) = split /\./, $value;
is_refused_unasked("$name=$_") for "$head.$payload!.$signature", "$head.$payload=.$signature", "$head.$payload.$signature=",
    "$head.$payload\n.$signature" =~ s/\n/%0a/r, "$head.$payload .$signature", "$head." . $payload =~ tr{-_}{+/}r . "+.$signature",
    "$head.$payload.$signature.x", "x.$head.$payload.$signature", "$head.$payload.${signature}A", " $value";
next_good_request();



=== TEST 7: every part of a signature with a flipped bit, cut off, or from another cookie
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name, $value) = split /=/, $::ada->{cookie}, 2;
my @parts = split /\./, $value;
# Flips one bit in each byte of each part, as it is sent.
for my $at (0 .. length($value) - 1) {
    my $flipped = $value;
    substr($flipped, $at, 1) = chr(ord(substr $value, $at, 1) ^ (1 << $at % 7));
    next if $flipped =~ /[;\x00-\x20\x7f]/;
    my $answer = ask('/dead', "Cookie: $name=$flipped");
    $answer->{status} == 302 or is($answer->{status}, 302, "bit $at % 7 of byte $at flipped: refused unasked");
}
pass('a flipped bit in any byte: refused unasked');
for my $length (0 .. length($value) - 1) {
    my $answer = ask('/dead', "Cookie: $name=" . substr $value, 0, $length);
    $answer->{status} == 302 or is($answer->{status}, 302, "cut to $length bytes: refused unasked");
}
pass('cut anywhere: refused unasked');
my $key = derive_key(secret_key_base, signing_salt);
my $payload = decode_base64url($parts[1]);
invalid("$name=$parts[0].$parts[1].", 'a signature of length 0');
invalid("$name=$parts[0].$parts[1]." . encode_base64url(substr decode_base64url($parts[2]), 0, $_), "a signature of $_ bytes")
    for 1, 16, 31;
invalid("$name=$parts[0].$parts[1]." . encode_base64url(decode_base64url($parts[2]) . "\0"), 'a signature of 33 bytes');
invalid("$name=$_.$parts[1].$parts[2]", "protected $_") for map { encode_base64url($_) } qw(none None NONE HS384 HS512 HS1 MD5 A128GCM),
    '{"alg":"none"}', '';
invalid("$name=$_.$parts[1].", "protected $_ without a signature") for map { encode_base64url($_) } qw(none HS256 HS384 HS512), '';
invalid("$name=" . sign($payload, derive_key($_, signing_salt)), 'another secret') for 'x' x 64, secret_key_base . 'x';
invalid("$name=" . sign($payload, derive_key(secret_key_base, $_)), "the salt of another purpose: $_")
    for '', 'x', encryption_salt, remember_me_cookie_name . '_cookie';
invalid("$name=" . sign($payload, ''), 'an empty key');
invalid("$name=" . sign($payload, secret_key_base), 'the secret itself as key');
invalid("$name=" . (split /=/, remember_me_cookie($::ada->{token}), 2)[1], 'the remember-me cookie as session');
is_refused_unasked(remember_me_cookie_name . "=$value", 'the session as remember-me cookie');
invalid("$name=" . encrypt($payload, derive_key(secret_key_base, encryption_salt)), 'encrypted instead of signed');
next_good_request();



=== TEST 8: other digests are accepted, each only with its own name
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name) = split /=/, $::ada->{cookie}, 2;
my $key = derive_key(secret_key_base, signing_salt);
my $payload = encode_term($::ada->{session});
my %signed = map { $_ => sign($payload, $key, $_) } qw(sha256 sha384 sha512);
is_served(ask('/private', "Cookie: $name=$signed{$_}"), $_) for sort keys %signed;
for my $claimed (sort keys %signed) {
    for my $real (grep { $_ ne $claimed } sort keys %signed) {
        invalid("$name=" . join('.', (split /\./, $signed{$claimed})[0, 1], (split /\./, $signed{$real})[2]), "$real as $claimed");
    }
}
next_good_request();



=== TEST 9: an encrypted session with a flipped bit, cut off, with another key, only signed
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $payload = encode_term($::ada->{session});
my $cookie = session_cookie($::ada->{session}, encryption_salt => encryption_salt);
is_served(ask('/encrypted', "Cookie: $cookie"), 'whole');
my ($name, $value) = split /=/, $cookie, 2;
my $bytes = decode_base64url($value =~ s/^XCP\.//r);
my @altered = map { my $b = $bytes; substr($b, $_, 1) ^= chr(1 << $_ % 8); $b } 0 .. length($bytes) - 1;
push @altered, map { substr $bytes, 0, $_ } 0 .. 45, length($bytes) - 1;
push @altered, "$bytes\0", map { encode_base64url($_) } "\0" x 40, '';
my @in = grep { ask('/encrypted', "Cookie: $name=XCP." . encode_base64url($_))->{text} =~ /for ada/ } @altered;
is(scalar @in, 0, scalar(@altered) . ' alterations: none gets in');
for my $other ('', 'x', signing_salt) {
    is_anonymous(ask('/encrypted', "Cookie: $name=" . encrypt($payload, derive_key(secret_key_base, $other))), "salt '$other'");
}
is_anonymous(ask('/encrypted', $::ada->{header}), 'signed instead of encrypted');
is_anonymous(ask('/encrypted', "Cookie: $name=$_"), $_) for 'XCP.', 'XCP', 'xcp.' . substr($value, 4), 'QTEyOEdDTQ.' . substr($value, 4);
next_good_request();



=== TEST 10: the signature is checked before the payload
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my ($name) = split /=/, $::ada->{cookie}, 2;
my ($pid) = do { open my $in, '<', "$ENV{TEST_NGINX_SERVER_ROOT}/logs/nginx.pid"; <$in> } =~ /(\d+)/;
my $before = worker_memory($pid);
my %bomb = (
    'nesting of 100,000' => "\x83" . "h\x01" x 100_000 . 'j',
    'a bomb'             => "\x83P" . pack('N', 64 << 20) . compress("\0" x (64 << 20)),
    'a map of 2^32'      => "\x83t\xff\xff\xff\xff",
);
invalid("$name=SFMyNTY." . encode_base64url($bomb{$_}) . '.' . encode_base64url('x' x 32), "$_, badly signed") for sort keys %bomb;
cmp_ok(worker_memory($pid) - $before, '<', 16 << 10, 'less than 16 MB more than before');
next_good_request();
