# nginx -t with the directives for password checks and trusted origins.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

our $http = sigra_http_config(conninfo => 'host=127.0.0.1 port=1 user=sigra dbname=sigra');
my $checks  = 'auth_sigra_password_checks';
my $hash    = 'auth_sigra_password_hash';
my $origins = 'auth_sigra_trusted_origins';

# Each: the directives of a location, and the expected message.
our @wrong = (
    ['auth_sigra_thread_pool;',          'invalid number of arguments in "auth_sigra_thread_pool"'],
    ['auth_sigra_thread_pool a b;',      'invalid number of arguments in "auth_sigra_thread_pool"'],
    ['auth_sigra_thread_pool nowhere;',  'unknown thread pool "nowhere"'],
    ['auth_sigra_thread_pool a; auth_sigra_thread_pool b;', '"auth_sigra_thread_pool" directive is duplicate'],

    ["$checks;",                         "invalid number of arguments in \"$checks\""],
    (map { ["$checks $_;", "invalid value .* of \"running\", it must be a number from 1 to 1000 in \"$checks\""] } qw(running=0 running=-1 running=x running=1001 running=)),
    (map { ["$checks $_;", "invalid value .* of \"queue\", it must be a number from 0 to 100000 in \"$checks\""] } qw(queue=-1 queue=1k queue=)),
    (map { ["$checks $_;", "invalid value .* of \"floor\", it must be a time above zero like .* in \"$checks\""] } qw(floor=0 floor=soon floor=-1 floor=)),
    (map { ["$checks $_;", "invalid parameter \"$_\" in \"$checks\""] } qw(4 off threads=2)),
    ["$checks queue=1 queue=2;",         "invalid parameter \"queue=2\" in \"$checks\""],
    ["$checks queue=1; $checks queue=2;", "\"$checks\" directive is duplicate"],

    ["$hash;",                           "invalid number of arguments in \"$hash\""],
    ["$hash bcrypt;",                    "invalid scheme \"bcrypt\", it must be \"argon2id\" or \"off\" in \"$hash\""],
    ["$hash m=65536;",                   'invalid scheme "m=65536"'],
    ["$hash off m=65536;",               "invalid parameter \"m=65536\" in \"$hash\""],
    (map { ["$hash argon2id $_;", "invalid value .* of \"m\", it must be a number from 1 to 262144 in \"$hash\""] } qw(m=0 m=262145 m=64M m=)),
    (map { ["$hash argon2id $_;", "invalid value .* of \"t\", it must be a number from 1 to 10 in \"$hash\""] } qw(t=0 t=11)),
    (map { ["$hash argon2id $_;", "invalid value .* of \"p\", it must be a number from 1 to 64 in \"$hash\""] } qw(p=0 p=65)),
    ["$hash argon2id m=63 p=8;",         "\"m\" must be at least 64, 8 KiB for each of \"p\" in \"$hash\""],
    ["$hash argon2id m=31;",             '"m" must be at least 32'],
    ["$hash argon2id k=1;",              "invalid parameter \"k=1\" in \"$hash\""],
    ["$hash off; $hash off;",            "\"$hash\" directive is duplicate"],

    ["$origins;",                        "invalid number of arguments in \"$origins\""],
    (map { ["$origins https://a.example '$_';", "invalid origin \"\Q$_\E\", it must be like \"https://app.example.com\" or .* without a path in \"$origins\""] }
        'b.example', 'https://b.example/', 'https://b.example/path', 'https://*.example', 'https://b.example:0', 'https://b.example:', 'https://u@b.example', 'ftp://b.example',
        'null', '*', '', 'https://b.example https://c.example', 'https://::1'),
    ["$origins https://a.example; $origins https://b.example;", "\"$origins\" directive is duplicate"],
);

our @right = (
    'auth_sigra_thread_pool default;', 'auth_sigra_thread_pool passwords;', "$checks running=1;", "$checks running=8 queue=0 floor=250ms;", "$checks queue=1024 floor=2s;",
    "$hash off;", "$hash argon2id;", "$hash argon2id m=19456 t=2 p=1;", "$hash argon2id m=262144 t=10 p=64;", "$hash argon2id m=64 p=8;",
    "$origins https://a.example;", "$origins https://A.example:8443 http://127.0.0.1:8080 https://[2001:db8::1] http://[::1]:81;",
);

sub test_config {
    my ($directives) = @_;
    my $root = $ENV{TEST_NGINX_SERVER_ROOT};
    my $load = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    open my $out, '>', "$root/conf/wrong.conf" or die "$root: $!";
    print $out "${load}pid $root/logs/wrong.pid;\nerror_log stderr;\nevents { }\nhttp {\n    access_log off;\n$::http    server {\n"
        . "        listen 127.0.0.1:1;\n        location / { auth_sigra on; $directives }\n    }\n}\nthread_pool passwords threads=2;\n";
    close $out;
    my $said = qx($ENV{TEST_NGINX_BINARY} -e stderr -t -p $root/ -c conf/wrong.conf 2>&1);
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
    my ($directives, $expected) = @$_;
    my ($said, $content) = test_config($directives);
    my ($line) = $said =~ /(\[emerg\].*)/;
    ok(!$content, "refused: $directives");
    like($line // $said, qr{$expected.* in \S*/conf/wrong\.conf:\d+}, "message: $directives");
    unlike($said, qr/Sanitizer|runtime error|\[alert\]/, "no crash: $directives");
}



=== TEST 2: all right values
--- config
--- request
GET /
--- flow
for (@::right) {
    my ($said, $content) = test_config($_);
    ok($content, "accepted: $_") or diag($said);
}
