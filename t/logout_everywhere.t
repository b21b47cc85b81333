# auth_sigra_logout everywhere: ends all sessions of the user, and no others.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;

our $layouts = make_layouts('everywhere', <<'END');
location = PATH/log-out { auth_sigra_logout everywhere; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END
sub alive { return scalar grep { session_row($_) } @_ }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: every session of the user, in every layout
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/log-out
--- error_code: 405
--- response_headers
Allow: POST, DELETE
--- flow
for my $name (layouts()) {
    use_layout($name);
    my $sessions = database()->{layout} eq 'sigra_sessions';
    my $ada = authenticated_fixture();
    my @same = (user_id => $ada->{user_id}, email => $ada->{email});
    my @same_user = map { authenticated_fixture(@same, @$_) } [], [age => 90 * 86400], [remember_me => 86400], ($sessions ? [type => 'mfa_pending'] : ());
    my @others = (authenticated_fixture(), authenticated_fixture(remember_me => 86400),
        $sessions ? () : map { authenticated_fixture(@same, context => $_, sent_to => $ada->{email}) } qw(reset_password change:a@b.c login));
    my $browser = client()->use_cookie($ada->{cookie});
    is($browser->delete("/$name/log-out", {})->{status}, 403, "$name: CSRF");
    is(alive($ada, @same_user), 1 + @same_user, "$name: nothing has changed");
    my $answer = $browser->delete("/$name/log-out", { _csrf_token => $ada->{csrf_token} });
    is("$answer->{status} $answer->{headers}{location}", '302 /', "$name: the answer");
    is_deeply($browser->session, { phoenix_flash => { info => 'Logged out of all devices.' } }, "$name: the session");
    is($answer->{cookies}{_my_app_user_remember_me}{'max-age'}, 0, "$name: remember-me is cleared");
    is(alive($ada, @same_user), 0, "$name: all sessions of the user are gone");
    is(alive(@others), scalar @others, "$name: nothing else is");
    is(client()->get("/$name/private", { cookie => $same_user[2]{remember_cookie} })->{status}, 401, "$name: out everywhere");
}



=== TEST 2: by the remember-me cookie alone, by a dead session, by a program
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/log-out
--- error_code: 405
--- flow
for my $name (qw(sigra sessions)) {
    use_layout($name);
    my $state = csrf_state();
    my $form = { _csrf_token => csrf_mask($state) };
    my $ada = authenticated_fixture(remember_me => 86400);
    my @same_user = map { authenticated_fixture(user_id => $ada->{user_id}) } 1 .. 3;
    my $browser = client()->use_cookie(session_cookie({ _csrf_token => $state }), $ada->{remember_cookie});
    is($browser->delete("/$name/log-out", $form)->{status}, 302, "$name: remember-me");
    is(alive($ada, @same_user), 0, "$name: all of them");

    my $bob = authenticated_fixture(age => 90 * 86400);
    my $alive = authenticated_fixture(user_id => $bob->{user_id});
    $browser = client()->use_cookie($bob->{cookie});
    is($browser->delete("/$name/log-out", { _csrf_token => $bob->{csrf_token} })->{status}, 302, "$name: an expired session");
    is_deeply($browser->session, { phoenix_flash => { info => 'Logged out of all devices.' } }, "$name: the same answer");
    is(alive($bob), 0, "$name: its row is deleted");
    is(alive($alive), 1, "$name: but it ends no other session");

    my $eve = authenticated_fixture();
    my $other = authenticated_fixture(user_id => $eve->{user_id});
    $browser = client()->use_cookie($eve->{cookie});
    my $answer = $browser->request('DELETE', "/$name/log-out", { accept => 'application/json', 'x-csrf-token' => $eve->{csrf_token} });
    is($answer->{status} . ' ' . ($answer->{content} // ''), '204 ', "$name: JSON");
    is_deeply($browser->cookies, {}, "$name: no cookies");
    is(alive($eve, $other), 0, "$name: all");
}
