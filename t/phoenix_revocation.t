# examples/phoenix_revocation.ex and the notifications for it: it is well-formed Elixir, it listens on the channel of
# examples/revocation.sql, and it computes the same hashes of tokens. Phoenix itself is not run.

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use IO::Select;
use Sigra::Fixture;
use Test::More;

my $examples = abs_path(dirname($0) . '/../examples');
my $file     = "$examples/phoenix_revocation.ex";
my $text     = do { open my $in, '<', $file or die "$file: $!"; local $/; <$in> };

SKIP: {
    my ($elixir) = grep { -x } map { "$_/elixir" } split /:/, $ENV{PATH};
    skip 'there is no elixir', 1 if !$elixir;
    local %ENV = %ENV;
    delete $ENV{LD_PRELOAD};
    my $parsed = qx(elixir -e 'Code.string_to_quoted!(File.read!(hd(System.argv()))) && IO.puts("parsed")' '$file' 2>&1);
    is($parsed, "parsed\n", 'well-formed');
}

for my $layout (qw(phx_gen_auth sigra)) {
    fresh_database($layout, name => "phoenix_revocation_$layout");
    local %ENV = %ENV;
    delete @ENV{ 'LD_PRELOAD', grep { /^PG/ } keys %ENV };
    my @psql = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', "schema=$layout", '-f', "$examples/revocation.sql",
        sprintf q(host=%s port=%s dbname=%s user=sigra options='-c client_min_messages=warning'), @ENV{qw(SIGRA_TEST_PGHOST SIGRA_TEST_PGPORT)}, database()->{name});
    system({ $psql[0] } @psql) == 0 or die "revocation.sql failed\n";
    my ($channel) = $text =~ /^  \@channel "(\w+)"$/m;
    my $ada = authenticated_fixture(email => 'ada@example.com');
    my $listener = db()->clone;
    $listener->do("LISTEN $channel");
    # The next notification, whenever it arrives.
    my $heard = sub {
        my $deadline = time + 120;
        while (time < $deadline) {
            my $told = $listener->pg_notifies;
            return $told->[2] if $told;
            IO::Select->new($listener->{pg_socket})->can_read(1);
        }
        return 'nothing';
    };

    # The topic to which the hook subscribes is computed from the token in the session.
    db()->do('DELETE FROM users_tokens WHERE id = ?', undef, $ada->{session_id});
    is($heard->(), sha256_hex($ada->{session}{user_token}), "$layout: a deleted row is told by the SHA-256 of the session's token");
    db()->do('UPDATE users SET email = ? WHERE id = ?', undef, 'ada@example.org', $ada->{user_id});
    is($heard->(), "user:$ada->{user_id}", "$layout: a user who changed by «user:»");
    db()->do('TRUNCATE users_tokens');
    is($heard->(), '*', "$layout: all by «*»");
    $listener->disconnect;
}
like($text, qr/"user:" <> _\}/, 'which it leaves alone');
like($text, qr/topic\("\*"\)/, 'which each LiveView receives');

done_testing;
