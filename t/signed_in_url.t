# auth_sigra_signed_in_url: where a login leads if no other page was requested.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config();
our $password = 'correct horse';
our $ada = authenticated_fixture(email => 'ada@example.com', password => $password);

no_shuffle();
run_tests();

__DATA__

=== TEST 1: after a login, and for users who are logged in
--- http_config eval: $::http . 'auth_sigra_signed_in_url /everywhere;'
--- config
auth_sigra_signed_in_url /server;
location = /inherited { auth_sigra_login; }
location = /path { auth_sigra_login; auth_sigra_signed_in_url /home?tab=1; }
location = /host { auth_sigra_login; auth_sigra_signed_in_url https://app.example.com/home; }
--- request
GET /inherited
--- flow
for (['/inherited' => '/server'], ['/path' => '/home?tab=1'], ['/host' => 'https://app.example.com/home']) {
    my ($path, $url) = @$_;
    my $browser = client();
    my $policy = $browser->get($path)->{headers}{'content-security-policy'};
    my ($targets) = $policy =~ /form-action ([^;]*)/;
    is($targets, $path eq '/host' ? "'self' https://app.example.com:443" : "'self'", "$path: the page's form may lead there");
    my $answer = $browser->submit($path, { 'user[email]' => 'ada@example.com', 'user[password]' => $::password });
    is("$answer->{status} $answer->{headers}{location}", "302 $url", "$path: after a login");
    $answer = client()->get($path, { cookie => $::ada->{cookie} });
    is("$answer->{status} $answer->{headers}{location}", "302 $url", "$path: for a user who is logged in");
}



=== TEST 2: the default
--- http_config eval: $::http
--- config
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- more_headers eval: $::ada->{header}
--- error_code: 302
--- response_headers
Location: /



=== TEST 3: nginx -t refuses //evil
--- http_config eval: $::http
--- config
auth_sigra_signed_in_url //evil;
--- must_die
--- error_log
"auth_sigra_signed_in_url"



=== TEST 4: nginx -t refuses javascript:x
--- http_config eval: $::http
--- config
auth_sigra_signed_in_url javascript:x;
--- must_die
--- error_log
"auth_sigra_signed_in_url"



=== TEST 5: nginx -t refuses evil
--- http_config eval: $::http
--- config
auth_sigra_signed_in_url evil;
--- must_die
--- error_log
"auth_sigra_signed_in_url"



=== TEST 6: nginx -t refuses /\evil
--- http_config eval: $::http
--- config
auth_sigra_signed_in_url /\\evil;
--- must_die
--- error_log
"auth_sigra_signed_in_url"



=== TEST 7: nginx -t refuses ''
--- http_config eval: $::http
--- config
auth_sigra_signed_in_url '';
--- must_die
--- error_log
"auth_sigra_signed_in_url"
