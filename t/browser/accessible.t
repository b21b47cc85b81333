# Accessibility of each page of the module: light, dark, on a phone, right-to-left, with and without a message. The most
# important properties are checked here. axe-core checks the rest if it is installed: `npm install axe-core` in this
# folder, or AXE=/path/to/axe.min.js. Run by t/browser/run. Answers with 401, 403, 405, 413 or 415 in HTML are nginx's
# own error pages, which "error_page" replaces; they are not checked.

use v5.14;
use strict;
use warnings;
use utf8;

use File::Temp qw(tempdir);
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);
use Test::More;
use WebDriver;

my $site     = $ENV{SIGRA_DEMO_URL}      // plan skip_all => 'run by t/browser/run';
my $password = $ENV{SIGRA_DEMO_PASSWORD} // die 'SIGRA_DEMO_PASSWORD is not set';
my $email    = $ENV{SIGRA_DEMO_EMAIL}    // 'demo@example.com';
binmode $_, ':utf8' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my ($axe) = grep { -e } grep { defined } $ENV{AXE}, (map { "$_/axe-core/axe.min.js" } 't/browser/node_modules', '/usr/local/lib/node_modules', '/usr/lib/node_modules', '/usr/share/nodejs', '/usr/share/javascript');
my $axe_script = $axe && do { open my $in, '<:encoding(UTF-8)', $axe or die "$axe: $!"; local $/; <$in> };

my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b }
$b->open_browser;

my $by_hand = <<'END';
const wrong = [];
const root = document.documentElement;
if (!root.lang || !/^(ltr|rtl|)$/.test(root.dir)) wrong.push('lang or dir');
if (!document.title.trim()) wrong.push('title');
if (document.querySelectorAll('main').length !== 1) wrong.push('one main');
if (document.querySelectorAll('h1').length !== 1) wrong.push('one h1');
for (const i of document.querySelectorAll('input:not([type=hidden])')) {
    if (i.labels.length !== 1 || !i.labels[0].innerText.trim()) wrong.push('label of ' + i.name);
    if (i.type !== 'checkbox' && !i.autocomplete) wrong.push('autocomplete of ' + i.name);
}
for (const i of document.querySelectorAll('img')) if (i.getAttribute('alt') === null) wrong.push('alt');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
if (new Set(ids).size !== ids.length) wrong.push('an id twice');
for (const e of document.querySelectorAll('button, a, input:not([type=hidden])')) {
    const box = (e.type === 'checkbox' ? e.labels[0] : e).getBoundingClientRect();
    if (box.height < 24 || box.width < 24) wrong.push('size of ' + (e.name || e.innerText));
}
// WCAG's contrast, of each text on the nearest ground behind it.
const rgb = text => text.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [[r, .2126], [g, .7152], [b, .0722]].reduce((sum, [v, w]) => {
    v /= 255;
    return sum + w * (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
}, 0);
const ground = e => {
    for (; e; e = e.parentElement) {
        const c = rgb(getComputedStyle(e).backgroundColor);
        if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
};
const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || (e.value && e.type !== 'hidden' && e.type !== 'checkbox');
    if (text && e.offsetParent && contrast(rgb(getComputedStyle(e).color), ground(e)) < 7)
        wrong.push('contrast of ' + (e.innerText || e.name));
}
for (const i of document.querySelectorAll('input[type=text], input[type=password]'))
    if (contrast(rgb(getComputedStyle(i).borderTopColor), ground(i.parentElement)) < 3) wrong.push('border of ' + i.name);
return wrong;
END

my $by_axe = <<'END';
const done = arguments[arguments.length - 1];
axe.run({ preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(
    found => done(found.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.target).join(' '))),
    error => done(['axe: ' + error]));
END

sub is_accessible {
    my ($page) = @_;
    for my $as ({}, { scheme => 'dark' }, { width => 320, height => 640, mobile => 1 }, { scheme => 'dark', width => 390, height => 700, mobile => 1 }) {
        $b->look(%$as);
        my $name = join ' ', $page, $as->{scheme} // 'light', $as->{mobile} ? 'phone' : ();
        is_deeply($b->run($by_hand), [], "$name: by hand");
        next unless $axe;
        $b->run($axe_script . ';window.axe = axe;');
        is_deeply($b->run_async($by_axe), [], "$name: axe-core");
    }
    $b->look;
    return;
}

sub pages {
    my ($lang) = @_;
    $b->speak($lang);
    $b->visit("$site/private/");
    is_accessible("$lang: the page with a message");
    $b->visit("$site/users/log-in");
    is_accessible("$lang: the page");
    for my $path ('/dressed', '/template') {
        $b->visit("$site$path");
        is_accessible("$lang: $path");
    }
    $b->visit("$site/users/log-in");
    $b->type('#email', 'nobody@example.com');
    $b->type('#password', 'wrong');
    $b->follow(sub { $b->click('form button') });
    is_accessible("$lang: a mistake");

    $b->type('#email', $email);
    $b->type('#password', $password);
    $b->follow(sub { $b->click('form button') });
    $b->await('the page to confirm', sub { $b->visit("$site/private/confirm"); $b->path eq '/dressed' });
    is_accessible("$lang: to confirm");
    # A log-out while the database cannot be reached.
    $b->visit("$site/private/");
    $b->run('document.querySelector(\'form[action="/users/log-out"]\').action = "/away/log-out"');
    $b->follow(sub { $b->click('form[action="/away/log-out"] button') });
    is_deeply($b->run('const [first] = performance.getEntriesByType("navigation"); return [location.pathname, first.responseStatus]'), ['/away/log-out', 503], "$lang: 503");
    is_accessible("$lang: still logged in");
    $b->visit("$site/private/");
    $b->follow(sub { $b->click('form[action="/users/log-out"] button') });

    # A page that is shown for a moment before the browser requests the page again; here it stays.
    my $passing = HTTP::Tiny->new->get("$site/strict", { headers => {
        'accept' => 'text/html', 'accept-language' => $lang, 'sec-fetch-site' => 'cross-site', 'sec-fetch-mode' => 'navigate', 'sec-fetch-dest' => 'document' } })->{content};
    ok($passing =~ s/<meta http-equiv="refresh" content="0">//, "$lang: a page that is requested again");
    $b->visit('data:text/html;charset=utf-8;base64,' . encode_base64($passing, ''));
    is_accessible("$lang: asked for again");
    return;
}

pages($_) for qw(en ar de ja);
subtest 'axe-core' => sub { plan skip_all => 'it is not installed: npm install axe-core, or AXE=/path/to/axe.min.js' unless $axe; pass($axe) };

$b->close_browser;
done_testing;
