use strict;
use warnings;

use JSON::PP qw(decode_json);
use Test::More;

use lib 't/lib';
use Sigra::Fixture;

my $vectors = do {
    open my $in, '<', 't/unit/vectors/phoenix.json' or die "the vectors: $!";
    local $/;
    decode_json(<$in>);
};
my $token1 = pack 'H*', $vectors->{token1_hex};

subtest 'the constants are the vectors\' own' => sub {
    is(secret_key_base, $vectors->{secret_key_base});
    is(signing_salt, $vectors->{signing_salt});
    is(encryption_salt, $vectors->{encryption_salt});
    is(session_cookie_name, $vectors->{session_cookie});
    is(remember_me_cookie_name, $vectors->{remember_cookie});
};

subtest 'cookies of the vectors' => sub {
    my %cookie = map { $_->{name} => $_->{value} } @{ $vectors->{cookies} };
    for my $name (qw(session_plain session_live session_flash_remember session_bigmap session_sha512)) {
        is(open_session($cookie{$name})->{user_token}, $token1, $name);
    }
    for my $name (qw(session_wrong_salt session_encrypted_xcp)) {
        is(open_session($cookie{$name}), undef, $name);
    }
    is(open_session($cookie{session_nil_token})->{user_token} ? 1 : 0, 0, 'nil is false');
    is(open_session($cookie{session_live})->{live_socket_id}, live_socket_id($token1), 'live_socket_id');
    is(open_session($cookie{session_flash_remember})->{phoenix_flash}{info}, 'Welcome back!', 'flash');
    ok(!eval { open_session($cookie{session_compressed}); 1 }, 'compressed');
    for my $name (qw(session_plain session_live)) {
        is(session_cookie(open_session($cookie{$name})), session_cookie_name . "=$cookie{$name}", "$name, created again");
    }
    my $remember = open_remember_me($cookie{remember_ok});
    is($remember->[0], $token1, 'remember_ok');
    is(remember_me_cookie(undef, term => $remember), remember_me_cookie_name . "=$cookie{remember_ok}", 'created again');
    is(open_remember_me($cookie{remember_other_name}), undef, 'remember_other_name');
};

subtest 'encrypted sessions' => sub {
    my ($cookie) = grep { $_->{name} eq 'session_encrypted_xcp' } @{ $vectors->{cookies} };
    my %option = (encryption_salt => encryption_salt);
    is(open_session($cookie->{value}, %option)->{user_token}, $token1, 'the vectors\' own');
    is(open_session($cookie->{value} =~ s/\AXCP\.\K./_/r, %option), undef, 'altered');
    my $made = session_cookie({ user_token => $token1, text => 'x' x 100 }, %option);
    is(open_session($made, %option)->{user_token}, $token1, 'round trip');
    is(open_session($made), undef, 'not by the signing salt');
};

subtest 'terms' => sub {
    my $term = {
        text => "\xff\0", list => [integer(1), atom('nil')], none => [], map => { a => 'b' }, float => float(1.5),
        numbers => tuple(map { integer($_) } 0, 255, 256, -1, 2**31, -2**31 - 1, 2**53),
    };
    my $bytes = encode_term($term);
    is(encode_term(decode_term($bytes)), $bytes, 'round trip');
    ok(!eval { decode_term("${bytes}x"); 1 }, 'bytes after it');
    ok(!eval { decode_term(substr $bytes, 0, -1); 1 }, 'cut short');
};

subtest 'CSRF' => sub {
    is(csrf_unmask($vectors->{csrf_masked}), $vectors->{csrf_state}, 'the vectors\' token');
    isnt(csrf_unmask($vectors->{csrf_masked_other_state}), $vectors->{csrf_state}, 'another state\'s');
    is(csrf_unmask(csrf_mask($vectors->{csrf_state})), $vectors->{csrf_state}, 'round trip');
    isnt(csrf_mask($vectors->{csrf_state}), csrf_mask($vectors->{csrf_state}), 'a mask of its own each time');
};

subtest 'Set-Cookie' => sub {
    my $cookies = parse_set_cookies("HTTP/1.1 200 OK\r\nSet-Cookie: a=b=; path=/; HttpOnly; SameSite=Lax\r\nX: y\r\n");
    is_deeply($cookies, { a => { value => 'b=', path => '/', httponly => 1, samesite => 'Lax', count => 1 } }, 'raw headers');
    is(parse_set_cookies('a=1', 'a=2; max-age=0')->{a}{count}, 2, 'a list, a name twice');
    is_deeply(parse_set_cookies("HTTP/1.1 200 OK\r\nX: y\r\n"), {}, 'none');
};

subtest 'passwords' => sub {
    my $bcrypt = bcrypt_hash('secret');
    is(crypt('secret', $bcrypt), $bcrypt, 'bcrypt');
    like(pbkdf2_hash('secret'), qr{^\$pbkdf2-sha512\$100\$[\w./]{22}\$[\w./]{86}$}, 'pbkdf2');
};

SKIP: {
    skip 'no database: run under t/lib/with-postgres', 1 unless $ENV{SIGRA_TEST_PGHOST};

    for my $layout (qw(sigra phx_gen_auth phx_gen_auth_17 sigra_sessions)) {
        for my $id (qw(bigint uuid)) {
            subtest "$layout, $id" => sub { round_trip($layout, $id) };
        }
    }

    subtest 'other names' => sub {
        fresh_database('sigra', users => 'auth.admins', tokens => 'auth.admins_tokens', singular => 'admin');
        my $ada = authenticated_fixture(email => 'ada@example.com');
        is(session_row($ada)->{admin_id}, $ada->{user_id}, 'row');
        is(open_session($ada->{cookie})->{admin_token}, $ada->{token}, 'session key');
        like(
            sigra_http_config(where => 'u.deleted_at IS NULL'),
            qr/schema sigra users=auth\.admins tokens=auth\.admins_tokens singular=admin plural=admins "where=u\./, 'configuration'
        );
    };

    subtest 'the example\'s tables are those of the layout' => sub {
        my %columns;
        my $list = q(SELECT string_agg(concat_ws(' ', c.relname, attname, atttypid::regtype, atttypmod, attnotnull),
                                       ', ' ORDER BY c.relname, attnum)
                     FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                     WHERE attnum > 0 AND c.relname IN ('users', 'users_tokens'));
        fresh_database('sigra');
        $columns{layout} = db()->selectrow_array($list);
        db()->do('SET client_min_messages = warning');
        db()->do('DROP TABLE users, users_tokens');
        for (1, 2) {
            my $said = do {
                local %ENV = (%ENV, LD_PRELOAD => '');
                qx(psql -X -q -v ON_ERROR_STOP=1 -h $ENV{SIGRA_TEST_PGHOST} -p $ENV{SIGRA_TEST_PGPORT} -U sigra -d @{[ database()->{name} ]} -f examples/schema.sql 2>&1 >/dev/null);
            };
            is($?, 0, 'psql') or diag($said);
        }
        $columns{example} = db()->selectrow_array($list);
        is($columns{example}, $columns{layout}, 'columns');
        ok(session_row(authenticated_fixture()), 'a fixture fits in');
    };
}

done_testing();

sub round_trip {
    my ($layout, $id) = @_;
    fresh_database($layout, id => $id);
    my $user = authenticated_fixture(age => 100, authenticated_age => 50, idle => 10, password => 'secret');
    my $row  = session_row($user);
    is($row->{user_id}, $user->{user_id}, 'row');
    like($user->{user_id}, $id eq 'uuid' ? qr/^[0-9a-f-]{36}$/ : qr/^\d+$/, 'id');

    my $age_of = sub {
        scalar db()->selectrow_array(q(SELECT extract(epoch FROM now() AT TIME ZONE 'utc' - ?::timestamp)), undef, $_[0]);
    };
    my $about = sub { my ($got, $wanted) = @_; $got >= $wanted && $got < $wanted + 30 };
    ok($about->($age_of->($row->{inserted_at}), 100), 'age');
    my $authenticated_at = $row->{authenticated_at} // $row->{sudo_at};
    if ($layout eq 'phx_gen_auth_17') { is($authenticated_at, undef, 'no authenticated_at') }
    else                              { ok($about->($age_of->($authenticated_at), 50), 'authenticated') }
    ok($about->($age_of->($row->{last_active_at}), 10), 'idle') if $layout eq 'sigra_sessions';

    my $session = open_session($user->{cookie});
    is($session->{user_token}, $user->{token_text}, 'token in the session');
    is(length $session->{user_token}, $layout eq 'sigra_sessions' ? 43 : 32, 'in its form');
    is($session->{live_socket_id}, live_socket_id($user->{token_text}), 'live_socket_id');
    is(csrf_unmask($user->{csrf_token}), $session->{_csrf_token}, 'CSRF');
    is(open_remember_me($user->{remember_cookie})->[0], $user->{token_text}, 'token in the remember-me cookie');

    my $second = authenticated_fixture(user_id => $user->{user_id}, remember_me => 60);
    is($second->{user_id}, $user->{user_id}, 'a second session of the same user');
    is(open_session($second->{cookie})->{user_remember_me}, 'true', 'with remember-me');
    is(session_row($second)->{type}, 'remember_me', 'type') if $layout eq 'sigra_sessions';
    is(session_row(random_bytes(32)), undef, 'no row');
    ok(!eval { authenticated_fixture(email => uc $user->{email}); 1 }, 'emails are unique, whatever their case');
}
