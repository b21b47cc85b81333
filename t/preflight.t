# auth_sigra_preflight: a CORS preflight passes where it may, and has no identity.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_forward on;') . echo_upstream();
our $ada  = authenticated_fixture(email => 'ada@example.com');
log_statements();

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: what is a preflight, and where it passes
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
location /pass { auth_sigra_preflight pass; proxy_pass http://echo; add_header X-Status "[$auth_sigra_status]"; }
location /pass/deny { auth_sigra_preflight deny; proxy_pass http://echo; }
location /pass/sudo { auth_sigra_preflight pass; auth_sigra_sudo 1s; proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
my %both = (origin => 'https://a.example', 'access-control-request-method' => 'PUT');
for (
    ['OPTIONS', '/pass',      \%both,                                             200],
    ['OPTIONS', '/pass/sudo', \%both,                                             200],
    ['OPTIONS', '/pass',      { %both, origin => 'null' },                        200],
    ['OPTIONS', '/pass',      { %both, 'access-control-request-headers' => 'x' }, 200],
    ['OPTIONS', '/',          \%both,                                             401],
    ['OPTIONS', '/pass/deny', \%both,                                             401],
    ['OPTIONS', '/pass',      { origin => 'https://a.example' },                  401],
    ['OPTIONS', '/pass',      { 'access-control-request-method' => 'PUT' },       401],
    ['OPTIONS', '/pass',      {},                                                 401],
    ['GET',     '/pass',      \%both,                                             401],
    ['POST',    '/pass',      \%both,                                             401],
    ['GET',     '/pass',      { %both, 'x-original-method' => 'OPTIONS', 'x-http-method-override' => 'OPTIONS' }, 401],
) {
    my ($method, $path, $headers, $status) = @$_;
    is(client()->request($method, $path, $headers)->{status}, $status, "$method $path " . join ' ', sort keys %$headers);
}
lookups();
my $answer = client()->request('OPTIONS', '/pass', { %both, cookie => $::ada->{cookie}, 'x-auth-email' => 'forged@example.com' });
is($answer->{status}, 200, 'with a cookie');
like($answer->{content}, qr/^id=\nemail=\nauthenticated_at=\n/m, 'no identity');
is($answer->{headers}{'x-status'}, '[]', 'no status');
is($answer->{headers}{'cache-control'}, undef, 'no Cache-Control');
is(lookups(), 0, 'no query');
is(client()->request('OPTIONS', '/pass', { cookie => $::ada->{cookie} })->{headers}{'x-status'}, '[miss]', 'any other OPTIONS has one');
