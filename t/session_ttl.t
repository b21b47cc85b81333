# auth_sigra_session_ttl: how long a row is valid after inserted_at, depending on the layout and the row's type.

use Test::Nginx::Socket 'no_plan';
use Sigra::Fixture;

our $day = 86400;
our %http;
our (%made, %of);    # layout => [[age, type, fixture]...]

for my $layout (qw(sigra phx_gen_auth sigra_sessions)) {
    fresh_database($layout, name => "sigra_ttl_$layout");
    $of{$layout} = database();
    $http{$layout} = sigra_http_config(extra => 'auth_sigra on; auth_sigra_unauthenticated status; auth_sigra_idle_timeout off;');
    $http{$layout} =~ s/auth_sigra_idle_timeout off;// if $layout ne 'sigra_sessions';
    for my $type ($layout eq 'sigra_sessions' ? qw(standard remember_me) : '') {
        for my $age (-3600, 0, 30, 70, 3500, 3700, map { ($_ * $day - 60, $_ * $day + 60) } 1, 14, 60) {
            push @{ $made{$layout} }, [$age, $type, authenticated_fixture(age => $age, ($type ? (type => $type) : ()))];
        }
    }
}

# Requests a path with each session of a layout. Each is set to its age just before, because ages grow while a test
# runs. Returns the longest age of each type that passed, and whether all younger ones did.
sub longest {
    my ($layout, $path) = @_;
    my %longest;
    for (sort { $a->[0] <=> $b->[0] } @{ $made{$layout} }) {
        my ($age, $type, $fixture) = @$_;
        bring_to($layout, $fixture, $age);
        my $status = client()->get($path, { cookie => $fixture->{cookie} })->{status};
        my $known = $longest{$type} //= { age => $age, over => 0 };
        if    ($status == 200 && !$known->{over}) { $known->{age} = $age }
        elsif ($status == 401)                    { $known->{over} = 1 }
        else                                      { main::fail("$path, $type, $age s old: $status") }
    }
    return join ' ', map { $longest{$_}{age} } sort { $b cmp $a } keys %longest;
}

sub bring_to {
    my ($layout, $fixture, $age) = @_;
    use_database($of{$layout});
    db()->do('UPDATE ' . database()->{tokens} . q( SET inserted_at = now() AT TIME ZONE 'utc' - ? * interval '1 second' WHERE id = ?),
        undef, $age, $fixture->{session_id});
    return;
}

our $config = '
location /hour/ { alias html/; auth_sigra_session_ttl 1h; }
location /minute/ { alias html/; auth_sigra_session_ttl 60s; }
location /two/ { alias html/; auth_sigra_session_ttl 1m remember_me=14d; }
location /inner/ { auth_sigra_session_ttl 1h; location /inner/most/ { alias html/; } location /inner/own/ { alias html/; auth_sigra_session_ttl 14d; } }';

no_shuffle();
run_tests();

__DATA__

=== TEST 1: sigra
--- http_config eval: $::http{sigra}
--- config eval: $::config
--- user_files
>>> page
for ada
--- request
GET /page
--- error_code: 401
--- flow
is(longest('sigra', '/page'), 60 * $::day - 60, 'sixty days by default');
is(longest('sigra', '/hour/page'), 3500, 'an hour');
is(longest('sigra', '/minute/page'), 30, 'a minute');
is(longest('sigra', '/inner/most/page'), 3500, 'inherited');
is(longest('sigra', '/inner/own/page'), 14 * $::day - 60, 'replaced');



=== TEST 2: phx_gen_auth
--- http_config eval: $::http{phx_gen_auth}
--- config eval: $::config
--- user_files
>>> page
for ada
--- request
GET /page
--- error_code: 401
--- flow
is(longest('phx_gen_auth', '/page'), 14 * $::day - 60, 'fourteen days by default');
is(longest('phx_gen_auth', '/hour/page'), 3500, 'an hour');



=== TEST 3: sigra_sessions
--- http_config eval: $::http{sigra_sessions}
--- config eval: $::config
--- user_files
>>> page
for ada
--- request
GET /page
--- error_code: 401
--- flow
is(longest('sigra_sessions', '/page'), join(' ', $::day - 60, 60 * $::day - 60), 'a day, and sixty with remember-me');
is(longest('sigra_sessions', '/two/page'), join(' ', 30, 14 * $::day - 60), 'each its own');
is(longest('sigra_sessions', '/hour/page'), '3500 3500', 'one for both');



=== TEST 4: the time of one location does not apply to another
--- http_config eval: $::http{sigra}
--- config
location /strict/ { auth_sigra_session_ttl 1h; }
location /lax/ { try_files /none /strict/page; auth_sigra_session_ttl 60d; }
location /back/ { alias html/strict/; auth_sigra_session_ttl 60d; error_page 404 /strict/page; }
--- user_files
>>> strict/page
for ada
--- request
GET /strict/page
--- error_code: 401
--- flow
my ($old) = map { $_->[2] } grep { $_->[0] == 3700 } @{ $::made{sigra} };
my $status = sub { client()->get($_[0], {cookie => $old->{cookie}})->{status} };
is($status->('/strict/page'), 401, 'strict');
is($status->('/back/page'), 200, 'lax');
is($status->('/lax/page'), 401, 'from a lax one into the strict');
