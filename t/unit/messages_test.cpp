#include "phoenix/messages.hpp"

#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

Messages in(std::string_view lang) {
    Messages messages;
    messages.lang = lang;
    return messages;
}

void chooses_by_accept_language(void**) {
    const std::vector<Messages> offered = {in("de"), in("pt-BR"), in("fr")};
    struct {
        const char* header;
        const char* lang;
    } const rows[] = {
        {"", "en"},
        {"de", "de"},
        {"DE-at", "de"},
        {"pt", "pt-BR"},
        {"pt-PT", "pt-BR"},
        {"pt-br;q=0.9, fr;q=0.8", "pt-BR"},
        {"fr;q=0.8, pt-BR;q=0.9", "pt-BR"},
        {"en-US,en;q=0.9,de;q=0.8", "en"},
        {"nl, de;q=0.5", "de"},
        {"de;q=0, fr", "fr"},
        {"de;q=0.000", "en"},
        {"*", "en"},
        {"x; y, ,;q=1,de;q=x", "de"},
        {"del", "en"},
        {"de-", "en"},
    };
    for (const auto& row : rows)
        check_bytes(choose_messages(row.header, offered).lang, row.lang,
                    row.header);
    check_bytes(choose_messages("de", {}).lang, "en");
}

void reads_a_file(void**) {
    std::vector<std::string> missing;
    std::string error;
    const auto read = read_messages(
        R"({"dir":"rtl","log_in":"دخول","email":"x"})", "ar", missing, error);
    check(read.has_value(), error);
    check_bytes(read->lang, "ar");
    check_bytes(read->dir, "rtl");
    check_bytes(read->log_in, "دخول");
    check_bytes(read->password, english().password);
    check(missing.size() == 17 && missing.front() == "password");
}

void refuses_what_is_none(void**) {
    for (const char* json :
         {"", "[]", "{", R"({"log_in":1})", R"({"log_in":""})",
          R"({"login":"x"})", R"({"dir":"up"})", "{\"log_in\":\"\xff\"}"}) {
        std::vector<std::string> missing;
        std::string error;
        check(!read_messages(json, "de", missing, error) && !error.empty(),
              json);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(chooses_by_accept_language),
        cmocka_unit_test(reads_a_file),
        cmocka_unit_test(refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
