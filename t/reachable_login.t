# A gate that redirects to a login page that does not exist: there is a warning when the configuration is read.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Nginx ();

fresh_database('sigra');
our $http = sigra_http_config();

sub said {
    my ($http, $server) = @_;
    my $nginx = Sigra::Nginx->new(http => $http, server => $server);
    $nginx->stop;
    return join "\n", grep { /"auth_sigra on" redirects to/ } split /\n/, Sigra::Nginx::slurp($nginx->root . '/logs/stderr.log') . $nginx->log;
}

run_tests();

__DATA__

=== TEST 1: whether a location answers the login page
--- config
--- request
GET /
--- flow
like(main::said($::http, 'auth_sigra_login_url /log-in?from=here; location /private/ { auth_sigra on; }'),
    qr{\[warn\].*"auth_sigra on" redirects to "/log-in\?from=here", but no location of the server in \S+:\d+ answers it: use "auth_sigra_login"},
    'nobody');
like(main::said($::http, 'auth_sigra on;'), qr{"auth_sigra on" redirects to "/users/log-in"}, 'a gate of the server');
for (
    ['the built-in page'          => 'location /private/ { auth_sigra on; } location = /users/log-in { auth_sigra_login; }'],
    ['an application, perhaps'    => 'location /private/ { auth_sigra on; } location /users/ { if ($arg_x) { proxy_pass http://127.0.0.1:1; } }'],
    ['another site'               => 'location /private/ { auth_sigra on; auth_sigra_login_url https://login.example.com/; }'],
    ['nobody is sent'             => 'location /api/ { auth_sigra on; auth_sigra_unauthenticated status; } location /open/ { auth_sigra optional; }'],
) {
    my ($title, $server) = @$_;
    is(main::said($::http, $server), '', $title);
}
like(main::said("$::http server { listen unix:other.sock; location = /users/log-in { auth_sigra_login; } }", 'auth_sigra on;'),
    qr{"auth_sigra on" redirects to "/users/log-in"}, 'another server is no answer');
