# A harness that lets everything pass is useless: each of these files must fail, for the reason that is given.
use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;

my ($harness) = grep { -e "$_/Test/Nginx/Exchange.pm" } @INC
    or plan skip_all => 'about the harness of this repository';

# A crash is a signal under a sanitizer too.
$ENV{ASAN_OPTIONS} = 'handle_segv=0';

my $folder = tempdir(CLEANUP => 1);
my $config = "--- config\n    location = /t { return 200 \"fine\\n\"; }\n";
my $get    = "--- request\nGET /t\n";

fails('a body that differs', "$config$get--- response_body\nother\n", qr/^not ok .* body/m);
fails('a status that differs', "$config$get--- error_code: 302\n", qr/^not ok .* status/m);
fails('a header that differs', "$config$get--- response_headers\nServer: x\n", qr/^not ok .* header Server/m);
fails('a header that is there', "$config$get--- response_headers\n! Server\n", qr/^not ok .* no header Server/m);
fails('a line that is missing', "$config$get--- error_log\nmissing\n", qr/^not ok .*error\.log has: missing/m);
fails('a line that is there', "$config$get--- no_error_log\nGET /t\n", qr/^not ok .*error\.log has no: GET/m);
fails('a start where none must be', "$config$get--- must_die\n", qr/^not ok .*refuses to start/m);
fails('another exit code', "--- config\n    nonsense;\n--- must_die: 2\n", qr/^not ok .*exit code/m);
fails('no start', "--- config\n    nonsense;\n$get", qr/^not ok .*nginx starts.*unknown directive/ms);
fails('no answer', "$config--- raw_request eval: qq(GET /t)\n--- timeout: 50ms\n--- ignore_response\n", qr/^not ok .*timed out/m);
fails('a broken eval', "$config$get--- response_body eval: nonsense(\n", qr/syntax error/);
fails(
    'a critical line nobody asked for',
    "--- config\n    location = /t { proxy_pass http://unix:/nonexistent; }\n$get--- error_code: 502\n",
    qr/^not ok .*no alert in any log.*\[crit\] .*nonexistent/ms
);
fails(
    'a sanitizer\'s report, whatever the block asks for',
    "$config$get--- error_log\nAddressSanitizer\n", qr/^not ok .*no alert in any log.*ERROR: AddressSanitizer/ms,
    'add_response_body_check(sub { open my $log, ">>", server_root() . "/logs/error.log"; print $log "==1==ERROR: AddressSanitizer\n" });'
);
fails(
    'a crash on the way out',
    "$config$get", qr/^not ok .*no alert in any log.*signal 11/ms,
    'add_response_body_check(sub { kill SEGV => nginx_pid() });'
);
fails(
    'a crash between two blocks',
    "$config$get\n\n=== TEST 2\n$get", qr/^not ok [^\n]*TEST 2 .*ended with signal 11/ms,
    'add_response_body_check(sub { kill SEGV => nginx_pid() });'
);
fails(
    'a crash of a worker',
    "$config$get--- error_code\n", qr/^not ok .*no alert in any log.*exited on signal 11/ms,
    'master_on(); add_response_body_check(sub {
        my ($worker) = split " ", `ps -o pid= --ppid @{[nginx_pid()]}`;
        kill SEGV => $worker;
        Test::Nginx::Util::await(60, sub { Test::Nginx::Util::slurp(server_root() . "/logs/error.log") =~ /signal 11/ });
    });'
);
fails(
    'a file in the server root, where the genuine one bails out',
    "$config$get", qr/^not ok .*left in the server root: kept/ms,
    'add_response_body_check(sub { mkdir server_root() . "/kept" });'
);
fails('a planned file with an alert', "--- config\n    location = /t { proxy_pass http://unix:/nonexistent; }\n$get--- error_code: 502\n",
    qr/^not ok .*no alert in any log/m, 'plan(tests => 1);', '');
passes('a planned file without one', "$config$get", 'plan(tests => 1);', '');
passes('a block alone', "$config$get--- ONLY\n\n\n=== TEST 2\n--- config\n    nonsense;\n$get");
passes('the blocks up to the last', "$config$get--- LAST\n\n\n=== TEST 2\n--- config\n    nonsense;\n$get");
passes('a cleanup handler', "$config$get", 'add_cleanup_handler(sub { main::ok(1, "cleaned up") });');

done_testing();

sub run_file {
    my ($blocks, $preamble, $plan) = @_;
    $preamble //= '';
    $plan     //= " 'no_plan'";
    open my $out, '>', "$folder/case.t" or die $!;
    print $out <<"END";
use Test::Nginx::Socket$plan;
sub nginx_pid { Test::Nginx::Util::slurp(server_root() . '/logs/nginx.pid') =~ s/\\s+//r }
$preamble
no_shuffle();
run_tests();
__DATA__
=== TEST 1
$blocks
END
    close $out;
    my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport;
    local %ENV = (%ENV, TEST_NGINX_SERVROOT => "$folder/servroot", TEST_NGINX_LOG_LEVEL => 'debug', TEST_NGINX_LOG_PATIENCE => 1);
    delete $ENV{TEST_NGINX_RANDOMIZE};
    @ENV{qw(TEST_NGINX_PORT TEST_NGINX_SERVER_PORT TEST_NGINX_CLIENT_PORT)} = ($port) x 3;
    my $output = `$^X -I$harness $folder/case.t 2>&1`;
    return ($output, $?);
}

sub fails {
    my ($what, $blocks, $reason, @rest) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($output, $status) = run_file($blocks, @rest);
    isnt($status, 0, "$what: fails");
    like($output, $reason, "$what: for that reason");
}

sub passes {
    my ($what, $blocks, @rest) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($output, $status) = run_file($blocks, @rest);
    is($status, 0, "$what: passes") or diag($output);
}
