# The login page in each language of examples/messages/, as Chromium shows it, and emails that are not ASCII. Run by
# t/browser/run; SIGRA_SCREENSHOTS=DIR saves screenshots.

use v5.14;
use strict;
use warnings;
use utf8;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use WebDriver;

my $site  = $ENV{SIGRA_DEMO_URL} // plan skip_all => 'run by t/browser/run';
my $shots = $ENV{SIGRA_SCREENSHOTS};
make_path($shots) if $shots;
binmode $_, ':utf8' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $profile = tempdir('sigra-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $b = WebDriver->start(chromium => $ENV{CHROMIUM}, chromedriver => $ENV{CHROMEDRIVER}, profile => $profile);
END { local $?; undef $b }
$b->open_browser;

sub texts_of {
    my ($lang) = @_;
    open my $in, '<:raw', "examples/messages/$lang.json" or die "$lang: $!";
    local $/;
    return JSON::PP->new->utf8->decode(<$in>);
}

for my $lang (qw(de fr es pt-BR ja ar)) {
    subtest $lang => sub {
        my $text = texts_of($lang);
        my $dir = $lang eq 'ar' ? 'rtl' : 'ltr';
        $b->look;
        $b->speak("$lang,en;q=0.5");
        $b->visit("$site/private/");
        is($b->path, '/users/log-in', 'sent to the login page');
        is($b->run('return document.documentElement.lang'), $lang, 'lang');
        is($b->run('return getComputedStyle(document.body).direction'), $dir, "laid out $dir");
        is($b->text_of('h1'), $text->{log_in}, 'the heading');
        is($b->run('return document.title'), $text->{log_in}, 'the title');
        is($b->text_of('[role=alert]'), $text->{must_log_in}, 'why the user is here');
        is($b->text_of('label[for=email]'), $text->{email}, 'the email');
        is($b->text_of('label[for=password]'), $text->{password}, 'the password');
        is($b->text_of('label.check'), $text->{remember_me}, 'the box');
        is($b->text_of('form button'), $text->{log_in}, 'the button');
        # The checkbox is before its text, on whichever side that is.
        my $left = $b->run('return document.querySelector("input[type=checkbox]").getBoundingClientRect().left > innerWidth / 2');
        is($left ? 1 : 0, $dir eq 'rtl' ? 1 : 0, 'the box is where the line begins');
        is($b->run('return getComputedStyle(document.getElementById("email")).direction'), 'ltr', 'an email runs from left to right');
        for my $width (320, 390) {
            $b->look(width => $width, height => 700, mobile => 1);
            cmp_ok($b->run('return document.documentElement.scrollWidth'), '<=', $width, "nothing to scroll to the side at $width pixels");
        }
        $b->look(width => 390, height => 700, mobile => 1);
        $b->screenshot("$shots/login-$lang-phone.png") if $shots;
        $b->look;
        $b->screenshot("$shots/login-$lang.png") if $shots;

        $b->type('#email', 'nobody@example.com');
        $b->type('#password', 'wrong');
        $b->follow(sub { $b->click('form button') });
        is($b->text_of('[role=alert]'), $text->{invalid}, 'a wrong password');
        $b->visit("$site/dressed");
        is($b->text_of('.or'), $text->{or_else}, 'the second form');
        is($b->text_of('button.plain'), $text->{email_link}, 'its button');
        is_deeply([$b->run('return [...document.querySelectorAll(".links a")].map(a => a.textContent)')], [[@$text{qw(forgot_password register_account)}]], 'the links');
        $b->screenshot("$shots/dressed-$lang.png") if $shots;
        is(scalar(grep { /Content.Security.Policy/i } $b->console), 0, 'its policy has nothing to complain of');
    };
}

$b->speak('en');
# The picture in README: made with SIGRA_SCREENSHOTS=docs.
if ($shots) {
    $b->look(width => 640, height => 480);
    $b->visit("$site/private/");
    $b->screenshot("$shots/login.png");
    $b->look;
}
for my $email ('müller@example.com', 'kim@münchen.example', 'δοκιμή@παράδειγμα.δοκιμή', "o'hara+x\@example.com") {
    $b->visit("$site/users/log-in");
    is($b->run('const i = document.getElementById("email"); return i.type + " " + i.inputMode'), 'text email', 'a keyboard for emails') if $email =~ /^m/;
    $b->type('#email', $email);
    $b->type('#password', 'wrong');
    $b->follow(sub { $b->click('form button') });
    is($b->text_of('[role=alert]'), 'Invalid email or password', "$email: sent");
    is($b->value_of('#email'), $email, "$email: as it was typed");
    $b->visit("$site/dressed");
    $b->type('#link-email', $email);
    $b->follow(sub { $b->click('button.plain') });
    my $body = $b->text =~ s/\+/ /gr =~ s/%([0-9A-F]{2})/chr hex $1/ger;
    utf8::decode($body);
    like($body, qr/user\[email\]=\Q$email\E(?:&|\z)/, "$email: in the form for a link, too");
}

$b->close_browser;
done_testing;
