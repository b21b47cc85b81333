# The list of request headers is built again for an upstream: with any number of headers that nginx does not know, and
# of those that it links.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Upstream;
use Sigra::Wire;

fresh_database('sigra');
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;');
# Called when there is a folder for its socket: each block has one of its own.
sub upstream { start_upstream(http => "$ENV{TEST_NGINX_SERVER_ROOT}/logs/upstream.sock") }

# Without a session: the lists are built if one of the two directives is on.
our $locations = join "\n", map { "location /$_ { $_ on; proxy_pass http://unix:\$TEST_NGINX_SERVER_ROOT/logs/upstream.sock; }" }
    qw(auth_sigra_forward auth_sigra_hide_cookies);

# The header lines that the upstream got, in order: only those that begin with X-, and those named here.
sub sent {
    my ($wire, $path, @headers) = @_;
    my $answer = eval { $wire->send(get($path, @headers))->answer } // return 'closed';
    return join "\n", grep { /\A(?:X-|Cookie|Via|Accept)/ } split /\n/, $answer->{body};
}

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: 0 to 79 headers, on connections whose memory was used before
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /none
--- error_code: 404
--- timeout: 30
--- flow
upstream();
for my $path (qw(/auth_sigra_forward /auth_sigra_hide_cookies)) {
    my $wire = wire();
    my $wrong = 0;
    for my $round (1 .. 3) {
        for my $count (0 .. 79) {
            my @headers = map { ("X-Unknown-$_: " . 'v' x ($_ * $round)) } 1 .. $count;
            $wrong++ if sent($wire, $path, @headers) ne join "\n", @headers;
        }
    }
    is($wrong, 0, "$path: each as it was sent");
}
--- no_error_log
[alert]
[emerg]



=== TEST 2: headers of one name
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /none
--- error_code: 404
--- flow
upstream();
my @headers = ('X-A: 1', 'Via: one', 'Cookie: a=1', 'X-Forwarded-For: 192.0.2.1', 'X-B: 2', 'Via: two', 'X-Forwarded-For: 192.0.2.2', 'Accept: a/b',
    'Via: three', 'Cookie: b=2');
is(sent(wire(), '/auth_sigra_hide_cookies', @headers), join("\n", @headers), 'all of them');
is(sent(wire(), '/auth_sigra_hide_cookies', 'Cookie: _my_app_key=x', 'X-A: 1', 'Cookie: b=2', 'Cookie: _my_app_key=y'), "X-A: 1\nCookie: b=2",
    'less those that are hidden');
