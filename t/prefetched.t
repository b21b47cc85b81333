# Clear-Site-Data: pages that a browser has prefetched or prerendered for the previous user are not shown after a login
# or a log-out. no-store has no effect on them.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $sigra = database();
our $checks   = "auth_sigra_password_checks floor=1ms;\nauth_sigra_password_hash argon2id m=8 t=1 p=1;";
our $http     = sigra_http_config(extra => $checks);
our $down     = sigra_http_config(extra => $checks, conninfo => 'host=127.0.0.1 port=1 dbname=none user=sigra', postgres => 'timeout=1s');
our $password = 'correct horse';
our $clears   = '"prefetchCache", "prerenderCache"';
user_fixture(email => 'ada@example.com', password => $password);
fresh_database('sigra_sessions', name => 'prefetched_sessions');
our $sessions = sigra_http_config(extra => "$checks\nauth_sigra_second_factor 'true' url=/factor;");
user_fixture(email => 'ada@example.com', password => $password);
our $locations = 'location = /users/log-in { auth_sigra_login; } location = /users/log-out { auth_sigra_logout; }
    location = /everywhere { auth_sigra_logout everywhere; } location /private/ { auth_sigra on; }';

our @json = (accept => 'application/json');
sub token_of { return $_[0]->get('/users/log-in', {@json})->{content} =~ /"csrf_token":"([^"]+)/ ? $1 : '' }

# The headers of an answer, after its status.
sub said {
    my ($answer) = @_;
    return "$answer->{status} " . ($answer->{headers}{'clear-site-data'} // 'none');
}
sub log_in {
    my ($browser, $with, $headers) = @_;
    return $browser->post('/users/log-in', { _csrf_token => token_of($browser), email => 'ada@example.com', password => $with // $password }, $headers);
}
sub log_out {
    my ($browser, $path, $headers) = @_;
    return $browser->post($path, { _csrf_token => $browser->get('/users/log-in', {@json})->{content} =~ /"csrf_token":"([^"]+)/ ? $1 : '' }, $headers);
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: logins and log-outs, and nothing else
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- response_headers
! Clear-Site-Data
--- flow
for my $json ({}, {@::json}) {
    my $kind = %$json ? 'JSON' : 'a form';
    my $browser = client();
    is(said(log_in($browser, 'wrong', $json)), (%$json ? 401 : 302) . ' none', "$kind: a wrong password");
    is(said(log_in($browser, undef, $json)), (%$json ? 200 : 302) . " $::clears", "$kind: a login");
    is(said(log_in($browser, undef, $json)), (%$json ? 200 : 302) . " $::clears", "$kind: once more");
    is(said(log_out($browser, '/users/log-out', $json)), (%$json ? 204 : 302) . " $::clears", "$kind: a log-out");
    log_in($browser);
    is(said(log_out($browser, '/everywhere', $json)), (%$json ? 204 : 302) . " $::clears", "$kind: everywhere");
    is(said(log_out($browser, '/users/log-out', $json)), (%$json ? 204 : 302) . " $::clears", "$kind: nobody is logged in any more");
}
my $browser = client();
is(said($browser->post('/users/log-out', { _csrf_token => 'old' }, { 'sec-fetch-site' => 'same-origin' })), "302 $::clears", 'the second of two tabs');
is(said($browser->post('/users/log-out', { _csrf_token => 'old' })), '403 none', 'a forged one');
is(said($browser->get('/private/')), '302 none', 'the gate');
is(said($browser->get('/users/log-out')), '405 none', 'GET logs nobody out');



=== TEST 2: requests that log nobody in or out
--- http_config eval: $::down
--- config eval: $::locations
--- request
GET /users/log-in
--- response_headers
! Clear-Site-Data
--- flow
my $browser = client();
is(said(log_in($browser)), '503 none', 'no database: a login');
use_database($::sigra);
my $ada = authenticated_fixture(email => 'eve@example.com');
$browser = client()->use_cookie($ada->{cookie});
is(said($browser->post('/users/log-out', { _csrf_token => $ada->{csrf_token} })), '503 none', 'no database: a log-out');



=== TEST 3: a password before a second factor
--- http_config eval: $::sessions
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for my $json ({}, {@::json}) {
    is(said(log_in(client(), undef, $json)), (%$json ? 200 : 302) . " $::clears", %$json ? 'JSON' : 'a form');
}
