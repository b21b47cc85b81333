package Sigra::Check;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use Sigra::Nginx qw(await);
use Time::HiRes qw(sleep);

require 'sys/syscall.ph';

# Finds running password checks by the scheduling policy of their threads, and holds them: a test that needs a check to
# take long stops its thread, and so does not depend on the machine or on what else runs there.
#
#     my $held = hold_checks(1, $pid);     # waits for this many checks in these processes, and stops their threads
#     checks_of($pid);                     # how many run or are held
#     nicer_by($held, $pid);               # how much nicer the threads are than that process, one or several figures
#     release_checks($held);               # lets them continue; so does destroying $held
#
# A check to be held must use some processor time, because it is found while it computes.

our @EXPORT = qw(checks_of hold_checks nicer_by release_checks);

my ($batch, $seize, $interrupt, $detach, $all_threads) = (3, 0x4206, 0x4207, 17, 0x40000000);

sub stat_of { open my $in, '<', $_[0] or return; return split ' ', (<$in> // return) =~ s/.*\) //r }

# Paths of the threads that check passwords.
sub threads_of {
    return grep { ((stat_of("$_/stat"))[38] // -1) == $batch } map { glob "/proc/$_/task/*" } @_;
}
sub checks_of { return scalar(my @threads = threads_of(@_)) }

sub ptrace {
    my ($request, $path) = @_;
    my ($thread) = $path =~ m{(\d+)\z};
    return syscall(SYS_ptrace(), $request, $thread + 0, 0, 0) != -1;
}

sub hold_checks {
    my ($count, @pids) = @_;
    my $held = bless {}, __PACKAGE__;
    my $enough = await(sub {
        for my $path (grep { !$held->{$_} } threads_of(@pids)) {
            ptrace($seize, $path) or $!{ESRCH} ? next : die "a thread cannot be held: $!\n";
            $held->{$path} = 1;
            ptrace($interrupt, $path);
            my ($thread) = $path =~ m{(\d+)\z};
            waitpid $thread, $all_threads;
            # Stopped, or just finished.
            delete $held->{$path} if ((stat_of("$path/stat"))[0] // '') ne 't';
        }
        return keys %$held >= $count;
    });
    $enough or die "no check runs\n";
    return $held;
}

sub nicer_by {
    my ($held, $pid) = @_;
    my $own = (stat_of("/proc/$pid/stat"))[16];
    return map { (stat_of("$_/stat"))[16] - $own } keys %$held;
}

sub release_checks {
    my ($held) = @_;
    ptrace($detach, $_) for keys %$held;
    %$held = ();
    return;
}
sub DESTROY { local ($?, $!); release_checks($_[0]) }

# Sections can use these functions too.
{
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
}

1;
