// A query between submit() and its answer.
#pragma once

#include <cstdint>
#include <list>

#include "postgres/pool.hpp"

namespace sigra::postgres {

class Connection;
struct Entry;

// Lives in one list of the pool from submit() until done() has run; lists
// give up their nodes by splice, so that nothing is allocated on the way.
struct Pending {
    Query query;
    Milliseconds deadline{0};
    Work work = Work::lookup;
    bool write = false;
    unsigned sends = 0;
    // What goes under one sync with it: 0 whatever else is there, otherwise
    // those of this number alone, for an error is theirs too.
    std::uint64_t group = 0;
    bool together = false;         // is in flight in a statement with others
    bool repaired = false;         // was repeated once with fresh statements
    std::uint64_t generation = 0;  // of the statements it was sent with
    Connection* connection = nullptr;  // on which it is in flight
    std::uint64_t era = 0;             // that connection's
    Outcome outcome;
    std::list<Pending>::iterator self;
    std::list<Entry>::iterator entry;
};

// What a connection expects an answer to, in order; while it waits for a
// connection, a query's entry stands in a list of the pool.
struct Entry {
    enum class Kind {
        query,
        first,  // the query that follows, sent twice
        many,   // the lookups that follow, in one statement
        prepare,
        check,
        check_login,
        catalog,
        fact,  // whether a condition or an attribute means anything
        setting,
        identity,
        sync
    };
    Kind kind;
    std::size_t layout = 0;
    Statement statement = Statement::lookup;
    Pending* pending = nullptr;  // kind query
    std::size_t fact = 0;        // kind fact: conditions first, then attributes
    std::size_t count = 0;       // kind many: how many follow
};
using Entries = std::list<Entry>;

}  // namespace sigra::postgres
