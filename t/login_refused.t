# auth_sigra_login: which logins are refused, that the answer does not say why, and requests that are no login at all.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;
use Sigra::Wire ();
use Time::HiRes ();

fresh_database('sigra');
our $quick = 'auth_sigra_password_hash argon2id m=8 t=1 p=1;';
our $http  = sigra_http_config(where => 'u.deleted_at IS NULL OR u.email = \'twice@example.com\'',
    extra => "$quick auth_sigra_lockout threshold=5 duration=15m; auth_sigra_password_checks floor=20ms running=4;");
our $password = 'correct horse';
our $location = 'location = /users/log-in { auth_sigra_login; }';

my $argon2 = 'c2lncmF0ZXN0c2FsdDE2Yg$Z47uJ0Lg/emeU1vD7sZx088ojzZVfRORRGCR1zxAIgE';
# By name: the columns of a user, and what the log says about the hash.
our %refused = (
    wrong     => [{ password => 'another' }],
    no_hash   => [{ hashed_password => undef }],
    scheme    => [{ hashed_password => '$scrypt$x' }, 'has an unknown scheme'],
    plain     => [{ hashed_password => $password }, 'has an unknown scheme'],
    empty     => [{ hashed_password => '' }, 'has an unknown scheme'],
    cut_off   => [{ hashed_password => '$argon2id$v=19$m=1024,t=1,p=1$c2lncmF0ZXN0' }, 'is malformed or cut off'],
    bare      => [{ hashed_password => '$argon2id$' }, 'is malformed or cut off'],
    tebibyte  => [{ hashed_password => "\$argon2id\$v=19\$m=1073741824,t=1,p=1\$$argon2" }, 'asks for more than 256 MiB'],
    memory    => [{ hashed_password => "\$argon2id\$v=19\$m=262145,t=1,p=1\$$argon2" }, 'asks for more than 256 MiB'],
    passes    => [{ hashed_password => "\$argon2id\$v=19\$m=1024,t=4294967295,p=1\$$argon2" }, 'asks for more than 10 passes'],
    lanes     => [{ hashed_password => "\$argon2id\$v=19\$m=1024,t=1,p=65\$$argon2" }, 'asks for more than 64 lanes'],
    bcrypt    => [{ hashed_password => '$2b$31$' . 'a' x 53 }, 'has a cost over 14'],
    bcrypt_15 => [{ hashed_password => '$2b$15$' . 'a' x 53 }, 'has a cost over 14'],
    short_2b  => [{ hashed_password => '$2b$04$aaaa' }, 'is malformed or cut off'],
    rounds    => [{ hashed_password => '$pbkdf2-sha512$4294967296$c2FsdHNhbHQ$' . 'A' x 86 }, 'asks for more than 2000000 rounds'],
    short_pb  => [{ hashed_password => '$pbkdf2-sha512$100$c2FsdA$' }, 'is malformed or cut off'],
    locked    => [{ password => $password, columns => { failed_login_attempts => 5, locked_at => \"now() at time zone 'utc'" } }],
    deleted   => [{ password => $password, columns => { deleted_at => \'now()' } }],
);
our %id = map { $_ => user_fixture(email => "$_\@example.com", %{ $refused{$_}[0] })->{user_id} } sort keys %refused;
$refused{$_} = [{}] for qw(unknown twice);
user_fixture(email => 'twice@example.com', password => $password, columns => { deleted_at => \'now()' });
user_fixture(email => 'twice@example.com', password => $password);
our $ada = user_fixture(email => 'ada@example.com', password => $password);

sub urlencoded {
    my (@form) = @_;
    my @pairs;
    while (my ($name, $value) = splice @form, 0, 2) {
        push @pairs, join '=', map { s/([^\w.-])/sprintf '%%%02X', ord $1/ger } $name, $value;
    }
    return join '&', @pairs;
}

our $state = csrf_state();

# A POST of this body as raw bytes, with a session of that CSRF state.
sub request_of {
    my ($body, @headers) = @_;
    my %own = map { /^([^:]+):/ ? (lc $1 => 1) : () } @headers;
    my @lines = ('POST ' . ($own{':target'} // '/users/log-in') . ' HTTP/1.1', 'Host: localhost', 'Connection: close');
    push @lines, 'Cookie: ' . session_cookie({ _csrf_token => $state }) unless $own{cookie};
    push @lines, 'Content-Type: application/x-www-form-urlencoded' unless $own{'content-type'};
    push @lines, 'Content-Length: ' . length $body unless $own{'content-length'} || $own{'transfer-encoding'};
    return join "\r\n", @lines, @headers, '', $body;
}
sub post { return raw_exchange(request_of(@_)) }
sub form { return urlencoded(_csrf_token => csrf_mask($state), @_) }
sub right { return form(email => 'ada@example.com', password => $password, @_) }

# An answer without the parts that differ from one second to the next.
sub bytes_of { return $_[0]{text} =~ s/^Date: .*\r\n//mr =~ s/(Set-Cookie: \w+=)[^;]*/$1/r }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the same answer for all
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- error_log
asks for more than 256 MiB
--- flow
my $sessions = db()->selectrow_array('SELECT count(*) FROM users_tokens');
for my $as (['Accept: text/html'], ['Accept: application/json']) {
    my ($first, %count);
    for my $name (sort keys %::refused) {
        my $answer = post(form('user[email]' => "$name\@example.com", 'user[password]' => $::password), @$as);
        my $bytes = bytes_of($answer);
        $first //= $bytes;
        is($bytes, $first, "$name: as the others, $as->[0]");
        next if $as->[0] =~ /json/;
        is_deeply(kept($answer), { _csrf_token => $::state, phoenix_flash => { error => 'Invalid email or password', email => "$name\@example.com" } }, "$name: the session");
    }
    like($first, $as->[0] =~ /json/ ? qr/\AHTTP\/1\.1 401 .*Content-Type: application\/json.*\r\n\r\n\{"error":"Invalid email or password"\}\z/s
        : qr/\AHTTP\/1\.1 302 .*Location: \/users\/log-in\r\n/s, 'that is');
    like($first, qr/^Cache-Control: (?:private, )?no-store\r$/m, 'no-store');
    unlike($first, qr/Set-Cookie/, 'JSON: no cookie') if $as->[0] =~ /json/;
}
my @log = split /\n/, Sigra::Wire::slurp('logs/error.log');
for my $name (sort keys %::id) {
    my $said = $::refused{$name}[1];
    my @lines = grep { /\[error\].* user $::id{$name}: / } @log;
    is(scalar @lines, $said ? 2 : 0, "$name: a line for each attempt, or none") or diag @lines;
    like($_, qr/user $::id{$name}: the stored .* \Q$said\E/, "$name: with the reason") for @lines;
}
is(db()->selectrow_array('SELECT count(*) FROM users_tokens'), $sessions, 'nobody is logged in');
unlike(join("\n", grep { /argon2|bcrypt|pbkdf2/ && !/stored/ } @log), qr/\$2b\$|\$argon2|\$pbkdf2/, 'no hash is in the log');
my $answer = post(form(email => 'twice@example.com', password => $::password));
is(kept($answer)->{user_token}, undef, 'two rows of one email: neither');
is(post(right())->{lines}[-1] && kept(post(right()))->{phoenix_flash}{info}, 'Welcome back!', 'a right one logs in');



=== TEST 2: emails of every kind are just wrong
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 30
--- flow
my $tables = db()->selectrow_array(q(SELECT count(*) FROM pg_class WHERE relkind = 'r'));
for (
    ["\xff\xfe\@example.com" => undef, 'invalid UTF-8'], ["\xed\xa0\x80" => undef, 'a surrogate'], ["\xc0\xaf" => undef, 'overlong'],
    ["ada\@example.com\0" => undef, 'NUL'], ["' OR 1=1 --" => "' OR 1=1 --", 'a quote'], ["\\'; DROP TABLE users; --" => "\\'; DROP TABLE users; --", 'a backslash'],
    ['$1' => '$1', 'a placeholder'], ['ada%' => 'ada%', 'a wildcard'], ['' => '', 'empty'], ["ada\@example.com\r\nSet-Cookie: x=y" => "ada\@example.com\r\nSet-Cookie: x=y", 'CRLF'],
    ['x' x 7900 => 'x' x 160, '8 kB'], ["\xc3\xa4" x 1000 => "\xc3\xa4" x 160, 'umlauts'], ["\xc2\xa0ada\@example.com" => "\xc2\xa0ada\@example.com", 'a blank that is not ASCII'],
) {
    my ($email, $kept, $what) = @$_;
    my $answer = post(form(email => $email, password => $::password));
    is("$answer->{status} " . header($answer, 'Location'), '302 /users/log-in', "$what: refused");
    is(kept($answer)->{phoenix_flash}{email}, $kept, "$what: what is kept of it");
    is(headers_named($answer, 'Set-Cookie'), 1, "$what: it adds no header");
}
is(post(form(password => $::password))->{status}, 302, 'none');
is(post(form(email => 'ada@example.com'))->{status}, 302, 'no password');
is(post(form())->{status}, 302, 'neither');
is(db()->selectrow_array(q(SELECT count(*) FROM pg_class WHERE relkind = 'r')), $tables, 'the tables are as they were');
for my $password (q(' OR '1'='1), "$::password\0", "$::password ", uc $::password, 'x' x 7900, '') {
    is(kept(post(form(email => 'ada@example.com', password => $password)))->{user_token}, undef, 'a password: ' . substr $password =~ s/\0/?/gr, 0, 20);
    db()->do('UPDATE users SET failed_login_attempts = 0, locked_at = NULL');
}
ok(kept(post(right()))->{user_token}, 'the connection is well');



=== TEST 3: the CSRF token
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 30
--- flow
my %of = (email => 'ada@example.com', password => $::password);
my $right = csrf_mask($::state);
for my $wrong ('', 'x', csrf_mask(csrf_state()), substr($right, 1), "${right}x", $::state, 'A' x 56, "SFMyNTY.x.y", "\0" x 56) {
    my $answer = post(urlencoded(_csrf_token => $wrong, %of));
    is("$answer->{status} " . headers_named($answer, 'Set-Cookie'), '403 0', "wrong: $wrong" =~ s/\0/?/gr);
    like(header($answer, 'Cache-Control'), qr/no-store/, 'no-store');
}
is(post(urlencoded(%of))->{status}, 403, 'none');
is(post(urlencoded(%of), "X-CSRF-Token: $right")->{status}, 302, 'in a header');
is(post(urlencoded(%of, _csrf_token => 'x' x 56), "X-CSRF-Token: $right")->{status}, 403, 'the body is checked first');
is(ask("POST /users/log-in?_csrf_token=$right&email=ada\@example.com&password=x", 'Cookie: ' . session_cookie({ _csrf_token => $::state }), 'Content-Length: 0')->{status}, 403, 'the query is not read');
is(post(right(), "Cookie: $_")->{status}, 403, "without the session: $_") for 'a=b', '_my_app_key=x', session_cookie({}), session_cookie({ _csrf_token => 'short' }),
    session_cookie({ _csrf_token => atom('nil') }), session_cookie({ _csrf_token => '' });
is(post(urlencoded(_csrf_token => '', %of), 'Cookie: ' . session_cookie({ _csrf_token => '' }))->{status}, 403, 'nothing equals nothing');



=== TEST 4: malformed bodies
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 30
--- flow
for (
    ['a=%zz' => 400, 'a bad escape'], ['a=%4' => 400, 'half an escape'], [join('&', ('a=b') x 101) => 400, 'too many fields'],
    ['x' x 8193 => 413, 'too large'], ['user' . '[' x 4000 . '=x' => 400, 'nested'],
) { is(post($_->[0])->{status}, $_->[1], $_->[2]) }
is(post(join '&', map { "f$_=" } 1 .. 10_000)->{status}, 413, '10,000 fields');
is(post('x' x 1_048_577)->{status}, 413, 'over client_max_body_size');
my $json = 'Content-Type: application/json';
my $token = 'X-CSRF-Token: ' . csrf_mask($::state);
for ('', '{', '[]', '"x"', '7', 'null', '{"user":[]}', '{"user":7}', '{"email":7,"password":"x"}', '{"email":"x","password":{}}', '{"a":' x 1300, '[' x 8000,
    '{"a":' x 9 . '1' . '}' x 9, "{\"email\":\"a\0b\"}", "{\"email\":\"\xff\"}", '{"email":"\ud800"}', '{"a":1}x', "{'a':1}") {
    my $answer = post($_, $json, $token);
    is($answer->{status}, length $_ ? 400 : 302, 'JSON: ' . substr s/[^ -~]/?/gr, 0, 30);
}
is(post(right(), "Content-Type: $_")->{status}, 415, "type $_") for 'multipart/mixed; boundary=x', 'text/plain', 'application/xml', 'application/jsonx', 'application/x-www-form-urlencoded2';
is(post(right(), "Content-Type: $_")->{status}, 400, "type $_") for 'multipart/form-data; boundary=x', 'multipart/form-data';
is(post(right(), "Content-Type: $_")->{status}, 302, "type $_") for 'application/x-www-form-urlencoded; charset=utf-8', 'Application/X-WWW-Form-Urlencoded', ' application/x-www-form-urlencoded ;x';
my $types = join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $::state }), 'Content-Length: ' . length right(), '', '';
is(raw_exchange($types . right())->{status}, 415, 'no type');

my $text = right();
for my $size (1, 7, 8192) {
    my $body = join '', (map { sprintf "%x\r\n%s\r\n", length, $_ } $text =~ /(.{1,$size})/gs), "0\r\n\r\n";
    my $answer = post($body, 'Transfer-Encoding: chunked');
    is("$answer->{status} " . header($answer, 'Location'), '302 /', "in chunks of $size");
}
my $long = 'x' x 4096;
is(post(join('', map { sprintf "%x\r\n%s\r\n", length, $_ } ($long) x 3) . "0\r\n\r\n", 'Transfer-Encoding: chunked')->{status}, 413, 'chunks that are too large together');
is(post("zz\r\n", 'Transfer-Encoding: chunked')->{status}, 400, 'no chunk');



=== TEST 5: from another site
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; auth_sigra_trusted_origins https://app.example.com http://other.example:8080; client_max_body_size 1; }
location = /log-in { auth_sigra_login; auth_sigra_trusted_origins https://app.example.com http://other.example:8080; }
--- request
GET /users/log-in
--- timeout: 30
--- flow
sub from {
    my (@headers) = @_;
    my $body = right();
    my @host = (grep { /^Host:/ } @headers) ? () : 'Host: localhost';
    return raw_exchange(join "\r\n", 'POST /log-in HTTP/1.1', @host, 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $::state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, @headers, '', $body);
}
my $rows = sub { db()->selectrow_array('SELECT count(*) FROM users_tokens') };
my $before = $rows->();
for (
    ['Origin: http://evil.example'], ['Origin: null', 'Sec-Fetch-Site: cross-site'], ['Origin: null', 'Origin: null'], ['Origin: '], ['Origin: localhost'], ['Origin: http://localhost.evil.example'], ['Origin: http://localhost@evil.example'],
    ['Origin: http://localhost:81'], ['Origin: http://app.example.com'], ['Origin: https://app.example.com:8443'], ['Origin: https://app.example.com.evil.example'],
    ['Origin: http://localhost', 'Origin: http://evil.example'], ['Origin: file://'],
    ['Sec-Fetch-Site: same-site'], ['Sec-Fetch-Site: cross-site'], ['Sec-Fetch-Site: '], ['Sec-Fetch-Site: SAME-ORIGIN'], ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
    ['Sec-Fetch-Site: cross-site', 'Origin: http://localhost'], ['Sec-Fetch-Site: same-site', 'Origin: http://localhost'],
    ['Host: evil.example', 'Origin: http://localhost'],
) {
    my $answer = from(@$_);
    is("$answer->{status} " . headers_named($answer, 'Set-Cookie'), '403 0', "@$_");
}
is($rows->(), $before, 'nobody is logged in');
for (
    [], ['Origin: null'], ['Origin: http://localhost'], ['Origin: https://localhost'], ['Origin: http://LOCALHOST'], ['Origin: http://localhost:80'], ['Host: localhost:8080', 'Origin: http://localhost:8080'],
    ['Origin: https://app.example.com'], ['Origin: http://other.example:8080'], ['Sec-Fetch-Site: same-origin'], ['Sec-Fetch-Site: none'],
    ['Sec-Fetch-Site: cross-site', 'Origin: https://app.example.com'], ['Sec-Fetch-Site: same-origin', 'Origin: http://evil.example'],
) {
    my $answer = from(@$_);
    is("$answer->{status} " . header($answer, 'Location'), '302 /', "in: @$_");
}
is(post(right(), 'Origin: http://evil.example')->{status}, 413, 'nginx looks at the length first');
is(Sigra::Wire::wire(join "\r\n", 'POST /log-in HTTP/1.1', 'Host: localhost', 'Origin: file://', 'Content-Length: 1000', '', '')->answer->{status}, 403, 'before a byte of the body is read');
is(from('Early-Data: 1')->{status}, 425, 'early data');
is(from('Early-Data: 0')->{status}, 425, 'however it is sent');
is(from('Cookie: a=b')->{status}, 400, 'two Cookie headers');
is(ask('/log-in', 'Early-Data: 1')->{status}, 200, 'early data is accepted for the page');
for ('//log-in', '/%6cog-in', '/x/../log-in') {
    my $body = form(email => 'unknown@example.com', password => 'x');
    my $answer = raw_exchange(join "\r\n", "POST $_ HTTP/1.1", 'Host: evil.example', 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $::state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body);
    is("$answer->{status} " . header($answer, 'Location'), '302 /users/log-in', "$_: the same login; Location is relative");
}



=== TEST 6: the password is in no log or answer
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; client_body_in_file_only on; client_body_buffer_size 64; }
location = /clean/log-in { auth_sigra_login; client_body_in_file_only clean; client_body_in_single_buffer off; client_body_buffer_size 16; error_page 403 400 413 /error.html; }
location = /error.html { ssi on; }
--- user_files
>>> error.html
<!--#echo var="request_body" -->
--- request
GET /users/log-in
--- log_level: debug
--- flow
my $secret = 'unheard-of-passw0rd';
for my $path ('/users/log-in', '/clean/log-in') {
    for my $form (urlencoded(_csrf_token => csrf_mask($::state), email => 'ada@example.com', password => $secret), urlencoded(email => 'a', password => $secret),
        "password=$secret&x=%zz", "password=$secret&" . 'x' x 8192) {
        my $answer = raw_exchange(join "\r\n", "POST $path HTTP/1.1", 'Host: localhost', 'Connection: close', 'Cookie: ' . session_cookie({ _csrf_token => $::state }),
            'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form, '', $form);
        isnt($answer->{status}, 0, "$path: answered $answer->{status}");
        unlike($answer->{text}, qr/\Q$secret/, 'not in the answer');
    }
}
unlike(Sigra::Wire::slurp('logs/error.log'), qr/\Q$secret/, 'not in the log, at the level debug');
unlike(Sigra::Wire::slurp('logs/access.log'), qr/\Q$secret/, 'nor in the access log');
my @files = grep { -f } glob "$ENV{TEST_NGINX_SERVER_ROOT}/client_body_temp/* $ENV{TEST_NGINX_SERVER_ROOT}/client_body_temp/*/*/*";
is_deeply(\@files, [], 'and in no file');



=== TEST 7: a refusal is delayed, a right password is not
--- http_config eval: $::http =~ s/floor=20ms/floor=10s/r
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 30
--- flow
db()->do(q(UPDATE users SET failed_login_attempts = 5, locked_at = now() AT TIME ZONE 'utc' WHERE email = 'locked@example.com'));
my $from = Time::HiRes::time();
my %wire = map { ($_->[0] => Sigra::Wire::wire(request_of(form(@{ $_->[1] })))) }
    ['nobody', [email => 'unknown@example.com', password => 'x']], ['a wrong password', [email => 'ada@example.com', password => 'x']],
    ['no email', [email => "\xff", password => 'x']], ['locked', [email => 'locked@example.com', password => $::password]],
    ['no password', [email => 'unknown@example.com']];
my $answer = post(right());
is(header($answer, 'Location'), '/', 'logged in');
cmp_ok(Time::HiRes::time() - $from, '<', 10, 'before the floor');
is(post(urlencoded(email => 'ada@example.com'))->{status}, 403, 'without a CSRF token');
cmp_ok(Time::HiRes::time() - $from, '<', 10, 'a 403 does not wait either');
my $select = IO::Select->new(map { $_->{socket} } values %wire);
my %taken;
while ($select->count) {
    for my $socket ($select->can_read) {
        $taken{$socket} = Time::HiRes::time() - $from;
        $select->remove($socket);
    }
}
for my $name (sort keys %wire) {
    is($wire{$name}->answer->{headers}{location}, '/users/log-in', "$name: refused");
    cmp_ok($taken{ $wire{$name}{socket} }, '>=', 9.99, "$name: no earlier than the floor");
}



=== TEST 8: a session that is nearly full
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 30
--- flow
my $email = 'e' x 160;
my %seen;
for my $room (map { 40 * $_ } 20 .. 75) {
    my %session = (_csrf_token => $::state, user_return_to => '/' . 'r' x 600, pad => 'x' x $room);
    my $answer = post(form(email => $email, password => 'x'), 'Cookie: ' . session_cookie(\%session));
    my ($cookie) = headers_named($answer, 'Set-Cookie');
    if (length($cookie // '') > 4096) { fail("a Set-Cookie of " . length $cookie) }
    my $kept = kept($answer);
    next unless %$kept;
    is("$kept->{pad} $kept->{_csrf_token}", "$session{pad} $::state", "$room: what is the application's is kept");
    $seen{ exists $kept->{phoenix_flash}{email} ? 'all' : exists $kept->{user_return_to} ? 'no email' : 'no way back' }++;
}
is_deeply([sort keys %seen], ['all', 'no email', 'no way back'], 'first the email is dropped, then the path to return to');



=== TEST 9: cookies that a sibling domain has planted
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- flow
my ($mine, $theirs) = map { authenticated_fixture(email => $_) } 'mallory@example.com', 'victim@example.com';
my $planted = join '; ', ($mine->{cookie}) x 20, $theirs->{cookie};
my $body = urlencoded(_csrf_token => $mine->{csrf_token}, email => 'ada@example.com', password => $::password);
is(post($body, "Cookie: $planted", "Sec-Fetch-Site: $_")->{status}, 403, "the form of a page of a $_ origin") for 'same-site', 'cross-site';
my $answer = post($body, "Cookie: $planted");
ok(!exists kept($answer)->{$_}, "nothing planted is left: $_") for 'pad';
isnt(kept($answer)->{user_token}, $mine->{token}, 'and the token is new');



=== TEST 10: the client leaves while the user is looked up, or before the refusal is due
--- http_config eval: $::http =~ s/floor=20ms/floor=1h/r =~ s/timeout=60s/timeout=1h/r
--- config eval: $::location . ' location = /status { stub_status; }'
--- request
GET /users/log-in
--- timeout: 30
--- flow
my $request = sub {
    my $body = form(email => $_[0], password => $_[1]);
    return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: localhost', 'Cookie: ' . session_cookie({ _csrf_token => $::state }),
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body;
};
my $alone = sub {
    Sigra::Wire::await(sub { Sigra::Wire::wire(Sigra::Wire::get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ }, 'their leave');
};
my @wires = map { Sigra::Wire::wire($request->($_, 'wrong')) } 'unknown@example.com', 'ada@example.com', "\xff";
Sigra::Wire::await_requests('/status', 3);
$_->leave for @wires;
ok($alone->(), 'left before the refusal');
my $lock = Sigra::Wire::hold_lock();
@wires = map { Sigra::Wire::wire($request->('ada@example.com', $::password)) } 1 .. 3;
Sigra::Wire::await_lookup();
$_->leave for @wires;
ok($alone->(), 'left while the user was looked up');
Sigra::Wire::while_stopped { $_->leave for map { Sigra::Wire::wire($request->('ada@example.com', $::password)) } 1 .. 3 };
ok($alone->(), 'left before the form was read');
$lock->rollback;
ok(kept(post(right()))->{user_token}, 'the next one logs in');
