#include "phoenix/encoding.hpp"

#include <random>

#include "phoenix/percent.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

struct Row {
    std::string bytes;
    const char* url;
    const char* padded;
    const char* hex;
};

// The examples of RFC 4648 section 10, and the two characters that differ from
// standard base64.
const Row rows[] = {
    {"", "", "", ""},
    {"f", "Zg", "Zg==", "66"},
    {"fo", "Zm8", "Zm8=", "666f"},
    {"foo", "Zm9v", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg", "Zm9vYg==", "666f6f62"},
    {"fooba", "Zm9vYmE", "Zm9vYmE=", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
    {bytes("\xfb\xff\xfe"), "-__-", "-__-", "fbfffe"},
    {bytes("\0\0\0\0"), "AAAAAA", "AAAAAA==", "00000000"},
};

void encodes_as_elixir_does(void**) {
    for (const auto& row : rows) {
        check_bytes(base64url_encode(row.bytes), row.url);
        check_bytes(base64url_encode_padded(row.bytes), row.padded);
        check_bytes(hex_encode(row.bytes), row.hex);
        check_bytes(base64url_decode(row.url), row.bytes, row.url);
    }
}

void decodes_strictly(void**) {
    const std::string refused[] = {
        "A",
        "AAAAA",
        "Zg==",
        "Zm8=",
        "=",
        "====",
        "Zm9v=",
        "+__-",
        "-//-",
        "Zm9v\n",
        " Zm9v",
        "Zm 9v",
        "Zm9v.",
        "Zg\xc3\xa9",
        "Zh",
        "Zm9",
        "Zm9vYh",
        "Zm9vYmF",
        "\xff\xff",
        "Z\xff",
        bytes("Zm\0v"),
        bytes("Zg\0\0"),
        bytes("\0"),
    };
    for (const auto& text : refused)
        check(!base64url_decode(text), text);
}

// One byte has sixteen spellings; only the one with zero bits at the end is
// accepted.
void one_spelling_alone_is_read(void**) {
    int read = 0;
    for (const char c : std::string("QRSTUVWXYZabcdef"))
        read += base64url_decode(std::string("Z") + c) ? 1 : 0;
    assert_int_equal(read, 1);
}

void what_was_encoded_decodes(void**) {
    std::mt19937 random(1);
    for (std::size_t size = 0; size < 200; ++size) {
        std::string text(size, '\0');
        for (auto& c : text)
            c = static_cast<char>(random());
        const auto encoded = base64url_encode(text);
        check_bytes(base64url_decode(encoded), text);
        const auto padded = base64url_encode_padded(text);
        assert_int_equal(padded.size() % 4, 0);
        check_bytes(padded.substr(0, encoded.size()), encoded);
    }
}

void counts_code_points(void**) {
    struct {
        std::string text;
        std::optional<std::size_t> length;
    } const cases[] = {
        {"", 0},
        {"a@b.c", 5},
        {bytes("a\0b"), 3},
        {"\xc3\xa9", 1},
        {"\xe2\x82\xac", 1},
        {"\xf0\x9f\x98\x80x", 2},
        {"\xf4\x8f\xbf\xbf", 1},
        {"\xed\x9f\xbf", 1},
        {"\xee\x80\x80", 1},
        {"\x80", {}},
        {"\xc3", {}},
        {"\xc3(", {}},
        {"\xc0\x80", {}},  // overlong
        {"\xc1\xbf", {}},
        {"\xe0\x9f\xbf", {}},
        {"\xf0\x8f\xbf\xbf", {}},
        {"\xed\xa0\x80", {}},      // a surrogate
        {"\xf4\x90\x80\x80", {}},  // past U+10FFFF
        {"\xf5\x80\x80\x80", {}},
        {"\xff", {}},
        {"\xe2\x82", {}},
        {"a\xf0\x9f\x98", {}},
    };
    for (const auto& row : cases)
        check(utf8_length(row.text) == row.length, row.text);
}

// The result decodes to the same text as a path and as a form, where a plus
// would be a space.
void percent_encoding_is_found_again(void**) {
    check_bytes(percent_encode("ada.b-c_d~e@example.com"),
                "ada.b-c_d~e@example.com");
    check_bytes(percent_encode("2026-11-24T06:02:24Z"), "2026-11-24T06:02:24Z");
    check_bytes(percent_encode("m\xc3\xbcller+x%\r\n /?&\x7f"),
                "m%C3%BCller%2Bx%25%0D%0A%20%2F%3F%26%7F");
    check_bytes(percent_encode(""), "");
    std::string every;
    for (int byte = 0; byte < 256; ++byte)
        every += static_cast<char>(byte);
    const std::string encoded = percent_encode(every);
    check_bytes(percent_decode_lax(encoded), every);
    check_bytes(form_decode(encoded).value_or(""), every);
    for (const char c : encoded)
        check(c > 0x20 && c < 0x7f, "a header can carry it");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(encodes_as_elixir_does),
        cmocka_unit_test(decodes_strictly),
        cmocka_unit_test(one_spelling_alone_is_read),
        cmocka_unit_test(what_was_encoded_decodes),
        cmocka_unit_test(counts_code_points),
        cmocka_unit_test(percent_encoding_is_found_again),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
