# auth_sigra_messages: the texts of the page, the flash messages and JSON in the user's language, and errors of nginx
# -t.

use utf8;
use Test::Nginx::Socket 'no_plan';
use Cwd qw(getcwd);
use Encode qw(decode_utf8 encode_utf8);
use JSON::PP;
use Sigra::Fixture;

fresh_database('sigra');
our $folder   = getcwd() . '/examples/messages';
our @shipped  = qw(de fr es pt-BR ja ar);
our $messages = 'auth_sigra_messages ' . join(' ', map { "$_=$folder/$_.json" } @shipped) . ';';
our $quick    = 'auth_sigra_password_checks floor=1ms; auth_sigra_password_hash argon2id m=8 t=1 p=1;';
our $http     = sigra_http_config(extra => "$quick $messages");
our $english  = sigra_http_config(extra => $quick);
our $down     = sigra_http_config(extra => $messages, conninfo => 'host=127.0.0.1 port=1 dbname=none user=sigra', postgres => 'timeout=1s');
our $password = 'correct horse';
our $ada      = user_fixture(email => 'ada@example.com', password => $password);
our %form     = ('user[email]' => 'ada@example.com', 'user[password]' => $password);
our $locations = <<'END';
location / { auth_sigra on; }
location /others/ { auth_sigra on; auth_sigra_require false; }
location /sudo/ { auth_sigra on; auth_sigra_sudo 10m; }
location = /users/log-in { auth_sigra_login fallback=@app reset=/reset register=/register; }
location = /users/log-out { auth_sigra_logout; }
location = /users/log-out-everywhere { auth_sigra_logout everywhere; }
location = /renew { auth_sigra_renew; }
location @app { return 204; }
END

# The texts of a file, as bytes.
sub texts_of {
    my ($lang) = @_;
    open my $in, '<:raw', "$folder/$lang.json" or die "$lang: $!";
    local $/;
    return { map { encode_utf8($_) } %{ JSON::PP->new->utf8->decode(<$in>) } };
}
sub browser { return client(headers => { accept => 'text/html', 'accept-language' => $_[0] }) }
sub said { my ($browser, $kind) = @_; return $browser->session->{phoenix_flash}{$kind} }
sub lang_of { return $_[0]{content} =~ /<html lang="([^"]*)" dir="([^"]*)"/ ? "$1 $2" : '' }
sub has { my ($page, $text, $name) = @_; return ok(index($page->{content}, $text =~ s/&/&amp;/gr =~ s/'/&#39;/gr =~ s/"/&quot;/gr) >= 0, $name) }

no_root_location();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: each language of the examples, from the first redirect to the log-out
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- more_headers
Accept-Language: de
--- response_headers
Content-Language: de
Vary: Accept-Language
--- flow
my $keys;
for my $lang (@::shipped) {
    my $text = texts_of($lang);
    is($text->{dir} // 'ltr', $lang eq 'ar' ? 'rtl' : 'ltr', "$lang: its direction");
    my @keys = sort grep { $_ ne 'dir' } keys %$text;
    $keys //= \@keys;
    is_deeply(\@keys, $keys, "$lang: has the texts that the others have");

    my $browser = browser("$lang, en;q=0.5");
    is($browser->get('/page')->{status}, 302, "$lang: anonymous");
    is(said($browser, 'error'), $text->{must_log_in}, "$lang: must_log_in");
    my $page = $browser->get('/users/log-in');
    is(lang_of($page), "$lang " . ($text->{dir} // 'ltr'), "$lang: lang and dir");
    is($page->{headers}{'content-language'}, $lang, "$lang: Content-Language");
    is($page->{headers}{vary}, 'Accept-Language', "$lang: Vary");
    has($page, $text->{$_}, "$lang: $_") for qw(log_in email password remember_me or_else email_link forgot_password register_account must_log_in);
    is(scalar(() = $page->{content} =~ / dir="ltr"/g), $lang eq 'ar' ? 2 : $page->{content} =~ /<html[^>]* dir="ltr"/ ? 1 : 0, "$lang: emails run from left to right");

    is($browser->submit('/users/log-in', { %::form, 'user[password]' => 'x' })->{status}, 302, "$lang: a wrong password");
    is(said($browser, 'error'), $text->{invalid}, "$lang: invalid");
    is($browser->post('/users/log-in', {%::form}, { 'sec-fetch-site' => 'same-origin' })->{status}, 303, "$lang: an old form");
    is(said($browser, 'error'), $text->{try_again}, "$lang: try_again");
    is($browser->submit('/users/log-in', {%::form})->{status}, 302, "$lang: in");
    is(said($browser, 'info'), $text->{welcome_back}, "$lang: welcome_back");

    my $refused = $browser->get('/others/x', { accept => 'application/json' });
    is("$refused->{status} $refused->{content}", qq(403 {"error":"$text->{may_not}"}), "$lang: may_not");
    is($refused->{headers}{'content-language'}, $lang, "$lang: may_not: its language");

    db()->do(q(UPDATE users_tokens SET authenticated_at = authenticated_at - interval '1 hour'));
    $browser->get('/sudo/x');
    $page = $browser->get('/users/log-in');
    has($page, $text->{$_}, "$lang: $_") for qw(confirm_title confirm_hint confirm email_link);

    my $token = sub { csrf_mask($browser->session->{_csrf_token}) };
    is($browser->post('/users/log-out', { _csrf_token => $token->() })->{status}, 302, "$lang: out");
    is(said($browser, 'info'), $text->{logged_out}, "$lang: logged_out");
    $browser->submit('/users/log-in', {%::form});
    is($browser->post('/users/log-out-everywhere', { _csrf_token => $token->() })->{status}, 302, "$lang: out everywhere");
    is(said($browser, 'info'), $text->{logged_out_everywhere}, "$lang: logged_out_everywhere");
    $browser->get('/users/log-in');
    is($browser->post('/renew', { _csrf_token => $token->() })->{status}, 302, "$lang: renew");
    is(said($browser, 'error'), $text->{must_log_in}, "$lang: renew: must_log_in");
}



=== TEST 2: JSON
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for my $lang (@::shipped) {
    my $text = texts_of($lang);
    my $program = client(headers => { accept => 'application/json', 'accept-language' => $lang });
    my $answer = $program->get('/page');
    is("$answer->{status} $answer->{content}", qq(401 {"error":"$text->{must_log_in}"}), "$lang: anonymous");
    is("$answer->{headers}{'content-language'} $answer->{headers}{vary}", "$lang Accept-Language", "$lang: its headers");
    my $token = decode_json($program->get('/users/log-in')->{content})->{csrf_token};
    $answer = $program->post('/users/log-in', { _csrf_token => $token, %::form, 'user[password]' => 'x' });
    is("$answer->{status} $answer->{content}", qq(401 {"error":"$text->{invalid}"}), "$lang: a wrong password");
    is($answer->{headers}{'content-language'}, $lang, "$lang: its language");
    is($program->post('/renew', { _csrf_token => $token })->{content}, qq({"error":"$text->{must_log_in}"}), "$lang: renew");
}



=== TEST 3: which language
--- http_config eval: $::http
--- config eval: $::locations
--- request
GET /users/log-in
--- flow
for (['de', 'de'], ['de-AT,de;q=0.9,en;q=0.8', 'de'], ['DE', 'de'], ['pt', 'pt-BR'], ['pt-PT', 'pt-BR'], ['en-US,en;q=0.9,de;q=0.8', 'en'], ['nl, ja;q=0.5', 'ja'],
    ['fr;q=0.3, ar;q=0.7', 'ar'], ['de;q=0', 'en'], ['*', 'en'], ['x', 'en'], ['', 'en'], [undef, 'en'], ['<script>', 'en'], ["de\tfr", 'en'], [join(',', map { "x$_" } 100 .. 900), 'en']) {
    my ($header, $lang) = @$_;
    my $page = client()->get('/users/log-in', { accept => 'text/html', defined $header ? ('accept-language' => $header) : () });
    is(lang_of($page), $lang . ($lang eq 'ar' ? ' rtl' : ' ltr'), substr $header // 'none', 0, 40);
    is($page->{headers}{'content-language'}, $lang, 'Content-Language');
    is($page->{headers}{vary}, 'Accept-Language', 'Vary: for the next one it is another');
}



=== TEST 4: without the directive: English, and no language headers
--- http_config eval: $::english
--- config eval: $::locations
--- request
GET /users/log-in
--- more_headers
Accept-Language: de
--- response_body_like: <html lang="en" dir="ltr">.*>Log in</button>
--- response_headers
! Content-Language
! Vary
--- flow
my $browser = browser('de');
my $answer = $browser->get('/page', { accept => 'application/json' });
is($answer->{content}, '{"error":"You must log in to access this page."}', 'JSON');
ok(!defined $answer->{headers}{$_}, "no $_") for qw(content-language vary);



=== TEST 5: a log-out that failed
--- http_config eval: $::down
--- config eval: $::locations
--- request
GET /users/log-in
--- timeout: 30
--- flow
my $state = csrf_state();
for my $lang (@::shipped) {
    my $text = texts_of($lang);
    my $session = session_cookie({ user_token => 'x' x 32, _csrf_token => $state });
    my %from = (cookie => $session, 'accept-language' => $lang);
    my $page = client()->post('/users/log-out', { _csrf_token => csrf_mask($state) }, {%from});
    is("$page->{status} $page->{headers}{'content-language'}", "503 $lang", "$lang: 503");
    is(lang_of($page), "$lang " . ($text->{dir} // 'ltr'), "$lang: lang and dir");
    has($page, $text->{$_}, "$lang: $_") for qw(still_logged_in_title still_logged_in);
    $page = client()->post('/users/log-out', { _csrf_token => csrf_mask($state) }, { %from, accept => 'application/json' });
    is($page->{content}, qq({"error":"$text->{still_logged_in}"}), "$lang: JSON");
}



=== TEST 6: custom files, also for English
--- http_config eval: $::http
--- user_files
>>> de.json
{"log_in": "Los <b>", "email": "Mail", "password": "P", "remember_me": "R", "confirm_title": "C", "confirm_hint": "H", "confirm": "C", "or_else": "o", "email_link": "L",
"forgot_password": "F", "register_account": "R", "must_log_in": "M", "invalid": "I \"x\" \u00fc", "welcome_back": "W", "try_again": "T", "logged_out": "O",
"logged_out_everywhere": "E", "still_logged_in_title": "S"}
>>> en.json
{"log_in": "Sign in"}
--- config
auth_sigra_messages de-CH=$TEST_NGINX_SERVER_ROOT/html/de.json en=$TEST_NGINX_SERVER_ROOT/html/en.json;
location / { auth_sigra on; }
location = /users/log-in { auth_sigra_login; }
--- request
GET /users/log-in
--- flow
my $page = browser('de')->get('/users/log-in');
is(lang_of($page), 'de-CH ltr', 'by the beginning of its name');
like($page->{content}, qr/Los &lt;b&gt;/, 'escaped');
for (['fr', 'en'], ['en-US', 'en']) {
    $page = browser($_->[0])->get('/users/log-in');
    is(lang_of($page), 'en ltr', "$_->[0]: English");
    like($page->{content}, qr/>Sign in<.*>Password</s, 'as the file has it, and the built-in rest');
}



=== TEST 7: nginx -t: errors in a file
--- http_config eval: $::english
--- config
location / { auth_sigra on; }
--- request
GET /page
--- more_headers
Accept: text/html
--- error_code: 302
--- flow
use File::Temp qw(tempdir);
my $dir = tempdir(CLEANUP => 1);
my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
# The output of nginx -t for the directive with a file of this text.
my $says = sub {
    my ($words, $text) = @_;
    my %file = ('de.json' => $text, 'nginx.conf' => join "\n", (map { "load_module $_;" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES}),
        "error_log $dir/error.log; pid $dir/nginx.pid; events {} http { auth_sigra_messages $words; server { listen 127.0.0.1:1; } }");
    for my $name (keys %file) {
        next unless defined $file{$name};
        open my $out, '>:raw', "$dir/$name" or die "$name: $!";
        print $out $file{$name};
        close $out;
    }
    my $said = `$binary -t -p $dir -c $dir/nginx.conf 2>&1`;
    return ($? ? 'fails: ' : 'passes: ') . $said;
};
my $at = quotemeta "$dir/de.json:";
like($says->('de=de.json', qq({"log_in": "x",\n\n"login": "y"})), qr/^fails: .*$at\Q3: unknown key "login", in "auth_sigra_messages" directive in $dir\E/s, 'an unknown key: its line');
like($says->('de=de.json', qq({"log_in":\n\n 7})), qr/^fails: .*$at\Q1: "log_in" must be a string\E|^fails: .*$at\Q3: "log_in" must be a string\E/s, 'no text');
like($says->('de=de.json', qq({"log_in": "x"\n"email": "y"})), qr/^fails: .*$at\Q2: it is not well-formed JSON in UTF-8\E/s, 'a comma that is missing');
like($says->('de=de.json', qq({\n"log_in": "\xff"})), qr/^fails: .*$at\Q2: it is not well-formed JSON in UTF-8\E/s, 'Latin-1');
like($says->('de=de.json', qq({\n"log_in": ""})), qr/^fails: .*$at\Q2: "log_in" is empty\E/s, 'an empty text');
like($says->('de=de.json', qq({\n"log_in": "x", "log_in": "y"})), qr/^fails: .*$at\Q2: "log_in" is given twice\E/s, 'a key twice');
like($says->('de=de.json', qq({"dir": "up"})), qr/^fails: .*$at\Q1: "dir" must be "ltr" or "rtl"\E/s, 'a direction');
like($says->('de=de.json', qq(["x"])), qr/^fails: .*$at\Q1: it is not a JSON object of strings\E/s, 'no object');
like($says->('de=de.json', ''), qr/^fails: .*\Q"$dir\/de.json" is empty\E/s, 'an empty file');
like($says->('de=nowhere.json', ''), qr/^fails: .*\Qcannot open "$dir\/nowhere.json" (No such file or directory) in "auth_sigra_messages"\E/s, 'no file');
like($says->('de=de.json de=de.json', '{"log_in": "x"}'), qr/^fails: .*the language "de" is given twice/s, 'a language twice');
like($says->($_, '{"log_in": "x"}'), qr/^fails: .*\Qinvalid parameter "$_", it must be a language and a file, like "de=messages\/de.json"\E/s, $_) for 'de.json', 'd=de.json', 'de=', '=de.json', 'de_DE=de.json';
like($says->('de=de.json; auth_sigra_messages de=de.json', '{"log_in": "x"}'), qr/^fails: .*"auth_sigra_messages" directive is duplicate/s, 'the directive twice');
like($says->('de=de.json', '{"log_in": "x"}'), qr/^passes: .*\Qde.json" lacks "email", "password",\E/s, 'a text that is missing: a warning');
my $full = do { open my $in, '<:raw', "$::folder/de.json" or die $!; local $/; <$in> };
unlike($says->('de=de.json', $full), qr/lacks|fails/, 'none is missing: none');
