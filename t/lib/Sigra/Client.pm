package Sigra::Client;

use v5.14;
use strict;
use warnings;

use HTTP::Tiny;
use Sigra::Phoenix ();

# As much of a browser as the tests need: it keeps cookies, and follows no redirects. The timeout is for an answer that
# never comes, not for a late one.
#
#     my $client = Sigra::Client->new(port => 1984, headers => {...});
#     my $answer = $client->post('/users/log-in', {'user[email]' => ...}, {accept => ...});
#     $answer->{status}, $answer->{content}, $answer->{headers}{location}, $answer->{cookies}{NAME}{path}
#     $client->session->{user_token}

sub new {
    my ($class, %option) = @_;
    return bless {
        base    => 'http://' . ($option{address} // '127.0.0.1') . ":$option{port}",
        headers => $option{headers} // {},
        jar     => $option{cookies} // {},
        http    => HTTP::Tiny->new(max_redirect => 0, keep_alive => 0, timeout => $option{timeout} // 120, proxy => undef),
    }, $class;
}

sub get    { my $self = shift; return $self->request(GET => @_) }
sub post   { my $self = shift; return $self->request_form(POST   => @_) }
sub delete { my $self = shift; return $self->request_form(DELETE => @_) }

# A form is a hash, an array of pairs if a name occurs twice, or the body's text.
sub request_form {
    my ($self, $method, $path, $form, $headers) = @_;
    my %headers = ('content-type' => 'application/x-www-form-urlencoded', %{ $headers // {} });
    my $body = ref $form ? $self->{http}->www_form_urlencode($form) : $form // '';
    return $self->request($method, $path, \%headers, $body);
}
sub request {
    my ($self, $method, $path, $headers, $body) = @_;
    my %headers = (%{ $self->{headers} }, %{ $headers // {} });
    $headers{cookie} //= join '; ', map { "$_=$self->{jar}{$_}" } sort keys %{ $self->{jar} } if %{ $self->{jar} };
    my %option = (headers => \%headers);
    $option{content} = $body if defined $body;
    my $answer = $self->{http}->request($method, $self->{base} . $path, \%option);

    my $lines = $answer->{headers}{'set-cookie'} // [];
    $answer->{cookies} = Sigra::Phoenix::parse_set_cookies(ref $lines ? @$lines : $lines);
    while (my ($name, $cookie) = each %{ $answer->{cookies} }) {
        if (($cookie->{'max-age'} // 1) <= 0) { CORE::delete $self->{jar}{$name} }
        else                                  { $self->{jar}{$name} = $cookie->{value} }
    }
    return $answer;
}

sub unescaped {
    my ($text) = @_;
    my $character = { amp => '&', lt => '<', gt => '>', quot => '"', '#39' => "'" };
    return $text =~ s/&(amp|lt|gt|quot|#39);/$character->{$1}/gr;
}

# Fills in the page's form and sends it; fields that are not given keep the page's values.
sub submit {
    my ($self, $path, $fields, $headers) = @_;
    my $page = $self->get($path);
    my %form;
    while ($page->{content} =~ /<input([^>]*)>/g) {
        my %attribute;
        my $text = $1;
        $attribute{$1} = unescaped($2 // '') while $text =~ /([\w-]+)(?:="([^"]*)")?/g;
        my $name = $attribute{name} // next;
        $form{$name} = $attribute{value} // '' unless ($attribute{type} // '') =~ /^(?:checkbox|submit)$/;
    }
    return $self->post($path, { %form, %$fields }, $headers);
}

# The cookies by name; «use_cookie» takes NAME=VALUE.
sub cookies { return $_[0]{jar} }

sub use_cookie {
    my ($self, @pairs) = @_;
    for (@pairs) { my ($name, $value) = split /=/, $_, 2; $self->{jar}{$name} = $value }
    return $self;
}

sub session {
    my ($self, %option) = @_;
    return Sigra::Phoenix::open_session($self->{jar}{ $option{name} // Sigra::Phoenix::session_cookie_name() }, %option);
}

1;
