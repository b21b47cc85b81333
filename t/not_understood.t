# A session cookie with a valid signature whose term the module cannot decode is somebody's session: nothing replaces
# it.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

fresh_database('sigra');
our $http = sigra_http_config();
our $ada  = authenticated_fixture(email => 'ada@example.com', password => 'correct horse', remember_me => 30 * 86400);
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location = /users/log-out { auth_sigra_logout; }
location = /renew { auth_sigra_renew; }
location /private { auth_sigra on; add_header X-Status $auth_sigra_status; try_files /page.txt =404; }
location /optional { auth_sigra optional; add_header X-Status $auth_sigra_status; try_files /page.txt =404; }
END
# A map of one pair that is cut off in the middle, and bytes that are no term at all.
our @unknown = map { session_cookie($_) } "\x83t\0\0\0\1m\0\0\0\1am\0\0\xff\xff", '{"json":true}';

sub answered { my ($answer) = @_; return "$answer->{status} " . keys %{ $answer->{cookies} } }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: it logs nobody in, and is not replaced
--- http_config eval: $::http
--- config eval: $::locations
--- user_files
>>> page.txt
page
--- request
GET /private
--- error_code: 302
--- flow
for my $unknown (@::unknown) {
    for my $cookies ($unknown, "$unknown; $::ada->{remember_cookie}") {
        my %headers = (cookie => $cookies);
        is(answered(client()->get('/private', \%headers)), '302 0', 'the gate');
        is(answered(client()->get('/private', { %headers, accept => 'application/json' })), '401 0', 'a program');
        is(answered(client()->get('/optional', \%headers)), '200 0', 'optional');
        is(client()->get('/optional', \%headers)->{headers}{'x-status'}, 'invalid', 'the status');
        is(answered(client()->get('/users/log-in', \%headers)), '500 0', 'the login page cannot carry its token');
        is(answered(client()->get('/users/log-in', { %headers, accept => 'application/json' })), '500 0', 'nor as JSON');
        for my $path (qw(/users/log-in /users/log-out /renew)) {
            is(answered(client()->post($path, { _csrf_token => $::ada->{csrf_token}, email => 'ada@example.com', password => 'correct horse' }, \%headers)),
                '403 0', "POST $path");
        }
    }
}
ok(session_row($::ada), 'no row went');
--- error_log
its contents are not understood: it was not replaced
