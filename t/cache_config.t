# nginx -t with a wrong auth_sigra_cache, or with settings that conflict with it: names the directive and the fix.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

our $nowhere = 'host=127.0.0.1 port=1 user=sigra dbname=sigra';
our $http    = sigra_http_config(conninfo => $nowhere);
our $deaf    = sigra_http_config(conninfo => $nowhere, postgres => 'prepare=off');
our $around  = sigra_http_config(conninfo => $nowhere, postgres => qq(prepare=off "listen=$nowhere"));
our $cache   = 'auth_sigra_cache';
our $channel = 'auth_sigra_revocation_channel';

# Each: the directives above, those of the location, the expected message.
our @wrong = (
    [$http, "$cache;",                          'invalid number of arguments in "auth_sigra_cache"'],
    [$http, "$cache on;",                       'invalid parameter "on" in "auth_sigra_cache"|"zone=NAME:SIZE" is missing, or say "off"'],
    [$http, "$cache ttl=5s;",                   '"zone=NAME:SIZE" is missing, or say "off" in "auth_sigra_cache"'],
    [$http, "$cache zone=;",                    'invalid value "" of "zone"'],
    [$http, "$cache zone=:1m;",                 'the zone has no name, say "zone=NAME:SIZE" in "auth_sigra_cache"'],
    [$http, "$cache zone=z;",                   '"auth_sigra_cache" zone=z has no size: say zone=z:10m where it is first named'],
    [$http, "$cache zone=z:;",                  'invalid size "" of the zone "z", it must be like "10m"'],
    [$http, "$cache zone=z:x;",                 'invalid size "x" of the zone "z"'],
    [$http, "$cache zone=z:63k;",               'the zone "z" is too small, it must have at least 64k in "auth_sigra_cache"'],
    [$http, "$cache zone=z:1m; location /a { $cache zone=z:2m; }", 'the zone "z" has another size elsewhere, 1048576 bytes; give it in one place only'],
    ["limit_req_zone \$arg_a zone=z:1m rate=1r/s;$http", "$cache zone=z:1m;", 'the shared memory zone "z" is already declared for a different use'],
    (map { [$http, "$cache zone=z:1m $_;",      'in "auth_sigra_cache" directive'] } qw(ttl=0 ttl=x require_listen=yes stale=x stale= size=1m zone=y:1m)),
    [$http, "$cache off zone=z:1m;",            'invalid parameter "zone=z:1m" .*"off" takes no parameter'],
    [$http, "$cache zone=z:1m; $cache off;",    '"auth_sigra_cache" directive is duplicate'],
    [$http, "$cache zone=z:1m; $channel off;",  '"auth_sigra_cache" needs a channel: name one with "auth_sigra_revocation_channel", or say require_listen=off'],
    [$deaf, "$cache zone=z:1m;",                'with prepare=off give "auth_sigra_postgres" listen=CONNINFO, a way around the pooler, or say require_listen=off'],
    (map { [sigra_http_config(conninfo => $_), "$cache zone=z:1m;", '"auth_sigra_cache" needs one server, and the conninfo of "auth_sigra_postgres" names several hosts: add target_session_attrs=read-write to it' ] }
        'host=a,b', 'hostaddr=127.0.0.1,127.0.0.2', 'host=a,b target_session_attrs=any', 'postgresql://a,b/x?target_session_attrs=prefer-standby'),
    [sigra_http_config(conninfo => $nowhere, postgres => '"listen=host=a,b"'), "$cache zone=z:1m;", '"auth_sigra_cache" needs one server'],
    [$http, "auth_sigra_close_on_revoke on; $channel off;", '"auth_sigra_close_on_revoke" needs a channel: name one with "auth_sigra_revocation_channel"'],
    [$deaf, 'auth_sigra_close_on_revoke on;',   '"auth_sigra_close_on_revoke" needs a connection to listen on, which a pooler does not have: with prepare=off give "auth_sigra_postgres" listen=CONNINFO'],
    [$http, 'auth_sigra_close_on_revoke yes;',  'invalid value "yes" in "auth_sigra_close_on_revoke" directive, it must be "on" or "off"'],
    [$http, "$channel;",                        'invalid number of arguments in "auth_sigra_revocation_channel"'],
    [$http, "$channel " . 'x' x 64 . ';',       'a channel\'s name has 1 to 63 bytes in "auth_sigra_revocation_channel"'],
    [$http, "$channel '';",                     'a channel\'s name has 1 to 63 bytes'],
    [$http, "$channel a; $channel b;",          '"auth_sigra_revocation_channel" directive is duplicate'],
    [$http, "auth_sigra_postgres host=a listen=host;", 'invalid conninfo: missing "=".* in "auth_sigra_postgres"'],
    [$http, "auth_sigra_postgres host=a listen=file:/no/such/file;", 'cannot open "/no/such/file"'],
    [$http, "auth_sigra_postgres '$nowhere' listen=host=b;", 'the same conninfo is used elsewhere with other parameters'],
);

our @right = (
    [$http,   "$cache off;"],
    [$http,   "$cache zone=z:64k;"],
    [$http,   "$cache zone=z:10m ttl=5s require_listen=on stale=0;"],
    [$http,   "$cache zone=z; location /a { $cache zone=z:1m stale=10m; }"],
    [$http,   "$cache zone=z:1m; location /a { $cache zone=z:1m ttl=1s; } location /b { $cache off; }"],
    [$http,   "$cache zone=z:1m require_listen=off; $channel off;"],
    [$deaf,   "$cache zone=z:1m require_listen=off;"],
    [$around, "$cache zone=z:1m;"],
    [$http,   "$cache zone=z:1m; $channel 'a b\"c';"],
    (map { [sigra_http_config(conninfo => $_), "$cache zone=z:1m;"] }
        'host=a,b target_session_attrs=read-write', 'host=a,b target_session_attrs=primary', 'postgresql://a,b/x?target_session_attrs=read-write'),
    [sigra_http_config(conninfo => 'host=a,b'), "$cache off;"],
    [$http,   'auth_sigra_close_on_revoke on;'],
    [$around, 'auth_sigra_close_on_revoke on;'],
    [$http,   "auth_sigra off; auth_sigra_close_on_revoke on; $channel off;"],
    [$http,   "auth_sigra off; $cache zone=z:1m; $channel off;"],
);

sub check {
    my ($above, $directives) = @_;
    my $root = $ENV{TEST_NGINX_SERVER_ROOT};
    my $on   = $directives =~ /auth_sigra / ? '' : 'auth_sigra on;';
    my $load = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    open my $out, '>', "$root/conf/checked.conf" or die "$root: $!";
    print $out "${load}pid $root/logs/checked.pid;\nerror_log stderr;\nevents { }\nhttp {\n    access_log off;\n$above    server {\n"
        . "        listen 127.0.0.1:1;\n        location / { $on $directives }\n    }\n}\n";
    close $out;
    my $said = qx($ENV{TEST_NGINX_BINARY} -e stderr -t -p $root/ -c conf/checked.conf 2>&1);
    return ($said, $? == 0);
}

no_shuffle();
run_tests();

__DATA__

=== TEST 1: all wrong values
--- config
--- request
GET /
--- flow
for (@::wrong) {
    my ($above, $directives, $expected) = @$_;
    my ($said, $content) = check($above, $directives);
    my ($line) = $said =~ /(\[emerg\].*)/;
    ok(!$content, "refused: $directives");
    like($line // $said, qr{(?:$expected).* in \S*/conf/checked\.conf:\d+}, "message: $directives");
    unlike($said, qr/Sanitizer|runtime error|\[alert\]/, "no crash: $directives");
}



=== TEST 2: all right values
--- config
--- request
GET /
--- flow
for (@::right) {
    my ($said, $content) = check(@$_);
    ok($content, "accepted: $_->[1]") or diag($said);
}
