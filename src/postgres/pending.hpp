// A query between submit() and its answer.
#pragma once

#include <cstdint>
#include <list>

#include "postgres/pool.hpp"

namespace sigra::postgres {

class Connection;
struct Entry;

// Lives in one list of the pool from submit() until done() has run. It moves
// from list to list with splice(), which allocates nothing and so cannot fail.
struct Pending {
    Query query;
    Milliseconds deadline{0};
    Work work = Work::lookup;
    bool write = false;
    unsigned sends = 0;  // how often it was sent
    // Which queries may share its sync: 0, any others that have 0; otherwise,
    // only those of the same group. An error in a sync aborts all after it.
    std::uint64_t group = 0;
    bool together = false;         // is in flight in a statement with others
    bool repaired = false;         // was repeated once with fresh statements
    std::uint64_t generation = 0;  // of the statements it was sent with
    Connection* connection = nullptr;  // on which it is in flight
    std::uint64_t era = 0;  // of the connection that it was last sent on
    Outcome outcome;
    std::list<Pending>::iterator self;
    std::list<Entry>::iterator entry;
};

// One answer that a connection expects. A connection keeps its entries in the
// order in which they were sent. A query that waits for a connection has its
// entry in a list of the pool.
struct Entry {
    enum class Kind {
        query,
        first,  // the first execution of a query that is sent twice
        many,   // one statement for the lookups that follow
        prepare,
        check,        // prepares the lookup, to see whether it is valid
        check_login,  // the same for the statement of a login
        catalog,
        fact,  // checks whether a condition or an attribute is valid
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
