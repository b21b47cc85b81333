package Sigra::Bench::Storming;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Sigra::Bench;
use Sigra::Bench::Rows;
use Sigra::Fixture;
use Sigra::Nginx;

our @EXPORT = qw(login_server login_request start_logins);

# Clients that log in, each with a right password and without pause.

my $running = 1;

# An nginx with a login page that checks one password at a time.
sub login_server {
    my ($database, %option) = @_;
    return bench_nginx(
        main => 'thread_pool default threads=4 max_queue=1024;',
        http => sigra_http_config(
            conninfo => conninfo_of($database), layout => 'phx_gen_auth', extra => "auth_sigra_password_checks running=$running;"
        ),
        server => "location / { } location = /users/log-in { auth_sigra_login; } $option{server}",
    );
}
sub running { return $running }

# What a browser with the login page sends: the same each time, because a login does not use up a session.
sub login_request {
    my ($nginx, $email) = @_;
    my $base = 'http://127.0.0.1:' . $nginx->port;
    my $page = HTTP::Tiny->new->get("$base/users/log-in");
    my $cookies = parse_set_cookies(ref $page->{headers}{'set-cookie'} ? @{ $page->{headers}{'set-cookie'} }
        : $page->{headers}{'set-cookie'} // ());
    my $cookie = $cookies->{ session_cookie_name() }{value} // die "the login page sets no session: $page->{status}\n";
    my $body = HTTP::Tiny->new->www_form_urlencode({
        _csrf_token => csrf_mask(open_session($cookie)->{_csrf_token}),
        'user[email]' => $email, 'user[password]' => login_password,
    });
    return join "\r\n", 'POST /users/log-in HTTP/1.1', 'Host: 127.0.0.1:' . $nginx->port,
        'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body,
        'Cookie: ' . session_cookie_name . "=$cookie", '', $body;
}

# This many clients, in a process of their own. Returns a function that ends them and returns the times at which logins
# were answered; it dies if one was refused.
sub start_logins {
    my ($nginx, $clients) = @_;
    my @requests = map { login_request($nginx, "user-$_\@example.com") } 1 .. $clients;
    my $file = scratch() . '/logins';
    unlink $file;
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        my $ok = eval { ask_without_pause($nginx->port, $file, @requests); 1 };
        warn $@ unless $ok;
        POSIX::_exit($ok ? 0 : 1);
    }
    await(60, sub { -s $file || waitpid($pid, POSIX::WNOHANG()) }) && -s $file or die "nobody logs in\n";
    return sub {
        kill TERM => $pid;
        waitpid $pid, 0;
        die "logins were refused\n" if $?;
        open my $in, '<', $file or die "$file: $!\n";
        return map { chomp; $_ } <$in>;
    };
}

sub ask_without_pause {
    my ($port, $file, @requests) = @_;
    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };
    open my $out, '>', $file or die "$file: $!\n";
    $out->autoflush(1);
    my (%request, %text);
    my $select = IO::Select->new;
    my $ask = sub {
        my ($request) = @_;
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $@\n";
        syswrite $socket, $request;
        $request{$socket} = $request;
        $select->add($socket);
    };
    $ask->($_) for @requests;
    until ($stop) {
        for my $socket ($select->can_read(1)) {
            my $count = sysread $socket, $text{$socket}, 65536, length($text{$socket} // '');
            next unless $count && $text{$socket} =~ /\r\n\r\n/ || defined $count && !$count;
            my $text = delete $text{$socket};
            $text =~ m{\AHTTP/1\.1 302 .*?^Location: (?!/users/log-in)}ms or die "no login: $text\n";
            printf $out "%.6f\n", now();
            my $request = delete $request{$socket};
            $select->remove($socket);
            close $socket;
            $ask->($request);
        }
    }
}

1;
