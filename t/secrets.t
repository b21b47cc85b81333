# auth_sigra_secret_key_base: where it is stored, and how it is rotated.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our ($old, $new, $third) = map { $_ x 64 } qw(o n t);
$ENV{SIGRA_TEST_SECRET} = $third;
env_to_nginx('SIGRA_TEST_SECRET');
our $http = sigra_http_config(secret_key_base => [$new, $old], extra => 'auth_sigra on; auth_sigra_unauthenticated status;');
our %by   = map { $_ => authenticated_fixture(secret_key_base => $_) } $old, $new, $third;
sub status { return client()->get($_[0], { cookie => $by{ $_[1] }{ $_[2] // 'cookie' } })->{status} }
sub three { my ($path, $cookie) = @_; return join ' ', map { status($path, $_, $cookie) } $old, $new, $third }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the first signs, all of them verify
--- http_config eval: $::http
--- config eval
"location /third/ { alias html/; auth_sigra_secret_key_base $::third; }
location /file/ { alias html/; auth_sigra_secret_key_base file:\$TEST_NGINX_HTML_DIR/secret; auth_sigra_secret_key_base $::old; }
location /relative/ { alias html/; auth_sigra_secret_key_base file:../html/secret; }
location /windows/ { alias html/; auth_sigra_secret_key_base file:\$TEST_NGINX_HTML_DIR/secret.dos; }
location /env/ { alias html/; auth_sigra_secret_key_base env:SIGRA_TEST_SECRET; }
location /signed/ { alias html/; auth_sigra_unauthenticated redirect; }"
--- user_files eval
[[page => 'for ada'], [secret => "$::third\n"], ['secret.dos' => "$::third\r\n"]]
--- request
GET /page
--- error_code: 401
--- flow
for my $cookie (qw(cookie remember_cookie)) {
    is(three('/page', $cookie), '200 200 401', "two of them, $cookie");
    is(three('/third/page', $cookie), '401 401 200', "replaced below, $cookie");
    is(three('/file/page', $cookie), '200 401 200', "a file and another, $cookie");
    is(three('/relative/page', $cookie), '401 401 200', "a relative file, $cookie");
    is(three('/windows/page', $cookie), '401 401 200', "a line end of two bytes, $cookie");
    is(three('/env/page', $cookie), '401 401 200', "an environment variable, $cookie");
}
my $fresh = client();
$fresh->get('/signed/page');
ok($fresh->session(secret_key_base => $::new), 'the first one signs');
is($fresh->session(secret_key_base => $::old), undef, 'the others do not');
my $other = client();
is($other->get('/page', { cookie => $::by{$::old}{remember_cookie} })->{status}, 200, 'remember-me cookie with the old secret');
is($other->session(secret_key_base => $::new)->{user_token}, $::by{$::old}{token}, 'a session with the new one');
--- no_error_log eval
["oooooooo", "nnnnnnnn", "tttttttt"]



=== TEST 2: too short
--- http_config eval: sigra_http_config(secret_key_base => 'x' x 63)
--- config
--- must_die
--- error_log eval
[qr/\[emerg\].*the secret has 63 bytes, it must have at least 64 .*mix phx\.gen\.secret.* in "auth_sigra_secret_key_base" directive/]
--- no_error_log
xxxxxxxx



=== TEST 3: an empty file
--- http_config eval: sigra_http_config(secret_key_base => 'file:$TEST_NGINX_HTML_DIR/secret')
--- config
--- user_files eval: [[secret => "\n"]]
--- must_die
--- error_log eval
[qr/\[emerg\].*secret" is empty in "auth_sigra_secret_key_base" directive/]



=== TEST 4: a file with too short a secret, which is not shown
--- http_config eval: sigra_http_config(secret_key_base => 'file:$TEST_NGINX_HTML_DIR/secret')
--- config
--- user_files eval: [[secret => "hush-hush\n"]]
--- must_die
--- error_log eval
[qr/\[emerg\].*the secret has 9 bytes/]
--- no_error_log
hush-hush



=== TEST 5: no file
--- http_config eval: sigra_http_config(secret_key_base => 'file:/no/such/file')
--- config
--- must_die
--- error_log eval
[qr{\[emerg\].*cannot open "/no/such/file" \(No such file or directory\) in "auth_sigra_secret_key_base" directive}]



=== TEST 6: a folder
--- http_config eval: sigra_http_config(secret_key_base => 'file:/etc')
--- config
--- must_die
--- error_log eval
[qr{\[emerg\].*cannot read "/etc" \(Is a directory\) in "auth_sigra_secret_key_base" directive}]



=== TEST 7: a missing environment variable
--- http_config eval: sigra_http_config(secret_key_base => 'env:SIGRA_TEST_NO_SECRET')
--- config
--- must_die
--- error_log eval
[qr/\[emerg\].*the environment variable "SIGRA_TEST_NO_SECRET" is not set .*file:PATH works from any shell\) in "auth_sigra_secret_key_base" directive/]
