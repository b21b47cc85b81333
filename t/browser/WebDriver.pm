# A browser, controlled through chromedriver with the W3C WebDriver protocol. Dies if chromedriver reports an error.

package WebDriver;

use v5.14;
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);

my $element = 'element-6066-11e4-a52e-4f735466cecf';
my $patience = 30;

# Starts chromedriver on a port of its choice; it runs until this process exits.
sub start {
    my ($class, %option) = @_;
    my $self = bless { %option, owner => $$ }, $class;
    $self->{pid} = open $self->{output}, '-|', $option{chromedriver}, '--port=0', "--log-path=$option{profile}/chromedriver.log"
        or die "$option{chromedriver}: $!";
    local $SIG{ALRM} = sub { die "chromedriver did not start\n" };
    alarm $patience;
    while (readline $self->{output}) {
        next unless ($self->{port}) = /started successfully on port (\d+)/;
        alarm 0;
        return $self;
    }
    die "chromedriver did not start\n";
}

sub command {
    my ($self, $method, $path, $body) = @_;
    my $http = HTTP::Tiny->new(timeout => 2 * $patience, proxy => undef, http_proxy => undef);
    my $response = $http->request($method, "http://127.0.0.1:$self->{port}/session$path",
        $method eq 'POST' ? { content => JSON::PP->new->utf8->encode($body // {}), headers => { 'Content-Type' => 'application/json' } } : {});
    my $answer = eval { JSON::PP->new->utf8->decode($response->{content}) };
    die "$method $path: $response->{status} " . ($answer ? $answer->{value}{message} : $response->{content}) . "\n" unless $response->{success};
    return $answer->{value};
}

sub session { my ($self, $method, $path, $body) = @_; return $self->command($method, "/$self->{session}$path", $body) }
sub cdp     { my ($self, $name, $parameters) = @_; return $self->session(POST => '/goog/cdp/execute', { cmd => $name, params => $parameters // {} }) }

# Starts a browser with the profile of the last one, which connects only to this machine. `hosts`: more names that
# resolve to it. `without`: chromedriver's default switches to leave out, because they would change what is tested.
sub open_browser {
    my ($self, %option) = @_;
    my $hosts = join '', map { "MAP $_ 127.0.0.1 , " } @{ $option{hosts} // [] };
    my @arguments = ('--headless=new', "--user-data-dir=$self->{profile}", '--no-first-run', '--no-default-browser-check', '--no-proxy-server',
        "--host-resolver-rules=${hosts}MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--disable-default-apps', '--disable-extensions', '--hide-scrollbars', '--lang=en');
    push @arguments, '--no-sandbox' if $> == 0;    # the sandbox does not work as root
    my $made = $self->command(POST => '', { capabilities => { alwaysMatch => {
        browserName => 'chrome', 'goog:loggingPrefs' => { browser => 'ALL' },
        'goog:chromeOptions' => { binary => $self->{chromium}, args => \@arguments, excludeSwitches => $option{without} // [] } } } });
    $self->{session} = $made->{sessionId};
    $self->{browser} = $made->{capabilities}{'goog:processID'};
    return;
}

# Closes the browser as a user does: it writes its state, including the cookies, to the profile.
sub close_browser {
    my ($self) = @_;
    eval { $self->cdp('Browser.close') };
    # The last request, whether or not anybody waits for the process.
    $self->await('the browser has ended', sub { !-l "$self->{profile}/SingletonLock" });
    eval { $self->session('DELETE', '') };
    delete @$self{qw(session browser)};
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner} || !$self->{pid};
    local ($?, $@, $!);
    eval { $self->session('DELETE', '') } if $self->{session};
    kill KILL => $self->{browser} if $self->{browser};
    kill TERM => $self->{pid};
    close $self->{output};
    return;
}

sub await {
    my ($self, $what, $condition) = @_;
    my $deadline = time + $patience;
    until (my $found = $condition->()) {
        die "$what: waited in vain, at " . (eval { $self->url } // 'no page') . "\n" if time > $deadline;
        sleep 0.02;
    }
    return 1;
}

sub visit { my ($self, $url) = @_; return $self->session(POST => '/url', { url => $url }) }
sub back  { return $_[0]->session(POST => '/back') }
sub url   { return $_[0]->session(GET => '/url') }
sub path  { return $_[0]->url =~ m{^\w+://[^/]*([^?#]*)} ? $1 : '' }
sub text  { return $_[0]->run('return document.body.innerText') }

sub run {
    my ($self, $script, @arguments) = @_;
    return $self->session(POST => '/execute/sync', { script => $script, args => \@arguments });
}

# A script that calls its last argument when it has finished.
sub run_async {
    my ($self, $script, @arguments) = @_;
    return $self->session(POST => '/execute/async', { script => $script, args => \@arguments });
}

sub find {
    my ($self, $selector) = @_;
    return map { $_->{$element} } @{ $self->session(POST => '/elements', { using => 'css selector', value => $selector }) };
}

sub only {
    my ($self, $selector) = @_;
    my @found = $self->find($selector);
    die scalar(@found) . " of $selector at " . $self->url . "\n" unless @found == 1;
    return $found[0];
}

sub text_of  { my ($self, $selector) = @_; return $self->session(GET => '/element/' . $self->only($selector) . '/text') }
sub value_of { my ($self, $selector) = @_; return $self->session(GET => '/element/' . $self->only($selector) . '/property/value') }
sub click    { my ($self, $selector) = @_; return $self->session(POST => '/element/' . $self->only($selector) . '/click') }

sub type {
    my ($self, $selector, $text) = @_;
    my $id = $self->only($selector);
    $self->session(POST => "/element/$id/clear");
    return $self->session(POST => "/element/$id/value", { text => $text });
}

# Runs code that leads to another document, and waits for that.
sub follow {
    my ($self, $step) = @_;
    $self->run('window.theDocumentBefore = true');
    $step->();
    return $self->await('another page', sub {
        eval { $self->run('return document.readyState === "complete" && !window.theDocumentBefore') };
    });
}

# Cookies by name, including HttpOnly ones.
sub cookies { my ($self) = @_; return { map { $_->{name} => $_ } @{ $self->cdp('Network.getAllCookies')->{cookies} } } }

sub console { return map { $_->{message} } @{ $_[0]->session(POST => '/se/log', { type => 'browser' }) } }

sub look {
    my ($self, %as) = @_;
    $self->cdp('Emulation.setEmulatedMedia', { features => [{ name => 'prefers-color-scheme', value => $as{scheme} // 'light' }] });
    $self->cdp('Emulation.setDeviceMetricsOverride', {
        width => $as{width} // 900, height => $as{height} // 640, deviceScaleFactor => $as{scale} // 1,
        mobile => $as{mobile} ? JSON::PP::true : JSON::PP::false });
    return;
}

sub speak {
    my ($self, $languages) = @_;
    $self->cdp('Network.enable');
    $self->cdp('Network.setExtraHTTPHeaders', { headers => { 'Accept-Language' => $languages } });
    return;
}

sub screenshot {
    my ($self, $file) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print $out decode_base64($self->session(GET => '/screenshot'));
    close $out or die "$file: $!";
    return;
}

1;
