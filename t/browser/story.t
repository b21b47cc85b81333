# A login from start to end in a real browser, on the site of `make run`, as t/browser/run starts it: a wrong and a
# right password, the browser closed and opened again, a log-out, and a back button that does not show the page.

use v5.14;
use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;
use WebDriver;

my $site     = $ENV{SIGRA_DEMO_URL}      // plan skip_all => 'run by t/browser/run';
my $password = $ENV{SIGRA_DEMO_PASSWORD} // die 'SIGRA_DEMO_PASSWORD is not set';
my $email    = $ENV{SIGRA_DEMO_EMAIL}    // 'demo@example.com';
my $shots    = $ENV{SIGRA_SCREENSHOTS};
my ($session_cookie, $remember_cookie) = qw(_sigra_key _sigra_user_remember_me);

my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b }
$b->open_browser;
make_path($shots) if $shots;

sub shot { my ($name, %as) = @_; $b->look(%as); $b->screenshot("$shots/$name.png") if $shots; return }

sub log_in {
    my ($with, $remember) = @_;
    $b->type('input[name="user[email]"]',    $email);
    $b->type('input[name="user[password]"]', $with);
    $b->click('input[type=checkbox][name="user[remember_me]"]') if $remember;
    $b->follow(sub { $b->click('form button') });
    return;
}

subtest 'the public page, and the way to the login page' => sub {
    $b->visit("$site/");
    is($b->path, '/', 'public');
    unlike($b->text, qr/\Q$email/, 'not logged in');
    $b->visit("$site/private/");
    is($b->path, '/users/log-in', 'sent to the login page');
    is($b->text_of('[role=alert]'), 'You must log in to access this page.', 'and sees the reason');
    $b->visit("$site/users/log-in");
    is(scalar($b->find('[role=alert]')), 0, 'once');
};

subtest 'the login page' => sub {
    is($b->run('return document.activeElement.name'), 'user[email]', 'ready for the email');
    is($b->run('return document.documentElement.lang'), 'en', 'its language');
    is($b->run('return [...document.querySelectorAll("input:not([type=hidden])")].filter(i => !i.labels.length).length'), 0, 'each field has its label');
    shot('login-light');
    my $light = $b->run('return getComputedStyle(document.body).backgroundColor');
    shot('login-dark', scheme => 'dark');
    my $dark = $b->run('return getComputedStyle(document.body).backgroundColor');
    isnt($light, 'rgba(0, 0, 0, 0)', 'its styles are let through by its policy');
    isnt($dark, $light, 'and support dark mode');
    shot('login-phone', width => 390, height => 700, mobile => 1);
    for my $width (320, 390) {
        $b->look(width => $width, height => 640, mobile => 1);
        cmp_ok($b->run('return document.documentElement.scrollWidth'), '<=', $width, "nothing to scroll to the side at $width pixels");
    }
    $b->look;
    is(scalar(grep { /Content.Security.Policy/i } $b->console), 0, 'it breaks no policy');
};

subtest 'a mistake' => sub {
    log_in("not $password");
    is($b->path, '/users/log-in', 'back at the login page');
    is($b->text_of('[role=alert]'), 'Invalid email or password', 'shown');
    is($b->value_of('input[name="user[email]"]'), $email, 'the email is kept');
    is($b->value_of('input[name="user[password]"]'), '', 'the password is not');
    is($b->run('return document.activeElement.name'), 'user[password]', 'which is to be typed again');
    shot('login-mistake');
    unlike($b->url . $b->run('return document.documentElement.outerHTML'), qr/\Q$password/, 'and is nowhere in the page');
};

subtest 'in' => sub {
    log_in($password, 1);
    is($b->path, '/private/', 'back to where the user wanted to go');
    like($b->text, qr/\Q$email/, 'as the user');
    my $cookies = $b->cookies;
    ok($cookies->{$_}{httpOnly}, "$_ is out of scripts' reach") for $session_cookie, $remember_cookie;
    ok($cookies->{$session_cookie}{session}, 'the session ends with the browser');
    ok(!$cookies->{$remember_cookie}{session}, 'the other cookie does not');
    unlike($b->run('return document.cookie'), qr/sigra/, 'no script sees either');
};

subtest 'the browser closed, and opened again' => sub {
    $b->close_browser;
    $b->open_browser;
    my $cookies = $b->cookies;
    ok(!$cookies->{$session_cookie}, 'the session cookie is gone');
    ok($cookies->{$remember_cookie}, 'the other one is kept');
    $b->visit("$site/private/");
    is($b->path, '/private/', 'and passes');
    like($b->text, qr/\Q$email/, 'as the user');
    ok($b->cookies->{$session_cookie}, 'with a new session');
};

subtest 'out' => sub {
    $b->follow(sub { $b->click('form[action="/users/log-out"] button') });
    is($b->path, '/', 'at the public page');
    unlike($b->text, qr/\Q$email/, 'not logged in');
    ok(!$b->cookies->{$remember_cookie}, 'nothing is remembered');
    $b->follow(sub { $b->back });
    is($b->path, '/users/log-in', 'the back button asks to log in');
    unlike($b->run('return document.documentElement.outerHTML'), qr/\Q$email/, 'and shows nothing of what was protected');
    $b->visit("$site/private/");
    is($b->path, '/users/log-in', 'so does the protected page');
};

$b->close_browser;
done_testing;
