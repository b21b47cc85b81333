#include <algorithm>
#include <utility>

#include "postgres/connection.hpp"

namespace sigra::postgres {
namespace {

constexpr std::uint32_t bytea_oid = 17;

void append_int32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift & 0xff);
    }
}

}  // namespace

// PostgreSQL's binary format of an array: number of dimensions, flags, type of
// the elements; for each dimension its length and lower bound; then each
// element with its length.
Parameter bytea_array(const std::vector<std::string_view>& elements) {
    std::string bytes;
    std::size_t size = 20;
    for (const std::string_view element : elements) {
        size += 4 + element.size();
    }
    bytes.reserve(size);
    append_int32(bytes, elements.empty() ? 0 : 1);
    append_int32(bytes, 0);
    append_int32(bytes, bytea_oid);
    if (!elements.empty()) {
        append_int32(bytes, static_cast<std::uint32_t>(elements.size()));
        append_int32(bytes, 1);
    }
    for (const std::string_view element : elements) {
        append_int32(bytes, static_cast<std::uint32_t>(element.size()));
        bytes += element;
    }
    return {std::move(bytes), /*binary=*/true};
}

void Connection::send(Entries& batch) {
    bool sent = false;
    while (!batch.empty() && life_ == Life::open) {
        Pending& pending = *batch.front().pending;
        if (const auto why = unsendable(pending); !why.empty()) {
            pending.outcome = {Status::refused, "", std::string(why), {}};
            batch.pop_front();
            owner_.answered(pending);
            continue;
        }
        if (inflight_.empty()) {
            progressed_at_ = reactor_.now();
            turned_at_ = progressed_at_;
        }
        work_ = pending.work;
        if (!send_next(batch)) {
            lose_to_libpq();
            return;
        }
        sent = true;
    }
    if (sent && !sync()) {
        lose_to_libpq();
        return;
    }
    settle();
}

// Sends the first query of the batch and those that share its statement.
bool Connection::send_next(Entries& batch) {
    const auto tokens = tokens_of(batch);
    if (tokens.size() > 1) {
        return send_together(batch, tokens);
    }
    const Query& query = batch.front().pending->query;
    if (!is_prepared(query.layout, query.statement)) {
        return false;
    }
    if (is_sent_twice(query.statement)) {
        inflight_.push_back({.kind = Entry::Kind::first});
        if (!send_statement(query.layout, query.statement, query.parameters)) {
            return false;
        }
    }
    take_entry(batch, batch.begin());
    return send_statement(query.layout, query.statement, query.parameters);
}

// Prepares the statement if it is not. Without named statements this is done
// each time, so that the server reports an invalid statement and a failing row
// as different errors. Returns false if libpq failed.
bool Connection::is_prepared(std::size_t layout, Statement statement) {
    return known(layout).prepared[static_cast<std::size_t>(statement)] ||
           prepare(layout, statement, Entry::Kind::prepare);
}

// Moves the entry to those in flight.
void Connection::take_entry(Entries& batch, Entries::iterator entry) {
    Pending& pending = *entry->pending;
    pending.generation = known(pending.query.layout).generation;
    pending.connection = this;
    pending.era = era_;
    pending.together = false;
    pending.sends++;
    queries_++;
    inflight_.splice(inflight_.end(), batch, entry);
}

bool Connection::send_statement(std::size_t layout, Statement statement,
                                const std::vector<Parameter>& parameters) {
    values_.clear();
    lengths_.clear();
    formats_.clear();
    for (const Parameter& parameter : parameters) {
        values_.push_back(parameter.bytes ? parameter.bytes->c_str() : nullptr);
        lengths_.push_back(
            parameter.bytes ? static_cast<int>(parameter.bytes->size()) : 0);
        formats_.push_back(parameter.binary ? 1 : 0);
    }
    const std::string name =
        owner_.options().prepare ? name_of(layout, statement) : "";
    return PQsendQueryPrepared(conn_.get(), name.c_str(),
                               static_cast<int>(values_.size()), values_.data(),
                               lengths_.data(), formats_.data(),
                               has_binary_rows(statement) ? 1 : 0) == 1;
}

// Returns why a query can never be sent; usually empty.
std::string_view Connection::unsendable(const Pending& pending) {
    if (sql_of(pending.query.layout, pending.query.statement).empty()) {
        return "the layout has no such statement";
    }
    for (const Parameter& parameter : pending.query.parameters) {
        // libpq would cut the text off there.
        if (!parameter.binary && parameter.bytes &&
            parameter.bytes->find('\0') != std::string::npos) {
            return "a NUL byte in a text parameter";
        }
    }
    return "";
}

bool Connection::prepare(std::size_t layout, Statement statement,
                         Entry::Kind kind) {
    const bool named = owner_.options().prepare;
    const std::string name = named ? name_of(layout, statement) : "";
    const std::string& text = sql_of(layout, statement);
    expect({.kind = kind, .layout = layout, .statement = statement});
    known(layout).prepared[static_cast<std::size_t>(statement)] = named;
    return PQsendPrepare(conn_.get(), name.c_str(), text.c_str(), 0, nullptr) ==
           1;
}

bool Connection::sync() {
    inflight_.push_back({.kind = Entry::Kind::sync});
    syncs_++;
    unanswered_syncs_++;
    return PQpipelineSync(conn_.get()) == 1;
}

const std::string& Connection::sql_of(std::size_t layout, Statement statement) {
    Known& at = known(layout);
    std::string& text = at.sql[static_cast<std::size_t>(statement)];
    if (text.empty()) {
        text = sql(statement, at.layout, at.catalog);
    }
    return text;
}

std::string Connection::name_of(std::size_t layout, Statement statement) {
    return name_prefix_ + "_" + std::to_string(known(layout).generation) + "_" +
           std::string(name(statement));
}

}  // namespace sigra::postgres
