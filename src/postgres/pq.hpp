// libpq's objects as values, and what may be said of its errors.
#pragma once

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sigra::postgres {

struct Finish {
    void operator()(PGconn* conn) const noexcept { PQfinish(conn); }
};
struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ConnPtr = std::unique_ptr<PGconn, Finish>;
using ResultPtr = std::unique_ptr<PGresult, Clear>;

// What may follow a question of ours.
enum class Answer {
    end,  // of a command
    rows,
    error,
    aborted,  // an error before it, in the same sync
    sync,
    senseless,  // COPY, say: libpq repeats that for ever
};

inline Answer answer_of(const PGresult* result) {
    switch (PQresultStatus(result)) {
        case PGRES_COMMAND_OK:
            return Answer::end;
        case PGRES_TUPLES_OK:
            return Answer::rows;
        case PGRES_FATAL_ERROR:
            return Answer::error;
        case PGRES_PIPELINE_ABORTED:
            return Answer::aborted;
        case PGRES_PIPELINE_SYNC:
            return Answer::sync;
        default:
            return Answer::senseless;
    }
}

inline bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// A message may quote what a user has typed, and goes to a log: it is one line.
inline std::string error_field(const PGresult* result, int field) {
    const char* value = PQresultErrorField(result, field);
    std::string text = value ? value : "";
    std::replace_if(text.begin(), text.end(), is_control, ' ');
    return text;
}

// One line: libpq ends messages with a line feed, has one for each host, and
// indents what it adds.
inline std::string one_line(const char* message) {
    std::string line;
    for (; *message; message++) {
        if (*message == '\n') {
            line += message[1] ? "; " : "";
        } else if (*message != '\t') {
            line += is_control(*message) ? ' ' : *message;
        }
    }
    return line;
}

}  // namespace sigra::postgres
