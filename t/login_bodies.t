# auth_sigra_login: emails and passwords that users type and programs send, in every kind of body.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use JSON::PP;

fresh_database('sigra');
our $http     = sigra_http_config();
our $location = 'location = /users/log-in { auth_sigra_login; auth_sigra_password_checks floor=1ms; }';
our $password = 'correct horse';
our %user     = map { $_ => authenticated_fixture(email => $_, password => $password) } 'ada@example.com', 'müller@example.com', 'kim@münchen.example';

# As a browser writes FormData.
sub multipart {
    my (@fields) = @_;
    my $body = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        $body .= qq(------WebKitFormBoundaryx\r\nContent-Disposition: form-data; name="$name"\r\n\r\n$value\r\n);
    }
    return $body . "------WebKitFormBoundaryx--\r\n";
}

sub send_multipart {
    my ($browser, $body, $headers) = @_;
    return $browser->request(POST => '/users/log-in', { 'content-type' => 'multipart/form-data; boundary=----WebKitFormBoundaryx', %{ $headers // {} } }, $body);
}

sub visitor { my $browser = client(timeout => 60); $browser->get('/users/log-in'); return ($browser, csrf_mask($browser->session->{_csrf_token})) }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: multipart/form-data
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- flow
my ($browser, $token) = visitor();
my @fields = ('user[email]' => 'ada@example.com', 'user[password]' => $::password, 'user[remember_me]' => 'false', 'user[remember_me]' => 'true');
my $answer = send_multipart($browser, multipart(_csrf_token => $token, @fields));
is("$answer->{status} $answer->{headers}{location}", '302 /', 'in');
ok($answer->{cookies}{_my_app_user_remember_me}, 'remember-me: the last value counts');

($browser, $token) = visitor();
$answer = send_multipart($browser, multipart(@fields), { 'x-csrf-token' => $token, accept => 'application/json' });
is($answer->{status}, 200, 'from fetch, with the token in a header');
is(decode_json($answer->{content})->{user}{email}, 'ada@example.com', 'as JSON');

($browser, $token) = visitor();
is(send_multipart($browser, multipart(@fields))->{status}, 403, 'the token is required');
is(send_multipart($browser, multipart(_csrf_token => $token, @fields, photo => 'x' x 8192))->{status}, 413, 'bounded as the others');
is(send_multipart($browser, substr multipart(_csrf_token => $token, @fields), 0, -6)->{status}, 400, 'cut off');
is(send_multipart($browser, multipart(_csrf_token => $token, 'user[email]"; filename="x' => 'a'))->{status}, 400, 'a file for an email');



=== TEST 2: emails as users type them
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- flow
for my $email ('ada@example.com ', "\tada\@example.com\r\n", 'müller@example.com', ' kim@münchen.example') {
    (my $bytes = $email) =~ s/^\s+|\s+$//g;
    utf8::decode(my $text = $email);
    my ($browser) = visitor();
    my $answer = $browser->submit('/users/log-in', { 'user[email]' => $text, 'user[password]' => $::password });
    is("$answer->{status} $answer->{headers}{location}", '302 /', "in as $bytes");
    my $token;
    ($browser, $token) = visitor();
    $answer = $browser->request(POST => '/users/log-in', { 'content-type' => 'application/json', 'x-csrf-token' => $token },
        JSON::PP->new->utf8->encode({ user => { email => $text, password => $::password } }));
    is($answer->{status}, 200, 'and in JSON');
    $text =~ s/^\s+|\s+$//g;
    is(decode_json($answer->{content})->{user}{email}, $text, 'the user');
}
my ($browser) = visitor();
my $answer = $browser->submit('/users/log-in', { 'user[email]' => ' nobody@example.com ', 'user[password]' => " $::password" });
is($answer->{headers}{location}, '/users/log-in', 'a wrong one');
is($browser->session->{phoenix_flash}{email}, 'nobody@example.com', 'is kept without its blanks');
is($browser->submit('/users/log-in', { 'user[email]' => 'ada@example.com', 'user[password]' => " $::password" })->{headers}{location}, '/users/log-in', "a password's blanks are its own");



=== TEST 3: Origin: null, as browsers have it under Referrer-Policy: no-referrer over plain http
--- http_config eval: $::http
--- config eval: $::location
--- request
GET /users/log-in
--- timeout: 60
--- flow
my ($browser, $token) = visitor();
my %form = ('user[email]' => 'ada@example.com', 'user[password]' => $::password);
is($browser->post('/users/log-in', { %form, _csrf_token => 'x' x 56 }, { origin => 'null' })->{status}, 403, 'the token decides');
is($browser->post('/users/log-in', { %form, _csrf_token => $token }, { origin => 'null', 'sec-fetch-site' => 'cross-site' })->{status}, 403, 'if the browser sends nothing else');
is($browser->post('/users/log-in', { %form, _csrf_token => $token }, { origin => 'null' })->{headers}{location}, '/', 'in');
