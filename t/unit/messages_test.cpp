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

MessagesFile read(std::string_view json) {
    auto read = read_messages(json, "ar");
    const auto* error = std::get_if<MessagesError>(&read);
    check(error == nullptr, error == nullptr ? "" : error->problem);
    return std::get<MessagesFile>(std::move(read));
}

void reads_a_file(void**) {
    const auto file = read(R"({"dir":"rtl","log_in":"دخول","email":"x"})");
    check_bytes(file.messages.lang, "ar");
    check_bytes(file.messages.dir, "rtl");
    check_bytes(file.messages.log_in, "دخول");
    check_bytes(file.messages.password, english().password);
    check(file.missing.size() == 18 && file.missing.front() == "password");
    check_bytes(read("\xef\xbb\xbf{\"log_in\": \"x\"}\r\n").messages.log_in,
                "x");
    check_bytes(read("{}").messages.dir, "ltr");
    const std::string longest(max_message, 'x');
    check_bytes(read("{\"log_in\":\"" + longest + "\"}").messages.log_in,
                longest);
}

void refuses_what_is_none(void**) {
    const struct {
        std::string json;
        std::size_t line;
        const char* problem;
    } rows[] = {
        {"", 1, "it is not well-formed JSON in UTF-8"},
        {"{", 1, "it is not well-formed JSON in UTF-8"},
        {"[]", 1, "it is not a JSON object of strings"},
        {"\n\"x\"", 2, "it is not a JSON object of strings"},
        {"\n\n null", 3, "it is not a JSON object of strings"},
        {"{\"log_in\":1}", 1, "\"log_in\" must be a string"},
        {"{\"log_in\":null}", 1, "\"log_in\" must be a string"},
        {"{\n\"log_in\": \"x\",\n\"email\": {\n}}", 3,
         "\"email\" must be a string"},
        {"{\n\"email\": [\n\"x\"]}", 2, "\"email\" must be a string"},
        {"{\n\n\"log_in\": \"\"}", 3, "\"log_in\" is empty"},
        {"{\"log_in\": \"x\",\n\n\"login\": \"x\"\n}", 3,
         "unknown key \"login\""},
        {"{\"lang\": \"de\"}", 1, "unknown key \"lang\""},
        {"{\"log_in\": \"x\",\n\"log_in\": \"y\"}", 2,
         "\"log_in\" is given twice"},
        {"{\n\"dir\": \"up\"}", 2, "\"dir\" must be \"ltr\" or \"rtl\""},
        {"{\n\"log_in\": \"x\"\n\"email\": \"y\"}", 3,
         "it is not well-formed JSON in UTF-8"},
        {"{\n\"log_in\": \"x\ny\"}", 2, "it is not well-formed JSON in UTF-8"},
        {"{\n\n\n\"log_in\": \"\xff\"}", 4,
         "it is not well-formed JSON in UTF-8"},
        {"{\"log_in\": \"x\"}\n}", 2, "it is not well-formed JSON in UTF-8"},
        {bytes("{\"log_in\": \"x\"}\0"), 1,
         "it is not well-formed JSON in UTF-8"},
        {"{\"log_in\":\"" + std::string(max_message + 1, 'x') + "\"}", 1,
         "\"log_in\" is longer than 512 bytes"},
    };
    for (const auto& row : rows) {
        const auto read = read_messages(row.json, "de");
        const auto* error = std::get_if<MessagesError>(&read);
        check(error != nullptr, row.json);
        check_bytes(error->problem, row.problem, row.json);
        check(error->line == row.line,
              row.json + " line " + std::to_string(error->line));
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
