package Sigra::Bench::Rows;

use v5.14;
use strict;
use warnings;
use integer;

use DBI;
use Exporter qw(import);
use File::Basename qw(dirname);
use HTTP::Tiny;
use Sigra::Bench;
use Sigra::Fixture;

our @EXPORT = qw(database_of cookie_of cookies_of conninfo_of pgbench server_dbh login_password);

# A database with this many sessions, and the cookies of some of them.
#
# The layout is phx_gen_auth. A token is two numbers of 16 digits that are computed from the row's number: pgbench can
# compute them on its own core, and sends them in the form in which they are stored. Neighbours in the index are not
# neighbours in the table.
my ($least, $span) = (1_000_000_000_000_000, 9_000_000_000_000_000);
my @factors = (899_999_999_981, 123_456_789_011);
my $users_at_most = 99_991;    # a prime: whatever the step between rows is, their users differ

sub token_of { my ($row) = @_; return join '', map { $least + $row * $_ % $span } @factors }

sub server_dbh {
    my ($name, $user) = @_;
    return DBI->connect(
        "dbi:Pg:host=$ENV{SIGRA_TEST_PGHOST};port=$ENV{SIGRA_TEST_PGPORT};dbname=$name", $user // 'postgres', undef,
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, AutoInactiveDestroy => 1 }
    );
}

sub login_password { return 'correct horse battery staple' }

# Created once; a database whose rows are deleted has its own name, and is used by nothing else.
sub database_of {
    my ($rows, $purpose) = @_;
    my $name = join '_', 'bench', $rows, $purpose // ();
    state %made;
    return $name if $made{$name}++;
    print STDERR "  a database of $rows sessions\n";
    fresh_database('phx_gen_auth', name => $name);
    my $users = $rows < $users_at_most ? $rows : $users_at_most;
    my $token = join '||', map { "($least + i * $_ % $span)::text" } @factors;
    my $now = q(date_trunc('second', now() AT TIME ZONE 'utc'));
    my $db = server_dbh($name);
    # Indexes are created last, foreign keys are not checked, and a table that is new in the transaction is not logged.
    my $indexes = $db->selectcol_arrayref(
        q(SELECT indexdef FROM pg_indexes WHERE tablename = 'users_tokens' AND indexname <> 'users_tokens_pkey'));
    $db->begin_work;
    $db->do($_) for
        q(SET client_min_messages = warning),
        q(SET session_replication_role = replica),
        q(SET maintenance_work_mem = '512MB'),
        (map { /INDEX (\S+) ON/ ? "DROP INDEX $1" : () } @$indexes),
        q(ALTER TABLE users_tokens DROP CONSTRAINT users_tokens_pkey),
        q(TRUNCATE users_tokens),
        "INSERT INTO users (id, email, hashed_password, confirmed_at, inserted_at, updated_at)
         SELECT i, 'user-' || i || '\@example.com', @{[ $db->quote(argon2id_hash('sigra')) ]}, $now, $now, $now
         FROM generate_series(1, $users) i",
        "INSERT INTO users_tokens (id, user_id, token, context, authenticated_at, inserted_at)
         SELECT i, i % $users + 1, ($token)::bytea, 'session', $now, $now FROM generate_series(1::bigint, $rows) i",
        q(ALTER TABLE users_tokens ADD CONSTRAINT users_tokens_pkey PRIMARY KEY (id)),
        @$indexes,
        "SELECT setval('users_tokens_id_seq', $rows)";
    $db->commit;
    $db->do($_) for 'VACUUM ANALYZE', 'CHECKPOINT';
    $db->disconnect;
    # Without the triggers no worker uses its cache.
    run_program('psql', '-X', '-q', '-h', $ENV{SIGRA_TEST_PGHOST}, '-p', $ENV{SIGRA_TEST_PGPORT}, '-U', 'sigra', '-d', $name,
        '-v', 'schema=phx_gen_auth', '-f', dirname(__FILE__) . '/../../../../examples/revocation.sql');
    return $name;
}

sub cookie_of {
    my ($row) = @_;
    state $key = derive_key(secret_key_base, signing_salt);
    return session_cookie_name . '=' . sign(encode_term({ user_token => token_of($row) }), $key);
}

# A file with one cookie per line, for the rows that the code returns, which gets a count from 0 on.
sub cookies_of {
    my ($name, $count, $row) = @_;
    my $file = scratch() . "/$name.cookies";
    return $file if -e $file;
    open my $out, '>', $file or die "$file: $!\n";
    print $out cookie_of($row->($_)), "\n" for 0 .. $count - 1;
    close $out or die "$file: $!\n";
    return $file;
}

sub conninfo_of {
    my ($name) = @_;
    return "host=$ENV{SIGRA_TEST_PGHOST} port=$ENV{SIGRA_TEST_PGPORT} dbname=$name user=sigra";
}

# The module's own statement for one token, which the server reports for the module's connection to this database. `url`
# leads to it: a single request is a single lookup.
sub lookup_sql {
    my ($name, $url) = @_;
    state %known;
    return $known{$name} if $known{$name};
    HTTP::Tiny->new->get($url, { headers => { cookie => cookie_of(1) } })->{success} or die "$url fails\n";
    my $db = server_dbh($name);
    my ($sql) = $db->selectrow_array(
        q(SELECT query FROM pg_stat_activity WHERE datname = ? AND query LIKE '%statement_timestamp%context%'
          AND query NOT LIKE '%unnest%' LIMIT 1),
        undef, $name) or die "no lookup was seen in $name\n";
    $db->disconnect;
    $sql =~ s/\$1/(:first::bytea || :second::bytea)/ or die "no parameter in: $sql\n";
    return $known{$name} = $sql;
}

# Transactions per second: the module's lookup, prepared, by 8 clients that each wait for their answer. `row` is an
# expression of pgbench.
sub pgbench {
    my ($name, $row, $url) = @_;
    my $file = scratch() . '/lookup.sql';
    my $sql = lookup_sql($name, $url);
    open my $out, '>', $file or die "$file: $!\n";
    print $out "\\set row $row\n", "\\set first $least + :row * $factors[0] % $span\n",
        "\\set second $least + :row * $factors[1] % $span\n", $sql =~ s/\s+/ /gr, ";\n";
    close $out or die "$file: $!\n";
    my ($text) = at_cost(sub {
        my $output = run_program(
            'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 1, '-T', seconds(), '-f', $file,
            '-h', $ENV{SIGRA_TEST_PGHOST}, '-p', $ENV{SIGRA_TEST_PGPORT}, '-U', 'sigra', $name
        );
        return ($output =~ /^number of transactions actually processed: (\d+)/m, $output);
    });
    $text =~ /^tps = ([\d.]+)/m or die "pgbench says:\n$text\n";
    return $1;
}

1;
