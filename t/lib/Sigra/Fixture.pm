package Sigra::Fixture;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use DBI;
use Digest::SHA qw(sha256 sha256_hex);
use Exporter ();
use File::Basename qw(basename dirname);
use MIME::Base64 qw(encode_base64url);
use Sigra::Client;
use Sigra::Phoenix;

our @EXPORT = (
    @Sigra::Phoenix::EXPORT,
    qw(fresh_database grant_nginx nginx_role database use_database db authenticated_fixture api_token_fixture user_fixture session_row sigra_http_config echo_upstream
       client backends kill_backends)
);

my $library = dirname(abs_path(__FILE__));
my %database;    # the last one of fresh_database: name, layout, users, tokens, singular, plural

sub import {
    # Variables that configurations may use and that neither harness sets.
    if (my $root = Test::Nginx::Util->can('server_root')) {
        $ENV{TEST_NGINX_SERVER_ROOT} = $root->();
        $ENV{TEST_NGINX_HTML_DIR}    = Test::Nginx::Util::html_dir();
        $ENV{TEST_NGINX_SERVER_PORT} = Test::Nginx::Util::server_port();
        main->can('add_response_body_check')->(\&run_flow);
    }
    # The filter «eval» runs a section's code in this package.
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
    goto &Exporter::import;
}

# A section «flow» runs while the block's nginx runs, after the block's first request.
sub run_flow {
    my ($block, undef, $index) = @_;
    my $code = $block->flow // return;
    return if $index;
    my $name = $block->name =~ s/["\n]//gr;
    my $flow = eval qq{package main; sub { my (\$client, \$block) = \@_;\n# line 1 "flow of $name"\n$code\n}} // die $@;
    $flow->(client(), $block);
}

sub client { return Sigra::Client->new(port => $ENV{TEST_NGINX_SERVER_PORT}, @_) }

sub server {
    my ($what) = @_;
    return $ENV{"SIGRA_TEST_PG$what"} // die "SIGRA_TEST_PG$what is not set: run t/lib/with-postgres prove ...\n";
}

sub database { return {%database} }

# Takes what database() returned: from now on all functions use that database again.
sub use_database { %database = %{ $_[0] } }

sub fresh_database {
    my ($layout, %option) = @_;
    my $name = $option{name} // 'sigra_' . basename($0, '.t') =~ s/\W/_/gr;
    my $sessions = $layout eq 'sigra_sessions';
    my $singular = $option{singular} // 'user';
    %database = (
        name     => $name,
        layout   => $layout =~ s/_17\z//r,
        users    => $option{users}  // 'users',
        tokens   => $option{tokens} // ($sessions ? 'user_sessions' : 'users_tokens'),
        singular => $singular,
        plural   => $option{plural} // "${singular}s",
        id       => $option{id} // 'bigint',
    );
    my $admin = connect_to('postgres', 'postgres');
    $admin->do('SET client_min_messages = warning');
    $admin->do("DROP DATABASE IF EXISTS $name WITH (FORCE)");
    $admin->do("CREATE DATABASE $name OWNER sigra");
    $admin->disconnect;

    run_psql("$library/../schema/$layout.sql", map { $_ => $database{$_} } qw(id users tokens singular));
    grant_nginx();
    return $name;
}

# The role that nginx connects as. The tables belong to sigra.
sub nginx_role { return 'sigra_nginx' }

# Grants the role its rights as an administrator does, with examples/grants.sql. The options are variables of that
# script.
sub grant_nginx {
    my (%option) = @_;
    my @on = (qw(login rehash), $database{layout} eq 'phx_gen_auth' ? () : 'lockout');
    return run_psql(
        "$library/../../../examples/grants.sql", role => nginx_role(), schema => $database{layout},
        (map { $_ => $database{$_} } qw(users tokens)), (map { $_ => 'on' } @on), %option
    );
}

# Runs a script as the owner of the tables, with these variables of psql.
sub run_psql {
    my ($script, %variable) = @_;
    local %ENV = %ENV;
    delete @ENV{ 'LD_PRELOAD', grep { /^PG/ } keys %ENV };
    my @command = (
        'psql', '-X', '-q', '-h', server('HOST'), '-p', server('PORT'), '-U', 'sigra', '-d', $database{name},
        (map { ('-v', "$_=$variable{$_}") } sort keys %variable), '-f', $script
    );
    system({ $command[0] } @command) == 0 or die "psql fails at $script\n";
    return;
}

sub connect_to {
    my ($name, $user) = @_;
    return DBI->connect(
        sprintf('dbi:Pg:host=%s;port=%s;dbname=%s', server('HOST'), server('PORT'), $name), $user, undef,
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, AutoInactiveDestroy => 1, pg_enable_utf8 => 0 }
    );
}

sub db {
    my $name = $database{name} // die "no database: call fresh_database first\n";
    state %handles;
    my $handle = $handles{$name};
    return $handle && $handle->ping ? $handle : ($handles{$name} = connect_to($name, 'sigra'));
}

# UTC on the server this many seconds ago, as Ecto would have written it.
sub ago {
    my ($seconds) = @_;
    my $moment = sprintf q(now() AT TIME ZONE 'utc' - interval '%s seconds'), $seconds;
    return \($database{layout} eq 'sigra_sessions' ? $moment : "date_trunc('second', $moment)");
}

# Values; undef is NULL, a reference to a string is SQL.
sub insert {
    my ($table, $columns) = @_;
    my (@names, @places, @values);
    for my $name (sort keys %$columns) {
        my $value = $columns->{$name};
        push @names, db()->quote_identifier($name);
        push @places, ref $value ? $$value : '?';
        push @values, $value unless ref $value;
    }
    my $sql = sprintf 'INSERT INTO %s (%s) VALUES (%s) RETURNING id', $table, join(', ', @names), join(', ', @places);
    return scalar db()->selectrow_array($sql, undef, @values);
}

sub bytea { return \sprintf q(decode('%s', 'hex')), unpack 'H*', $_[0] }

sub new_id { return $database{id} eq 'uuid' ? (id => \'gen_random_uuid()') : () }

sub user_fixture {
    my (%option) = @_;
    state $count = 0;
    my $email = $option{email} // sprintf 'user-%d-%d@example.com', $$, ++$count;
    my $hash = exists $option{hashed_password} ? $option{hashed_password}
             : defined $option{password} ? pbkdf2_hash($option{password}) : argon2id_hash();
    my %columns = (
        new_id(),
        (defined $option{id} ? (id => $option{id}) : ()),
        email           => $email,
        hashed_password => $hash,
        (map { $_ => ago(0) } qw(confirmed_at inserted_at updated_at)),
        %{ $option{columns} // {} },
    );
    return { user_id => insert($database{users}, \%columns), email => $email, hashed_password => $hash };
}

sub authenticated_fixture {
    my (%option) = @_;
    my $sessions = $database{layout} eq 'sigra_sessions';
    my $user = defined $option{user_id} ? { user_id => $option{user_id}, email => $option{email} } : user_fixture(%option);

    my $token  = $option{token} // random_bytes(32);
    my $stored = $database{layout} eq 'phx_gen_auth' ? $token : sha256($token);
    my $age    = $option{age} // 0;
    my $authenticated = exists $option{authenticated_age} ? $option{authenticated_age} : $age;
    $authenticated = ago($authenticated) if defined $authenticated;
    my %row = (new_id(), "$database{singular}_id" => $user->{user_id}, inserted_at => ago($age));
    if ($sessions) {
        %row = (
            %row,
            hashed_token   => bytea($stored),
            type           => $option{type} // (defined $option{remember_me} ? 'remember_me' : 'standard'),
            last_active_at => ago($option{idle} // 0),
            sudo_at        => $authenticated,
        );
    } else {
        %row = (
            %row,
            token   => bytea($stored),
            context => $option{context} // 'session',
            sent_to => $option{sent_to},
        );
        $row{authenticated_at} = $authenticated if has_column($database{tokens}, 'authenticated_at');
    }
    my $session_id = insert($database{tokens}, { %row, %{ $option{row} // {} } });

    my $text  = $sessions ? encode_base64url($token) : $token;
    my $state = $option{csrf_state} // csrf_state();
    my %cookie = map { exists $option{$_} ? ($_ => $option{$_}) : () } qw(secret_key_base signing_salt encryption_salt digest);
    my %session = (
        "$database{singular}_token" => $text,
        live_socket_id              => live_socket_id($text, $database{plural}),
        _csrf_token                 => $state,
        (defined $option{remember_me} ? ("$database{singular}_remember_me" => atom('true')) : ()),
        %{ $option{session} // {} },
    );
    delete @session{ grep { !defined $session{$_} } keys %session };
    my $cookie = session_cookie(\%session, %cookie, name => $option{cookie_name});
    my $remember_cookie = remember_me_cookie(
        $text, %cookie,
        name       => $option{remember_cookie_name},
        max_age    => $option{remember_me},
        signed_age => $option{signed_age} // $age,
    );
    return {
        %$user,
        session_id      => $session_id,
        token           => $token,
        token_text      => $text,
        token_hash      => sha256_hex($token),
        stored_hex      => unpack('H*', $stored),
        session_hex16   => substr(sha256_hex($token), 0, 16),
        session         => \%session,
        cookie          => $cookie,
        header          => "Cookie: $cookie",
        remember_cookie => $remember_cookie,
        remember_header => "Cookie: $remember_cookie",
        csrf_state      => $state,
        csrf_token      => csrf_mask($state),
    };
}

# As in the guide to API authentication of mix phx.gen.auth: the row has the SHA-256, whatever the sessions' rows have.
sub api_token_fixture {
    my (%option) = @_;
    my $user = defined $option{user_id} ? { user_id => $option{user_id}, email => $option{email} } : user_fixture(%option);
    my $token = random_bytes(32);
    my $table = $option{tokens} // ($database{layout} eq 'sigra_sessions' ? 'users_tokens' : $database{tokens});
    my $id = $database{id};
    if (!db()->selectrow_array('SELECT to_regclass(?)', undef, $table)) {
        db()->do("CREATE TABLE $table (id @{[ $id eq 'uuid' ? 'uuid' : 'bigserial' ]} PRIMARY KEY,
            $database{singular}_id $id NOT NULL REFERENCES $database{users} ON DELETE CASCADE, token bytea NOT NULL,
            context text NOT NULL, sent_to text, inserted_at timestamp(0) NOT NULL)");
        grant_nginx(api_tokens => $table);
    }
    my $token_id = insert($table, {
        new_id(), "$database{singular}_id" => $user->{user_id}, token => bytea(sha256($token)),
        context => $option{context} // 'api-token', sent_to => $option{sent_to} // $user->{email}, inserted_at => ago($option{age} // 0),
    });
    my $text = encode_base64url($token);
    return { %$user, token_id => $token_id, tokens => $table, token => $token, text => $text, header => "Authorization: Bearer $text" };
}

sub has_column {
    my ($table, $column) = @_;
    return scalar db()->selectrow_array(
        'SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(?) AND attname = ? AND NOT attisdropped',
        undef, $table, $column
    );
}

# nginx's connections to the database that was created last: clients with nginx's role and the module's application
# name, so neither the test's own connections nor server processes like autovacuum. A condition selects some of them.
sub backends {
    my ($where) = @_;
    return @{ db()->selectcol_arrayref(
        q(SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
             AND usename = ? AND application_name = 'nginx auth_sigra') . ($where ? " AND $where" : ''), undef, nginx_role()) };
}

# Ends all of them once; returns how many there were.
sub kill_backends {
    my @pids = backends();
    db()->do('SET client_min_messages = error');    # one may be gone already
    db()->do('SELECT pg_terminate_backend(pid) FROM unnest(?::int[]) pid', undef, \@pids);
    return scalar @pids;
}

# The row of a fixture or of a raw token; undef if it does not exist any more.
sub session_row {
    my ($what) = @_;
    my $token  = ref $what ? $what->{token} : $what;
    my $stored = $database{layout} eq 'phx_gen_auth' ? $token : sha256($token);
    my $column = $database{layout} eq 'sigra_sessions' ? 'hashed_token' : 'token';
    return db()->selectrow_hashref("SELECT * FROM $database{tokens} WHERE $column = ${ bytea($stored) }");
}

sub sigra_http_config {
    my (%option) = @_;
    my %of = (%database, %option);
    my $layout = $of{layout} // 'sigra';
    my $conninfo = $option{conninfo} // sprintf 'host=%s port=%s dbname=%s user=%s', server('HOST'), server('PORT'),
        $of{name} // die("no database: call fresh_database first\n"), nginx_role();
    # On a busy machine a lookup may take longer than two seconds, the directive's default.
    my $parameters = $option{postgres} // ($option{conninfo} ? '' : 'timeout=60s');
    my $postgres = join ' ', "\"$conninfo\"", $parameters;

    my @schema = $layout;
    my %default = (
        users => 'users', tokens => $layout eq 'sigra_sessions' ? 'user_sessions' : 'users_tokens',
        singular => 'user', plural => 'users',
    );
    push @schema, map { defined $of{$_} && $of{$_} ne $default{$_} ? "$_=$of{$_}" : () } qw(users tokens singular plural);
    push @schema, "\"where=$of{where}\"" if defined $of{where};

    my @secrets = map { ref $_ ? @$_ : $_ } $option{secret_key_base} // secret_key_base;
    my $session = join ' ', $option{cookie_name} // session_cookie_name,
        'signing_salt=' . ($option{signing_salt} // signing_salt),
        (defined $option{encryption_salt} ? "encryption_salt=$option{encryption_salt}" : ()), $option{session_cookie} // ();
    my $remember = join ' ', $option{remember_cookie_name} // remember_me_cookie_name, $option{remember_me_cookie} // ();
    return join '', map { "    $_\n" }
        "auth_sigra_postgres $postgres;",
        "auth_sigra_schema @schema;",
        (map { "auth_sigra_secret_key_base $_;" } @secrets),
        "auth_sigra_session_cookie $session;",
        "auth_sigra_remember_me_cookie $remember;",
        split /\n/, $option{extra} // '';
}

sub echo_upstream {
    return <<'END';
    server {
        listen unix:$TEST_NGINX_SERVER_ROOT/logs/upstream.sock;
        default_type text/plain;
        location / {
            return 200 "$request_method $request_uri
id=$http_x_auth_user_id
email=$http_x_auth_email
authenticated_at=$http_x_auth_authenticated_at
cookie=$http_cookie
";
        }
    }
    upstream echo { server unix:$TEST_NGINX_SERVER_ROOT/logs/upstream.sock; }
END
}

1;

__END__

=encoding utf8

=head1 NAME

Sigra::Fixture - users and sessions in a database, and the cookies that belong to them

=head1 SYNOPSIS

    use Test::Nginx::Socket 'no_plan';
    use Sigra::Fixture;

    fresh_database('sigra');
    our $http = sigra_http_config() . echo_upstream();
    our $ada  = authenticated_fixture(email => 'ada@example.com');
    our $old  = authenticated_fixture(age => 61 * 86400);

    run_tests();

    __DATA__
    === TEST 1: a session passes
    --- http_config eval: $::http
    --- config
        location /private { auth_sigra on; auth_sigra_forward on; proxy_pass http://echo; }
    --- request
    GET /private
    --- more_headers eval: $::ada->{header}
    --- response_body_like eval: qr/^email=ada\@example\.com$/m

Run it with C<t/lib/with-postgres prove -It/lib -It/lib/harness t/>, or with your own configuration instead of
C<sigra_http_config()>: a fixture's cookies are signed with the values that you give as C<secret_key_base>,
C<signing_salt>, C<cookie_name> and C<remember_cookie_name>. nginx's C<return> runs before the access phase;
protect a file, a proxied server or another content handler instead.

=head1 DATABASE

The server is that of SIGRA_TEST_PGHOST and SIGRA_TEST_PGPORT. These roles log in without a password: C<postgres>;
C<sigra>, which owns the databases and their tables; and C<sigra_nginx>, which has the rights of F<examples/grants.sql>.

=over

=item fresh_database($layout, %options)

Creates the database again: C<sigra>, C<phx_gen_auth>, C<phx_gen_auth_17> (no C<authenticated_at>) or
C<sigra_sessions>. Options: C<name> (by default from the name of the test file), C<id> (C<bigint>, C<uuid>), C<users>, C<tokens>,
C<singular>, C<plural>. All functions below use the database that was created last; C<database()> returns its options.

=item nginx_role()

The role that nginx connects as, C<sigra_nginx>. C<fresh_database> grants it what logins, lockout (if the layout has
its columns) and rehashing need.

=item grant_nginx(%options)

Grants again, with variables of F<examples/grants.sql>: C<< reads => 'memberships' >> if a condition reads another
table, or C<< login => 'off' >>. The role keeps the rights on other tables that it already has.

=item use_database($database)

Uses a database again that C<database()> has returned before.

=item db()

A DBI handle.

=item session_row($fixture_or_token)

The token's row as a hash; undef if it does not exist.

=item backends($condition)

The process ids of nginx's connections to the database; with a condition on C<pg_stat_activity>, of those that meet it.

=item kill_backends()

Ends them, and returns how many there were.

=back

=head1 FIXTURES

=over

=item authenticated_fixture(%options)

Inserts a user and a session. Options: C<user_id> (an existing user's), C<id> (the new user's),
C<email>, C<password> (hashed quickly) or C<hashed_password> (undef: none), C<columns> (more of the users row),
C<token>, C<age> (seconds since C<inserted_at>), C<authenticated_age> (default: the age; undef: NULL), C<context>,
C<sent_to>, C<type> and C<idle> (C<sigra_sessions>), C<row> (more of the token's row), C<session> (more of the
session; undef removes a key), C<csrf_state>, C<remember_me> (max_age of that cookie), C<signed_age>,
C<secret_key_base>, C<signing_salt>, C<encryption_salt> (an encrypted session), C<digest>, C<cookie_name>,
C<remember_cookie_name>. In C<columns> and C<row> a
reference to a string is SQL: C<< deleted_at => \"now()" >>.

Returns a hash: C<user_id>, C<email>, C<hashed_password>, C<session_id>, C<token> (32 bytes), C<token_text> (as in
the cookies), C<token_hash>, C<stored_hex>, C<session_hex16>, C<session>, C<cookie> and C<remember_cookie>
(NAME=VALUE), C<header> and C<remember_header> (Cookie: NAME=VALUE), C<csrf_state>, C<csrf_token>.

=item api_token_fixture(%options)

Inserts an API token, and a user if none is given: C<user_id> and C<email>, C<context> (C<api-token>), C<sent_to> (the
email), C<age>, C<tokens> (its table). Returns a hash: C<user_id>, C<email>, C<token_id>, C<tokens>, C<token>, C<text> (in
base64url), C<header> (Authorization: Bearer TEXT).

=item user_fixture(%options)

Inserts only the user. The default password is that of C<argon2id_hash()>: «correct horse battery staple».

=back

=head1 CONFIGURATION

=over

=item sigra_http_config(%options)

The directives for C<http {}>. Options: C<conninfo>, C<postgres> (parameters after it;
C<timeout=60s> if neither is given), C<layout>, C<users>,
C<tokens>, C<singular>, C<plural>, C<where>, C<secret_key_base> (one or an array), C<signing_salt>,
C<encryption_salt>, C<cookie_name>, C<session_cookie> and C<remember_me_cookie> (more parameters), C<remember_cookie_name>, C<extra> (more lines).

=item echo_upstream()

An C<upstream echo> that answers with what it was sent: method and URI, C<id=>, C<email=>, C<authenticated_at=>,
C<cookie=>, one per line.

=back

=head1 FLOWS

A section C<flow> is code that runs once while the block's nginx runs, after the block's first request, with a
C<$client> that keeps cookies (L<Sigra::Client>) and the C<$block>:

    --- request
    GET /
    --- flow
    my $page = $client->get('/users/log-in');
    my $answer = $client->post('/users/log-in', {
        _csrf_token => csrf_mask($client->session->{_csrf_token}),
        'user[email]' => 'ada@example.com', 'user[password]' => 'correct horse battery staple',
    });
    is($answer->{status}, 302, 'logged in');
    is($client->session->{phoenix_flash}{info}, 'Welcome back!', 'and welcomed');

=cut
