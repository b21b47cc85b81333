# On plain http, with a name that is not localhost, browsers send no Sec-Fetch-*: what a page loads does not replace the
# path to return to, and a form with no-referrer, whose Origin is null, logs in. Run by t/browser/run.

use v5.14;
use strict;
use warnings;

use File::Temp qw(tempdir);
use Front;
use Test::More;
use WebDriver;

my $site     = $ENV{SIGRA_DEMO_URL}      // plan skip_all => 'run by t/browser/run';
my $password = $ENV{SIGRA_DEMO_PASSWORD} // die 'SIGRA_DEMO_PASSWORD is not set';
my $email    = $ENV{SIGRA_DEMO_EMAIL}    // 'demo@example.com';
my ($site_port) = $site =~ /:(\d+)/;

my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $front   = Front->start(log => "$profile/requests", site_port => $site_port, files => {
    '/page' => ['text/html', '<!doctype html><title>a page</title><link rel="stylesheet" href="/private/style.css"><img src="/private/logo.png"><script src="/private/script.js"></script>'],
    '/quiet' => ['text/html', <<'END'],
<!doctype html><meta name="referrer" content="no-referrer"><title>a form</title>
<form method="post" action="/users/log-in"><input name="_csrf_token"><input name="user[email]"><input name="user[password]"><button>in</button></form>
END
});
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b; undef $front }
$b->open_browser(hosts => ['intranet.test']);
my $url = "http://intranet.test:$front->{port}";

$b->visit("$url/private/?a=b");
is($b->path, '/users/log-in', 'sent to the login page');
my ($head) = $front->requests('/private/');
unlike($head, qr/^Sec-Fetch/mi, 'by a browser that sends no Sec-Fetch-*');

$b->visit("$url/page");
$b->run('return fetch("/private/poll").then(a => a.status)');
for my $loaded (qw(/private/style.css /private/logo.png /private/script.js /private/poll)) {
    $b->await($loaded, sub { scalar $front->requests($loaded) });
    unlike(($front->requests($loaded))[0], qr/^Accept:.*text\/html/mi, "$loaded is loaded by a page");
}
$b->visit("$url/users/log-in");
$b->type('input[name="user[email]"]',    $email);
$b->type('input[name="user[password]"]', $password);
$b->follow(sub { $b->click('form button') });
is($b->url =~ s/^\Q$url//r, '/private/?a=b', 'and back where the user wanted to go');
$b->follow(sub { $b->click('form[action="/users/log-out"] button') });
is($b->path, '/', 'logged out');

$b->visit("$url/quiet");
my $token = $b->run('return fetch("/users/log-in", {headers: {Accept: "application/json"}}).then(a => a.json()).then(a => a.csrf_token)');
$b->type('input[name="_csrf_token"]',    $token);
$b->type('input[name="user[email]"]',    $email);
$b->type('input[name="user[password]"]', $password);
$b->follow(sub { $b->click('button') });
like((grep { /\APOST/ } $front->requests('/users/log-in'))[-1], qr/^Origin: null\r?$/mi, 'a form whose Origin is null');
$b->visit("$url/private/");
is($b->path, '/private/', 'logs in: the CSRF token decides');

$b->close_browser;
done_testing;
