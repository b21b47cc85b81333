package Sigra::Wire;

# Connections that the test writes to and reads from step by step, and functions that delay PostgreSQL's answers.
#
#     my $lock = hold_lock();                          # no lookup is answered
#     my $wire = wire(get('/private', $ada->{header}));
#     await_lookup();                                  # it hangs in the database
#     $lock->rollback;
#     my $answer = $wire->answer;                      # {status, headers => {name => value}, body}; undef: closed

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Sigra::Fixture ();
use Sigra::Nginx ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(wire get slurp await while_stopped hold_lock await_lookup await_requests log_statements lookups);

my $patience = 120;    # seconds, for what never comes; on a busy machine everything else may take long

sub get {
    my ($path, @headers) = @_;
    return join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', @headers, '', '';
}

sub wire {
    my ($request, %option) = @_;
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $option{port} // $ENV{TEST_NGINX_SERVER_PORT}, Timeout => $patience,
    ) or die "cannot connect: $@\n";
    my $self = bless { socket => $socket, read => '' }, __PACKAGE__;
    $self->send($request) if defined $request;
    return $self;
}

sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $socket = $self->{socket};
    while (length $bytes) {
        my $count = syswrite $socket, $bytes or return $self;
        substr $bytes, 0, $count, '';
    }
    return $self;
}

sub leave { close $_[0]{socket} }

# False at the end of the stream, or if nothing arrives.
sub more {
    my ($self) = @_;
    return 0 unless IO::Select->new($self->{socket})->can_read($patience);
    return sysread $self->{socket}, $self->{read}, 65536, length $self->{read};
}

sub read_until {
    my ($self, $found) = @_;
    until ($found->()) { $self->more or return 0 }
    return 1;
}

# Reads this many of the next bytes.
sub take {
    my ($self, $length) = @_;
    $self->read_until(sub { length $self->{read} >= $length }) or return undef;
    return substr $self->{read}, 0, $length, '';
}

sub answer {
    my ($self, $method) = @_;
    $self->read_until(sub { $self->{read} =~ /\r\n\r\n/ }) or return undef;
    my ($head, $rest) = split /\r\n\r\n/, $self->{read}, 2;
    $self->{read} = $rest;
    my ($line, @lines) = split /\r\n/, $head;
    my ($status) = $line =~ m{^HTTP/1\.[01] (\d{3})} or die "not an answer: $line\n";
    my %headers;
    for (@lines) {
        my ($name, $value) = /^([^:]+):[ \t]*(.*)/ or die "not a header: $_\n";
        $headers{ lc $name } = exists $headers{ lc $name } ? "$headers{lc $name}, $value" : $value;
    }
    my $body = '';
    if (($method // '') eq 'HEAD' || $status =~ /^(?:1..|204|304)$/) {
    } elsif (defined $headers{'content-length'}) {
        $body = $self->take($headers{'content-length'}) // die "the body is cut short\n";
    } elsif (($headers{'transfer-encoding'} // '') eq 'chunked') {
        while (1) {
            $self->read_until(sub { $self->{read} =~ /\r\n/ }) or die "a chunk is missing\n";
            $self->{read} =~ s/\A([0-9a-fA-F]+)\r\n// or die "not a chunk\n";
            my $chunk = $self->take(hex($1) + 2) // die "a chunk is cut short\n";
            last if length $chunk == 2;
            $body .= substr $chunk, 0, -2;
        }
    } else {
        $self->read_until(sub { 0 });
        $body = delete $self->{read};
        $self->{read} = '';
    }
    return { status => $status, headers => \%headers, body => $body, head => "$head\r\n" };
}

# A file below nginx's prefix.
sub slurp { return Sigra::Nginx::slurp("$ENV{TEST_NGINX_SERVER_ROOT}/$_[0]") }

sub await(&;$) {
    my ($condition, $what) = @_;
    my $deadline = time + $patience;
    until ($condition->()) {
        die 'in vain: ' . ($what // 'a condition') . "\n" if time > $deadline;
        sleep 0.005;
    }
    return 1;
}

# Runs the code while nginx's workers are stopped: they see all that it does at once, when they continue.
sub while_stopped(&) {
    my ($code) = @_;
    my ($master) = slurp('logs/nginx.pid') =~ /(\d+)/ or die "nginx does not run\n";
    my @workers = Sigra::Nginx::children_of($master);
    @workers = $master unless @workers;    # master_process off
    kill STOP => @workers;
    my $done = eval {
        await { !grep { Sigra::Nginx::slurp("/proc/$_/stat") !~ /\) T/ } @workers } 'workers that stop';
        $code->();
        1;
    };
    kill CONT => @workers;
    die $@ unless $done;
    return;
}

# A database session that blocks every lookup until it is rolled back; with the name of a table, all statements that use
# that table.
sub hold_lock {
    my ($table) = @_;
    my $handle = Sigra::Fixture::db()->clone({ AutoCommit => 0 });
    $handle->do('LOCK TABLE ' . ($table // Sigra::Fixture::database()->{users}) . ' IN ACCESS EXCLUSIVE MODE');
    return $handle;
}

# Waits until at least one lookup, or the given number of connections, waits for the lock.
sub await_lookup {
    my ($count) = @_;
    return await {
        Sigra::Fixture::db()->selectrow_array(
            q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
        ) >= ($count // 1)
    } 'a lookup that waits';
}

# Waits until nginx has this many requests at once, according to the stub_status at this path, without its own request.
sub await_requests {
    my ($path, $count) = @_;
    return await {
        my $answer = wire(get($path, 'Connection: close'))->answer;
        $answer->{body} =~ /Writing: (\d+)/ && $1 - 1 >= $count
    } "$count requests";
}

# From the next connection on, the server logs the statements that are executed in the database. lookups() counts the
# tokens that were looked up since the last call.
my $log_position;

sub log_statements {
    my $name = Sigra::Fixture::database()->{name};
    Sigra::Fixture::connect_to('postgres', 'postgres')->do(qq(ALTER DATABASE "$name" SET log_statement = 'all'));
    return lookups();
}

sub lookups {
    my $name = Sigra::Fixture::database()->{name};
    open my $in, '<:raw', "$ENV{SIGRA_TEST_PGDIR}/log" or die "the server's log: $!\n";
    seek $in, $log_position, 0 if $log_position;
    my ($count, $is_many) = (0);
    for (<$in>) {
        my ($kind, $text) = /\@\Q$name\E (LOG|DETAIL):  (.*)/ or next;
        if ($kind eq 'LOG') {
            # With a `where`, it is preceded by a query that only checks this.
            $count++ if $text =~ /^execute \S+: (?:SELECT u\.id|WITH checked AS \(SELECT 1 FROM )/;
            $is_many = $text =~ /^execute \S+: SELECT one\.\*, asked\.number/;
        } elsif ($is_many) {
            # One statement over an array: counts its elements.
            $count += () = $text =~ /"\\\\x[0-9a-f]*"/g;
            $is_many = 0;
        }
    }
    $log_position = tell $in;
    return $count;
}

# Sections can use these functions too.
{
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
}

1;
