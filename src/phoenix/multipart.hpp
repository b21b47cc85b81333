// A reader of multipart/form-data (RFC 7578) for small bodies. It returns views
// into the body.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// The boundary from a Content-Type header, quoted or not. nullopt if there is
// none, or one that RFC 2046 does not allow.
[[nodiscard]] std::optional<std::string> multipart_boundary(
    std::string_view content_type);

struct Part {
    std::string_view name;   // the text between its quotes, not decoded
    std::string_view value;  // unchanged
    bool is_file = false;    // it has a filename
};

// Reads the parts of a body one by one. The body must begin with a delimiter,
// and only a line end may follow the last one.
class MultipartReader {
  public:
    MultipartReader(std::string_view body, std::string_view boundary);

    // Returns nullopt if there are no more parts, or the body is malformed.
    [[nodiscard]] std::optional<Part> next();
    // After next() returned nullopt: true if the body was read to its end.
    [[nodiscard]] bool is_whole() const { return whole_; }

  private:
    [[nodiscard]] std::optional<std::string_view> take_line();

    std::string_view rest_;  // what follows the last delimiter
    std::string delimiter_;  // with the line end before it: "\r\n--boundary"
    bool whole_ = false;
    bool readable_ = false;
};

}  // namespace sigra::phoenix
