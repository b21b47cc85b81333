# Internal redirects from one location to another: each does its own check, and what an upstream gets depends only on
# what the client sent and on the verdict of the last location.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status; auth_sigra_forward on;') . echo_upstream() . <<'END';
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock;
    location / { add_header X-Accel-Redirect $arg_to; return 200; }
}
upstream application { server unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock; }
END
our $ada = authenticated_fixture(email => 'ada@example.com', age => 7200, remember_me => 30 * 86400);
our @ways = qw(error_page try_files named accel);

# `first` redirects internally to `second`.
sub locations {
    my ($first, $second) = @_;
    return <<"END";
location /error_page { $first error_page 404 = \@second; proxy_pass http://echo/none; proxy_intercept_errors on; root /nowhere; }
location = /error_page/file { $first error_page 404 = \@second; try_files /none =404; }
location /try_files { $first try_files /none /second; }
location /named { $first try_files /none \@second; }
location /accel { $first proxy_pass http://application/?to=/second; }
location = /second { $second add_header X-Status \$auth_sigra_status; proxy_pass http://echo; }
location \@second { $second add_header X-Status \$auth_sigra_status; proxy_pass http://echo; }
END
}

# What the upstream of the second location got.
sub told {
    my ($way, @headers) = @_;
    my $answer = wire(get($way eq 'error_page' ? '/error_page/file' : "/$way", @headers, 'Connection: close'))->answer;
    my ($id, $email, $at, $cookie) = $answer->{body} =~ /^id=(.*)\nemail=(.*)\nauthenticated_at=(.*)\ncookie=(.*)$/m or return $answer->{status};
    return { email => $email, id => $id, cookie => $cookie, status => $answer->{headers}{'x-status'} // '' };
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: a session that has expired in the second location
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra on;', 'auth_sigra optional; auth_sigra_session_ttl 1h;')
--- request
GET /named
--- error_code: 401
--- flow
for my $way (@::ways) {
    my $told = told($way, $::ada->{header});
    is("$told->{id}|$told->{email}|$told->{status}", '||expired', $way);
    is($told->{cookie}, $::ada->{cookie}, "$way: the cookie");
}



=== TEST 2: a second location without a gate
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra on;', 'auth_sigra off;')
--- request
GET /named
--- error_code: 401
--- flow
for my $way (@::ways) {
    my $told = told($way, $::ada->{header}, 'X-Auth-Email: eve@example.com');
    is("$told->{id}|$told->{email}", '|', $way);
}



=== TEST 3: a second location with a gate, after one without; and one without auth_sigra_forward
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra off;', 'auth_sigra optional;')
--- request
GET /named
--- flow
for my $way (@::ways) {
    is(told($way, $::ada->{header}, 'X-Auth-Email: eve@example.com')->{email}, 'ada@example.com', $way);
    is(told($way, 'X-Auth-Email: eve@example.com')->{email}, '', "$way: anonymous");
}



=== TEST 4: cookies are hidden only where this is configured
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra on; auth_sigra_hide_cookies on;', 'auth_sigra optional; auth_sigra_hide_cookies off;')
--- request
GET /named
--- error_code: 401
--- flow
for my $way (@::ways) {
    my $told = told($way, "$::ada->{header}; a=1");
    is("$told->{email} $told->{cookie}", "ada\@example.com $::ada->{cookie}; a=1", $way);
}



=== TEST 5: the other way round
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra on; auth_sigra_forward off;', 'auth_sigra on; auth_sigra_hide_cookies on;')
--- request
GET /named
--- error_code: 401
--- flow
for my $way (@::ways) {
    my $told = told($way, "$::ada->{header}; a=1");
    is("$told->{email} $told->{cookie}", 'ada@example.com a=1', $way);
}



=== TEST 6: without auth_sigra_forward, nothing of an earlier location is forwarded
--- http_config eval: $::http
--- config eval: ::locations('auth_sigra on;', 'auth_sigra on; auth_sigra_forward off;')
--- request
GET /named
--- error_code: 401
--- flow
for my $way (@::ways) {
    is(told($way, $::ada->{header})->{email}, '', $way);
    is(told($way, $::ada->{header}, 'X-Auth-Email: eve@example.com')->{email}, 'eve@example.com', "$way: as the client sent it");
}



=== TEST 7: a subrequest's upstream
--- http_config eval: $::http
--- config
location = /page { ssi on; ssi_types text/plain; auth_sigra on; auth_sigra_hide_cookies on; try_files /page.txt =404; }
location = /off { auth_sigra off; auth_sigra_hide_cookies off; proxy_pass http://echo; }
location = /dead { auth_sigra optional; auth_sigra_session_ttl 1h; auth_sigra_hide_cookies off; proxy_pass http://echo; }
location = /on { auth_sigra on; proxy_pass http://echo; }
--- user_files
>>> page.txt
<!--#include virtual="/off" --><!--#include virtual="/dead" --><!--#include virtual="/on" -->
--- request
GET /page
--- error_code: 401
--- flow
my $body = wire(get('/page', $::ada->{header}, 'Connection: close'))->answer->{body};
is_deeply([$body =~ /^email=(.*)$/mg], ['', '', 'ada@example.com'], 'each by its own location');
is_deeply([$body =~ /^cookie=(.*)$/mg], [($::ada->{cookie}) x 3], 'the cookies too');



=== TEST 8: headers of an earlier location are not sent twice
--- http_config eval: $::http =~ s/timeout=60s/timeout=1s/r
--- config
location /page { auth_sigra on; error_page 503 = @second; proxy_pass http://echo; }
location @second { auth_sigra on; error_page 503 = @third; proxy_pass http://echo; recursive_error_pages on; }
location @third { auth_sigra on; proxy_pass http://echo; }
--- request
GET /page
--- error_code: 401
--- timeout: 60
--- flow
my $lock = hold_lock();
my $answer = wire(get('/page', $::ada->{header}, 'Connection: close'))->answer;
is("$answer->{status} $answer->{headers}{'retry-after'}", '503 2', 'one Retry-After');
$lock->rollback;



=== TEST 9: nor are headers that nginx has set before
--- http_config eval: $::http
--- config
location = /moved { auth_sigra off; return 302 /elsewhere; error_page 302 = /page; }
location = /named { auth_sigra off; return 302 /elsewhere; error_page 302 = @named; }
location /page { auth_sigra on; auth_sigra_unauthenticated redirect; }
location @named { auth_sigra on; auth_sigra_unauthenticated redirect; }
--- request
GET /page
--- error_code: 302
--- flow
for my $path (qw(/moved /named)) {
    my $wire = wire(get($path, 'Accept: text/html', 'Connection: close'));
    1 while $wire->more;
    is(join(' ', $wire->{read} =~ /^Location: (.*)\r$/mg), '/users/log-in', "$path: one Location");
}
