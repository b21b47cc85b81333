# The gate and the endpoints over HTTP/2 and HTTP/3: the same requests with each.

use v5.14;
use strict;
use warnings;

use File::Temp ();
use IPC::Open2;
use Sigra::Cache;
use Sigra::Fixture;
use Sigra::Nginx;
use Sigra::Versions;
use Test::More;

fresh_database('sigra');
add_triggers();
my $password = 'a good password';
# RSA, which every client supports.
my $directory = File::Temp->newdir('sigra-tls-XXXXXX', TMPDIR => 1);
system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout $directory/server.key -out $directory/server.crt 2>/dev/null") == 0
    or die "openssl: $?\n";
my %port = map { $_ => Sigra::Nginx::free_port() } qw(2 3 tls);
my $tls = "ssl_certificate $directory/server.crt; ssl_certificate_key $directory/server.key; ssl_protocols TLSv1.3; ssl_early_data on;";
my $places = <<'END';
location / { }
location /members/ { auth_sigra on; auth_sigra_close_on_revoke on; }
location /members/long/ { auth_sigra on; auth_sigra_close_on_revoke on; limit_rate 10k; }
location = /users/log-in { auth_sigra_login; }
location = /users/log-out { auth_sigra_logout; }
END
my $nginx = Sigra::Nginx->new(
    workers => 1,
    files   => { 'members/page' => 'for members', 'members/long/file' => 'x' x 4_000_000, page => 'for all' },
    http    => sigra_http_config(extra => 'auth_sigra_cache zone=sessions:1m;')
        . "server { @{[http2_listen(\"127.0.0.1:$port{2}\")]} $places }\n"
        . "server { @{[http2_listen(\"127.0.0.1:$port{tls}\", 'ssl')]} $tls $places }\n"
        . (nginx_has('http_v3_module') ? "server { listen 127.0.0.1:$port{3} quic; $tls $places }\n" : ''),
    server => $places,
);
my $form = 'Content-Type: application/x-www-form-urlencoded';

sub encode { return join '&', map { join '=', map { s/([^\w.-])/sprintf '%%%02X', ord $1/ger } @$_ } @_ }

for my $version (2, 3) {
    subtest "HTTP/$version" => sub {
        if (my $reason = over_reason($version)) { plan skip_all => $reason }
        my $port = $port{$version};
        my $ask  = over($version, port => $port);
        my $ada  = authenticated_fixture(password => $password, email => "ada-$version\@example.com");

        my $answer = $ask->(GET => '/members/page', ['Accept: text/html']);
        is("$answer->{status} $answer->{headers}{location}", '302 /users/log-in', 'the gate is closed');
        is($answer->{version}, $version, 'it was that version');
        $answer = $ask->(GET => '/members/page', [$ada->{header}]);
        is("$answer->{status} $answer->{body}", '200 for members', 'and open to a session');

        # A browser may send each cookie in a header field of its own; nginx joins them again.
        $answer = $ask->(GET => '/members/page', ['Cookie: a=b', $ada->{header}, 'Cookie: c=d']);
        is($answer->{status}, 200, 'whose cookie comes in one of several header fields');

        my $page = $ask->(GET => '/users/log-in');
        my ($token) = $page->{body} =~ /name="_csrf_token"[^>]*value="([^"]*)"/;
        my ($name, $value) = %{ $page->{cookies} };
        my $body = encode(['_csrf_token', $token], ['user[email]', $ada->{email}], ['user[password]', $password]);
        my @browser = ("Cookie: $name=$value", $form);
        my $authority = $version == 3 ? "https://127.0.0.1:$port" : "http://127.0.0.1:$port";
        is($ask->(POST => '/users/log-in', [@browser, 'Origin: https://evil.example'], $body)->{status}, 403, 'a form of another origin is refused');
        is($ask->(POST => '/users/log-in', [@browser, 'Sec-Fetch-Site: cross-site'], $body)->{status}, 403, 'and one that the browser calls so');
        is($ask->(POST => '/users/log-in', [@browser, 'Early-Data: 1'], $body)->{status}, 425, 'early data that a proxy passed on is too early');
        $answer = $ask->(POST => '/users/log-in', [@browser, "Origin: $authority"], $body);
        is("$answer->{status} $answer->{headers}{location}", '302 /', 'a login by form, from the authority of the request');
        my $session = "Cookie: $name=" . ($answer->{cookies}{$name} // '');
        is($ask->(GET => '/members/page', [$session])->{status}, 200, 'is a login');

        my ($state) = Sigra::Phoenix::open_session($answer->{cookies}{$name})->{_csrf_token};
        is($ask->(POST => '/users/log-out', [$session, $form], encode(['_csrf_token', 'x' x 56]))->{status}, 403, 'a log-out without the token is refused');
        $answer = $ask->(POST => '/users/log-out', [$session, $form, "Origin: $authority"], encode(['_csrf_token', csrf_mask($state)]));
        is("$answer->{status} $answer->{headers}{location}", '302 /', 'a log-out');
        is($ask->(GET => '/members/page', [$session])->{status}, 302, 'closes the gate');

        my $bob = authenticated_fixture();
        await(20, sub { db()->selectrow_array(q(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_trigger%')) });
        my $broken = download($version, $port, '/members/long/file', $bob->{header});
        revoke($bob);
        ok($broken->(), 'a download ends with its session');
        is($ask->(GET => '/members/page', [$ada->{header}])->{status}, 200, 'others still work');
    };
}

# TLS early data: the bytes arrive before the handshake has finished, and somebody may have recorded them.
subtest 'early data' => sub {
    my $folder = File::Temp->newdir('sigra-early-XXXXXX', TMPDIR => 1);
    my @client = (qw(openssl s_client -quiet -tls1_3 -ign_eof -connect), "127.0.0.1:$port{tls}");
    # Sends, and reads until nginx closes the connection or the expected text has arrived.
    my $talk = sub {
        my ($bytes, $until, @options) = @_;
        my $pid = open2(my $out, my $in, 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh', @client, @options);
        syswrite $in, $bytes if length $bytes;
        my $text = '';
        local $SIG{ALRM} = sub { kill KILL => $pid };
        alarm 30;
        until ($text =~ $until) { sysread $out, $text, 65536, length $text or last }
        alarm 0;
        kill TERM => $pid;
        waitpid $pid, 0;
        return $text;
    };
    my $write = sub { my ($name, $bytes) = @_; open my $out, '>:raw', "$folder/$name" or die; print $out $bytes; close $out; return "$folder/$name" };
    my $ada = authenticated_fixture();
    my $get = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    # A ticket is only valid for the protocol that was negotiated.
    my $ticket = sub { my @alpn = @_; $talk->($get, qr/for all|\0/, '-sess_out', "$folder/ticket", @alpn); return -s "$folder/ticket" };

    for (['HTTP/1.1', 'http/1.1', qr{^HTTP/1\.1 (\d{3})}m, sub { my ($method, $path) = @_; "$method $path HTTP/1.1\r\nHost: localhost\r\n$ada->{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" }],
        ['HTTP/2', 'h2', qr/\x48\x03(\d{3})|(\x88)/, sub { my ($method, $path) = @_; early_bytes([':method', $method], [':scheme', 'https'], [':path', $path], [':authority', 'localhost'], ['cookie', 'a=b'], ['content-length', 0]) }]) {
        my ($version, $alpn, $status, $request) = @$_;
        next if $version eq 'HTTP/2' && !nginx_has('http_v2_module');
        my $early = sub {
            my ($method, $path) = @_;
            unlink "$folder/ticket";
            $ticket->('-alpn', $alpn) or return 'no ticket';
            my $text = $talk->('', $status, '-alpn', $alpn, '-sess_in', "$folder/ticket", '-early_data', $write->('request', $request->($method, $path)));
            return $text =~ $status ? $1 // 200 : 'no answer';
        };
        is($early->(GET => '/page'), 200, "$version: a page may be requested in early data");
        # If the handshake has finished before nginx reads the request, it is no longer early data: 403, because there
        # is no CSRF token.
        my $refused = sub {
            my ($path) = @_;
            my $answer;
            Sigra::Nginx::await(sub { ($answer = $early->(POST => $path)) ne '403' });
            return $answer;
        };
        is($refused->('/users/log-out'), 425, "$version: a log-out may not");
        is($refused->('/users/log-in'), 425, "$version: nor a login");
    }
};

is($nginx->stop, 0, 'nginx ends as it should');
is_deeply([$nginx->problems], [], 'nothing to complain of');
done_testing;
