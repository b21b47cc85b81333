# A request that the login passes to a named location: that location checks the session itself, and waits with its own
# deadline.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Wire;

fresh_database('sigra');
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;') . echo_upstream();
our $ada  = authenticated_fixture(email => 'ada@example.com');
our $locations = <<'END';
location = /log-in { auth_sigra_login fallback=@app; }
location @app { auth_sigra on; auth_sigra_forward on; proxy_pass http://echo; }
location = /status { stub_status; }
END

sub post {
    my ($cookie, $form) = @_;
    return join "\r\n", 'POST /log-in HTTP/1.1', 'Host: localhost', "Cookie: $cookie", 'Content-Type: application/x-www-form-urlencoded',
        'Content-Length: ' . length $form, '', $form;
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: a token that must be looked up
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /log-in
--- timeout: 60
--- flow
my $form = '_csrf_token=' . $::ada->{csrf_token} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
my $wire = wire();
for (1 .. 3) {
    my $answer = $wire->send(post($::ada->{cookie}, $form))->answer;
    is($answer->{status}, 200, 'answered');
    like($answer->{body}, qr/^POST \/log-in\n.*^email=ada\@example\.com$/ms, 'by the application, which gets the user');
}
my $dead = authenticated_fixture();
db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $dead->{session_id});
$form = '_csrf_token=' . $dead->{csrf_token} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
is($wire->send(post($dead->{cookie}, $form))->answer->{status}, 401, 'anonymous');



=== TEST 2: while it waits for the database
--- http_config eval: $::http =~ s/timeout=60s/timeout=30s/r
--- config eval: $::locations
--- request
GET /log-in
--- timeout: 60
--- flow
my $form = '_csrf_token=' . $::ada->{csrf_token} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
my $lock = hold_lock();
my @wires = map { wire(post($::ada->{cookie}, $form)) } 1 .. 3;
await_lookup();
await_requests('/status', 3);
pop(@wires)->leave;
$lock->rollback;
is($_->answer->{status}, 200, 'answered') for @wires;



=== TEST 3: when the database does not answer
--- http_config eval: $::http =~ s/timeout=60s/timeout=1s/r
--- config eval: $::locations
--- request
GET /log-in
--- timeout: 60
--- flow
my $form = '_csrf_token=' . $::ada->{csrf_token} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
my $lock = hold_lock();
my $answer = wire(post($::ada->{cookie}, $form))->answer;
is("$answer->{status} $answer->{headers}{'retry-after'}", '503 2', 'unavailable');
$lock->rollback;
