package Sigra::Load;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Sigra::Nginx;
use Time::HiRes qw(sleep);

our @EXPORT = qw(start_load);

# Clients that send requests all the time, each over its own keep-alive connection. They end when told, and in any case
# after `seconds`.
#
#     my $load = start_load(port => $port, clients => {valid => [2, '/private', $header], public => [1, '/']});
#     $load->await_answers(20, sub { $_[0]{status} == 503 });
#     my @answers = $load->stop;
#
# An answer is {client, kind, from, to, status, cookie, body}: when the request was sent and when the answer was
# complete (by now()), the status (0 and `error` if the connection broke), and the answer's Set-Cookie. If the server
# closes a keep-alive connection before the first byte of the answer, the request is sent again over a new one, as RFC
# 9112 requires of clients.

sub start_load {
    my (%option) = @_;
    my $folder = File::Temp->newdir('sigra-load-XXXXXX', TMPDIR => 1);
    my $self = bless { folder => $folder, owner => $$, pids => [] }, __PACKAGE__;
    while (my ($kind, $what) = each %{ $option{clients} }) {
        my ($count, $target, @headers) = @$what;
        my $request = join "\r\n", "GET $target HTTP/1.1", 'Host: localhost', @headers, '', '';
        for my $number (1 .. $count) {
            my $pid = fork() // die "fork: $!\n";
            if (!$pid) {
                eval { run("$folder/$kind-$number", $kind, $request, %option); 1 } or warn $@;
                POSIX::_exit(0);
            }
            push @{ $self->{pids} }, $pid;
        }
    }
    # The load has started when every client has had an answer.
    await(sub { my @files = glob "$folder/*"; @files == @{ $self->{pids} } && !grep { !-s } @files })
        or die "the load does not start\n";
    return $self;
}

sub run {
    my ($file, $kind, $request, %option) = @_;
    my $stop = 0;
    $SIG{$_} = 'DEFAULT' for qw(INT HUP);
    $SIG{TERM} = sub { $stop = 1 };
    $SIG{PIPE} = 'IGNORE';
    open my $out, '>', $file or die "$file: $!\n";
    $out->autoflush(1);
    my $end = now() + ($option{seconds} // 600);
    my $socket;
    until ($stop || now() > $end) {
        my $from = now();
        my ($status, $cookie, $error) = (0, '', '');
        for my $attempt (1, 2) {
            my $fresh = !$socket;
            $socket //= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $option{port}, Timeout => patience());
            if (!$socket) { $error = "connect: $@" =~ s/\s+/ /gr; last }
            my $text = eval { converse($socket, $request) };
            $error = ($@ || '') =~ s/\s+/ /gr;
            if (defined $text && $text =~ m{\AHTTP/1\.1 (\d{3})}) {
                ($status, $error) = ($1, '');
                $cookie = $text =~ /^Set-Cookie:/mi ? 1 : '';
                undef $socket if $text =~ /^Connection: close/mi;
                last;
            }
            undef $socket;
            last if $fresh || $error !~ /^closed before/;
        }
        printf $out "%s\t%.6f\t%.6f\t%d\t%s\t%s\n", $kind, $from, now(), $status, $cookie, $error;
        sleep($option{pause} // 0.004);    # limits the rate, so that the machine is not the limit
    }
}

sub converse {
    my ($socket, $request) = @_;
    my $select = IO::Select->new($socket);
    my $text = '';
    defined syswrite $socket, $request or die "closed before the request\n";
    until ($text =~ /\A(.*?)\r\n\r\n/s && length($text) - length($1) - 4 >= ($1 =~ /^Content-Length: (\d+)/mi ? $1 : 0)) {
        $! = 0;
        my $readable = $select->can_read(patience());
        next if !$readable && $!{EINTR};    # told to end: still reads this answer
        $readable or die "no answer\n";
        my $count = sysread $socket, $text, 65536, length $text;
        next if !defined $count && $!{EINTR};
        $count or die length $text ? "broken off\n" : "closed before an answer\n";
    }
    return $text;
}

sub stop {
    my ($self) = @_;
    kill TERM => @{ $self->{pids} };
    waitpid $_, 0 for splice @{ $self->{pids} };
    return $self->answers;
}

# The answers so far.
sub answers {
    my ($self) = @_;
    my @answers;
    for my $file (glob "$self->{folder}/*") {
        open my $in, '<', $file or die "$file: $!\n";
        while (<$in>) {
            chomp or last;    # an incomplete line, which is still being written
            my %answer;
            @answer{qw(kind from to status cookie error)} = split /\t/, $_, -1;
            $answer{client} = $file;
            push @answers, \%answer;
        }
    }
    return sort { $a->{from} <=> $b->{from} } @answers;
}

# Like await(), these accept seconds before their arguments, as information for the reader.

# Waits until every client has got such an answer (any, without code) to a request that it sent after that time.
sub await_everybody {
    my ($self, @arguments) = @_;
    my $wanted = ref $arguments[-1] ? pop @arguments : sub { 1 };
    my $moment = pop @arguments;
    return await(sub {
        sleep 0.02;
        my %served = map { $_->{from} > $moment && $wanted->($_) ? ($_->{client} => 1) : () } $self->answers;
        return keys %served == @{ $self->{pids} };
    });
}

# Waits until there are this many answers that the code accepts; false if they never come.
sub await_answers {
    my $self = shift;
    my ($count, $wanted) = @_[-2, -1];
    return await(sub { sleep 0.05; $count <= grep { $wanted->($_) } $self->answers });
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local ($?, $@, $!);
    kill KILL => @{ $self->{pids} };
    waitpid $_, 0 for splice @{ $self->{pids} };
}

1;
