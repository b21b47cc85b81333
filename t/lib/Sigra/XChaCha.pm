package Sigra::XChaCha;

# XChaCha20-Poly1305 in plain Perl, slow and only for tests: seal and open, with a key of 32 bytes and a nonce of 24.

use v5.14;
use strict;
use warnings;

use Exporter qw(import);
use Math::BigInt;

our @EXPORT_OK = qw(seal open_sealed);

my @rounds = ([0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
              [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]);

sub permute {
    my @x = @_;
    my $mix = sub {
        my ($a, $b, $d, $shift) = @_;
        $x[$a] = ($x[$a] + $x[$b]) & 0xffffffff;
        my $word = $x[$d] ^ $x[$a];
        $x[$d] = (($word << $shift) | ($word >> (32 - $shift))) & 0xffffffff;
    };
    for (1 .. 10) {
        for (@rounds) {
            my ($a, $b, $c, $d) = @$_;
            $mix->($a, $b, $d, 16);
            $mix->($c, $d, $b, 12);
            $mix->($a, $b, $d, 8);
            $mix->($c, $d, $b, 7);
        }
    }
    return @x;
}

sub start { return unpack('V4', 'expand 32-byte k'), unpack('V12', $_[0] . $_[1]) }

# HChaCha20: derives a key for these 16 bytes of the nonce.
sub subkey {
    my ($key, $nonce) = @_;
    return pack 'V8', (permute(start($key, $nonce)))[0 .. 3, 12 .. 15];
}

sub block {
    my ($key, $counter, $nonce) = @_;
    my @start = start($key, pack('V', $counter) . $nonce);
    my @end   = permute(@start);
    return pack 'V16', map { ($start[$_] + $end[$_]) & 0xffffffff } 0 .. 15;
}

sub stream {
    my ($key, $nonce, $text) = @_;
    my $pad = join '', map { block($key, $_, $nonce) } 1 .. int((length($text) + 63) / 64);
    return $text ^ substr $pad, 0, length $text;
}

sub little_endian { return Math::BigInt->from_hex(unpack('H*', scalar reverse $_[0]) || '0') }

sub poly1305 {
    my ($key, $text) = @_;
    my $r = little_endian(substr $key, 0, 16)->band(Math::BigInt->from_hex('0ffffffc0ffffffc0ffffffc0fffffff'));
    my $p = Math::BigInt->new(2)->bpow(130)->bsub(5);
    my $sum = Math::BigInt->new(0);
    $sum->badd(little_endian("$_\x01"))->bmul($r)->bmod($p) for unpack '(a16)*', $text;
    $sum->badd(little_endian(substr $key, 16));
    return substr reverse(pack 'H*', substr('0' x 34 . $sum->to_hex, -34)), 0, 16;
}

sub tag {
    my ($key, $nonce, $data, $sealed) = @_;
    my $padded = sub { $_[0] . "\0" x (-length($_[0]) % 16) };
    return poly1305(block($key, 0, $nonce),
        $padded->($data) . $padded->($sealed) . pack 'Q<Q<', length $data, length $sealed);
}

# Both: the key and nonce of the inner cipher.
sub inner { return subkey($_[0], substr $_[1], 0, 16), "\0" x 4 . substr $_[1], 16, 8 }

sub seal {
    my ($key, $nonce, $data, $text) = @_;
    ($key, $nonce) = inner($key, $nonce);
    my $sealed = stream($key, $nonce, $text);
    return ($sealed, tag($key, $nonce, $data, $sealed));
}

sub open_sealed {
    my ($key, $nonce, $data, $sealed, $tag) = @_;
    ($key, $nonce) = inner($key, $nonce);
    return undef unless tag($key, $nonce, $data, $sealed) eq $tag;
    return stream($key, $nonce, $sealed);
}

1;
