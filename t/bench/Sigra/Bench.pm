package Sigra::Bench;

use v5.14;
use strict;
use warnings;
use utf8;

use Exporter qw(import);
use File::Temp ();
use POSIX ();
use Sigra::Nginx;

our @EXPORT = qw(
    now rounds seconds rows_wanted parameter on_core server_core load_core at_cost
    run_program wrk in_turns knows bench_nginx interleaved median percentile busy_core
    skipped result ratios_of scratch
);

# What the sections have in common: which process runs on which core, interleaved rounds, and the rows of the table.

sub parameter {
    my ($name, $default) = @_;
    my $value = $ENV{$name} || $default;
    die "$name is no number: $value\n" unless $value =~ /\A[0-9]+\z/;
    return $value;
}
sub rounds      { return parameter(ROUNDS  => 5) }
sub seconds     { return parameter(SECONDS => 3) }
sub rows_wanted { return parameter(ROWS    => 10_000_000) }

# ---- cores

sub cores { return split /\n/, qx(sed -n 's/^processor[^0-9]*//p' /proc/cpuinfo) }
sub server_core { return (cores())[0] }
sub load_core   { return (cores())[-1] }

sub settle_on {
    my ($core) = @_;
    system('taskset', '-c', '-p', $core, $$) == 0 or die "taskset: $?\n";
}

# Processes that the code starts stay on that core; this process returns to the core of the load.
sub on_core {
    my ($core, $code) = @_;
    open my $saved, '>&', \*STDOUT or die "stdout: $!\n";
    my $quiet = sub { open STDOUT, '>', '/dev/null'; settle_on($_[0]); open STDOUT, '>&', $saved };
    $quiet->($core);
    my @result = eval { $code->() };
    my $error = $@;
    $quiet->(load_core());
    die $error if $error;
    return wantarray ? @result : $result[0];
}

# The share of time that a core was busy while the code ran.
sub busy_core {
    my ($core, $code) = @_;
    my @before = core_times($core);
    my @result = $code->();
    my @after = core_times($core);
    my $whole = $after[1] - $before[1] || 1;
    return (1 - ($after[0] - $before[0]) / $whole, @result);
}

sub core_times {
    my ($core) = @_;
    open my $in, '<', '/proc/stat' or die "/proc/stat: $!\n";
    my ($line) = grep { /^cpu$core / } <$in> or die "no core $core\n";
    my (undef, @ticks) = split ' ', $line;
    my $sum = 0;
    $sum += $_ for @ticks[0 .. 7];
    return ($ticks[3] + $ticks[4], $sum);
}

# All server processes: the children of this process except the clients, and PostgreSQL's. For each process, the seconds
# of processor time that it has used.
sub serving {
    my (%parent, %ticks);
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my ($pid, $rest) = (<$in> // '') =~ /\A(\d+) .*\) (.*)/s or next;
        my @field = split ' ', $rest;    # from the third field on: state, ppid
        $parent{$pid} = $field[1];
        $ticks{$pid} = $field[11] + $field[12] + $field[13] + $field[14];
    }
    my ($postmaster) = split /\n/, Sigra::Nginx::slurp("$ENV{SIGRA_TEST_PGDIR}/data/postmaster.pid");
    my %is_root = ($postmaster => 1, map { $parent{$_} == $$ ? ($_ => 1) : () } keys %parent);
    my %seconds;
    for my $pid (keys %parent) {
        my $above = $pid;
        $above = $parent{$above} while $above && !$is_root{$above};
        $seconds{$pid} = $ticks{$pid} / POSIX::sysconf(POSIX::_SC_CLK_TCK()) if $above;
    }
    return \%seconds;
}

# Including those that have exited and were waited for.
sub served {
    my $sum = 0;
    $sum += $_ for values %{ serving() };
    return $sum;
}

# What each request of the last measurement cost the server processes, in microseconds; wrk() and pgbench() set it.
our $cost;

sub at_cost {
    my ($code) = @_;
    my $before = served();
    my ($count, @result) = $code->();
    $cost = $count ? (served() - $before) / $count * 1e6 : undef;
    return @result;
}

# ---- programs

sub scratch {
    state $folder = File::Temp->newdir('sigra-bench-XXXXXX', TMPDIR => 1);
    chmod 0755, "$folder";
    return "$folder";
}

# Runs a program; returns its output, both streams, and dies if it fails.
sub run_program {
    my (@command) = @_;
    my $pid = open my $out, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or print "$command[0]: $!\n";
        exit 127;
    }
    my $text = do { local $/; <$out> } // '';
    close $out or die "$command[0] fails ($?):\n$text\n";
    return $text;
}

my $here = __FILE__ =~ s{/Sigra/[^/]*\z}{}r;

# Requests per second of a file of 1 kB, which every answer must be. Options: cookies (a file of Cookie headers'
# values), from (the first line to use), repeat (requests of a session in a row), seconds, connections (32), header (one
# more).
sub wrk {
    my ($url, %option) = @_;
    my ($origin, $path) = $url =~ m{^(http://[^/]+)(/.*)} or die "no URL: $url\n";
    my ($text) = at_cost(sub {
        my $output = asked_for($origin, $option{seconds} // seconds(), $option{header}, { path => $path, %option });
        return ($output =~ /^bench (\d+)/m, $output);
    });
    my ($requests, $microseconds) = $text =~ /^bench (\d+) (\d+)/m;
    return $requests / ($microseconds / 1e6);
}

# The same for cases that take turns after this many requests, so that other work of the machine affects all of them
# alike. Cases have names and wrk()'s options, with a path instead of a URL. Returns by name: the figure, and the cost
# of one request.
sub in_turns {
    my ($origin, $turn, @cases) = @_;
    my (@names, @options);
    local $ENV{BENCH_TURN} = $turn;
    while (my ($name, $option) = splice @cases, 0, 2) { push @names, $name; push @options, $option }
    local $ENV{BENCH_SERVING} = join ' ', keys %{ serving() };
    my $text = asked_for($origin, seconds() * @names, undef, @options);
    my @turns = $text =~ /^turns (\d+) (\d+) (\d+)$/mg;
    my %found;
    for my $name (@names) {
        my ($requests, $elapsed, $served) = splice @turns, 0, 3;
        $requests or die "$name had no turn:\n$text\n";
        $found{$name} = [$requests / $elapsed * 1e6, $served / $requests];
    }
    return \%found;
}

sub asked_for {
    my ($origin, $seconds, $header, @cases) = @_;
    my $text = run_program('wrk', '-t1', '-c' . ($cases[0]{connections} // 32), "-d${seconds}s", '-s', "$here/rotate.lua",
        (defined $header ? ('-H', $header) : ()), $origin, '--',
        map { join ',', $_->{path}, $_->{repeat} // 1, $_->{from} // 0, $_->{cookies} // '' } @cases);
    my ($requests, $microseconds, $bytes, $failed) = $text =~ /^bench (\d+) (\d+) (\d+) (\d+)$/m or die "wrk says:\n$text\n";
    my $what = join ' ', $origin, map { $_->{path} } @cases;
    $requests or die "$what: no answers\n$text\n";
    $failed == 0 or die "$what: $failed requests fail\n$text\n";
    $bytes / $requests >= 1024 or die "$what: answers of other than the file\n$text\n";
    return $text;
}

# Whether this module knows the directive, according to nginx.
sub knows {
    my ($name) = @_;
    state %known;
    return $known{$name} //= do {
        my $file = scratch() . '/knows.conf';
        open my $out, '>', $file or die "$file: $!\n";
        print $out "load_module $_;\n" for split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
        print $out "events {} http { server { location / { $name; } } }\n";
        close $out;
        my $text = qx($ENV{TEST_NGINX_BINARY} -t -q -e stderr -c $file 2>&1);
        die $text if $text =~ /dlopen/;
        $text =~ /unknown directive "$name"/ ? 'no' : 'yes';
    } eq 'yes';
}

# An nginx on the server's core, with the file of 1 kB as /file.
sub bench_nginx {
    my (%option) = @_;
    return on_core(server_core(), sub {
        Sigra::Nginx->new(
            workers => 1, connections => 1024, log_level => 'warn',
            %option, files => { file => 'x' x 1023 . "\n", %{ $option{files} // {} } },
        );
    });
}

# ---- rounds

my %costs_of;    # by the list of a case's figures

# Runs each case once without counting it, and then all of them in turn for this many rounds, each beginning with
# another case. Cases are pairs of a name and code that gets the number of the round and returns a figure, or those of
# in_turns().
sub interleaved {
    my (@cases) = @_;
    my (@names, %code, %figures, %costs);
    while (my ($name, $code) = splice @cases, 0, 2) { push @names, $name; $code{$name} = $code }
    for my $round (0 .. rounds()) {
        for (1 .. @names) {
            undef $cost;
            my ($busy, $figure) = busy_core(server_core(), sub { $code{ $names[0] }->($round) });
            my $found = ref $figure ? $figure : { $names[0] => [$figure, $cost // ()] };
            for my $name (sort keys %$found) {
                my ($value, @cost) = @{ $found->{$name} };
                printf STDERR "  %-24s %12.2f  %8s (the server's core %.0f%% busy, start included%s)\n", $name, $value,
                    @cost ? sprintf('%.2f µs', @cost) : '', 100 * $busy, $round ? '' : '; not counted';
                next if !$round;
                push @{ $figures{$name} }, $value;
                push @{ $costs{$name} }, @cost;
            }
            push @names, shift @names;
        }
        push @names, shift @names;
    }
    $costs_of{ $figures{$_} } = $costs{$_} for keys %figures;
    return %figures;
}

sub median { return percentile(50, @_) }

sub percentile {
    my ($percent, @values) = @_;
    @values = sort { $a <=> $b } @values or die "no figures\n";
    return ($values[(@values - 1) / 2] + $values[@values / 2]) / 2 if $percent == 50;
    my $index = int(@values * $percent / 100 + 0.999999) - 1;
    return $values[$index < 0 ? 0 : $index];
}

# ---- the table

# The ratio of two cases for each round: the two were measured side by side, and the machine may be different in the
# next round.
sub ratios_of {
    my ($one, $other) = @_;
    @$one == @$other or die "not as many rounds\n";
    return [map { $one->[$_] / $other->[$_] } 0 .. $#$one];
}

# One row: what, values (one per round), unit; and to compare it: ratios (one per round), against, target (text), and
# the least or most that their median must be.
sub result {
    my (%row) = @_;
    $row{costs} = $costs_of{ $row{values} };
    if ($row{ratios}) {
        my $ratio = median(@{ $row{ratios} });
        $row{met} = $ratio >= ($row{least} // $ratio) && $ratio <= ($row{most} // $ratio);
    }
    return \%row;
}

sub skipped { return { what => $_[0], skipped => $_[1] } }

1;
