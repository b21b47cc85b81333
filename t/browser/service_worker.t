# A service worker that forwards navigations after changing them: the user gets to the login page, and back. Run by
# t/browser/run.

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

my $worker = <<'END';
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(clients.claim()));
self.addEventListener("fetch", event => {
    if (event.request.mode === "navigate") event.respondWith(fetch(event.request, INIT));
});
END
my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $front   = Front->start(log => "$profile/requests", site_port => $site_port, files => {
    '/changed.js'   => ['text/javascript', $worker =~ s/INIT/{cache: "no-store"}/r],
    '/unchanged.js' => ['text/javascript', $worker =~ s/, INIT//r],
});
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b; undef $front }
$b->open_browser;
my $url = "http://127.0.0.1:$front->{port}";

for my $case (['changed', 'same-origin'], ['unchanged', 'navigate|same-origin']) {
    my ($name, $mode) = @$case;
    $b->visit("$url/");
    $b->run('return navigator.serviceWorker.register(arguments[0]).then(() => navigator.serviceWorker.ready).then(() => true)', "/$name.js");
    $b->await('the worker is in charge', sub { $b->run('return navigator.serviceWorker.controller?.scriptURL ?? ""') =~ m{/\Q$name\E\.js} });
    $b->visit("$url/private/?by=$name");
    my ($head) = grep { m{\A\S+ \S*by=$name } } $front->requests('/private/');
    like($head, qr/^Sec-Fetch-Mode: (?:$mode)\r?$/mi, "$name: the worker's request");
    like($head, qr/^Sec-Fetch-Dest: empty\r?$/mi, "$name: of no document");
    is($b->path, '/users/log-in', "$name: the user gets to the login page");
    is($b->text_of('[role=alert]'), 'You must log in to access this page.', "$name: and sees the reason");
    $b->type('input[name="user[email]"]',    $email);
    $b->type('input[name="user[password]"]', $password);
    $b->follow(sub { $b->click('form button') });
    is($b->url =~ s/^\Q$url//r, "/private/?by=$name", "$name: and back");
    $b->follow(sub { $b->click('form[action="/users/log-out"] button') });
}

$b->close_browser;
done_testing;
