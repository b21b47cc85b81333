package Test::Nginx::Util;

# Settings, and the single nginx that a test file runs: its folder, configuration, start and stop, and logs.

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    add_block_preprocessor add_cleanup_handler bail_out check_accum_error_log config_preamble env_to_nginx html_dir
    log_level master_off master_on master_process_enabled no_long_string no_nginx_manager no_root_location no_shuffle
    repeat_each server_addr server_name server_port server_port_for_client server_root timeout use_hup
    worker_connections workers
);

sub free_port {
    my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!\n";
    return $probe->sockport;
}

my $randomize = $ENV{TEST_NGINX_RANDOMIZE};

our $NginxBinary         = $ENV{TEST_NGINX_BINARY} || 'nginx';
our $ServerPort          = $randomize ? free_port() : $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT} || 1984;
our $ServerPortForClient = $randomize ? $ServerPort : $ENV{TEST_NGINX_CLIENT_PORT} || $ENV{TEST_NGINX_PORT} || 1984;
our $ServRoot            = $randomize ? tempdir('servroot-XXXXXX', TMPDIR => 1)
                                      : File::Spec->rel2abs($ENV{TEST_NGINX_SERVROOT} || 't/servroot');
our $HtmlDir             = "$ServRoot/html";
our $LogDir              = "$ServRoot/logs";
our $ErrLogFile          = "$LogDir/error.log";
our $AccLogFile          = "$LogDir/access.log";
our $PidFile             = "$LogDir/nginx.pid";
our $ConfFile            = "$ServRoot/conf/nginx.conf";

# Start-up with a sanitizer on a busy machine takes long. These are upper limits; normally none is reached.
our $StartTimeout = 120;
our $StopTimeout  = 120;

our %Setting = (
    accumulate       => 0,
    config_preamble  => '',
    force_restart    => $ENV{TEST_NGINX_FORCE_RESTART_ON_TEST} // 1,
    log_level        => $ENV{TEST_NGINX_LOG_LEVEL} || 'debug',
    long_string      => 1,
    manager          => !$ENV{TEST_NGINX_NO_NGINX_MANAGER},
    master           => $ENV{TEST_NGINX_MASTER_PROCESS} || 'off',
    repeat_each      => 1,
    root_location    => 1,
    server_addr      => '127.0.0.1',
    server_name      => 'localhost',
    shuffle          => !$ENV{TEST_NGINX_NO_SHUFFLE},
    timeout          => $ENV{TEST_NGINX_TIMEOUT} || 3,
    workers          => 1,
    connections      => 64,
);
our (@EnvToNginx, @BlockPreprocessors, @CleanupHandlers);

sub setting { my ($name, @value) = @_; $Setting{$name} = $value[0] if @value; return $Setting{$name} }

sub config_preamble    { setting(config_preamble => @_) }
sub log_level          { setting(log_level       => @_) }
sub repeat_each        { setting(repeat_each     => @_) }
sub server_addr        { setting(server_addr     => @_) }
sub server_name        { setting(server_name     => @_) }
sub timeout            { setting(timeout         => @_) }
sub worker_connections { setting(connections     => @_) }
sub workers            { setting(workers         => @_) }

sub check_accum_error_log  { setting(accumulate    => 1) }
sub master_off             { setting(master        => 'off') }
sub master_on              { setting(master        => 'on') }
sub master_process_enabled { setting(master        => $_[0] ? 'on' : 'off') if @_; return $Setting{master} eq 'on' }
sub no_long_string         { setting(long_string   => 0) }
sub no_nginx_manager       { setting(manager       => 0) }
sub no_root_location       { setting(root_location => 0) }
sub no_shuffle             { setting(shuffle       => 0) }
sub use_hup                { }    # here every configuration gets its own process

sub html_dir               { $HtmlDir }
sub server_port            { $ServerPort = shift          if @_; $ServerPort }
sub server_port_for_client { $ServerPortForClient = shift if @_; $ServerPortForClient }
sub server_root            { $ServRoot }

sub add_block_preprocessor { push @BlockPreprocessors, @_ }
sub add_cleanup_handler    { push @CleanupHandlers,    @_ }
sub env_to_nginx           { push @EnvToNginx,         @_ }

sub bail_out {
    stop_nginx();
    Test::More::BAIL_OUT(join '', @_);
}

# $TEST_NGINX_NAME, and $TEST_NGINX_RAND_PORT_N, which is the same free port within a block.
sub expand {
    my ($block, $section) = @_;
    my $text = $block->$section // return '';
    return expand_text($block, $text);
}

sub expand_text {
    my ($block, $text) = @_;
    $text =~ s{\$(TEST_NGINX_[A-Z0-9_]+)}{
        my $name = $1;
        my $ports = $block->{_rand_ports} //= {};
        $name =~ /^TEST_NGINX_RAND_PORT_\d+$/ ? $ports->{$name} //= free_port()
            : $ENV{$name} // bail_out($block->name . " - \$$name is not in the environment");
    }ge;
    return $text;
}

sub nginx_version {
    state $version = do {
        # A fork prints its own version first, and then perhaps that of the nginx that it is based on.
        my $said = `$NginxBinary -V 2>&1`;
        my ($text) = $said =~ m{^nginx version: \S*/(\d+\.\d+\.\d+)}m;
        ($text) = $said =~ m{/(\d+\.\d+\.\d+)} unless defined $text;
        $text // bail_out("'$NginxBinary -V' tells no version");
    };
    return $version;
}

sub make_server_root {
    chmod 0755, $ServRoot if $randomize;
    remove_tree($ServRoot, { keep_root => 1 });
    make_path("$ServRoot/conf", $LogDir, $HtmlDir);
    open my $out, '>', "$HtmlDir/index.html" or bail_out("$HtmlDir/index.html: $!");
    print $out '<html><head><title>It works!</title></head><body>It works!</body></html>';
    close $out;
}

sub write_user_files {
    my ($block) = @_;
    my $files = $block->user_files // return;
    unless (ref $files) {
        my (undef, @parts) = split /^>>>[ \t]*(\S+)(?:[ \t]+(\S+))?[ \t]*\n/m, $files;
        $files = [];
        while (my ($name, $date, $body) = splice @parts, 0, 3) { push @$files, [$name, $body, $date] }
    }
    for my $file (@$files) {
        my ($name, $body, $date) = @$file;
        my $path = $name =~ m{^/} ? $name : "$HtmlDir/$name";
        make_path($path =~ s{/[^/]*$}{}r);
        open my $out, '>:raw', $path or bail_out("$path: $!");
        print $out expand_text($block, $body);
        close $out or bail_out("$path: $!");
        !$date or system({ 'touch' } 'touch', '-t', $date, $path) == 0 or bail_out("touch -t $date $path");
    }
}

sub write_config {
    my ($block) = @_;
    my @modules = map { -e $_ ? File::Spec->rel2abs($_) : $_ } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my @environment = (qw(LD_PRELOAD LD_LIBRARY_PATH ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS), @EnvToNginx);
    my $user   = $ENV{TEST_NGINX_WORKER_USER} // ($> == 0 ? 'root' : undef);
    # HTTP/2 has a directive of its own since 1.25.1; before, it is a parameter of listen.
    my $own    = version_at_least('1.25.1');
    my $listen = $ServerPort . (defined $block->http2 && !$own ? ' http2' : '') . ($ENV{TEST_NGINX_REUSE_PORT} ? ' reuseport' : '');
    my $name   = ($block->server_name // $Setting{server_name}) =~ s/(['\\])/\\$1/gr;
    my $level  = $block->log_level || $Setting{log_level};
    my $log    = $block->error_log_file || $ErrLogFile;

    my $text = join "\n",
        "worker_processes $Setting{workers};",
        'daemon off;',
        "master_process $Setting{master};",
        "error_log $log $level;",
        "pid $PidFile;",
        (map { my $entry = /\s/ ? "'$_'" : $_; "env $entry;" } @environment),
        (defined $user ? "user $user;" : ()),
        (map { "load_module $_;" } @modules),
        expand($block, 'main_config'),
        'http {',
        "    access_log $AccLogFile;",
        '    default_type text/plain;',
        '    keepalive_timeout 68;',
        ($ENV{TEST_NGINX_POSTPONE_OUTPUT} ? "    postpone_output $ENV{TEST_NGINX_POSTPONE_OUTPUT};" : ()),
        expand($block, 'http_config'),
        '    server {',
        "        listen $listen;" . (defined $block->http2 && $own ? ' http2 on;' : ''),
        "        server_name '$name';",
        '        client_max_body_size 30M;',
        $Setting{config_preamble},
        expand($block, 'config'),
        ($Setting{root_location}
            ? "        location / {\n            root $HtmlDir;\n            index index.html index.htm;\n        }" : ()),
        '    }',
        '}',
        expand($block, 'post_main_config'),
        'events {',
        '    accept_mutex off;',
        "    worker_connections $Setting{connections};",
        ($ENV{TEST_NGINX_EVENT_TYPE} ? "    use $ENV{TEST_NGINX_EVENT_TYPE};" : ()),
        "}\n";

    open my $out, '>:raw', $ConfFile or bail_out("$ConfFile: $!");
    print $out $text;
    close $out or bail_out("$ConfFile: $!");
}

my ($nginx_pid, $nginx_status, @expected_lines);
our @Problems;    # faults that no test file may cause, one per line

# Forks, so that the exit status is seen: this tells a crash, or a sanitizer's report at exit, from a normal quit.
sub spawn_nginx {
    my $parent = $$;
    ($nginx_status, @expected_lines) = ();
    $nginx_pid = fork() // bail_out("fork: $!");
    return if $nginx_pid;
    $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_LD_PRELOAD} if $ENV{TEST_NGINX_LD_PRELOAD};
    # Since 1.19.5 configuration errors go here, whatever path is compiled into the binary.
    my @log = version_at_least('1.19.5') ? ('-e', $ErrLogFile) : ();
    open STDIN,  '<',  '/dev/null';
    open STDERR, '>>', "$LogDir/stderr.log";
    open STDOUT, '>&', \*STDERR;
    exec { $NginxBinary } $NginxBinary, @log, '-p', "$ServRoot/", '-c', $ConfFile or POSIX::_exit(127);
}

sub version_at_least {
    my @have = split /\./, nginx_version();
    my @want = split /\./, $_[0];
    for my $i (0 .. 2) { return $have[$i] > ($want[$i] // 0) if $have[$i] != ($want[$i] // 0) }
    return 1;
}

sub nginx_running {
    return 0 unless $nginx_pid;
    return 1 if waitpid($nginx_pid, WNOHANG) == 0;
    ($nginx_status, $nginx_pid) = ($?, undef);
    return 0;
}

# Checks the condition every few milliseconds until it holds.
sub await {
    my ($seconds, $condition) = @_;
    my $deadline = time + $seconds;
    until ($condition->()) {
        return 0 if time > $deadline;
        sleep 0.005;
    }
    return 1;
}

# True when it answers; false if it has exited. The pid file proves that this nginx has the port.
sub start_nginx {
    spawn_nginx();
    my $ready = await($StartTimeout, sub {
        return 1 unless nginx_running();
        return slurp($PidFile) =~ /^$nginx_pid$/m
            && IO::Socket::INET->new(PeerAddr => $Setting{server_addr}, PeerPort => $ServerPort);
    });
    return $ready && nginx_running();
}

sub stop_nginx {
    return unless nginx_running() || defined $nginx_status;
    if ($nginx_pid) {
        kill QUIT => $nginx_pid;
        unless (await($StopTimeout, sub { !nginx_running() })) {
            push @Problems, "nginx did not quit within $StopTimeout s";
            kill KILL => $nginx_pid;
            waitpid $nginx_pid, 0;
            $nginx_status = 0;
            undef $nginx_pid;
        }
    }
    collect_problems(0);
}

# Waits for an nginx that must not start: returns its exit status, or undef if it runs.
sub await_refusal {
    spawn_nginx();
    my $ended = await($StartTimeout, sub { !nginx_running() || -s $PidFile });
    if (!$ended || nginx_running()) {
        stop_nginx();
        return undef;
    }
    my $status = $nginx_status;
    collect_problems(1);
    return $status;
}

# Log lines that the block expects are not faults, whatever their level.
sub expect_lines { push @expected_lines, @_ }

sub collect_problems {
    my ($refused) = @_;
    my $status = $nginx_status;
    undef $nginx_status;
    push @Problems, sprintf 'nginx ended with %s', $status & 127 ? 'signal ' . ($status & 127) : 'code ' . ($status >> 8)
        if $status & 127 || ($status && !$refused);
    my $sanitizer = qr/(?:Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:|Assertion .*failed/;
    my $rest = 0;    # lines left of a report, which is useless without its first frames
    for my $line (split /\n/, slurp($ErrLogFile) . slurp("$LogDir/stderr.log")) {
        my $report = $line =~ $sanitizer;
        $rest = 12 if $report && !$rest;
        push @Problems, $line
            if $report || ($rest && $rest-- && $line !~ /\[debug\]/)
            || ($line =~ /\[(?:alert|crit|emerg)\]/ && !$refused && !grep { matches($line, $_) } @expected_lines);
    }
    if (my $keep = $ENV{TEST_NGINX_ERROR_LOG}) {
        open my $out, '>>', $keep or bail_out("$keep: $!");
        print $out slurp($ErrLogFile);
    }
    # The original ends the run if it cannot remove what the next block must create.
    opendir my $root, $ServRoot or return;
    push @Problems, map { "left in the server root: $_" }
        grep { !/\A(?:\.\.?|conf|html|logs|cache|.*_cache|.*_temp)\z/ } readdir $root;
    closedir $root;
}

sub matches {
    my ($line, $pattern) = @_;
    return ref $pattern ? $line =~ $pattern : index($line, $pattern) >= 0;
}

sub slurp {
    my ($path, $from) = @_;
    open my $in, '<:raw', $path or return '';
    seek $in, $from, 0 if $from;
    local $/;
    return <$in> // '';
}

sub cleanup {
    return if $ENV{TEST_NGINX_NO_CLEAN};
    stop_nginx();
    $_->() for splice @CleanupHandlers;
    remove_tree($ServRoot) if $randomize && Test::More->builder->is_passing && !@Problems;
}

my $owner = $$;
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

END {
    if ($$ == $owner) {
        local $?;
        cleanup();
    }
}

1;
