# examples/sigra-user: users and sessions from the command line, in every layout.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;
use Sigra::Layouts;
use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);
use MIME::Base64 qw(decode_base64url);
use Symbol qw(gensym);

our $layouts = make_layouts('sigra_user', <<'END', extra => 'auth_sigra_password_checks floor=1ms;');
location = PATH/log-in { auth_sigra_login; }
location PATH/private { auth_sigra on; auth_sigra_unauthenticated status; rewrite ^ /echo break; proxy_pass http://echo; }
END

# Wrappers that record the arguments of a program and then run it.
our $noted = tempdir(CLEANUP => 1);
for my $program (qw(psql argon2 perl)) {
    my ($real) = grep { -x } map { "$_/$program" } split /:/, $ENV{PATH};
    open my $out, '>', "$noted/$program" or die $!;
    print $out qq{#!/bin/sh\nprintf '%s\\n' "\$*" >>'$noted/arguments'\nexec '$real' "\$@"\n};
    close $out;
    chmod 0755, "$noted/$program";
}

# The command's exit status, standard output and standard error.
sub sigra_user {
    my ($input, @arguments) = @_;
    my $database = database();
    local %ENV = (
        %ENV, PATH => "$noted:$ENV{PATH}", PGHOST => $ENV{SIGRA_TEST_PGHOST}, PGPORT => $ENV{SIGRA_TEST_PGPORT},
        PGUSER => 'sigra', PGDATABASE => $database->{name},
    );
    delete @ENV{qw(LD_PRELOAD)};
    my @options = (
        '--schema', $database->{layout}, '--users', $database->{users}, '--tokens', $database->{tokens},
        ($database->{layout} eq 'sigra_sessions' ? () : ('--api-tokens', $database->{tokens})),
        '--singular', $database->{singular},
    );
    my $pid = open3(my $in, my $out, my $err = gensym, 'examples/sigra-user', @options, @arguments);
    local $SIG{PIPE} = 'IGNORE';    # a command that needs no input may have exited
    print $in $input if defined $input;
    close $in;
    my $stdout = do { local $/; <$out> } // '';
    my $stderr = do { local $/; <$err> } // '';
    waitpid $pid, 0;
    return ($? >> 8, $stdout, $stderr);
}

sub done {
    my ($name, $input, @arguments) = @_;
    my ($status, $stdout, $stderr) = sigra_user($input, @arguments);
    is("$status$stderr", '0', $name);
    return $stdout;
}

# The result of a login with this password: 302 and a session, or not.
sub login {
    my ($name, $email, $password) = @_;
    my $browser = client(timeout => 120);    # a password check waits if the machine is busy
    my $token = $browser->get("/$name/log-in", { accept => 'application/json' })->{content} =~ /"csrf_token":"([^"]+)"/ ? $1 : die;
    my $answer = $browser->post("/$name/log-in",
        { _csrf_token => $token, email => $email, password => $password }, { accept => 'application/json' });
    return ($answer->{status}, $browser);
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: from add to delete
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/private
--- error_code: 401
--- timeout: 60
--- flow
my @secrets;
for my $name (qw(sigra phx sessions_uuid admin)) {
    use_layout($name);
    my $in = sub {
        my ($password) = @_;
        return login($name, 'eve@example.com', $password);
    };
    my $scheme = $name eq 'phx' ? 'bcrypt' : 'argon2id';
    my @confirmed = $name eq 'sigra' ? '--confirmed' : ();
    push @secrets, "first $name O'Word \$1", "second $name";
    done("$name: add", "$secrets[-2]\n", 'add', 'eve@example.com', '--hash', $scheme, @confirmed);
    my ($status, undef, $error) = sigra_user("again\n", 'add', 'EVE@example.com');
    is($status, 1, "$name: a second time is refused");
    like($error, qr/already/, "$name: and gives the reason");
    like(done("$name: show", undef, 'show', 'eve@example.com'), qr/password\s*\|\s*\Q@{[$scheme]}\E/, "$name: show");

    my ($code, $browser) = $in->($secrets[-2]);
    is($code, 200, "$name: the password logs in");
    is($browser->get("/$name/private")->{status}, 200, "$name: and the session passes");
    my ($other, $second) = $in->($secrets[-2]);
    my $id = db()->selectrow_array("SELECT id FROM " . database()->{tokens} . ' ORDER BY inserted_at DESC, id DESC LIMIT 1');
    like(done("$name: sessions", undef, 'sessions', 'eve@example.com'), qr/\Q$id\E/, "$name: the id is listed");
    done("$name: logout of one", undef, 'logout', 'eve@example.com', $id);
    is(join(' ', sort map { $_->get("/$name/private")->{status} } $browser, $second), '200 401', "$name: that one is gone");
    is((sigra_user(undef, 'logout', 'eve@example.com', $id))[0], 2, "$name: twice is no such session");
    done("$name: logout of all", undef, 'logout', 'eve@example.com');
    is(join(' ', map { $_->get("/$name/private")->{status} } $browser, $second), '401 401', "$name: both are gone");

    (undef, $browser) = $in->($secrets[-2]);
    done("$name: passwd", "$secrets[-1]\n", 'passwd', 'eve@example.com');
    is($browser->get("/$name/private")->{status}, 401, "$name: a new password ends the sessions");
    is(($in->($secrets[-2]))[0], 401, "$name: the old password is refused");
    ($code, $browser) = $in->($secrets[-1]);
    is($code, 200, "$name: the new one is right");

    if (database()->{layout} eq 'sigra_sessions') {
        like((sigra_user(undef, 'token', 'eve@example.com'))[2], qr/no table users_tokens/, "$name: no table for a token");
    } else {
        my $token = done("$name: token", undef, 'token', 'eve@example.com');
        like($token, qr/\A[\w-]{43}\n\z/, "$name: one token");
        is(db()->selectrow_array("SELECT count(*) FROM " . database()->{tokens} .
            " WHERE context = 'api-token' AND sent_to = 'eve\@example.com' AND encode(token, 'hex') = ?",
            undef, sha256_hex(decode_base64url($token))), 1, "$name: its hash is in the row");
        done("$name: another", undef, 'token', 'eve@example.com') for 1, 2;
        done("$name: of another context", undef, 'token', 'eve@example.com', '--context', 'mobile');
        my @ids = done("$name: tokens", undef, 'tokens', 'eve@example.com') =~ /^ *([\da-f-]+) +\| \d{4}-.*\| eve\@example\.com/mg;
        is(scalar @ids, 3, "$name: the tokens of this context are listed");
        my $left = sub { db()->selectrow_array('SELECT count(*) FROM ' . database()->{tokens} . " WHERE context IN ('api-token', 'mobile')") };
        done("$name: revoke of one", undef, 'revoke', 'eve@example.com', $ids[1]);
        is($left->(), 3, "$name: that one is gone");
        is((sigra_user(undef, 'revoke', 'eve@example.com', $ids[1]))[0], 2, "$name: twice is no such token");
        my $session = db()->selectrow_array('SELECT id FROM ' . database()->{tokens} . " WHERE context = 'session' LIMIT 1");
        is((sigra_user(undef, 'revoke', 'eve@example.com', $session))[0], 2, "$name: nor is a session one");
        done("$name: revoke of all", undef, 'revoke', 'eve@example.com');
        is($left->(), 1, "$name: those of this context are gone");
        is($browser->get("/$name/private")->{status}, 200, "$name: and the session passes");
    }
    if ($name =~ /phx|admin/) {
        is((sigra_user(undef, 'lock', 'eve@example.com'))[0], 1, "$name: no lock without the column");
    } else {
        done("$name: lock", undef, 'lock', 'eve@example.com');
        is($browser->get("/$name/private")->{status}, 401, "$name: a lock ends the sessions");
        done("$name: unlock", undef, 'unlock', 'eve@example.com');
        is(db()->selectrow_array('SELECT count(*) FROM users WHERE locked_at IS NOT NULL'), 0, "$name: unlocked");
    }
    done("$name: confirm", undef, 'confirm', 'eve@example.com');
    like(done("$name: list", undef, 'list', 'EXAMPLE.com'), qr/eve\@example\.com +\| \d{4}-/, "$name: listed as confirmed");
    unlike(done("$name: list of others", undef, 'list', 'nobody'), qr/eve/, "$name: a pattern chooses");

    authenticated_fixture(age => 400 * 86400) for 1 .. 3;
    my $fresh = authenticated_fixture();
    is(done("$name: prune", undef, 'prune'), "3 deleted\n", "$name: expired sessions are deleted");
    ok(session_row($fresh), "$name: and nothing else");
    done("$name: delete", undef, 'delete', 'eve@example.com');
    is((sigra_user(undef, 'show', 'eve@example.com'))[0], 2, "$name: no such user");
}
open my $file, '<', "$main::noted/arguments" or die $!;
my $arguments = do { local $/; <$file> };
like($arguments, qr/^\S* ?-id|-id /m, 'the programs were called');
for my $secret (@secrets) {
    unlike($arguments, qr/\Q$secret\E/, 'no password among the arguments');
}
unlike($arguments, qr/argon2id\$|\$2b\$12\$[^\$]{22}/, 'nor a hash');



=== TEST 2: wrong usage, and values that look like SQL
--- http_config eval: echo_upstream()
--- config eval: $::layouts
--- request
GET /sigra/private
--- error_code: 401
--- flow
use_layout('sigra');
for my $case (
    [64], [64, 'fly'], [64, 'add'], [64, '--hash', 'md5', 'list'], [64, '--schema', 'x', 'list'], [64, 'prune', '--ttl', '5y'],
    (map { [64, 'token', 'a@b.c', '--context', $_] } qw(session login confirm reset_password change:a@b.c a'b), ''),
    [64, 'show', 'a@b.c', 'd'], [64, '--fly', 'list'], [64, '--dsn'], [1, '--users', 'nosuch', 'list'],
    [1, 'add', 'no email'], [2, 'passwd', 'nobody@example.com'], [0, '--help'],
    [2, 'show', q(' OR 1=1 --)], [2, 'show', q(:users)], [2, 'show', q(\\! touch /tmp/x)],
) {
    my ($expected, @arguments) = @$case;
    my ($status, $out, $err) = sigra_user("secret\n", @arguments);
    is($status, $expected, "status of: @arguments");
    isnt("$out$err", '', "a message about: @arguments");
}
my ($status, undef, $error) = sigra_user('', 'add', 'empty@example.com');
is($status, 1, 'no password');
($status, undef, $error) = sigra_user(undef, '--dsn', 'host=/nowhere', 'list');
is($status, 1, 'no server');
isnt($error, '', 'and a message about it');
