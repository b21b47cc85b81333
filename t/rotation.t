# A session that gets a new token is never lost: the new cookie is sealed and its size checked before the old row is
# changed.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use IO::Socket::UNIX;
use Sigra::Wire;

fresh_database('sigra');
our $password = 'correct horse';
our $http = sigra_http_config(extra => 'auth_sigra_unauthenticated status;') . echo_upstream() . <<'END';
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock;
    location / { add_header X-Accel-Redirect $arg_to; add_header Set-Cookie $http_x_session; return 200; }
}
upstream application { server unix:$TEST_NGINX_SERVER_ROOT/logs/application.sock; }
END
our $locations = <<'END';
location = /log-in { auth_sigra_login; }
location = /renew { auth_sigra_renew; }
location = /status { stub_status; }
location = /slow { auth_sigra on; auth_sigra_reissue_age 1h; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/logs/slow.sock; }
location = /confirm { auth_sigra_renew authenticated; internal; }
location = /application { proxy_buffer_size 16k; proxy_buffers 4 16k; proxy_pass http://application/?to=/confirm; }
location /private { auth_sigra on; rewrite ^ /echo break; proxy_pass http://echo; }
location /reissue { auth_sigra on; auth_sigra_reissue_age 1h; rewrite ^ /echo break; proxy_pass http://echo; }
END

# A user whose session fills the cookie, so that nothing more fits.
sub full {
    my (%option) = @_;
    my $pad = 3000;
    my $user = user_fixture(password => $::password);
    my $ada = authenticated_fixture(%$user, %option);
    my %session = %{ $ada->{session} };
    # Base64 makes four bytes of three, so this is as close to 4,096 as possible.
    $pad++ while length session_cookie({ %session, pad => 'x' x ($pad + 1) }) <= 4096 - 4;
    $ada->{session} = { %session, pad => 'x' x $pad };
    $ada->{cookie}  = session_cookie($ada->{session});
    $ada->{header}  = "Cookie: $ada->{cookie}";
    return $ada;
}

sub rows_of { return scalar db()->selectrow_array('SELECT count(*) FROM users_tokens WHERE user_id = ?', undef, $_[0]{user_id}) }
# In one statement: otherwise the old row could be returned with the version that a rotation has just given it.
sub row_of { return db()->selectrow_hashref('SELECT *, xmin FROM users_tokens WHERE id = ?', undef, $_[0]{session_id}) // {} }

# The row was written again, has the token and the age that it had, and there is no other.
sub is_taken_back {
    my ($ada, $old) = @_;
    my $row = row_of($ada);
    return rows_of($ada) == 1 && ($row->{xmin} // '') ne $old->{xmin} && !grep { ($row->{$_} // '') ne $old->{$_} } qw(token inserted_at);
}

# Waits until nginx has finished the request.
sub await_leave { return await { wire(get('/status', 'Connection: close'))->answer->{body} =~ /Writing: 1\b/ } 'the leave' }

sub in { my ($browser) = @_; return $browser->get('/private')->{status} }

no_shuffle();
run_tests();

__DATA__

=== TEST 1: no room for a new cookie
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- flow
my $ada = full(age => 7200);
my $browser = client()->use_cookie($ada->{cookie});
my $answer = $browser->get('/reissue');
is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . rows_of($ada), '200 0 1', 'it is not reissued');
my $old = session_row($ada);
is(in($browser), 200, 'and passes');

$answer = $browser->post('/renew', { _csrf_token => $ada->{csrf_token} });
is("$answer->{status} " . keys(%{ $answer->{cookies} }) . ' ' . rows_of($ada), '500 0 1', 'nor renewed');
is_deeply(session_row($ada), $old, 'the row is as it was');
is(in($browser), 200, 'and passes');

$answer = $browser->get('/application', { 'x-session' => "$ada->{cookie}; path=/" });
is("$answer->{status} " . rows_of($ada), '500 1', 'nor by the application');
is("_my_app_key=$answer->{cookies}{_my_app_key}{value}", $ada->{cookie}, 'and the application\'s own cookie is sent');
is(in($browser), 200, 'and passes');

$answer = $browser->post('/log-in', { _csrf_token => $ada->{csrf_token}, email => $ada->{email}, password => $::password });
is($answer->{status}, 302, 'a login');
is($browser->session->{pad}, undef, 'begins an empty session');
isnt($browser->session->{user_token}, $ada->{token}, 'of a new token');
is(in($browser), 200, 'and passes');
--- error_log
does not fit in a cookie and was not written



=== TEST 2: reissued in one location, changed in another one with another cookie
--- http_config eval: $::http
--- config eval
my $other = 'auth_sigra_session_cookie _other_key signing_salt=' . signing_salt . '; auth_sigra_unauthenticated redirect;';
$::locations . "
location = /there { auth_sigra on; auth_sigra_reissue_age 1h; proxy_pass http://application/?to=/other; }
location = /other { internal; auth_sigra on; $other rewrite ^ /echo break; proxy_pass http://echo; }
location = /same { auth_sigra on; auth_sigra_reissue_age 1h; proxy_pass http://application/?to=/private; }"
--- request
GET /private
--- error_code: 401
--- flow
my $ada = authenticated_fixture(age => 7200);
my $browser = client()->use_cookie($ada->{cookie});
my $answer = $browser->get('/there');
is($answer->{status}, 302, 'the second location is anonymous');
is_deeply([sort keys %{ $answer->{cookies} }], [qw(_my_app_key _other_key)], 'a cookie of each name');
isnt($browser->session->{user_token}, $ada->{token}, 'the new token is among them');
is(in($browser), 200, 'and passes');

my $bob = authenticated_fixture(age => 7200);
$browser = client()->use_cookie($bob->{cookie});
$answer = $browser->get('/same');
is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 1', 'a second location of the same');
is($answer->{content} =~ /^cookie=_my_app_key=(.*)$/m ? $1 : '', $browser->cookies->{_my_app_key}, 'whose upstream gets the new cookie');
is(in($browser), 200, 'and passes');



=== TEST 3: the client leaves while the row is rotated
--- http_config eval: $::http =~ s/(auth_sigra_postgres "[^"]*")[^;]*/$1 timeout=30s/r
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- timeout: 60
--- flow
for my $path (qw(/reissue /renew)) {
    my $ada = authenticated_fixture(age => 7200);
    my $old = row_of($ada);
    my $lock = db()->clone({ AutoCommit => 0 });
    $lock->do('LOCK TABLE users_tokens IN SHARE MODE');
    my $wire = wire($path eq '/reissue' ? get($path, $ada->{header})
        : "POST /renew HTTP/1.1\r\nHost: localhost\r\n$ada->{header}\r\nX-CSRF-Token: $ada->{csrf_token}\r\nContent-Length: 0\r\n\r\n");
    await_lookup();
    $wire->leave;
    await_leave();
    $lock->rollback;
    await { is_taken_back($ada, $old) } "$path: the old token is what it was";
    my $browser = client()->use_cookie($ada->{cookie});
    is(in($browser), 200, "$path: and passes");
    my $answer = $browser->get('/reissue');
    is("$answer->{status} " . keys %{ $answer->{cookies} }, '200 1', "$path: it is reissued to a client that stays");
    isnt($browser->session->{user_token}, $ada->{token}, "$path: with another token");
    is(in($browser), 200, "$path: which is good");
}



=== TEST 4: the client leaves while the page is made
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /private
--- error_code: 401
--- timeout: 60
--- flow
my $upstream = IO::Socket::UNIX->new(Local => "$ENV{TEST_NGINX_SERVER_ROOT}/logs/slow.sock", Listen => 8) or die;
chmod 0777, "$ENV{TEST_NGINX_SERVER_ROOT}/logs/slow.sock";
my $ada = authenticated_fixture(age => 7200);
my $old = row_of($ada);
my $wire = wire(get('/slow', $ada->{header}));
my $asked = $upstream->accept;
is(rows_of($ada), 2, 'reissued');
$wire->leave;
await { is_taken_back($ada, $old) } 'the old token is what it was';
my $browser = client()->use_cookie($ada->{cookie});
is(in($browser), 200, 'and passes');

$wire = wire(get('/slow', $ada->{header}));
$asked = $upstream->accept;
# Sends the whole request first: closing before it was read would reset the connection.
my $request = '';
sysread $asked, $request, 4096, length $request or last until $request =~ /\r\n\r\n/;
print $asked "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
close $asked;
my $answer = $wire->answer;
is("$answer->{status} $answer->{body}", '200 ok', 'the client that stays gets the page');
ok(!is_taken_back($ada, $old) && rows_of($ada) == 2, 'and the new token');
