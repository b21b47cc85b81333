# A proxy between the browser and the site: it adds the test's own pages, and records what the browser sends.

package Front;

use v5.14;
use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();

# `files`: path => [type, content]. It stops when the object is destroyed.
sub start {
    my ($class, %option) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "listen: $!";
    my $self = bless { %option, port => $listener->sockport, owner => $$ }, $class;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        $SIG{CHLD} = 'IGNORE';
        $SIG{TERM} = 'DEFAULT';
        while (1) {
            my $client = $listener->accept or next;
            my $child = fork();
            next if $child || !defined $child;
            $self->serve($client);
            POSIX::_exit(0);
        }
    }
    $self->{pid} = $pid;
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner} || !$self->{pid};
    local ($?, $!);
    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

# In one write, because other processes append too.
sub note {
    my ($file, $text) = @_;
    open my $log, '>>:raw', $file or return;
    syswrite $log, $text;
    close $log;
    return;
}

# One request per connection.
sub serve {
    my ($self, $client) = @_;
    my $read = '';
    until ($read =~ /\r\n\r\n/) { sysread $client, $read, 65536, length $read or return }
    my ($head, $body) = split /\r\n\r\n/, $read, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < ($length // 0)) { sysread $client, $body, 65536, length $body or return }
    note($self->{log}, "$head\r\n\r\n");
    my ($path) = $head =~ m{\A\S+ ([^ ?]+)};
    if (my $file = $self->{files}{$path}) {
        my ($type, $content) = @$file;
        print $client "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nContent-Length: ", length $content, "\r\nConnection: close\r\n\r\n$content";
        return;
    }
    my $site = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{site_port}) or return;
    $head =~ s/^Connection:.*\r\n//mi;
    print $site "$head\r\nConnection: close\r\n\r\n$body";
    $site->flush;
    while (sysread $site, my $bytes, 65536) { print $client $bytes; $client->flush }
    note("$self->{log}.answered", "$head\r\n\r\n");
    return;
}

# The headers of the requests for a path, in order; and of those that the site has answered.
sub requests { my ($self, $path) = @_; return heads($self->{log},            $path) }
sub answered { my ($self, $path) = @_; return heads("$self->{log}.answered", $path) }

sub heads {
    my ($file, $path) = @_;
    open my $in, '<:raw', $file or return;
    local $/;
    return grep { m{\A\S+ \Q$path\E[? ]} } split /\r\n\r\n/, <$in> // '';
}

1;
