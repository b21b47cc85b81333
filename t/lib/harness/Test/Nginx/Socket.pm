package Test::Nginx::Socket;

# The part of Test::Nginx::Socket that this module's tests use, for machines on which only packages can be installed. It
# has the same sections and functions, so that a test file runs with either. In addition, after the last block it
# asserts that no log has an alert or worse, and that no sanitizer has reported anything.

use v5.14;
use strict;
use warnings;

use Test::Base -base;
use List::Util qw(shuffle);
use Test::LongString ();
use Test::More ();
use Test::Nginx::Exchange qw(requests_of exchange exchange_by_curl parse_response header parse_time);
use Test::Nginx::Util;
use Time::HiRes qw(sleep);

our @EXPORT = (@Test::Nginx::Util::EXPORT, qw(plan run_tests run_test is_str add_response_body_check));

our ($ServerPort, $ServerPortForClient);
*ServerPort          = \$Test::Nginx::Util::ServerPort;
*ServerPortForClient = \$Test::Nginx::Util::ServerPortForClient;
*setting             = \%Test::Nginx::Util::Setting;
our %setting;

my (@body_checks, $log_start, $access_start, $last_config);
my $log_patience = $ENV{TEST_NGINX_LOG_PATIENCE} || 60;    # how many seconds to wait for an expected line

sub add_response_body_check(&) { push @body_checks, @_ }

sub run_tests() {
    my @blocks = Test::Base::blocks();
    @blocks = shuffle @blocks if $setting{shuffle};
    my $builder = Test::More->builder;
    Test::More::plan('no_plan') unless $builder->has_plan;
    run_test($_) for @blocks;
    return if $ENV{TEST_NGINX_NO_CLEAN};

    Test::Nginx::Util::cleanup();
    my @problems = splice @Test::Nginx::Util::Problems;
    # A file that counts its assertions does not include this one.
    return if !@problems && $builder->has_plan ne 'no_plan';
    my $count = @problems;
    splice @problems, 60, @problems, '…' if @problems > 60;
    Test::More::ok(!$count, 'no alert in any log, no report of a sanitizer, no crash')
        or Test::More::diag(join "\n", @problems);
}

sub run_test($) {
    my ($block) = @_;
    $_->($block) for @Test::Nginx::Util::BlockPreprocessors;
    my $name = $block->name;

    if (my $skipped = skipped($block)) {
        SKIP: { Test::More::skip("$name - $skipped->{reason}", $skipped->{count} * repeat_each()) }
        return;
    }
    return refuse($block) if defined $block->must_die;
    prepare($block) or return;
    if (defined $block->init) {
        eval $block->init;
        bail_out("$name - init: $@") if $@;
    }

    for my $repeat (0 .. repeat_each() - 1) {
        my $failures = failures();
        $log_start    = $setting{accumulate} ? 0 : -s $Test::Nginx::Util::ErrLogFile // 0;
        $access_start = $setting{accumulate} ? 0 : -s $Test::Nginx::Util::AccLogFile // 0;
        converse($block, $repeat);
        show_log($name) if failures() > $failures;
    }
    check_shutdown($block) if defined $block->shutdown_error_log || defined $block->no_shutdown_error_log;
}

sub failures { return scalar grep { !$_ } Test::More->builder->summary }

sub show_log {
    my ($name) = @_;
    my @lines = grep { !/\[debug\]/ } split /\n/, error_log();
    splice @lines, 0, @lines - 20 if @lines > 20;
    Test::More::diag(join "\n", "$name - $Test::Nginx::Util::ErrLogFile, without debug lines:", @lines) if @lines;
}

# skip_nginx «2: < 1.25.0», skip_nginx2 «2: < 1.2.3 and >= 1.2.0», skip_eval «2: code».
sub skipped {
    my ($block) = @_;
    if (defined(my $rule = $block->skip_eval)) {
        my ($count, $code) = $rule =~ /^\s*(\d+)\s*:\s*(.*)/s or bail_out("skip_eval: $rule");
        return { count => $count, reason => "skip_eval: $code" } if eval "package main; $code";
    }
    my $rule = $block->skip_nginx2 // $block->skip_nginx // return;
    my ($count, @terms) = $rule =~ /^\s*(\d+)\s*:\s*([<>]=?)\s*([\d.]+)(?:\s+(and|or)\s+([<>]=?)\s*([\d.]+))?\s*$/
        or bail_out("skip_nginx: $rule");
    my $holds = sub {
        my ($operator, $version) = @_;
        my $at_least = Test::Nginx::Util::version_at_least($version);
        my $equal    = Test::Nginx::Util::nginx_version() eq $version;
        return $operator eq '>=' ? $at_least : $operator eq '<' ? !$at_least
             : $operator eq '>'  ? $at_least && !$equal : !$at_least || $equal;
    };
    my $skip = $holds->(@terms[0, 1]);
    $skip = $terms[2] eq 'and' ? $skip && $holds->(@terms[3, 4]) : $skip || $holds->(@terms[3, 4]) if defined $terms[2];
    return $skip ? { count => $count, reason => "skipped for nginx $rule" } : undef;
}

# Makes sure that nginx runs with the block's configuration; false if it does not.
sub prepare {
    my ($block) = @_;
    my $name = $block->name;
    if (!$setting{manager}) {
        Test::Nginx::Util::write_user_files($block);
        return 1;
    }
    my $config;
    if (defined $block->config) {
        $config = join "\0", map { $block->$_ // '' } qw(config http_config main_config post_main_config log_level http2);
    } else {
        bail_out("$name - no config, and no block before it had one") unless defined $last_config;
    }
    if (!defined $config || (!$setting{force_restart} && defined $last_config && $config eq $last_config)) {
        Test::Nginx::Util::write_user_files($block);
        Test::Nginx::Util::expect_lines(patterns(scalar $block->error_log));
        return 1 if Test::Nginx::Util::nginx_running();
        Test::More::fail("$name - nginx is gone");
        return 0;
    }

    Test::Nginx::Util::stop_nginx();
    renew_files($block);
    $last_config = $config;
    my $started = Test::Nginx::Util::start_nginx();
    Test::Nginx::Util::expect_lines(patterns(scalar $block->error_log));
    return 1 if $started;

    Test::Nginx::Util::collect_problems(1);
    my $said = Test::Nginx::Util::slurp("$Test::Nginx::Util::LogDir/stderr.log")
        || Test::Nginx::Util::slurp($Test::Nginx::Util::ErrLogFile);
    if ($ENV{TEST_NGINX_IGNORE_MISSING_DIRECTIVES} && $said =~ /unknown directive "([^"]+)"/) {
        SKIP: { Test::More::skip("$name - no directive $1", 1) }
    } else {
        Test::More::fail("$name - nginx starts");
        Test::More::diag("$Test::Nginx::Util::ServRoot: $said");
    }
    return 0;
}

sub renew_files {
    my ($block) = @_;
    Test::Nginx::Util::make_server_root();
    Test::Nginx::Util::write_user_files($block);
    Test::Nginx::Util::write_config($block);
}

sub refuse {
    my ($block) = @_;
    my $name = $block->name;
    for my $repeat (0 .. repeat_each() - 1) {
        Test::Nginx::Util::stop_nginx();
        renew_files($block);
        undef $last_config;
        ($log_start, $access_start) = (0, 0);
        my $status = Test::Nginx::Util::await_refusal();
        my $wanted = $block->must_die;
        if (!defined $status || $status & 127) {
            Test::More::fail("$name - nginx refuses to start");
            Test::More::diag(defined $status ? 'signal ' . ($status & 127) : 'it runs');
        } elsif ($wanted =~ /\d/) {
            Test::More::is($status >> 8, $wanted, "$name - nginx refuses to start, exit code");
        } else {
            Test::More::isnt($status, 0, "$name - nginx refuses to start");
        }
        check_logs($block, $repeat);
    }
}

sub converse {
    my ($block, $repeat) = @_;
    my $name      = $block->name;
    my @requests  = requests_of($block);
    my $pipelined = $block->pipelined_requests;
    my $several   = $pipelined || @requests > 1;
    my $shutdown  = $block->shutdown;
    $shutdown = 1 if defined $shutdown && $shutdown !~ /\d/;
    my %option = (
        timeout      => parse_time(scalar $block->timeout) // timeout(),
        middle_delay => parse_time(scalar $block->raw_request_middle_delay),
        shutdown     => $shutdown,
        address      => scalar $block->server_addr_for_client,
    );

    my $index = 0;
    for my $request (@requests) {
        my ($bytes, $problem) = defined $block->http2 ? exchange_by_curl($block, $request, $option{timeout})
                                                      : exchange($request, %option);
        Test::More::fail("$name - $problem") if defined $problem && !defined $block->abort;
        my $rounds = $pipelined ? @$pipelined : 1;
        while ($rounds--) {
            unless (defined $block->ignore_response) {
                my $text = $pipelined ? $pipelined->[$index] : $request->[0]{value};
                my ($method) = $text =~ /^\s*(\S+)/;
                my $response = defined $block->http09
                    ? { status => 200, headers => [], raw_headers => '', body => $bytes, rest => '' }
                    : parse_response($bytes, $method // '');
                check_response($block, $response, $bytes, $index, $several, $repeat);
                $bytes = $response ? $response->{rest} : '';
            }
            sleep $block->wait if $block->wait;
            check_logs($block, $repeat);
            $index++;
        }
        Test::More::diag("$name - bytes after the response: " . Test::LongString::string2display($bytes))
            if length $bytes && !defined $block->ignore_response;
    }
}

# The value of a section for one of several requests.
sub of_request {
    my ($block, $section, $index, $several) = @_;
    my $value = $block->$section;
    return ref $value eq 'ARRAY' ? $value->[$index] : $value unless $several && ref $value ne 'ARRAY';
    bail_out($block->name . " - several requests want an array of $section");
}

sub check_response {
    my ($block, $response, $bytes, $index, $several, $repeat) = @_;
    my $name  = $block->name . ($several ? " (request $index)" : '') . (repeat_each() > 1 ? " (repeat $repeat)" : '');
    my $value = sub { of_request($block, $_[0], $index, $several) };
    unless ($response) {
        Test::More::diag("$name - no response: " . Test::LongString::string2display(substr $bytes, 0, 500)) if length $bytes;
        $response = { status => '', headers => [], raw_headers => '', body => '', rest => '' };
    }
    Test::More::diag("$name - $response->{problem}") if defined $response->{problem};

    if (defined $block->error_code_like) {
        my $pattern = $value->('error_code_like');
        Test::More::like($response->{status}, qr/$pattern/sm, "$name - status");
    } else {
        my $expected = defined $block->error_code ? $value->('error_code') : 200;
        Test::More::is($response->{status}, $expected, "$name - status");
    }
    if (defined $block->raw_response_headers_like) {
        my $pattern = $value->('raw_response_headers_like');
        Test::More::like($response->{raw_headers}, qr/$pattern/s, "$name - raw headers");
    }
    if (defined $block->raw_response_headers_unlike) {
        my $pattern = $value->('raw_response_headers_unlike');
        Test::More::unlike($response->{raw_headers}, qr/$pattern/s, "$name - raw headers");
    }
    if (defined $block->response_headers) {
        my $expected = header_lines($value->('response_headers'));
        for my $header (sort keys %$expected) {
            my $wanted = $expected->{$header};
            if (defined $wanted) {
                Test::More::is(header($response, $header) // '', ports($wanted), "$name - header $header");
            } else {
                Test::More::unlike($response->{raw_headers}, qr/^\s*\Q$header\E\s*:/mi, "$name - no header $header");
            }
        }
    } elsif (defined $block->response_headers_like) {
        my $expected = header_lines($value->('response_headers_like'));
        Test::More::like(header($response, $_) // '', qr/^$expected->{$_}$/, "$name - header $_ like")
            for sort keys %$expected;
    }
    my $body = filtered_body($block, $response->{body}, $index);
    check_body($block, $body, $name, $value);
    $_->($block, $body, $index, $repeat, 0) for @body_checks;
}

sub check_body {
    my ($block, $body, $name, $value) = @_;
    if (defined $block->response_body) {
        my $expected = $value->('response_body');
        is_str($body, ref $expected ? $expected : ports($expected), "$name - body");
    } elsif (defined $block->response_body_like) {
        my $pattern = ports($value->('response_body_like'));
        Test::More::like($body, qr/$pattern/s, "$name - body like");
    } elsif (defined $block->response_body_unlike) {
        my $pattern = ports($value->('response_body_unlike'));
        Test::More::unlike($body, qr/$pattern/s, "$name - body unlike");
    }
}

sub filtered_body {
    my ($block, $body, $index) = @_;
    my $filters = $block->response_body_filters // return $body;
    $filters = [split ' ', $filters] unless ref $filters;
    $filters = [$filters] unless ref $filters eq 'ARRAY';
    $filters = $filters->[$index] if ref $filters->[0] eq 'ARRAY';
    state $known = {
        uc => sub { uc $_[0] }, lc => sub { lc $_[0] }, ucfirst => sub { ucfirst $_[0] },
        lcfirst => sub { lcfirst $_[0] }, length => sub { length $_[0] },
    };
    for my $filter (@$filters) {
        my $code = ref $filter ? $filter : $known->{$filter} // bail_out("unknown response_body_filters: $filter");
        $body = $code->($body);
    }
    return $body;
}

sub header_lines {
    my %headers;
    for my $line (grep { /\S/ } split /\n/, $_[0] // '') {
        $line =~ s/^\s+|\s+$//g;
        my ($name, $value) = split /\s*:\s*/, $line, 2;
        $headers{ $name =~ s/^!\s*//r } = $line =~ /^!/ ? undef : $value // '';
    }
    return \%headers;
}

sub ports {
    my ($text) = @_;
    return $text unless defined $text;
    return $text =~ s/\$ServerPort\b/$ServerPort/gr =~ s/\$ServerPortForClient\b/$ServerPortForClient/gr;
}

sub is_str(@) {
    my ($got, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::like($got, $expected, $name) if ref $expected eq 'Regexp';
    return $setting{long_string} ? Test::LongString::is_string($got, $expected, $name) : Test::More::is($got, $expected, $name);
}

sub patterns {
    my ($value) = @_;
    return () unless defined $value;
    return ref $value eq 'ARRAY' ? grep { defined } @$value : ref $value ? $value : grep { length } split /\n+/, $value;
}

sub error_log  { Test::Nginx::Util::slurp($Test::Nginx::Util::ErrLogFile, $log_start) }
sub access_log { Test::Nginx::Util::slurp($Test::Nginx::Util::AccLogFile, $access_start) }

sub check_logs {
    my ($block, $repeat) = @_;
    my $name = $block->name;
    check_lines($name, 'error.log', \&error_log, scalar $block->error_log, scalar $block->no_error_log);
    check_lines($name, 'access.log', \&access_log, scalar $block->access_log, scalar $block->no_access_log)
        unless defined $block->ignore_response;

    my $pattern = $block->grep_error_log // return;
    my $expected = $block->grep_error_log_out // bail_out("$name - grep_error_log without grep_error_log_out");
    $pattern  = $pattern->[$repeat]  if ref $pattern eq 'ARRAY';
    $expected = $expected->[$repeat] if ref $expected eq 'ARRAY';
    $pattern  = ref $pattern ? $pattern : quotemeta $pattern;
    is_str(join('', map { /($pattern)/ ? "$1\n" : () } split /\n/, error_log()), $expected, "$name - grep_error_log_out");
}

sub check_lines {
    my ($name, $file, $read, $wanted, $unwanted) = @_;
    my @wanted = patterns($wanted);
    my $found  = sub { my $pattern = shift; grep { Test::Nginx::Util::matches($_, $pattern) } split /\n/, $read->() };
    for my $pattern (@wanted) {
        my $seen = Test::Nginx::Util::await($log_patience, sub { scalar $found->($pattern) });
        Test::More::ok($seen, "$name - $file has: $pattern");
    }
    for my $pattern (patterns($unwanted)) {
        my @lines = $found->($pattern);
        Test::More::ok(!@lines, "$name - $file has no: $pattern") or Test::More::diag(@lines[0 .. ($#lines > 9 ? 9 : $#lines)]);
    }
}

sub check_shutdown {
    my ($block) = @_;
    Test::Nginx::Util::expect_lines(patterns(scalar $block->shutdown_error_log));
    $log_start = -s $Test::Nginx::Util::ErrLogFile // 0;
    Test::Nginx::Util::stop_nginx();
    undef $last_config;
    check_lines($block->name, 'error.log at the end', \&error_log,
        scalar $block->shutdown_error_log, scalar $block->no_shutdown_error_log);
}

package Test::Nginx::Socket::Filter;

use Test::Base::Filter;
our @ISA = qw(Test::Base::Filter);

# The inherited function makes an error message the value of the section.
sub eval {
    my ($self, $code) = @_;
    my @value = CORE::eval "package Test::Base::Filter; $code";
    die "$@in the section:\n$code" if $@;
    return @value;
}

1;

__END__

=encoding utf8

=head1 NAME

Test::Nginx::Socket - Test::Nginx blocks without CPAN

=head1 SYNOPSIS

    TEST_NGINX_LOAD_MODULES=build/ngx_http_auth_sigra_module.so \
        t/lib/with-postgres prove -It/lib -It/lib/harness t/

If the original module is installed, leave C<-It/lib/harness> out; otherwise C<make suite
HARNESS=/path/to/test-nginx/lib> uses its sources. Put unix sockets into F<logs> of the server root: the original module
complains about other files that an nginx which was killed has left there.

=head1 DESCRIPTION

See the original documentation. These sections are supported: C<config>, C<http_config>, C<main_config>, C<post_main_config>,
C<server_name>, C<log_level>, C<error_log_file>, C<init>, C<request>, C<raw_request>, C<raw_request_middle_delay>,
C<pipelined_requests>, C<more_headers>, C<http09>, C<http2>, C<curl_protocol>, C<curl_options>,
C<server_addr_for_client>, C<timeout>, C<abort>, C<shutdown>, C<ignore_response>, C<wait>, C<error_code>,
C<error_code_like>, C<response_headers>, C<response_headers_like>, C<raw_response_headers_like>,
C<raw_response_headers_unlike>, C<response_body>, C<response_body_like>, C<response_body_unlike>,
C<response_body_filters>, C<error_log>, C<no_error_log>, C<grep_error_log>, C<grep_error_log_out>, C<access_log>,
C<no_access_log>, C<shutdown_error_log>, C<no_shutdown_error_log>, C<user_files>, C<must_die>, C<skip_nginx>,
C<skip_nginx2>, C<skip_eval>, C<ONLY>, C<LAST>, C<SKIP>. Not supported: C<tcp_listen> and C<udp_listen>, C<curl>,
C<stap>, valgrind, HTTP/3, reload by HUP between blocks.

Differences: a block with a C<config> always starts a new nginx, in the foreground of a child process, so that its exit
status counts; an C<error_log> line may take C<TEST_NGINX_LOG_PATIENCE> seconds (60) to appear; a section whose C<eval>
dies ends the file; after the last block there is one more assertion: that the logs have no alert, critical or emergency
line that no C<error_log> expects, and no report of a sanitizer (in a file with a planned number of tests it only shows
when it fails).

Environment variables: C<TEST_NGINX_BINARY>, C<TEST_NGINX_LOAD_MODULES> (from the working directory), C<TEST_NGINX_PORT>,
C<TEST_NGINX_SERVER_PORT>, C<TEST_NGINX_CLIENT_PORT>, C<TEST_NGINX_SERVROOT>, C<TEST_NGINX_RANDOMIZE> (a port and a
temporary root of its own, for C<prove -j>), C<TEST_NGINX_TIMEOUT>, C<TEST_NGINX_LOG_LEVEL>, C<TEST_NGINX_ERROR_LOG>,
C<TEST_NGINX_NO_SHUFFLE>, C<TEST_NGINX_NO_CLEAN>, C<TEST_NGINX_NO_NGINX_MANAGER>,
C<TEST_NGINX_FORCE_RESTART_ON_TEST>, C<TEST_NGINX_MASTER_PROCESS>, C<TEST_NGINX_WORKER_USER>,
C<TEST_NGINX_EVENT_TYPE>, C<TEST_NGINX_POSTPONE_OUTPUT>, C<TEST_NGINX_IGNORE_MISSING_DIRECTIVES>,
C<TEST_NGINX_REUSE_PORT>. C<TEST_NGINX_LD_PRELOAD> is LD_PRELOAD only for nginx, so that Perl runs without the
sanitizer; LD_PRELOAD and the sanitizers' options are passed to nginx as well.

=cut
