# A page of another site posts to a protected location: the browser does not send the session cookie, and the session is
# not lost by that. Run by t/browser/run.

use v5.14;
use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;
use WebDriver;

my $site     = $ENV{SIGRA_DEMO_URL}      // plan skip_all => 'run by t/browser/run';
my $password = $ENV{SIGRA_DEMO_PASSWORD} // die 'SIGRA_DEMO_PASSWORD is not set';
my $email    = $ENV{SIGRA_DEMO_EMAIL}    // 'demo@example.com';

my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b }
$b->open_browser;

$b->visit("$site/private/");
$b->type('input[name="user[email]"]',    $email);
$b->type('input[name="user[password]"]', $password);
$b->follow(sub { $b->click('form button') });
is($b->path, '/private/', 'logged in');
my $session = $b->cookies->{_sigra_key}{value};

# Its origin is unique, so for the browser it is another site.
my $page = "data:text/html,<form method=post action=\"$site/private/\"><button>win</button></form>";
$b->visit($page);
$b->follow(sub { $b->click('form button') });
is($b->cookies->{_sigra_key}{value}, $session, 'another site posts: the session is the same');
$b->visit("$site/private/");
is($b->path, '/private/', 'still logged in');
like($b->text, qr/\Q$email/, 'as the user');

$b->close_browser;
done_testing;
