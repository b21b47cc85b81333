package Sigra::Phoenix;

use v5.14;
use strict;
use warnings;

use Digest::SHA qw(sha256 hmac_sha256 hmac_sha384 hmac_sha512);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64 encode_base64url decode_base64url);
use Sigra::XChaCha ();
use Time::HiRes qw(time);

our @EXPORT = qw(
    secret_key_base signing_salt encryption_salt session_cookie_name remember_me_cookie_name
    atom integer tuple float encode_term decode_term
    derive_key sign verify encrypt decrypt
    session_cookie open_session live_socket_id remember_me_cookie open_remember_me
    random_bytes csrf_state csrf_mask csrf_unmask
    parse_set_cookies
    pbkdf2_hash bcrypt_hash argon2id_hash
);

# The application of the test vectors.
use constant {
    secret_key_base         => 'vBOsNrMq1LxXVOjdTdhk7z4479BNSRiVzHZ9OSttHiyJ3IlAZXbqoDy4Ok9PEpTa',
    signing_salt            => 'iLejisiU',
    encryption_salt         => 'XtRbWVqw',
    session_cookie_name     => '_my_app_key',
    remember_me_cookie_name => '_my_app_user_remember_me',
};

my %hmac      = (sha256 => \&hmac_sha256, sha384 => \&hmac_sha384, sha512 => \&hmac_sha512);
my %protected = (sha256 => 'SFMyNTY', sha384 => 'SFMzODQ', sha512 => 'SFM1MTI');

sub random_bytes {
    my ($count) = @_;
    open my $in, '<:raw', '/dev/urandom' or die "/dev/urandom: $!";
    read($in, my $bytes, $count) == $count or die "/dev/urandom: $!";
    return $bytes;
}

# Terms: a string is a binary, a hash a map with binary keys, an array a list; functions make the others.
sub atom    { Sigra::Phoenix::Term->new(atom    => @_) }
sub integer { Sigra::Phoenix::Term->new(integer => @_) }
sub float   { Sigra::Phoenix::Term->new(float   => @_) }
sub tuple   { Sigra::Phoenix::Term->new(tuple   => [@_]) }

sub encode_term { return chr(131) . encode_value($_[0]) }

sub encode_value {
    my ($value) = @_;
    if (ref $value eq 'HASH') {
        return 't' . pack('N', scalar keys %$value)
            . join '', map { encode_value($_) . encode_value($value->{$_}) } sort keys %$value;
    }
    if (ref $value eq 'ARRAY') {
        return 'j' unless @$value;
        return 'l' . pack('N', scalar @$value) . join('', map { encode_value($_) } @$value) . 'j';
    }
    return 'm' . pack('N/a*', $value) unless ref $value;
    my ($type, $content) = @$value{qw(type value)};
    return 'w' . pack('C/a*', $content) if $type eq 'atom';
    return 'k' . pack('n/a*', $content) if $type eq 'charlist';
    return 'F' . pack('d>', $content)   if $type eq 'float';
    return 'n' . pack('Ca*', length($content) - 1, $content) if $type eq 'bignum';    # sign and magnitude
    return 'h' . pack('C', scalar @$content) . join '', map { encode_value($_) } @$content if $type eq 'tuple';
    return 'a' . chr $content          if $content >= 0 && $content < 256;
    return 'b' . pack('l>', $content) if $content >= -2**31 && $content < 2**31;
    my $magnitude = pack('Q<', abs $content) =~ s/\0+\z//r;
    return 'n' . pack('CC', length $magnitude, $content < 0) . $magnitude;
}

sub decode_term {
    my ($bytes) = @_;
    $bytes =~ s/\A\x83// or die "not an external term\n";
    my $value = decode_value(\$bytes);
    length $bytes and die "bytes after the term\n";
    return $value;
}

sub take {
    my ($bytes, $count) = @_;
    length $$bytes >= $count or die "the term is cut short\n";
    return substr $$bytes, 0, $count, '';
}

sub decode_value {
    my ($bytes) = @_;
    my $number = sub { unpack $_[0], take($bytes, $_[1]) };
    my $tag = take($bytes, 1);
    return take($bytes, $number->('N', 4)) if $tag eq 'm';
    if ($tag eq 't') {
        my %map;
        for (1 .. $number->('N', 4)) {
            my $key = decode_value($bytes);
            exists $map{$key} and die "a key stands twice: $key\n";
            $map{$key} = decode_value($bytes);
        }
        return \%map;
    }
    return [] if $tag eq 'j';
    if ($tag eq 'l') {
        my @list = map { decode_value($bytes) } 1 .. $number->('N', 4);
        take($bytes, 1) eq 'j' or die "an improper list\n";
        return \@list;
    }
    return atom(take($bytes, $number->('C', 1)))       if $tag eq 'w' || $tag eq 's';
    return atom(take($bytes, $number->('n', 2)))       if $tag eq 'd' || $tag eq 'v';
    return integer($number->('C', 1))                  if $tag eq 'a';
    return integer($number->('l>', 4))                 if $tag eq 'b';
    return float($number->('d>', 8))                   if $tag eq 'F';
    return Sigra::Phoenix::Term->new(charlist => take($bytes, $number->('n', 2))) if $tag eq 'k';
    return tuple(map { decode_value($bytes) } 1 .. $number->('C', 1)) if $tag eq 'h';
    return tuple(map { decode_value($bytes) } 1 .. $number->('N', 4)) if $tag eq 'i';
    if ($tag eq 'n' || $tag eq 'o') {
        my $size = $tag eq 'n' ? $number->('C', 1) : $number->('N', 4);
        my $negative = $number->('C', 1);
        my $magnitude = take($bytes, $size);
        $size <= 8 or return Sigra::Phoenix::Term->new(bignum => pack 'Ca*', $negative, $magnitude);
        my $value = unpack 'Q<', $magnitude . "\0" x (8 - $size);
        return integer($negative ? -$value : $value);
    }
    die 'a term of tag ' . ord($tag) . "\n";
}

# PBKDF2, with the options of the session cookie: iterations, length, digest.
sub derive_key {
    my ($secret, $salt, %option) = @_;
    my $digest     = $option{digest} // 'sha256';
    my $iterations = $option{iterations} // 1000;
    my $length     = $option{length} // 32;
    state %known;
    return $known{ join "\0", $secret, $salt, $digest, $iterations, $length } //= do {
        my $key = '';
        for (my $block = 1; length $key < $length; $block++) {
            my $sum = my $last = $hmac{$digest}->($salt . pack('N', $block), $secret);
            $sum ^= $last = $hmac{$digest}->($last, $secret) for 2 .. $iterations;
            $key .= $sum;
        }
        substr $key, 0, $length;
    };
}

sub sign {
    my ($payload, $key, $digest) = @_;
    $digest //= 'sha256';
    my $message = "$protected{$digest}." . encode_base64url($payload);
    return "$message." . encode_base64url($hmac{$digest}->($message, $key));
}

sub verify {
    my ($message, $key) = @_;
    my ($head, $payload, $signature) = ($message // '') =~ /\A([\w-]+)\.([\w-]*)\.([\w-]+)\z/ or return undef;
    my ($digest) = grep { $protected{$_} eq $head } keys %protected or return undef;
    return undef unless encode_base64url($hmac{$digest}->("$head.$payload", $key)) eq $signature;
    return decode_base64url($payload);
}

my $encrypted = 'A128GCM';    # the additional authenticated data that Plug uses

sub encrypt {
    my ($payload, $key) = @_;
    my $iv = random_bytes(24);
    my ($sealed, $tag) = Sigra::XChaCha::seal($key, $iv, $encrypted, $payload);
    return 'XCP.' . encode_base64url($iv . $tag . $sealed);
}

sub decrypt {
    my ($message, $key) = @_;
    my ($text) = ($message // '') =~ /\AXCP\.([\w-]+)\z/ or return undef;
    my ($iv, $tag, $sealed) = unpack 'a24a16a*', decode_base64url($text);
    return Sigra::XChaCha::open_sealed($key, $iv, $encrypted, $sealed, $tag);
}

# With an encryption_salt, the session is encrypted and the signing_salt is not used.
sub key_of_session {
    my (%option) = @_;
    return derive_key(
        $option{secret_key_base} // secret_key_base, $option{encryption_salt} // $option{signing_salt} // signing_salt,
        map { exists $option{"key_$_"} ? ($_ => $option{"key_$_"}) : () } qw(iterations length digest)
    );
}

sub session_cookie {
    my ($session, %option) = @_;
    my $payload = ref $session ? encode_term($session) : $session;
    my $key = key_of_session(%option);
    return join '=', $option{name} // session_cookie_name,
        defined $option{encryption_salt} ? encrypt($payload, $key) : sign($payload, $key, $option{digest});
}

# A cookie's value without its name and attributes.
sub value_of { return ($_[0] // '') =~ s/\A[^=;]*=//r =~ s/;.*//sr }

sub open_session {
    my ($cookie, %option) = @_;
    my $open    = defined $option{encryption_salt} ? \&decrypt : \&verify;
    my $payload = $open->(value_of($cookie), key_of_session(%option)) // return undef;
    return $option{bytes} ? $payload : decode_term($payload);
}

# Like Elixir's Base.url_encode64: with padding.
sub live_socket_id {
    my ($token, $plural) = @_;
    return ($plural // 'users') . '_sessions:' . encode_base64($token, '') =~ tr{+/}{-_}r;
}

sub key_of_remember_me {
    my (%option) = @_;
    return derive_key($option{secret_key_base} // secret_key_base, ($option{name} // remember_me_cookie_name) . '_cookie');
}

# max_age is in seconds; signed_age is how long ago it was signed. «term» replaces the whole payload.
sub remember_me_cookie {
    my ($token, %option) = @_;
    my $signed_at = int((time - ($option{signed_age} // 0)) * 1000);
    my $max_age   = $option{max_age} // 60 * 86400;
    my $term = $option{term} // tuple($token, integer($signed_at), ref $max_age ? $max_age : integer($max_age));
    return ($option{name} // remember_me_cookie_name) . '=' . sign(encode_term($term), key_of_remember_me(%option));
}

sub open_remember_me {
    my ($cookie, %option) = @_;
    my $payload = verify(value_of($cookie), key_of_remember_me(%option)) // return undef;
    return decode_term($payload);
}

sub csrf_state { return encode_base64url(random_bytes(18)) }

sub csrf_mask {
    my ($state) = @_;
    my $mask = csrf_state();
    return encode_base64url($state ^ $mask) . $mask;
}

sub csrf_unmask {
    my ($token) = @_;
    return undef unless length($token // '') == 56;
    return decode_base64url(substr $token, 0, 32) ^ substr $token, 32;
}

# Parses raw headers or a list of Set-Cookie values: {name => {value, path, 'max-age', secure => 1, …}}. Names of
# attributes are in lower case; the last cookie of a name is used, «count» is how many there were.
sub parse_set_cookies {
    my %cookies;
    for my $line (map { /^Set-Cookie:/mi ? /^Set-Cookie:[ \t]*([^\r\n]*)/gmi : /\A[\w-]+:|\AHTTP\// ? () : $_ } @_) {
        my ($pair, @attributes) = split /;\s*/, $line;
        my ($name, $value) = split /=/, $pair, 2;
        my %cookie = (value => $value, count => 1 + ($cookies{$name} ? $cookies{$name}{count} : 0));
        for my $attribute (@attributes) {
            my ($key, $content) = split /=/, $attribute, 2;
            $cookie{ lc $key } = $content // 1;
        }
        $cookies{$name} = \%cookie;
    }
    return \%cookies;
}

# In the format of pbkdf2_elixir.
sub pbkdf2_hash {
    my ($password, %option) = @_;
    my ($digest, $rounds, $salt) = ($option{digest} // 'sha512', $option{rounds} // 100, random_bytes(16));
    my $hash = derive_key($password, $salt, iterations => $rounds, length => $digest eq 'sha512' ? 64 : 32, digest => $digest);
    return join '$', '', "pbkdf2-$digest", $rounds, map { encode_base64($_, '') =~ tr/+/./r =~ s/=+\z//r } $salt, $hash;
}

# With libcrypt, by default with the lowest cost.
sub bcrypt_hash {
    my ($password, $cost) = @_;
    state $alphabet = join '', './', 'A' .. 'Z', 'a' .. 'z', '0' .. '9';
    my $salt = join '', map { substr $alphabet, ord($_) & 63, 1 } split //, random_bytes(21);
    return crypt $password, sprintf '$2b$%02d$%s', $cost // 4, $salt . 'u' || die 'libcrypt has no bcrypt';
}

# For the password «correct horse battery staple»: quick to check, unless Sigra's own parameters are given.
my %argon2id = (
    quick => q($argon2id$v=19$m=1024,t=1,p=1$c2lncmF0ZXN0c2FsdDE2Yg$Z47uJ0Lg/emeU1vD7sZx088ojzZVfRORRGCR1zxAIgE),
    sigra => q($argon2id$v=19$m=65536,t=3,p=4$c2lncmF0ZXN0c2FsdDE2Yg$hlYgDxcHSxIHT9e8QHdIhCarMZJp9qcP6fzO3o2vnwU),
);
sub argon2id_hash { return $argon2id{ $_[0] // 'quick' } }

package Sigra::Phoenix::Term;

use overload
    '""'     => sub { $_[0]{type} eq 'tuple' ? '{' . join(', ', @{ $_[0]{value} }) . '}' : $_[0]{value} },
    '0+'     => sub { $_[0]{value} },
    '@{}'    => sub { $_[0]{value} },
    'bool'   => sub { $_[0]{type} ne 'atom' || $_[0]{value} !~ /\A(?:false|nil)\z/ },
    fallback => 1;

sub new {
    my ($class, $type, $value) = @_;
    return bless { type => $type, value => $value }, $class;
}

sub type { return $_[0]{type} }

1;
