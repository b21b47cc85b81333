// One spelling for terms that are equal in Erlang, for term_check.cpp alone.
#pragma once

#include <string>

#include "phoenix/term_head.hpp"

namespace sigra::phoenix::term {

// Erlang's =:= as equality of bytes: equal leaves are written alike, and no
// form is the beginning of another. A binary is its own form. `bytes`: what
// `head` was read from.
void write_canonical_leaf(std::string& out, const Head& head,
                          std::string_view bytes);

}  // namespace sigra::phoenix::term
