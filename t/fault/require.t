# auth_sigra_require lets nobody in without a check: in an outage, after a reload with other conditions, or if two
# configurations share a zone. Open requests are closed when their user no longer meets the condition.

use v5.14;
use strict;
use warnings;
use Sigra::Cache;
use Sigra::Fault;
use Sigra::Fixture;
use Sigra::Nginx ();
use Sigra::WebSocket;
use Sigra::Wire qw(wire get await);
use File::Temp ();
use IO::Select;
use Test::More;

fresh_database('sigra');
db()->do('ALTER TABLE users ADD role text, ADD tenant text');
db()->do('CREATE TABLE memberships (user_id bigint, role text)');
grant_nginx(reads => 'memberships');
add_triggers(watch => 'memberships.user_id');
my %who = map { $_ => authenticated_fixture(email => "$_\@example.com", columns => { role => $_, tenant => 'acme' }) } qw(admin user new);
my $place = File::Temp->newdir('sigra-require-XXXXXX', TMPDIR => 1);
chmod 0755, "$place";
my $socket = "$place/application.sock";
start_application($socket);

my $nginx;
sub configured {
    my ($locations, %option) = @_;
    undef $nginx;
    $nginx = Sigra::Nginx->new(
        workers => 1,
        files   => { map { ($_ => 'for ada') } qw(page admin/page) },
        http    => sigra_http_config(
            postgres => $option{postgres} // 'timeout=500ms connections=1',
            extra    => "auth_sigra_unauthenticated status;\nadd_header X-Status \$auth_sigra_status always;",
        ) . 'map $auth_sigra_attribute_tenant $of_acme { volatile; default 0; acme 1; } map $auth_sigra_email $of_example { volatile; default 0; ~@example\.com$ 1; } map $http_upgrade $connection_upgrade { default upgrade; "" ""; }',
        server => $locations,
    );
    return;
}
sub asked { my ($name, $path) = @_; return seen($path, $who{$name}, port => $nginx->port) }
sub until_seen { my ($expected, @ask) = @_; return await { asked(@ask) eq $expected } "$expected of @ask" }
sub reconfigured {
    my ($from, $to) = @_;
    my $file = $nginx->root . '/conf/nginx.conf';
    my $text = Sigra::Nginx::slurp($file);
    $text =~ s/\Q$from\E/$to/ or die "no $from\n";
    open my $out, '>', $file or die "$file: $!";
    print $out $text;
    close $out;
    my @old = $nginx->reload;
    await { my %there = map { $_ => 1 } $nginx->workers; !grep { $there{$_} } @old } 'the old worker is gone';
    return;
}

# An outage.
{
    configured(<<'END');
auth_sigra on;
auth_sigra_cache zone=sessions:1m ttl=1s stale=1h;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
location /acme/ { alias html/; auth_sigra_attribute tenant u.tenant; auth_sigra_require $of_acme; }
END
    until_seen('200 hit', $_, '/page') for qw(admin user);
    is(asked('user', '/admin/page'), '403 forbidden', 'well: may not');
    until_seen('200 hit', 'admin', '/admin/page');
    db()->disconnect;
    cluster('stop');
    until_seen('200 stale', 'admin', '/admin/page');
    pass('outage: a cached administrator is still one');
    is(asked('user', '/admin/page'), '403 forbidden', 'outage: another cached user is not');
    is(asked('user', '/page'), '200 stale', 'outage: but logged in');
    is(asked('user', '/acme/page'), '200 stale', 'outage: an attribute is cached');
    is(asked('new', '/admin/page'), '503 error', 'outage: a user who is not cached');

    # The cached results do not tell whether the new condition is met.
    reconfigured(q(u.role = 'admin'), q(u.role <> 'admin'));
    is(asked($_, '/admin/page'), '503 error', "reloaded in an outage: $_ may not by an entry of another condition") for qw(admin user);
    cluster('start');
    until_seen('200 hit', 'user', '/admin/page');
    is(asked('admin', '/admin/page'), '403 forbidden', 'afterwards: by the new condition');
}

# A reload with the same number of conditions, with more and with fewer, while the database works.
{
    configured(<<'END', postgres => 'timeout=60s');
auth_sigra on;
auth_sigra_cache zone=sessions:1m;
location / { }
location /admin/ { auth_sigra_require "u.role = 'admin'"; }
location /both/ { alias html/; auth_sigra_require "true"; }
END
    until_seen('200 hit', $_, '/page') for qw(admin user);
    is(asked($_->[0], '/admin/page'), $_->[1], "first: $_->[0]") for [admin => '200 hit'], [user => '403 forbidden'];
    reconfigured(q(u.role = 'admin'), q(u.role = 'user'));
    is((split ' ', asked($_->[0], '/admin/page'))[0], $_->[1], "another: $_->[0]") for [admin => 403], [user => 200];
    reconfigured(q("true"), q("u.role = 'admin'"));
    is((split ' ', asked($_->[0], '/both/page'))[0], $_->[1], "two: $_->[0]") for [admin => 200], [user => 403];
    reconfigured(q(auth_sigra_require "u.role = 'user'"), q(auth_sigra_attribute tenant u.tenant; auth_sigra_require $of_acme));
    is((split ' ', asked($_->[0], '/admin/page'))[0], $_->[1], "an attribute: $_->[0]") for [admin => 200], [user => 200];
    is((split ' ', asked($_->[0], '/both/page'))[0], $_->[1], "and one condition: $_->[0]") for [admin => 200], [user => 403];
    reconfigured(q(auth_sigra_attribute tenant u.tenant; auth_sigra_require $of_acme;), '');
    reconfigured(q(auth_sigra_require "u.role = 'admin'";), '');
    is((split ' ', asked('user', $_))[0], 200, "none: $_") for '/admin/page', '/both/page';
    has_no_problems($nginx);
}

# Two databases in one zone whose conditions have the same numbers.
{
    configured(<<'END', postgres => 'timeout=60s');
auth_sigra on;
auth_sigra_cache zone=sessions:1m;
location / { auth_sigra_require "u.role = 'user'"; }
location /admin/ { auth_sigra_schema sigra "where=u.id > 0"; auth_sigra_require "u.role = 'admin'"; }
location /bare/ { auth_sigra_schema sigra "where=u.id > -1"; alias html/; }
END
    for my $round (1, 2) {
        until_seen('200 hit', 'user', '/page') if $round == 2;
        is((split ' ', asked($_->[0], $_->[1]))[0], $_->[2], "one zone: @$_[0, 1]")
            for [user => '/page', 200], [user => '/admin/page', 403], [admin => '/page', 403], [admin => '/admin/page', 200], [user => '/bare/page', 200];
    }
    has_no_problems($nginx);
}

# Open requests.
{
    configured(<<"END", postgres => 'timeout=60s');
auth_sigra on;
auth_sigra_cache zone=sessions:1m;
location / { }
location /app/ { auth_sigra_close_on_revoke on; auth_sigra_require "EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id AND m.role = 'admin')";
    proxy_pass http://unix:$socket:; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_read_timeout 1h; }
location /app/acme/ { auth_sigra_close_on_revoke on; auth_sigra_attribute tenant u.tenant; auth_sigra_require \$of_acme;
    proxy_pass http://unix:$socket:; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_read_timeout 1h; }
location /app/mail/ { auth_sigra_close_on_revoke on; auth_sigra_require \$of_example;
    proxy_pass http://unix:$socket:; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_read_timeout 1h; }
END
    my $open = sub { my ($name, $path) = @_; return upgrade(wire(upgrade_request($path, $who{$name}{header}), port => $nginx->port)) };
    my $echoes = sub { my ($wire) = @_; say_text($wire, 'hello'); return (hear_text($wire) // 'closed') eq 'hello' };
    my $is_closed = sub {
        my ($wire, $name) = @_;
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        my $closed = 0;
        my $deadline = Sigra::Nginx::now() + Sigra::Nginx::patience();
        while (!$closed && Sigra::Nginx::now() < $deadline) {
            $closed = 1 if IO::Select->new($wire->{socket})->can_read(1) && !sysread $wire->{socket}, my $rest, 1 << 20;
        }
        return ok($closed, $name);
    };
    until_seen('200 hit', $_, '/page') for qw(admin user);
    is($open->('admin', '/app/socket'), undef, 'no WebSocket for a user who does not meet it');
    db()->do('INSERT INTO memberships VALUES (?, ?)', undef, $who{$_}{user_id}, 'admin') for qw(admin user);
    await { $open->('admin', '/app/socket') } 'the membership, which is watched';
    await { $open->('user', '/app/socket') } 'the other one';
    my %wire = map { $_ => $open->($_, '/app/socket') } qw(admin user);
    my $tenant = $open->('admin', '/app/acme/socket');
    my $mail   = $open->('new', '/app/mail/socket');
    ok($echoes->($_), 'open') for values %wire, $tenant, $mail;
    db()->do(q(UPDATE memberships SET role = 'member' WHERE user_id = ?), undef, $who{admin}{user_id});
    $is_closed->($wire{admin}, 'is closed when the condition is no longer met');
    ok($echoes->($wire{user}), "another user's stays");
    ok($echoes->($tenant), 'as does where another rule is met');
    db()->do(q(UPDATE users SET tenant = 'other' WHERE id = ?), undef, $who{admin}{user_id});
    $is_closed->($tenant, 'is closed when an attribute that a variable may read changes');
    is($open->('admin', $_), undef, "no new one: $_") for '/app/socket', '/app/acme/socket';
    db()->do(q(UPDATE users SET role = 'newer' WHERE id = ?), undef, $who{new}{user_id});
    until_seen('200 hit', 'new', '/page');
    ok($echoes->($mail), 'what no variable may read may change');
    db()->do(q(UPDATE users SET email = 'new@other.org' WHERE id = ?), undef, $who{new}{user_id});
    $is_closed->($mail, 'is closed when the email changes, which a variable may read');
    is($open->('new', '/app/mail/socket'), undef, 'no new one');
    $_->leave for values %wire;
    has_no_problems($nginx);
}

undef $nginx;
done_testing();
