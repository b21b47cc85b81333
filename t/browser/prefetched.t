# A page that the browser has prefetched or prerendered is not shown after a log-out: no-store does not prevent this,
# Clear-Site-Data does. Run by t/browser/run.

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

sub page {
    my ($kind) = @_;
    return ['text/html', <<"END"];
<!doctype html><title>$kind</title>
<script type="speculationrules">{"$kind": [{"urls": ["/private/?$kind"], "eagerness": "immediate"}]}</script>
<a href="/private/?$kind">go</a>
END
}
my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $front   = Front->start(log => "$profile/requests", site_port => $site_port,
    files => { map { ("/$_" => page($_)) } qw(prefetch prerender) });
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b; undef $front }

# chromedriver turns speculative loading off by default.
$b->open_browser(without => [qw(disable-background-networking enable-automation test-type)]);
my $url = "http://127.0.0.1:$front->{port}";

for my $kind (qw(prefetch prerender)) {
    $b->visit("$url/users/log-in");
    $b->type('input[name="user[email]"]',    $email);
    $b->type('input[name="user[password]"]', $password);
    $b->follow(sub { $b->click('form button') });
    $b->visit("$url/$kind");
    my $ahead = sub { grep { m{\A\S+ \S*\?$kind } && /^Sec-Purpose: prefetch/mi } $front->answered('/private/') };
    $b->await("$kind: the browser fetches ahead", sub { scalar $ahead->() });
    my $status = $b->run(<<'END');
return fetch("/users/log-in", {headers: {Accept: "application/json"}}).then(a => a.json())
    .then(a => fetch("/users/log-out", {method: "DELETE", headers: {"x-csrf-token": a.csrf_token, Accept: "application/json"}}))
    .then(a => a.status)
END
    is($status, 204, "$kind: logged out");
    $b->follow(sub { $b->click('a') });
    is($b->path, '/users/log-in', "$kind: what was fetched ahead is not shown");
    unlike($b->text, qr/\Q$email\E/, "$kind: and no user is shown");
}

$b->close_browser;
done_testing;
