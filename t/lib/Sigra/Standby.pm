package Sigra::Standby;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use DBI;
use File::Basename qw(dirname);
use File::Temp ();
use Sigra::Nginx;

# A standby of the cluster of t/lib/with-postgres. It is stopped when the test ends.
#
#     my $standby = Sigra::Standby->new;
#     $standby->has_caught_up; ... ; $standby->promote;

my $script = dirname(abs_path(__FILE__)) . '/../private-postgres';

sub new {
    my ($class) = @_;
    my $folder = File::Temp->newdir('sigra-standby-XXXXXX', TMPDIR => 1);
    my $self = bless { folder => $folder, owner => $$ }, $class;
    $self->run(standby => $ENV{SIGRA_TEST_PGDIR} // die "run t/lib/with-postgres prove ...\n");
    return $self;
}

sub run {
    my ($self, $command, @arguments) = @_;
    local %ENV = %ENV;
    delete $ENV{LD_PRELOAD};
    system({$script} $script, $command, "$self->{folder}", @arguments) == 0 or die "private-postgres $command: code $?\n";
    return now();
}

sub promote { return $_[0]->run('promote') }

sub port {
    my ($self) = @_;
    open my $in, '<', "$self->{folder}/port" or die "port: $!\n";
    return <$in> =~ s/\s+//r;
}

sub db {
    my ($self, $name) = @_;
    return DBI->connect(sprintf('dbi:Pg:host=%s;port=%s;dbname=%s', abs_path("$self->{folder}/socket"), $self->port, $name),
        'postgres', undef, { RaiseError => 1, PrintError => 0, AutoInactiveDestroy => 1 });
}

# Waits until it has everything that the primary has written.
sub has_caught_up {
    my ($self, $primary) = @_;
    my $position = $primary->selectrow_array('SELECT pg_current_wal_insert_lsn()');
    my $db = $self->db('postgres');
    return await(30, sub { $db->selectrow_array('SELECT pg_last_wal_replay_lsn() >= ?', undef, $position) });
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local ($?, $@, $!);
    eval { $self->run(stop => 'immediate') };
}

1;
