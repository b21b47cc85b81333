package Sigra::Bench::Requests;

use v5.14;
use strict;
use warnings;

use Digest::SHA qw(sha1_base64);
use Sigra::Bench;
use Sigra::Bench::Apache;
use Sigra::Bench::Rows;
use Sigra::Fixture;

# A request with a session for a static file, compared with alternatives. All clients send the same cookies in turn. A
# browser requests a page and what the page loads, so each session sends 20 requests before the next one; rows with
# another session for each request say so. The unprotected file and the cached sessions differ by a few per cent, so
# they take turns.
my $sessions = 100_000;
my $in_a_row = 20;

sub run {
    my $database = database_of($sessions);
    my $cookies = cookies_of('requests', $sessions, sub { 1 + $_[0] * 61_803 % $sessions });
    my $has_cache = knows('auth_sigra_cache');
    my $off = $has_cache ? 'auth_sigra_cache off;' : '';
    my $nginx = bench_nginx(
        files => { htpasswd => 'ada:{SHA}' . sha1_base64('x') . "=\n" },
        http  => sigra_http_config(conninfo => conninfo_of($database), layout => 'phx_gen_auth') . <<'END',
    upstream verdict { server unix:verdict.sock; keepalive 64; }
    server { listen unix:verdict.sock; location / { return 204; } }
END
        server => <<"END",
        location = /static { alias html/file; }
        location = /basic { auth_basic private; auth_basic_user_file ../html/htpasswd; alias html/file; }
        location = /request { auth_request /verdict; alias html/file; }
        location = /verdict {
            internal; proxy_pass http://verdict; proxy_pass_request_body off;
            proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Content-Length '';
        }
        location = /uncached { auth_sigra on; $off alias html/file; }
        @{[ $has_cache ? 'location = /cached { auth_sigra on; auth_sigra_cache zone=sessions:64m ttl=1h; alias html/file; }' : '' ]}
END
    );
    my $origin = "http://127.0.0.1:@{[ $nginx->port ]}";
    my $asked = sub {
        my ($path, $round, %option) = @_;
        return { path => "/$path", cookies => $cookies, repeat => $in_a_row, from => $round * 16_000 % $sessions, %option };
    };
    my $case = sub {
        my ($path, %option) = @_;
        return sub { my ($round) = @_; wrk("$origin/$path", %{ $asked->($path, $round, %option) }) };
    };
    my $apache = Sigra::Bench::Apache->start($database, $sessions);
    my $close = sub {
        my ($round) = @_;
        # Fills the zone with all sessions first.
        wrk("$origin/cached", cookies => $cookies, seconds => 15) if !$round && $has_cache;
        return in_turns($origin, 640,
            static => $asked->('static', $round),
            ($has_cache ? (cached => $asked->('cached', $round), another => $asked->('cached', $round, repeat => 1)) : ()));
    };
    my @cases = (
        close    => $close,
        basic    => $case->('basic', header => 'Authorization: Basic YWRhOng='),
        request  => $case->('request'),
        uncached => $case->('uncached'),
        (ref $apache ? (apache => sub {
            my ($round) = @_;
            wrk($apache->url, cookies => $apache->cookies, repeat => $in_a_row, from => $round * 16_000 % $sessions);
        }) : ()),
    );
    my %figures = interleaved(@cases);
    my $row = sub {
        my ($what, $name, %more) = @_;
        return result(what => $what, values => $figures{$name}, unit => 'req/s',
            ratios => ratios_of($figures{$name}, $figures{static}), against => 'static', %more);
    };
    return (
        $row->('static file, unprotected', 'static'),
        $row->('`auth_basic`, one `{SHA}` user', 'basic'),
        $row->('`auth_request` to an nginx that answers 204', 'request'),
        $has_cache ? $row->('this module, cached, 20 requests of a session in a row', 'cached', target => '0.95 or more', least => 0.95)
            : skipped('this module, cached', 'nginx does not know auth_sigra_cache'),
        $has_cache ? $row->('this module, cached, every request another session', 'another') : (),
        $row->('this module, uncached', 'uncached', target => '0.70 or more', least => 0.7),
        ref $apache ? (
            $row->('Apache, mod_auth_form with mod_session_dbd', 'apache'),
            result(what => 'this module, uncached', values => $figures{uncached}, unit => 'req/s',
                ratios => ratios_of($figures{uncached}, $figures{apache}), against => 'Apache', target => '7 or more', least => 7),
        ) : skipped('Apache, mod_auth_form with mod_session_dbd', $apache),
    );
}

1;
