# auth_sigra_hide_cookies: the upstream does not get the session and remember-me cookies.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Versions ();
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_hide_cookies on;') . echo_upstream();
our $ada  = authenticated_fixture(email => 'ada@example.com', remember_me => 60 * 86400);

sub sent {
    my ($path, @headers) = @_;
    my $answer = wire(get($path, @headers, 'Connection: close'))->answer;
    return $answer->{body} =~ /^cookie=(.*)$/m ? $1 : $answer->{status};
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: the rest of the Cookie header
--- http_config eval: $::http
--- config
location / { proxy_pass http://echo; }
location /off { auth_sigra off; proxy_pass http://echo; }
location /shown { auth_sigra_hide_cookies off; proxy_pass http://echo; }
location /any { satisfy any; allow all; proxy_pass http://echo; }
location /optional { auth_sigra optional; proxy_pass http://echo; }
location /one { auth_sigra_remember_me_cookie off; proxy_pass http://echo; }
location /try { try_files /none @echo; }
location @echo { proxy_pass http://echo; }
--- request
GET /
--- error_code: 401
--- flow
my ($session, $remember) = @{$::ada}{qw(cookie remember_cookie)};
for (
    ['/',         $session,                               ''],
    ['/',         "a=1; $session; b=2",                   'a=1; b=2'],
    ['/',         "$session; $remember; c=3",             'c=3'],
    ['/',         "a=1;$session;b=2",                     'a=1;b=2'],
    ['/',         "$session; $session; a=1; $session",    'a=1'],
    ['/',         "x_my_app_key=1; $session; _my_app_key2=2", 'x_my_app_key=1; _my_app_key2=2'],
    ['/',         "$session; _MY_APP_KEY=forged; a=1",    'a=1'],
    ['/',         $remember,                              ''],
    ['/try',      "a=1; $session",                        'a=1'],
    ['/off',      "a=1; $session; $remember",             'a=1'],
    ['/any',      "a=1; $session; $remember",             'a=1'],
    ['/optional', "a=1; $session; $remember",             'a=1'],
    ['/optional', 'a=1; _my_app_key=nonsense',            'a=1'],
    ['/shown',    "a=1; $session",                        "a=1; $session"],
    ['/one',      "off=1; $session; a=1",                 'off=1; a=1'],
) {
    my ($path, $cookies, $left) = @$_;
    is(sent($path, "Cookie: $cookies"), $left, "$path " . $cookies =~ s/=SFM[\w.-]+//gr);
}
is(sent('/off', "Cookie: a=1; $session", "Cookie: $remember; b=2"), 'a=1; b=2', 'two headers, where they are not read');
is(sent('/', 'Cookie: a=1'), 401, 'anonymous');



=== TEST 2: with HTTP/2, and with auth_sigra_forward
--- http_config eval: $::http
--- http2
--- skip_eval: 1: !Sigra::Versions::http2_blocks_start()
--- config
location / { auth_sigra_forward on; proxy_pass http://echo; }
--- request
GET /
--- more_headers eval: "Cookie: a=1; $::ada->{cookie}; b=2"
--- response_body_like eval: qr/email=ada\@example.com\n.*\ncookie=a=1; b=2\n/s
