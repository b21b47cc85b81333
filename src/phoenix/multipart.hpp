// multipart/form-data (RFC 7578) of a login's size, read in place.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// The boundary in a Content-Type's parameters, quoted or not; nullopt: none,
// or one that RFC 2046 does not allow.
[[nodiscard]] std::optional<std::string> multipart_boundary(
    std::string_view content_type);

struct Part {
    std::string_view name;   // as it stands between its quotes
    std::string_view value;  // to the byte
    bool is_file = false;    // it has a filename
};

// Takes the parts from a body one by one. Nothing may stand before the first
// delimiter or, but for a line's end, after the last.
class MultipartReader {
  public:
    MultipartReader(std::string_view body, std::string_view boundary);

    // nullopt: no part is left, or the body is malformed.
    [[nodiscard]] std::optional<Part> next();
    // After a nullopt: the last delimiter was read.
    [[nodiscard]] bool is_whole() const { return whole_; }

  private:
    [[nodiscard]] std::optional<std::string_view> take_line();

    std::string_view rest_;  // behind "\r\n" of the last delimiter
    std::string delimiter_;  // with its line's begin: "\r\n--boundary"
    bool whole_ = false;
    bool readable_ = false;
};

}  // namespace sigra::phoenix
