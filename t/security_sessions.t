# Attacks with correctly signed sessions: terms, tokens, contexts, rows.

use Test::Nginx::Socket 'no_plan';
use Compress::Zlib qw(compress);
use Sigra::Fixture;
use Sigra::Raw;

no_root_location();
fresh_database('sigra_sessions', name => 'security_of_sessions');
our $sessions_http = sigra_http_config();
our $bob           = authenticated_fixture(email => 'bob@example.com');
our %of_type       = map { $_ => authenticated_fixture(type => $_) } qw(standard remember_me mfa_pending other);
our $idle          = authenticated_fixture(idle => 31 * 60);
our $remembered    = authenticated_fixture(idle => 31 * 60, type => 'remember_me');
our %dead          = (
    'standard after a day'   => authenticated_fixture(age => 86400 + 1),
    'remember_me after sixty' => authenticated_fixture(age => 60 * 86400 + 1, type => 'remember_me'),
);

fresh_database('sigra');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $old  = authenticated_fixture(age => 60 * 86400 + 1);
our $gone = authenticated_fixture();
our %of_context = map { $_ => authenticated_fixture(context => $_) } qw(reset_password confirm login change:ada@example.com
    Session session2), 'session ', '';
our $late = authenticated_fixture(columns => { confirmed_at => undef });
db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $gone->{session_id});
our $http = "large_client_header_buffers 4 1m;\n" . sigra_http_config();

our $config = <<'EOF';
add_header X-Status $auth_sigra_status always;
location /private { auth_sigra on; try_files /private.txt =404; }
location /dead {
    auth_sigra on;
    auth_sigra_postgres "host=127.0.0.1 port=1 dbname=none user=nobody" timeout=100ms;
    try_files /private.txt =404;
}
EOF
our $files = ">>> private.txt\nfor ada\n";

sub is_refused_unasked {
    my ($cookie, $name, $status) = @_;
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

sub signed { my ($payload) = @_; return session_cookie($payload) }

# A map whose first key is the token, and whose second value is encoded as given.
sub beside {
    my ($encoded, $count) = @_;
    my $token = encode_term({ user_token => $ada->{token} });
    return "\x83t" . pack('N', $count // 2) . substr($token, 6) . "m\0\0\0\1x" . $encoded;
}

sub worker { open my $in, '<', "$ENV{TEST_NGINX_SERVER_ROOT}/logs/nginx.pid" or return; return <$in> =~ s/\D//gr }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: lengths beyond the end, and maps of 2^32
--- http_config eval: $::http
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- flow
my $huge = "\xff\xff\xff\xff";
my %term = (
    'nothing'            => '', 'a version alone' => "\x83", 'another version' => "\x82t\0\0\0\0", 'no map' => "\x83j",
    'a map of 2^32'      => "\x83t$huge", 'a map of 2^31' => "\x83t\x80\0\0\0", 'a map of 2 with 1' => "\x83t\0\0\0\2m\0\0\0\1am\0\0\0\1b",
    'a key without value' => "\x83t\0\0\0\1m\0\0\0\1a", 'a byte behind' => encode_term({ user_token => $::ada->{token} }) . "\0",
    'the same key twice' => "\x83t\0\0\0\2" . substr(encode_term({ user_token => $::ada->{token} }), 6) x 2,
    'a key twice, other' => beside('j', 3) . "m\0\0\0\1xj",
    map { ("beside the token: $_->[0]" => beside($_->[1])) } ['binary', "m$huge"], ['binary cut', "m\0\0\0\2a"], ['list', "l$huge"],
        ['string', "k\xff\xffab"], ['tuple', "h\xff"], ['large tuple', "i$huge"], ['big integer', "n\xff\0"],
        ['large big integer', "o$huge\0"], ['atom', "d\xff\xffa"], ['small atom', "w\xffa"], ['map', "t$huge"], ['float', "F\0\0"],
        ['integer', "b\0"], ['list without end', "l\0\0\0\1j"], ['nothing', ''],
);
is_refused_unasked(signed($term{$_}), $_, qr/\Ainvalid\z/) for sort keys %term;
next_good_request();



=== TEST 2: depth, count and compressed bombs in bounded time and memory
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $before = worker_memory(worker());
my $deep = 100_000;
my %term = (
    'tuples in tuples'    => "h\x01" x $deep . 'j',
    'lists in lists'      => "l\0\0\0\1" x $deep . 'j' x ($deep + 1),
    'maps in maps'        => "t\0\0\0\1j" x $deep . 'j',
    'unfinished depth'    => "h\x01" x $deep,
    'large tuples'        => "i\0\0\0\1" x $deep . 'j',
    'a list of 200,000'   => "l\0\x03\x0d\x40" . 'j' x 200_000 . 'j',
    'a tuple of 200,000'  => "i\0\x03\x0d\x40" . 'j' x 200_000,
    'a compressed bomb'   => 'P' . pack('N', 64 << 20) . compress("\0" x (64 << 20)),
);
for my $name (sort keys %term) {
    is_refused_unasked(signed(beside($term{$name})), "beside the token: $name");
    is_refused_unasked(signed("\x83$term{$name}"), "alone: $name", qr/\Ainvalid\z/);
}
my $inner = substr encode_term({ user_token => $::ada->{token} }), 1;
is_refused_unasked(signed("\x83P" . pack('N', length $inner) . compress($inner)), 'an honest compressed session', qr/\Ainvalid\z/);
is_refused_unasked(signed("\x83P" . pack('N', $_) . compress($inner)), "compressed, said to be $_ bytes", qr/\Ainvalid\z/) for 0, 1, 4294967295;
cmp_ok(worker_memory(worker()) - $before, '<', 64 << 10, 'less than 64 MB more than before') unless $ENV{SANITIZE};
next_good_request();



=== TEST 3: funs, pids, ports, references and unknown tags
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $node = 'w' . pack 'C/a*', 'a@b';
my %term = (
    'pid' => "g$node" . "\0" x 9, 'new pid' => "X$node" . "\0" x 12, 'port' => "f$node" . "\0" x 5, 'new port' => "Y$node" . "\0" x 8,
    'reference' => "e$node" . "\0" x 5, 'new reference' => "r\0\1$node" . "\0" x 5, 'newer reference' => "Z\0\1$node" . "\0" x 8,
    'fun' => "u\0\0\0\0g$node" . "\0" x 9 . "${node}a\0a\0", 'new fun' => 'p' . pack('N', 40) . "\0" x 40,
    'export' => "q$node${node}a\1", 'bit binary' => "M\0\0\0\1\7a", 'old float' => 'c' . '1.0' . "\0" x 28, 'cached atom' => "R\0",
    'atom cache' => "D\0", 'local' => "y\0\0\0\0", map { ("tag $_" => chr($_) . "\0" x 16) } 0, 1, 69, 130, 131, 255,
);
for my $name (sort keys %term) {
    # Values that an application may keep in its sessions: they are skipped.
    if ($name =~ /\A(?:pid|new pid|reference|new reference|newer reference|bit binary)\z/) {
        is_served(ask('/private', 'Cookie: ' . signed(beside($term{$name}))), "beside the token: $name");
    } else {
        is_refused_unasked(signed(beside($term{$name})), "beside the token: $name", qr/\Ainvalid\z/);
    }
    is_refused_unasked(signed("\x83$term{$name}"), "alone: $name", qr/\Ainvalid\z/);
    is_refused_unasked(signed("\x83t\0\0\0\1m\0\0\0\nuser_token$term{$name}"), "as token: $name", qr/\Ainvalid\z/);
}
next_good_request();



=== TEST 4: tokens of other lengths and types
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $token = $::ada->{token};
for my $size (0, 1, 16, 31, 33, 43, 64, 10_000) {
    is_refused_unasked(signed({ user_token => substr $token x 400, 0, $size }), "a token of $size bytes", qr/\Ainvalid\z/);
    is_refused_unasked(remember_me_cookie(substr $token x 400, 0, $size), "a remember-me token of $size bytes");
}
my %other = (
    'an atom' => atom('x'), 'true' => atom('true'), 'an integer' => integer(1), 'a float' => float(1), 'a list' => [$token],
    'a map' => { a => $token }, 'a tuple' => tuple($token), 'the text of it' => Sigra::Fixture::encode_base64url($token),
);
is_refused_unasked(signed({ user_token => $other{$_} }), $_, qr/\Ainvalid\z/) for sort keys %other;
is_refused_unasked(signed("\x83t\0\0\0\1w\x0auser_token" . substr encode_term($token), 1), 'an atom for a key');
is_refused_unasked(signed({ User_token => $token, admin_token => $token, 'user_token ' => $token }), 'keys like it');
# A session with a malformed token does not become valid through the remember-me cookie.
is_refused_unasked(join('; ', signed({ user_token => '' }), $::ada->{remember_cookie}), 'with a remember-me cookie', qr/\Ainvalid\z/);
next_good_request();



=== TEST 5: the remember-me cookie's payload and its age
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $token = $::ada->{token};
my $now = int(time * 1000);
my %bad = (
    'expired' => tuple($token, integer($now - 61_000), integer(60)), 'from the future' => tuple($token, integer($now + 3_600_000), integer(60)),
    'max_age 0' => tuple($token, integer($now), integer(0)), 'negative' => tuple($token, integer($now), integer(-1)),
    'signed before 1970' => tuple($token, integer(-$now), integer(60)),
    'an atom' => tuple($token, integer($now), atom('never')), 'a binary' => tuple($token, integer($now), '60'),
    'the time a binary' => tuple($token, "$now", integer(60)), 'one element' => tuple($token), 'none' => tuple(),
    'four elements' => tuple($token, integer($now), integer(60), integer(1)), 'a list' => [$token, integer($now), integer(60)],
    'the token alone' => $token, 'two, two days old' => tuple($token, integer($now - 172_800_000)),
);
is_refused_unasked(remember_me_cookie(undef, term => $bad{$_}), $_, qr/\A(?:invalid|expired)\z/) for sort keys %bad;
is_refused_unasked(remember_me_cookie($token, name => 'other') =~ s/\Aother/remember_me_cookie_name/er, "another cookie's salt", qr/\Ainvalid\z/);
my ($name, $value) = split /=/, $::ada->{remember_cookie}, 2;
is_refused_unasked("$name=" . substr($value, 0, -1) . ($value =~ /A\z/ ? 'E' : 'A'), 'a signature off by a bit', qr/\Ainvalid\z/);
is_refused_unasked("$name=" . (split /\./, $value)[0] . '.' . (split /\./, $value)[1] . '.', 'no signature', qr/\Ainvalid\z/);
is_served(ask('/private', $::ada->{remember_header}), 'the valid one');
next_good_request();



=== TEST 6: reset, confirmation and magic-link tokens as session tokens
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $context (sort keys %::of_context) {
    is_anonymous(ask('/private', $::of_context{$context}{header}), "context '$context'");
    is_anonymous(ask('/private', $::of_context{$context}{remember_header}), "context '$context', remembered");
}
next_good_request();



=== TEST 7: an expired row that still exists, a row that is gone, whatever the remember-me cookie says
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
my $answer = ask('/private', $::old->{header});
is_anonymous($answer, 'an expired row');
is(header($answer, 'X-Status'), 'expired', 'status');
is_anonymous(ask('/private', $::old->{remember_header}), 'with remember-me');
$answer = ask('/private', $::gone->{header});
is_anonymous($answer, 'no row');
is(header($answer, 'X-Status'), 'unknown', 'status');
is_anonymous(ask('/private', "Cookie: $_->{cookie}; $::ada->{remember_cookie}"), 'an expired session and a live remember-me cookie') for $::old, $::gone;
next_good_request();



=== TEST 8: a verdict is not reused by a stricter location, nor for another database
--- http_config eval: $::http
--- config eval
my $strict = Sigra::Fixture::sigra_http_config(where => 'u.confirmed_at IS NOT NULL') =~ s/^.*(?:secret_key_base|_cookie) .*\n//mgr;
my $other  = Sigra::Fixture::sigra_http_config(name => 'security_of_sessions') =~ s/^.*(?:secret_key_base|_cookie|schema).*\n//mgr;
$strict =~ s/^.*auth_sigra_postgres.*\n//m;
$other =~ s/\n\z//;
$::config . <<"EOF";
location /lax { auth_sigra on; try_files /private.txt =404; }
location /strict { auth_sigra on; $strict try_files /private.txt =404; }
location /from-lax { auth_sigra on; error_page 404 = /strict; try_files /nowhere =404; }
location /lax-then { auth_sigra on; auth_request /strict; try_files /private.txt =404; }
location /lax-page { auth_sigra on; ssi on; ssi_types text/plain; try_files /page.txt =404; }
location /other {
    auth_sigra on;
    $other
    auth_sigra_schema sigra tokens=none users=none;
    try_files /private.txt =404;
}
location /from-lax-other { auth_sigra on; error_page 404 = /other; try_files /nowhere =404; }
EOF
--- user_files eval: "$::files>>> page.txt\n[<!--#include virtual=\"/strict\" -->]"
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for (1 .. 2) {
    is_served(ask('/lax', $::late->{header}), 'lax: in');
    is_anonymous(ask('/strict', $::late->{header}), 'then strict: checked again');
    is_anonymous(ask('/from-lax', $::late->{header}), 'by an internal redirect');
    is(ask('/lax-then', $::late->{header})->{status}, 401, 'by auth_request');
    unlike(ask('/lax-page', $::late->{header})->{text}, qr/for ada/, 'by an include');
    is(ask('/other', $::late->{header})->{status}, 503, 'another database: its own answer');
    is(ask('/from-lax-other', $::late->{header})->{status}, 503, 'by an internal redirect');
}
is_served(ask($_, $::ada->{header}), "$_ - a user who meets both") for '/lax', '/strict', '/from-lax', '/lax-then';
next_good_request();



=== TEST 9: sessions by type: with a pending second factor, of an unknown type, idle, old
--- http_config eval: $::sessions_http
--- config
location /private { auth_sigra on; try_files /private.txt =404; }
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::bob->{header}
--- flow
is_served(ask('/private', $::of_type{$_}{header}), $_) for qw(standard remember_me);
is_anonymous(ask('/private', $::of_type{mfa_pending}{$_}), "mfa_pending, $_") for qw(header remember_header);
is_anonymous(ask('/private', "Cookie: $::of_type{mfa_pending}{cookie}; $::bob->{remember_cookie}"), "mfa_pending, and another's remember-me cookie");
is_anonymous(ask('/private', $::of_type{other}{header}), 'an unknown type');
is_anonymous(ask('/private', $::dead{$_}{header}), $_) for sort keys %::dead;
is_anonymous(ask('/private', $::idle->{header}), 'idle for half an hour');
is_served(ask('/private', $::remembered->{header}), 'idle, with remember-me');
# Here the token is text; the 32 raw bytes are not a token.
is_anonymous(ask('/private', 'Cookie: ' . session_cookie({ user_token => $::bob->{token} })), 'raw bytes');
is_anonymous(ask('/private', 'Cookie: ' . session_cookie({ user_token => $_ })), 'a text of other length') for
    "$::bob->{token_text}=", substr($::bob->{token_text}, 0, 42), "$::bob->{token_text}A", ' ' . $::bob->{token_text};
is_served(ask('/private', $::bob->{header}), 'the next good request is served');



=== TEST 10: an answer that is cacheable for all is not, once a cookie is set
--- http_config eval: $::http
--- config
location /private {
    auth_sigra on;
    add_header Cache-Control public;
    expires 1h;
    try_files /private.txt =404;
}
location /proxied { auth_sigra on; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/public; }
location /public { add_header Cache-Control "public, max-age=3600"; expires 1h; try_files /private.txt =404; }
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $place ('/private', '/proxied') {
    my $answer = ask($place, $::ada->{remember_header});
    is($answer->{status}, 200, "$place, remember-me - passes");
    is(kept($answer)->{user_token}, $::ada->{token}, "$place, remember-me - the session is set");
    is(header($answer, 'Cache-Control'), 'private, no-store', "$place, remember-me - and no cache stores it");
    is(header($answer, 'Expires'), '', "$place, remember-me - no other caching header");
    is(header(ask($place), 'Cache-Control'), 'private, no-store', "$place, anonymous");
}



=== TEST 11: a prefetch's answer that arrives after the login's
--- http_config eval: $::http
--- config eval: $::config
--- user_files eval: $::files
--- request
GET /private
--- more_headers eval: $::ada->{header}
--- flow
for my $purpose ('Sec-Purpose: prefetch', 'Sec-Purpose: prefetch;prerender', 'Purpose: prefetch', 'X-Moz: prefetch') {
    my $answer = ask('/private', $purpose);
    is_anonymous($answer, $purpose);
    is(header($answer, 'Set-Cookie'), '', "$purpose - the login's session is not replaced");
}
next_good_request();
