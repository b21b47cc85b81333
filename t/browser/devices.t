# examples/devices/ in two browsers of one user: each sees both sessions; one ends the other's, and that browser is
# logged out.

use v5.14;
use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use WebDriver;

my $site     = $ENV{SIGRA_DEMO_URL}      // plan skip_all => 'run by t/browser/run';
my $password = $ENV{SIGRA_DEMO_PASSWORD} // die 'SIGRA_DEMO_PASSWORD is not set';
my $email    = $ENV{SIGRA_DEMO_EMAIL}    // 'demo@example.com';
my $page     = "$site/account/devices/";

sub new_browser {
    my $browser = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER},
        profile => tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1));
    $browser->open_browser;
    return $browser;
}
my $here  = new_browser();
my $there = new_browser();
END { local $?; undef $here; undef $there }

sub log_in {
    my ($b) = @_;
    $b->visit($page);
    is($b->path, '/users/log-in', 'the page is for users who are logged in');
    $b->type('input[name="user[email]"]',    $email);
    $b->type('input[name="user[password]"]', $password);
    $b->follow(sub { $b->click('form button') });
    is($b->path, '/account/devices/', 'and there');
    return;
}

sub rows  { my ($b) = @_; return $b->run('return [...document.querySelectorAll("tbody tr")].map(row => row.innerText)') }
sub await_rows {
    my ($b, $count, $name) = @_;
    $b->await("$count rows", sub { @{ rows($b) } == $count });
    pass($name);
    return;
}

# Other tests of this run may have left their sessions.
log_in($here);
$here->await('the list', sub { @{ rows($here) } > 0 });
my $others = @{ rows($here) } - 1;
log_in($there);
$here->visit($page);
await_rows($here, $others + 2, 'both are listed');
await_rows($there, $others + 2, 'in either browser');
is(scalar(grep { /This device/ } @{ rows($_) }), 1, 'one of them is this device') for $here, $there;
is(scalar(grep { /Log out/ } @{ rows($here) }), 1, 'with a log-out');
is($here->run('return document.querySelectorAll("tbody button:not([aria-label])").length'), 0, 'each button has a name');

# The newest session is that of the other browser.
is($here->run('return document.querySelector("tbody button").textContent'), 'End session', 'the newest is another');
$here->run('document.querySelector("tbody button").click()');
$here->await('an end', sub { $here->text_of('[role=status]') ne '' });
is($here->text_of('[role=status]'), 'The session has ended.', 'with a message');
is(scalar @{ rows($here) }, $others + 1, 'and it is gone');
$there->follow(sub { $there->visit($page) });
is($there->path, '/users/log-in', 'the other browser is logged out');
$here->visit($page);
await_rows($here, $others + 1, 'this one is not');
is(scalar(grep { /Content.Security.Policy/i } $here->console), 0, 'its policy has nothing to complain of');

$here->await('its own button', sub { $here->run('return [...document.querySelectorAll("tbody button")].some(b => b.textContent === "Log out")') });
$here->follow(sub { $here->run('[...document.querySelectorAll("tbody button")].find(b => b.textContent === "Log out").click()') });
$here->await('the login page', sub { $here->path eq '/users/log-in' });
is($here->path, '/users/log-in', 'one\'s own button logs out');

$_->close_browser for $here, $there;
done_testing;
