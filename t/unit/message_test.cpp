#include "phoenix/message.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>

#include "phoenix/encoding.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

const std::string key(32, 'k');

struct Algorithm {
    const char* name;
    const EVP_MD* md;
};
const Algorithm algorithms[] = {
    {"SFMyNTY", EVP_sha256()},
    {"SFMzODQ", EVP_sha384()},
    {"SFM1MTI", EVP_sha512()},
};

std::string mac_of(const EVP_MD* md, std::string_view with,
                   std::string_view text) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(md, with.data(), static_cast<int>(with.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac,
         &size);
    return {reinterpret_cast<const char*>(mac), size};
}

// A signed message with `encoded` in place of the payload, not encoded again.
std::string message_of(const Algorithm& algorithm, std::string_view encoded,
                       std::string_view with = key) {
    auto message = std::string(algorithm.name) + '.' + std::string(encoded);
    return message + '.' +
           base64url_encode(mac_of(algorithm.md, with, message));
}

// Made with Python's hmac.new(key, message, digest), for a key that fits a
// block and a longer one.
void verifies_what_another_implementation_signed(void**) {
    struct {
        const char* message;
        std::size_t key_size;
    } const cases[] = {
        {"SFMyNTY.cGF5bG9hZA.b_aBa00TbOJ2gTo590KJUfa680oqV9UZCby31wUnZMI", 32},
        {"SFMyNTY.cGF5bG9hZA.jsf5W_0OwzKXDHgIYvXmX6gbMtUwWOPPkSXRoC-eeQI", 200},
        {"SFMzODQ.cGF5bG9hZA.HuOKikn6dly5OpyudrcgHSewOwYxXi1aulX4DkcgPHpROdB1"
         "8Y6Q5wdKgrGjb1Di",
         32},
        {"SFMzODQ.cGF5bG9hZA.zBl058quTMlYlUrUN4zT654Yxg_eYddIaoXTaEOTxJ1G_rHz"
         "68vPEHjbpaoZOJyu",
         200},
        {"SFM1MTI.cGF5bG9hZA.rx4L8JUQ8ZB_zZpW0-5Tcz7L-1SKHeV01jxzJMf-vA7VUMUq"
         "cgmkXZY1BbmzfO_VRExz6WQqsf3PbM7L-E_OsQ",
         32},
        {"SFM1MTI.cGF5bG9hZA.O6j0w9GqEEv-e4gapU9eENFb2RgHWP9gsMiNU2PW1pUfo0qy"
         "c-O03jbaQvVS1dyzKi0nLpaXCETqSkgwXipqzw",
         200},
    };
    for (const auto& row : cases) {
        check_bytes(
            Verifier(std::string(row.key_size, 'k')).verify(row.message),
            "payload", row.message);
        check(!Verifier(key + "x").verify(row.message), row.message);
    }
}

void agrees_with_the_library_on_keys_of_all_sizes(void**) {
    for (const std::size_t size : {1, 31, 32, 63, 64, 65, 127, 128, 129, 500}) {
        const std::string with(size, 'q');
        const Verifier verifier(with);
        for (const auto& algorithm : algorithms)
            check_bytes(verifier.verify(message_of(algorithm, "cGF5", with)),
                        "pay");
        check_bytes(verifier.sign("pay"),
                    message_of(algorithms[0], "cGF5", with));
    }
}

void what_was_signed_verifies_in_any_order(void**) {
    std::mt19937 random(2);
    const Verifier verifier(key), other(std::string(32, 'o'));
    for (std::size_t size = 0; size < 300; ++size) {
        std::string payload(size, '\0');
        for (auto& c : payload)
            c = static_cast<char>(random());
        const auto message = verifier.sign(payload);
        check(!other.verify(message));
        check_bytes(verifier.verify(message), payload);
        check(!verifier.verify(message.substr(0, message.size() - 1)));
    }
}

void refuses_a_bad_form(void**) {
    const Verifier verifier(key);
    const auto good = verifier.sign("payload");
    const auto signature = good.substr(good.rfind('.') + 1);
    const auto mac = mac_of(EVP_sha256(), key, "SFMyNTY.cGF5bG9hZA");
    const std::string refused[] = {
        "",
        ".",
        "..",
        "...",
        "SFMyNTY",
        "SFMyNTY.",
        "SFMyNTY..",
        "SFMyNTY.cGF5bG9hZA",
        "SFMyNTY.cGF5bG9hZA.",
        "SFMyNTY.cGF5bG9hZA.A",
        ".cGF5bG9hZA." + signature,
        "bm9uZQ.cGF5bG9hZA.",
        "none.cGF5bG9hZA." + signature,
        "SFMzODQ.cGF5bG9hZA." + signature,
        "SFM1MTI.cGF5bG9hZA." + signature,
        "SFMyNTY=.cGF5bG9hZA." + signature,
        "sfmynty.cGF5bG9hZA." + signature,
        " " + good,
        good + " ",
        good + "=",
        good + ".",
        good + "." + signature,
        good + bytes("\0"),
        "SFMyNTY.cGF5bG9hZA." + base64url_encode_padded(mac),
        "SFMyNTY.cGF5bG9hZA." + base64url_encode(mac.substr(0, 16)),
        "SFMyNTY.cGF5bG9hZA." + base64url_encode(mac + mac),
        "SFMyNTY.cGF5bG9hZA." + mac,
        "SFMyNTY.cGF5bG9hZA." + hex_encode(mac),
        std::string(8192, '.'),
        std::string(8192, 'A'),
    };
    for (const auto& message : refused)
        check(!verifier.verify(message), message);
    check_bytes(verifier.verify(good), "payload");
}

// A signature has four spellings, because its last two bits are not used.
void reads_one_spelling_of_a_signature(void**) {
    const std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const Verifier verifier(key);
    const auto good = verifier.sign("payload");
    int read = 0;
    for (const char last : alphabet) {
        auto message = good;
        message.back() = last;
        read += verifier.verify(message) ? 1 : 0;
    }
    assert_int_equal(read, 1);
}

// A payload with a valid signature that is not base64url.
void a_signed_payload_is_still_checked(void**) {
    const Verifier verifier(key);
    for (const auto& algorithm : algorithms) {
        check_bytes(verifier.verify(message_of(algorithm, "")), "");
        for (const char* encoded : {"A", "Zg==", "Zh", "Z+", "Zm9v ", "\xff"})
            check(!verifier.verify(message_of(algorithm, encoded)), encoded);
    }
}

void an_empty_key_opens_nothing(void**) {
    const Verifier verifier("");
    check(verifier.sign("payload").empty());
    for (const auto& algorithm : algorithms)
        check(!verifier.verify(message_of(algorithm, "cGF5", "")));
    const Encryptor encryptor("");
    check(encryptor.encrypt("payload").empty());
}

void moves(void**) {
    Verifier first(key);
    const auto message = first.sign("payload");
    Verifier second(std::move(first));
    check_bytes(second.verify(message), "payload");
    Verifier third(std::string(32, 'o'));
    third = std::move(second);
    check_bytes(third.verify(message), "payload");
}

void what_was_encrypted_decrypts(void**) {
    std::mt19937 random(3);
    const Encryptor encryptor(key), other(std::string(32, 'o'));
    for (std::size_t size = 0; size < 200; ++size) {
        std::string payload(size, '\0');
        for (auto& c : payload)
            c = static_cast<char>(random());
        const auto message = encryptor.encrypt(payload);
        check_bytes(encryptor.decrypt(message), payload);
        check(!other.decrypt(message));
        check(message != encryptor.encrypt(payload));
    }
}

void refuses_a_bad_encrypted_form(void**) {
    const Encryptor encryptor(key);
    const auto good = encryptor.encrypt("payload");
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        check(!encryptor.decrypt(bad), bad);
        check(!encryptor.decrypt(good.substr(0, i)));
    }
    const auto body = good.substr(4);
    const std::string refused[] = {
        "",
        "XCP.",
        "XCP." + base64url_encode(std::string(39, '\0')),
        "XCP." + base64url_encode(std::string(40, '\0')),
        "xcp." + body,
        "XCP" + body,
        body,
        "QTEyOEdDTQ." + body,
        good + "=",
        good + ".",
        good + "A",
        Verifier(key).sign("payload"),
    };
    for (const auto& message : refused)
        check(!encryptor.decrypt(message), message);
}

void an_encryption_key_has_32_bytes(void**) {
    for (const std::size_t size : {0, 16, 31, 33, 64})
        check(Encryptor(std::string(size, 'k')).encrypt("payload").empty());
}

void a_sealer_rotates(void**) {
    Sealer before, after;
    before.add(Verifier("old"));
    after.add(Verifier("new"));
    after.add(Verifier("old"));
    check_bytes(after.open(before.seal("payload")), "payload");
    check_bytes(after.open(after.seal("payload")), "payload");
    check(!before.open(after.seal("payload")));
    check(!after.empty());
}

void a_sealer_encrypts_and_then_refuses_signed_ones(void**) {
    Sealer sealer;
    sealer.add(Encryptor(key));
    sealer.add(Encryptor(std::string(32, 'o')));
    const auto message = sealer.seal("payload");
    check(message.starts_with("XCP."));
    check_bytes(sealer.open(message), "payload");
    check_bytes(sealer.open(Encryptor(std::string(32, 'o')).encrypt("old")),
                "old");
    check(!sealer.open(Verifier(key).sign("payload")));
    sealer.add(Verifier(key));
    check(!sealer.open(Verifier(key).sign("payload")));
}

void an_empty_sealer_does_nothing(void**) {
    const Sealer sealer;
    check(sealer.empty());
    check(sealer.seal("payload").empty());
    check(!sealer.open(Verifier(key).sign("payload")));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_another_implementation_signed),
        cmocka_unit_test(agrees_with_the_library_on_keys_of_all_sizes),
        cmocka_unit_test(what_was_signed_verifies_in_any_order),
        cmocka_unit_test(refuses_a_bad_form),
        cmocka_unit_test(reads_one_spelling_of_a_signature),
        cmocka_unit_test(a_signed_payload_is_still_checked),
        cmocka_unit_test(an_empty_key_opens_nothing),
        cmocka_unit_test(moves),
        cmocka_unit_test(what_was_encrypted_decrypts),
        cmocka_unit_test(refuses_a_bad_encrypted_form),
        cmocka_unit_test(an_encryption_key_has_32_bytes),
        cmocka_unit_test(a_sealer_rotates),
        cmocka_unit_test(a_sealer_encrypts_and_then_refuses_signed_ones),
        cmocka_unit_test(an_empty_sealer_does_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
