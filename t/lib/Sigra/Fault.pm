package Sigra::Fault;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use Sigra::Cache qw(add_triggers);
use Sigra::Fixture;
use Sigra::Load;
use Sigra::Nginx;
use Test::More;

our @EXPORT = qw(gated_nginx gated_locations user cluster clients of sees_only survives_outage has_no_problems deadline);

# What the tests of t/fault have in common: an nginx with a database that fails, clients of every kind, and the answers
# they may get.

my $script = dirname(abs_path(__FILE__)) . '/../private-postgres';
my $owner  = $$;

# The cluster that t/lib/with-postgres has started. The next test file needs it as it was.
sub cluster {
    my ($command, @arguments) = @_;
    local %ENV = %ENV;
    delete $ENV{LD_PRELOAD};
    system({$script} $script, $command, $ENV{SIGRA_TEST_PGDIR} // die("run t/lib/with-postgres prove ...\n"), @arguments) == 0
        or die "private-postgres $command: code $?\n";
    return now();
}

END {
    if ($$ == $owner && $ENV{SIGRA_TEST_PGDIR}) {
        local $?;
        eval { cluster('thaw') };
        cluster('start') unless -e "$ENV{SIGRA_TEST_PGDIR}/data/postmaster.pid";
    }
}

my (%user, $timeout);

# Two workers with the layout `sigra`. Options: timeout (seconds until nginx gives up a request that PostgreSQL does not
# answer; on a busy machine a late answer must not count as missing), postgres (more parameters of the directive),
# conninfo, triggers (those of revocation.sql, without which no cache is used), and the options of Sigra::Nginx->new.
sub gated_nginx {
    my (%option) = @_;
    fresh_database('sigra', name => 'fault');
    add_triggers() if delete $option{triggers};
    %user = map { $_ => authenticated_fixture(email => "$_\@example.com") } qw(ada bob eve);
    db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $user{eve}{session_id});
    db()->disconnect;
    $timeout = delete $option{timeout} // 5;
    my $postgres = join ' ', "timeout=${timeout}s", delete $option{postgres} // ();
    my $conninfo = delete $option{conninfo};
    return Sigra::Nginx->new(
        files => { 'private.txt' => 'for ada', 'public.txt' => 'for all' },
        server => gated_locations(),
        %option,
        http => sigra_http_config(postgres => $postgres, $conninfo ? (conninfo => $conninfo) : ()) . ($option{http} // ''),
    );
}

sub gated_locations {
    return <<'EOF';
location /private { auth_sigra on; try_files /private.txt =404; }
location /optional { auth_sigra optional; add_header X-Status $auth_sigra_status; try_files /public.txt =404; }
location /public { try_files /public.txt =404; }
EOF
}

# The timeout of a request, in seconds.
sub deadline { return $timeout }

# ada and bob have a session; eve's has ended.
sub user { return $user{ $_[0] } }

# For each kind of client, the arguments for start_load.
sub clients {
    return (
        valid     => [3, '/private', $user{ada}{header}],
        other     => [1, '/private', $user{bob}{header}],
        unknown   => [1, '/private', $user{eve}{header}],
        anonymous => [1, '/private'],
        optional  => [1, '/optional', $user{bob}{header}],
        public    => [1, '/public'],
    );
}

sub of { my ($kinds, @answers) = @_; return grep { $_->{kind} =~ /^(?:$kinds)$/ } @answers }

sub describe {
    my ($answer, $zero) = @_;
    return sprintf '%s: %s after %.2f s, at %.2f s%s %s', @$answer{qw(kind status)}, $answer->{to} - $answer->{from},
        $answer->{from} - $zero, $answer->{cookie} ? ', with a cookie' : '', $answer->{error};
}

# The answers of each kind have these statuses and no other.
sub sees_only {
    my ($kinds, $statuses, $name, @answers) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @of  = of($kinds, @answers);
    my @bad = grep { $_->{status} !~ /^(?:$statuses)$/ } @of;
    ok(@of && !@bad, "$name: $kinds sees only $statuses")
        or diag(scalar(@of), ' answers, wrong: ', join '; ', map { describe($_, $answers[0]{from}) } @bad[0 .. ($#bad > 9 ? 9 : $#bad)]);
}

# Runs `down`, waits until clients notice, runs `up`, which returns the time from which the server accepts connections,
# and waits until everything is as before.
sub survives_outage {
    my ($name, $nginx, %option) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $load = start_load(port => $nginx->port, clients => { clients() });
    # After an outage a worker may not have reconnected until now: the last load may have used only the other one.
    state %asked;
    my $well = $asked{$nginx}++ && $load->await_everybody(0, sub { $_[0]{status} != 503 }) ? now() : 0;
    ok($load->await_answers(20, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 200 }), "$name: well before");

    my $down = now();
    $option{down}->();
    ok($load->await_answers(6, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 503 }), "$name: it is felt")
        if $option{felt} // 1;
    my $up = $option{up}->();
    # Each connection stays with the worker that accepted it: when all have got an answer, both workers are back.
    ok($load->await_everybody($up, sub { $_[0]{status} != 503 }), "$name: well afterwards");
    my $back = now();
    ok($load->await_answers(40, sub { $_[0]{kind} eq 'valid' && $_[0]{status} == 200 && $_[0]{from} > $back }), "$name: and from then on");
    my @answers = $load->stop;

    sees_only('valid|other', '200|503', $name, @answers);
    sees_only('unknown', '302|503', $name, @answers);
    sees_only('anonymous', '302', $name, @answers);
    sees_only('optional|public', '200', $name, @answers);
    my @refused = grep { $_->{status} == 503 } @answers;
    my @early   = grep { ($_->{from} > $well && $_->{to} < $down) || $_->{from} > $back } @refused;
    ok(!@early, "$name: 503 only while the database is away") or diag(join '; ', map { describe($_, $up) } @early);
    my @late = grep { $_->{to} - $_->{from} > 4 * $timeout } @refused;
    ok(!@late, "$name: each within the deadline, with room") or diag(join '; ', map { describe($_, $up) } @late);
    my @cookies = grep { $_->{cookie} && $_->{kind} ne 'anonymous' && !($_->{kind} eq 'unknown' && $_->{status} == 302) } @answers;
    ok(!@cookies, "$name: no cookie is touched") or diag(join '; ', map { describe($_, $up) } @cookies);
    my @slow = grep { $_->{to} - $_->{from} > $timeout } of('public|anonymous', @answers);
    ok(!@slow, "$name: who needs no database does not wait") or diag(join '; ', map { describe($_, $up) } @slow);
    diag(sprintf '%s: %d answers, %d of them 503; everybody is back %.2f s after the server', $name, scalar @answers,
        scalar @refused, $back - $up) if $ENV{TEST_VERBOSE};
    return;
}

# Stops nginx, and checks its logs and exit status.
sub has_no_problems {
    my ($nginx, @expected) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($nginx->stop, 0, 'nginx ends as it should');
    my @problems = $nginx->problems(@expected);
    ok(!@problems, 'no alert in the log, no open socket left, no report of a sanitizer') or diag(join "\n", @problems);
}

1;
