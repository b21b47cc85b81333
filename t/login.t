# auth_sigra_login: a right password, in every layout, by form and by JSON.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use JSON::PP;

our %layouts = (
    sigra => ['sigra'], phx => ['phx_gen_auth'], old => ['phx_gen_auth_17'], sessions => ['sigra_sessions'],
    uuid  => ['sigra', id => 'uuid'], sessions_uuid => ['sigra_sessions', id => 'uuid'],
    admin => ['sigra', singular => 'admin', users => 'admins', tokens => 'admins_tokens'],
);
our (%http, %ada, %of);
our $password = "correct horse";
for my $name (sort keys %layouts) {
    my ($layout, @options) = @{ $layouts{$name} };
    fresh_database($layout, @options, name => "login_$name");
    $of{$name} = database();
    $http{$name} = sigra_http_config();
    $ada{$name}  = user_fixture(email => 'Ada@example.com', password => $password);
}
our $http = $http{sigra};
our $locations = <<'END';
location = /users/log-in { auth_sigra_login; }
location /private/ { auth_sigra on; auth_sigra_forward on; rewrite ^ /echo break; proxy_pass http://echo; }
END

sub log_in {
    my ($client, %field) = @_;
    return $client->submit('/users/log-in', { 'user[email]' => 'ada@example.com', 'user[password]' => $password, %field });
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: the story in the layout sigra
--- http_config eval: $::http . echo_upstream()
--- config eval: $::locations
--- request
GET /private/page?a=b
--- error_code: 302
--- flow
use_database($::of{sigra});
my $browser = client();
is($browser->get('/private/page?a=b')->{headers}{location}, '/users/log-in', 'sent to the login page');
my $page = $browser->get('/users/log-in');
is($page->{status}, 200, 'the page');
is($page->{headers}{'content-type'}, 'text/html; charset=utf-8', 'its type');
like($page->{content}, qr/You must log in to access this page\./, 'says why');
is($browser->session->{phoenix_flash}, undef, 'and says it once');
my $csrf = $browser->session->{_csrf_token};
my $answer = log_in($browser);
is($answer->{status}, 302, 'logged in');
is($answer->{headers}{location}, '/private/page?a=b', 'back where he wanted to go');
like($answer->{headers}{'cache-control'}, qr/no-store/, 'no-store');
my $session = $browser->session;
my $row = session_row($session->{user_token});
is($row->{user_id}, $::ada{sigra}{user_id}, 'a row of his');
is($row->{context}, 'session', 'of the context');
is($row->{authenticated_at}, $row->{inserted_at}, 'authenticated now');
is($session->{live_socket_id}, live_socket_id($session->{user_token}), 'live_socket_id');
is_deeply($session->{phoenix_flash}, { info => 'Welcome back!' }, 'the flash');
isnt($session->{_csrf_token}, $csrf, 'a new CSRF state');
is(length $session->{_csrf_token}, 24, 'of 24 characters');
is_deeply([sort keys %$session], [qw(_csrf_token live_socket_id phoenix_flash user_token)], 'and nothing else');
is($browser->cookies->{_my_app_web_user_remember_me}, undef, 'not remembered');
like($browser->get('/private/page')->{content}, qr/^email=Ada\@example\.com$/m, 'he is in');
is($browser->get('/users/log-in')->{headers}{location}, '/', 'the login page sends him on');
