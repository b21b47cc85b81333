// Owning pointers for libpq's objects, and its error messages made fit for a
// log.
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

// The results that the module expects from the server.
enum class Answer {
    end,  // of a command
    rows,
    error,
    aborted,  // not executed: a command before it, in the same sync, failed
    sync,
    senseless,  // any other, such as COPY, which libpq returns forever
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

// A field of an error, on one line: it is logged, and may quote user input.
inline std::string error_field(const PGresult* result, int field) {
    const char* value = PQresultErrorField(result, field);
    std::string text = value ? value : "";
    std::replace_if(text.begin(), text.end(), is_control, ' ');
    return text;
}

// A message of libpq on one line. libpq writes a line for each host, indents
// some of them with tabs, and ends the last one with a line feed.
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
