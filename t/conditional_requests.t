# If-Match, If-None-Match and the like refer to a version of the requested file. Answers of the module itself have no
# version, so it never answers 412 or 304 instead. If nginx answers so for a file, that answer has the module's headers.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;

fresh_database('sigra');
our $http = sigra_http_config();
our @conditions = (
    'If-Match: "7"', 'If-None-Match: *', 'If-Unmodified-Since: Thu, 01 Jan 2015 00:00:00 GMT',
    'If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT', 'Range: bytes=0-1',
);
sub form { return 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $_[0] }
sub cookies { return join ' ', sort map { s/=.*//sr } headers_named($_[0], 'Set-Cookie') }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: answers of the module itself
--- http_config eval: $::http
--- config
location = /log-in { auth_sigra_login; }
location = /verify { auth_sigra on; auth_sigra_verify; }
location = /renew { auth_sigra_renew; }
location = /session { auth_sigra_session; }
location = /sessions { auth_sigra_sessions; }
location = /status { auth_sigra_status; }
--- request
GET /log-in
--- error_code: 200
--- flow
my $ada = authenticated_fixture(email => 'ada@example.com');
for my $condition (@::conditions) {
    my $answer = ask('/verify', $ada->{header}, $condition);
    is("$answer->{status} " . header($answer, 'X-Auth-Email'), '200 ada@example.com', "$condition: verified");
    is(ask($_, $ada->{header}, $condition)->{status}, 200, "$condition: $_") for qw(/session /sessions /status);
    is(cookies(ask('/log-in', $condition)), session_cookie_name, "$condition: the login page");
    my $token = ask('/log-in', $condition, 'Accept: application/json');
    like($token->{body}, qr/csrf_token/, "$condition: its token");

    my $bob = authenticated_fixture();
    my $body = "_csrf_token=$bob->{csrf_token}";
    my @head = ('POST /renew HTTP/1.1', 'Host: localhost', 'Connection: close', 'Accept: application/json', $bob->{header}, $condition);
    $answer = raw_exchange(join "\r\n", @head, form($body), '', $body);
    is($answer->{status}, 200, "$condition: renewed");
    ok(session_row(kept($answer)->{user_token}), "$condition: and the browser has the new token");
}



=== TEST 2: a file
--- http_config eval: $::http
--- config
auth_sigra on;
location / { try_files /page.txt =404; }
location /reissue { auth_sigra_reissue_age 1h; try_files /page.txt =404; }
location /optional { auth_sigra optional; try_files /page.txt =404; }
location /page { error_page 412 = /other; try_files /page.txt =404; }
location = /other { try_files /page.txt =404; }
--- user_files
>>> page.txt
page
--- request
GET /
--- error_code: 302
--- flow
my $key = session_cookie_name;
for my $condition (['If-Match: "7"', 412], ['If-None-Match: *', 304]) {
    my ($header, $status) = @$condition;
    my $ada = authenticated_fixture(age => 7200, remember_me => 86400);
    my $answer = ask('/', $ada->{remember_header}, $header);
    is(join(' ', $answer->{status}, cookies($answer), header($answer, 'Cache-Control')), "$status $key private, no-store", "$status with a cookie");
    $answer = ask('/', $ada->{header}, $header);
    is(join(' ', $answer->{status}, header($answer, 'Cache-Control')), "$status private", "$status without");
    is(header(ask('/optional', $header), 'Vary'), 'Cookie', "$status with optional");

    $answer = ask('/reissue', $ada->{header}, $header);
    my $token = kept($answer)->{user_token};
    ok($token && $token ne $ada->{token} && session_row($token), "$status with a new token");
    is(ask('/', $header)->{status}, 302, "anonymous requests do not get a $status");
}
my $ada = authenticated_fixture();
my $answer = ask('/page', $ada->{header}, 'If-Match: "7"');
is($answer->{status}, 412, 'an error page with the same headers');
