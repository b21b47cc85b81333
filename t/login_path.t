# The path of the login URL is open to all. It is compared as the client sent it, before nginx normalizes or rewrites
# it.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Raw;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on;') . echo_upstream();
our $ada  = authenticated_fixture(email => 'ada@example.com');

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a path that only becomes the login URL after normalization is protected
--- http_config eval: $::http
--- config
location ~ ^/ { proxy_pass http://echo; }
--- request
GET /users/log-in
--- response_body_like: ^GET /users/log-in
--- flow
for my $target ('/admin/x/../../users/log-in', '/admin/users%2f..%2f..%2fusers%2flog-in', '/users/log-in#/../../admin', '/users//log-in', '//users/log-in',
    '/users/./log-in', '/users/log-in/.', '/users/log-in/', '/users/%6cog-in', '/users/log-in%23', '/x/../users/log-in', '/users/log-in;a', '/users/log-in%3f',
    '/admin/..%2fusers/log-in', '/admin%2f..%2fusers%2flog-in', '/%2e/users/log-in'
) {
    for my $method (qw(GET POST HEAD PUT)) {
        my $answer = ask("$method $target");
        is("$answer->{status} " . header($answer, 'Location'), '302 /users/log-in', "$method $target");
        unlike($answer->{text}, qr/^id=/m, "$method $target - the upstream was not reached");
    }
    is(ask($target, 'X-Requested-With: XMLHttpRequest')->{status}, 401, "$target - a program");
    is(ask($target, $::ada->{header})->{status}, 200, "$target - ada");
}
for my $target ('/users/log-in', '/users/log-in?', '/users/log-in?next=/../../admin', 'POST /users/log-in', 'http://localhost/users/log-in') {
    is(ask($target)->{status}, 200, "$target is open");
}



=== TEST 2: an application in one page
--- http_config eval: $::http
--- config
auth_sigra_login_url /spa/login;
location /spa/ { try_files $uri /spa/index.html; }
location /rewritten/ { auth_sigra_login_url /rewritten/login; rewrite ^/rewritten/login$ /rewritten/page.html last; }
location = /old-login { auth_sigra_login_url /old-login; try_files /none @app; }
location @app { auth_sigra_login_url /old-login; proxy_pass http://echo; }
--- user_files
>>> spa/index.html
the application
>>> rewritten/page.html
rewritten
--- request
GET /spa/login
--- response_body
the application
--- flow
is(ask('/rewritten/login')->{body}, "rewritten\n", 'a rewrite');
like(ask('/old-login')->{body}, qr{^GET /old-login}, 'a named location');
for my $target ('/spa/', '/spa/other', '/spa/index.html', '/rewritten/page.html') {
    is(ask($target)->{status}, 302, "$target is not");
}



=== TEST 3: the configured path as browsers send it
--- http_config eval: $::http
--- config eval
"location / { auth_sigra_login_url '/anm\xc3\xa4lden/hier'; proxy_pass http://echo; }
location /as/ { auth_sigra_login_url '/as/%41'; proxy_pass http://echo; }"
--- request
GET /x
--- error_code: 302
--- flow
is(ask('/anm%C3%A4lden/hier')->{status}, 200, 'encoded');
is(ask("/anm\xc3\xa4lden/hier")->{status}, 200, 'as it is written there');
is(ask("/anm%C3\xa4lden/hier")->{status}, 302, 'half of it');
is(ask('/as/%41')->{status}, 200, 'as it is written there');
is(ask('/as/A')->{status}, 302, 'not decoded');



=== TEST 4: a subrequest of the login page is checked like any other
--- http_config eval: $::http
--- config
location = /users/log-in { auth_request /check; try_files /page.txt =404; }
location = /check { internal; try_files /page.txt =404; }
--- user_files
>>> page.txt
page
--- request
GET /users/log-in
--- error_code: 401
--- flow
is(ask('/users/log-in', $::ada->{header})->{status}, 200, 'with a session');
