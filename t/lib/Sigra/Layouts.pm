package Sigra::Layouts;

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use Sigra::Fixture;

# The layouts that a test uses, each with its own database, and its own location in a single nginx.
#
#     our $locations = make_layouts('logout', 'location = PATH/log-out { auth_sigra_logout; }');
#     for my $name (layouts()) {
#         use_layout($name);                       # fixtures use its database
#         client()->delete("/$name/log-out");
#     }

our @EXPORT = qw(make_layouts layouts use_layout);

my @layouts = (
    [sigra         => 'sigra'],
    [phx           => 'phx_gen_auth'],
    [phx_17        => 'phx_gen_auth_17'],
    [sessions      => 'sigra_sessions'],
    [uuid          => 'sigra', id => 'uuid'],
    [sessions_uuid => 'sigra_sessions', id => 'uuid'],
    [admin         => 'phx_gen_auth', singular => 'admin', users => 'admins', tokens => 'admins_tokens'],
);
my %database;

# PATH in the text is replaced by the prefix of a layout's locations.
sub make_layouts {
    my ($test, $text, %option) = @_;
    my $locations = '';
    for (@layouts) {
        my ($name, $layout, @options) = @$_;
        fresh_database($layout, @options, name => "${test}_$name");
        $database{$name} = database();
        $locations .= "location /$name/ {\n" . sigra_http_config(%option) . $text =~ s{PATH}{/$name}gr . "}\n";
    }
    return $locations;
}

sub layouts { return map { $_->[0] } @layouts }

sub use_layout { use_database($database{ $_[0] }) }

# Sections can use these functions too.
{
    no strict 'refs';
    *{"Test::Base::Filter::$_"} = \&$_ for @EXPORT;
}

1;
