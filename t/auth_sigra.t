# auth_sigra on | off | optional: who passes, who does not, how it is inherited.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config();
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $old  = authenticated_fixture(age => 60 * 86400 + 1);

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a session passes
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files
>>> private/page.txt
for ada
--- request
GET /private/page.txt
--- more_headers eval: $::ada->{header}
--- response_body
for ada
--- response_headers
Cache-Control: private



=== TEST 2: nobody else: a person is sent to the login page
--- http_config eval: $::http
--- config
location /private/ { auth_sigra on; }
--- user_files
>>> private/page.txt
for ada
--- request
GET /private/page.txt?a=1
--- error_code: 302
--- response_headers
Location: /users/log-in
Cache-Control: private, no-store
--- response_body_unlike: for ada
