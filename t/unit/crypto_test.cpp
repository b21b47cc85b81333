#include "phoenix/crypto.hpp"

#include <set>

#include "phoenix/encoding.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

std::string hash_of(std::string_view text) {
    const auto hash = sha256(text);
    return hex_encode({hash.data(), hash.size()});
}

void hashes(void**) {
    check_bytes(hash_of(""),
                "e3b0c44298fc1c149afbf4c8996fb924"
                "27ae41e4649b934ca495991b7852b855");
    check_bytes(hash_of("abc"),
                "ba7816bf8f01cfea414140de5dae2223"
                "b00361a396177a9cb410ff61f20015ad");
    check(hash_of(bytes("a\0b")) != hash_of("a"));
}

// hashlib.pbkdf2_hmac(digest, b"secret", b"salt", iterations, length)
void derives_keys(void**) {
    struct {
        KeyOptions options;
        const char* key;
    } const cases[] = {
        {{},
         "a8df899f3c4f204d967e0ad63c092987c10055ebb017b3d9d28add218d4f7aad"},
        {{.iterations = 2, .length = 20},
         "f92f45f9df4c2aeabae1ed3c16f7b64660c1f8e3"},
        {{.iterations = 1000, .length = 48, .digest = Digest::sha384},
         "c6e17f0cc36969c0935de75e73fb668be5d5dfba7bb40b60"
         "38829d3dbb563a2141d5ec44a41c98d079270a0cdce864a5"},
        {{.iterations = 1, .length = 64, .digest = Digest::sha512},
         "960954f984526ec2bc8899dcf5a555d63beac13778468a2503db5611391320c8"
         "4452e778d3c9e756f01bcc7a7a65ea0629a277557bfc8e950012309cf28d8926"},
    };
    for (const auto& row : cases)
        check_bytes(hex_encode(derive_key("secret", "salt", row.options)),
                    row.key);
}

void refuses_to_derive_nothing(void**) {
    for (const KeyOptions& options :
         {KeyOptions{.iterations = 0}, KeyOptions{.iterations = -1},
          KeyOptions{.length = 0}})
        check(derive_key("secret", "salt", options).empty());
}

void random_bytes_differ(void**) {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i)
        seen.insert(random_bytes(18));
    assert_int_equal(seen.size(), 1000);
    assert_int_equal(random_bytes(32).size(), 32);
    check(random_bytes(0).empty());
}

void compares(void**) {
    check(equal_constant_time("", ""));
    check(equal_constant_time("abc", "abc"));
    check(!equal_constant_time("abc", "abd"));
    check(!equal_constant_time("abc", "bbc"));
    check(!equal_constant_time("abc", "ab"));
    check(!equal_constant_time("", "a"));
    check(!equal_constant_time(bytes("a\0b"), bytes("a\0c")));
}

// Reads the storage that the string still owns, beyond its end.
void wipes_all_of_the_storage(void**) {
    for (const std::size_t size : {0, 5, 15, 16, 1000}) {
        std::string secret(size, 's');
        secret.resize(size / 2);
        wipe(secret);
        check(secret.empty());
        const char* storage = secret.data();
        for (std::size_t i = 0; i < secret.capacity(); ++i)
            assert_int_equal(storage[i], 0);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(hashes),
        cmocka_unit_test(derives_keys),
        cmocka_unit_test(refuses_to_derive_nothing),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(compares),
        cmocka_unit_test(wipes_all_of_the_storage),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
