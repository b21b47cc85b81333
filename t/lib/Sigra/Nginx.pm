package Sigra::Nginx;

use v5.14;
use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

our @EXPORT = qw(await now patience);

# An nginx with a master and workers, for what a Test::Nginx block cannot do: reload it, kill a worker, stop its
# database. It is stopped when the test ends; a forked child must not keep a reference to it.
#
#     my $nginx = Sigra::Nginx->new(http => '...', server => '...', files => {'a.txt' => 'for ada'}, workers => 2);
#     $nginx->port, $nginx->workers, $nginx->reload, $nginx->signal(TERM => $pid), $nginx->problems

# How many seconds to wait at most. Tests wait for events: on a busy machine they come late, and only one that never
# comes is a failure.
sub patience { return $ENV{VALGRIND} ? 600 : 120 }

sub now { return clock_gettime(CLOCK_MONOTONIC) }

# Checks every few milliseconds until it holds; false if it never does. Seconds before the code are information for the
# reader: how long it takes on an idle machine.
sub await {
    my $condition = pop;
    my $deadline = now() + patience();
    until ($condition->()) {
        return 0 if now() > $deadline;
        sleep 0.005;
    }
    return 1;
}

sub slurp { open my $in, '<:raw', $_[0] or return ''; local $/; return <$in> // '' }

# Below the ephemeral range, so that no outgoing connection uses it.
sub free_port {
    for (1 .. 500) {
        my $port = 12000 + int rand 8000;
        return $port if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
    }
    die "no free port\n";
}

sub new {
    my ($class, %option) = @_;
    my $root = File::Temp->newdir('sigra-nginx-XXXXXX', TMPDIR => 1);
    chmod 0755, "$root";
    my $self = bless { root => $root, owner => $$, port => free_port(), %option }, $class;
    make_path("$root/$_") for qw(conf logs html);
    while (my ($name, $text) = each %{ $option{files} // {} }) { $self->write("html/$name", $text) }
    $self->write('conf/nginx.conf', $self->configuration);
    $self->start;
    return $self;
}

sub configuration {
    my ($self) = @_;
    my @environment = qw(LD_PRELOAD LD_LIBRARY_PATH ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS);
    return join "\n",
        'worker_processes ' . ($self->{workers} // 2) . ';',
        'daemon ' . ($self->{daemon} ? 'on' : 'off') . ';',
        "pid logs/nginx.pid;",
        'error_log logs/error.log ' . ($self->{log_level} // 'info') . ';',
        ($> == 0 ? 'user root;' : ()),
        (map { "env $_;" } @environment),
        (map { 'load_module ' . abs_path($_) . ';' } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // ''),
        $self->{main} // '',
        'events { accept_mutex off; worker_connections ' . ($self->{connections} // 256) . '; }',
        'http {',
        'access_log off; default_type text/plain; keepalive_requests 100000;',
        $self->{http} // '',
        "server { listen 127.0.0.1:$self->{port}; $self->{server} }",
        "}\n";
}

sub write {
    my ($self, $name, $text) = @_;
    make_path("$self->{root}/$name" =~ s{/[^/]*$}{}r);
    open my $out, '>:raw', "$self->{root}/$name" or die "$name: $!\n";
    print $out $text;
    close $out or die "$name: $!\n";
}

sub start {
    my ($self) = @_;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null';
        open STDERR, '>>', "$self->{root}/logs/stderr.log";
        open STDOUT, '>&', \*STDERR;
        my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
        exec { $binary } $binary, '-e', 'logs/error.log', '-p', "$self->{root}/", '-c', 'conf/nginx.conf'
            or POSIX::_exit(127);
    }
    if ($self->{daemon}) {
        # It is in a session of its own, which no signal from the keyboard reaches.
        $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
        # Exits when there is a child, which becomes the master process and writes its id later.
        waitpid $pid, 0;
        $pid = 0;
        $pid = $self->master if !$? && await(sub { $self->master });
        $self->{masters} = [$pid];
    }
    $self->{pid} = $pid;
    await(sub { !$self->running || ($self->master == $pid && $self->workers >= ($self->{workers} // 2)) });
    return if $self->running;
    die 'nginx does not start: ' . slurp("$self->{root}/logs/stderr.log") . $self->log . "\n";
}

sub port { return $_[0]{port} }
sub root { return "$_[0]{root}" }
sub log  { return slurp("$_[0]{root}/logs/error.log") }

# The master process, according to the file with its id; 0 if there is none.
sub master { return slurp("$_[0]{root}/logs/nginx.pid") =~ /^(\d+)$/m ? $1 : 0 }

sub running {
    my ($self) = @_;
    return 0 unless $self->{pid};
    return 1 if $self->{daemon} ? is_running($self->{pid}) : waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $self->{daemon} ? 0 : $?;
    undef $self->{pid};
    return 0;
}

# Whether the process runs. One that has exited may not have been waited for yet.
sub is_running { return slurp("/proc/$_[0]/stat") =~ /\) [^ZX]/ ? 1 : 0 }

sub children_of { my @pids = split ' ', slurp("/proc/$_[0]/task/$_[0]/children"); return @pids }

# The worker processes, including those that are still exiting after a reload.
sub workers {
    my ($self) = @_;
    return children_of($self->{pid} // return);
}

sub signal {
    my ($self, $signal, @pids) = @_;
    return kill $signal => @pids ? @pids : $self->{pid};
}

# Returns when all new workers have started. Returns the old ones, which may still be exiting.
sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;
    $self->signal('HUP');
    await(sub { (grep { !$old{$_} } $self->workers) >= ($self->{workers} // 2) }) or die "no new workers\n";
    return keys %old;
}

# Starts a new master process beside the old one, as an upgrade of the binary does; only with the option `daemon`.
# Returns the old one when all workers of the new one have started.
sub upgrade {
    my ($self) = @_;
    my $old = $self->{pid};
    my $new;
    $self->signal('USR2');
    await(sub { $new = $self->master; $new && $new != $old }) or die "no new master process\n";
    $self->{pid} = $new;
    push @{ $self->{masters} }, $new;
    await(sub { $self->workers >= ($self->{workers} // 2) }) or die "no new workers\n";
    return $old;
}

# Stops nginx and returns its exit status, 0 with the option `daemon`.
sub stop {
    my ($self) = @_;
    return $self->{status} unless $self->running;
    $self->signal('QUIT');
    unless (await(sub { !$self->running })) {
        my @left = ($self->workers, $self->{pid});
        kill KILL => @left;
        waitpid $self->{pid}, 0 unless $self->{daemon};
        undef $self->{pid};
        $self->{status} = -1;
    }
    return $self->{status};
}

# Lines that must not be in the log; @expected are patterns of lines that the test has caused.
sub problems {
    my ($self, @expected) = @_;
    my $bad = qr/\[(?:alert|crit|emerg)\]|open socket|exited on signal|Sanitizer|runtime error:|Assertion .*failed/;
    my @lines = split /\n/, $self->log . slurp("$self->{root}/logs/stderr.log");
    return grep { my $line = $_; $line =~ $bad && !grep { $line =~ $_ } @expected } @lines;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local ($?, $@, $!);
    $self->stop if $self->{pid};
    # A test that has failed may leave another one of an upgrade. Its arguments tell it from a process that got its id.
    for my $master (grep { slurp("/proc/$_/cmdline") =~ /\Q$self->{root}\E/ } @{ $self->{masters} // [] }) {
        my @left = ($master, children_of($master));
        kill TERM => $master;
        await(sub { !is_running($master) }) or kill KILL => @left;
    }
}

1;
