// A canonical encoding for terms that are equal in Erlang; only for
// term_check.cpp.
#pragma once

#include <string>

#include "phoenix/term_head.hpp"

namespace sigra::phoenix::term {

// Writes a leaf so that two of them are equal in Erlang (=:=) if and only if
// their bytes are. No encoding is a prefix of another. A binary is not changed.
// `bytes`: what `head` was read from.
void write_canonical_leaf(std::string& out, const Head& head,
                          std::string_view bytes);

}  // namespace sigra::phoenix::term
