// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/line.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "crypto/base64.h"
#include "daemon/audit/entry.h"
#include "foundation/hex.h"

namespace hwvault::audit {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kMaxLineDepth = 2;  // an object in an object

// An object's members in the order in which they are given. Texts are what an entry or this file makes: one line of
// UTF-8, in which JSON escapes nothing but these two.
class LineWriter {
public:
    LineWriter& text(std::string_view key, std::string_view text) {
        begin(key);
        members_ += '"';
        for (const char c : text) {
            if (c == '"' || c == '\\') members_ += '\\';
            members_ += c;
        }
        members_ += '"';
        return *this;
    }
    LineWriter& text_if_any(std::string_view key, std::string_view value) {
        return value.empty() ? *this : text(key, value);
    }
    LineWriter& digits(std::string_view key, BytesView bytes) { return text(key, hex_of(bytes)); }
    LineWriter& base64(std::string_view key, BytesView bytes) {
        return text(key, text_of(crypto::encode_base64(bytes).reveal()));
    }
    LineWriter& number(std::string_view key, std::uint64_t number) {
        begin(key);
        members_ += std::to_string(number);
        return *this;
    }
    LineWriter& number_if_any(std::string_view key, std::uint64_t value) {
        return value == 0 ? *this : number(key, value);
    }
    LineWriter& object(std::string_view key, const LineWriter& object) {
        begin(key);
        members_ += object.done();
        return *this;
    }

    [[nodiscard]] std::string done() const { return '{' + members_ + '}'; }

private:
    void begin(std::string_view key) {
        members_ += members_.empty() ? "\"" : ",\"";
        members_ += key;
        members_ += "\":";
    }

    std::string members_;
};

// An object's members by their keys. What is wrong first is kept, and says no more of the line than the key.
class LineReader {
public:
    explicit LineReader(const json::object& object) : object_(object) {}

    // Empty when it is not there, as it is left out when it is empty.
    std::string text(std::string_view key) {
        const json::value* const value = object_.if_contains(key);
        if (value == nullptr) return {};
        if (value->is_string()) return std::string(value->get_string());
        return wrong(key, "no text"), std::string();
    }
    std::uint64_t number(std::string_view key, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
        const json::value* const value = required(key);
        if (value == nullptr) return 0;
        const std::uint64_t* const large = value->if_uint64();
        const std::int64_t* const small = value->if_int64();
        if (small != nullptr && *small >= 0 && static_cast<std::uint64_t>(*small) <= most) {
            return static_cast<std::uint64_t>(*small);
        }
        if (large != nullptr && *large <= most) return *large;
        return wrong(key, "no whole number from 0 to " + std::to_string(most)), 0;
    }
    std::uint64_t number_if_any(std::string_view key) { return object_.if_contains(key) == nullptr ? 0 : number(key); }
    void digits(std::string_view key, std::span<std::uint8_t> bytes) {
        if (required(key) == nullptr || bytes_of_hex(text(key), bytes)) return;
        wrong(key, "not " + std::to_string(2 * bytes.size()) + " hexadecimal digits");
    }
    Bytes base64(std::string_view key) {
        if (required(key) == nullptr) return {};
        if (const auto bytes = crypto::decode_base64(text(key))) {
            return {bytes->reveal().begin(), bytes->reveal().end()};
        }
        return wrong(key, "no base64"), Bytes();
    }
    const json::object& object(std::string_view key) {
        static const json::object kNone;
        const json::value* const value = required(key);
        if (value == nullptr || value->is_object()) return value == nullptr ? kNone : value->get_object();
        return wrong(key, "no object"), kNone;
    }

    void take_fault_of(const LineReader& part) {
        if (!fault_) fault_ = part.fault_;
    }
    void fail(std::string what) {
        if (!fault_) fault_ = invalid_argument(std::move(what));
    }
    [[nodiscard]] const std::optional<Error>& fault() const { return fault_; }

private:
    const json::value* required(std::string_view key) {
        const json::value* const value = object_.if_contains(key);
        if (value == nullptr) fail("has no `" + std::string(key) + "`.");
        return value;
    }
    void wrong(std::string_view key, const std::string& what) {
        fail("has a `" + std::string(key) + "` that is " + what + ".");
    }

    const json::object& object_;
    std::optional<Error> fault_;
};

LineWriter& write_event(LineWriter& line, const vault::Event& event) {
    const vault::Actor& actor = event.actor;
    line.number("time", event.time).text("verb", word(event.verb)).number("uid", actor.uid);
    line.text_if_any("user", actor.user).text_if_any("unit", actor.unit).text_if_any("invocation", actor.invocation);
    line.text_if_any("executable", actor.executable)
        .text_if_any("account", event.account)
        .text_if_any("name", event.name);
    return line.text_if_any("token", event.token_id)
        .number_if_any("generation", event.generation)
        .text_if_any("rule", event.decided_by);
}

LineWriter& write_checkpoint(LineWriter& line, const vault::SignedCheckpoint& made) {
    const vault::Checkpoint& checkpoint = made.checkpoint;
    LineWriter object;
    object.number("sequence", checkpoint.sequence).digits("previous", checkpoint.previous);
    object.digits("audit_head", checkpoint.audit_head).number("epoch", checkpoint.epoch);
    object.digits("escrow_set", checkpoint.escrow_set).base64("signature", made.signature);
    return line.object("checkpoint", object);
}

std::string written(const FileStart& start) {
    LineWriter follows;
    follows.number("sequence", start.follows.sequence).digits("hash", start.follows.hash);
    return LineWriter().digits("trail", start.vault).number("format", kFormat).object("follows", follows).done();
}

std::string written(const vault::EventLink& link) {
    LineWriter line;
    line.number("sequence", link.sequence);
    const auto entry = decode(link.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event != nullptr) write_event(line, *event);
    else if (entry) write_checkpoint(line, std::get<vault::SignedCheckpoint>(*entry));
    else line.base64("body", link.body);
    return line.digits("hash", link.hash).done();
}

vault::Event read_event_of(LineReader& line) {
    vault::Event event;
    const auto verb = std::ranges::find(vault::kVerbs, line.text("verb"), vault::word);
    if (verb == vault::kVerbs.end()) line.fail("has no `verb` that this program knows.");
    else event.verb = *verb;
    event.time = line.number("time");
    event.actor.uid = static_cast<std::uint32_t>(line.number("uid", std::numeric_limits<std::uint32_t>::max()));
    event.actor.user = line.text("user");
    event.actor.unit = line.text("unit");
    event.actor.invocation = line.text("invocation");
    event.actor.executable = line.text("executable");
    event.account = line.text("account");
    event.name = line.text("name");
    event.token_id = line.text("token");
    event.generation = line.number_if_any("generation");
    event.decided_by = line.text("rule");
    return event;
}

vault::SignedCheckpoint read_checkpoint_of(LineReader& line) {
    LineReader object(line.object("checkpoint"));
    vault::SignedCheckpoint made;
    vault::Checkpoint& checkpoint = made.checkpoint;
    checkpoint.sequence = object.number("sequence");
    object.digits("previous", checkpoint.previous);
    object.digits("audit_head", checkpoint.audit_head);
    checkpoint.epoch = object.number("epoch");
    object.digits("escrow_set", checkpoint.escrow_set);
    made.signature = object.base64("signature");
    line.take_fault_of(object);
    return made;
}

FileStart read_start(LineReader& line) {
    FileStart start;
    line.digits("trail", start.vault);
    if (line.number("format") != kFormat) {
        line.fail("is of another format than this program reads: use one that is as new as hwvaultd.");
    }
    LineReader follows(line.object("follows"));
    start.follows.sequence = follows.number("sequence");
    follows.digits("hash", start.follows.hash);
    line.take_fault_of(follows);
    return start;
}

vault::EventLink read_link(LineReader& line, const json::object& object) {
    vault::EventLink link;
    link.sequence = line.number("sequence");
    if (object.contains("checkpoint")) link.body = encode(read_checkpoint_of(line));
    else if (object.contains("body")) link.body = line.base64("body");
    else link.body = encode(read_event_of(line));
    line.digits("hash", link.hash);
    return link;
}

Line read_line(LineReader& line, const json::object& object) {
    if (object.contains("trail")) return read_start(line);
    return read_link(line, object);
}

}  // namespace

std::string to_line(const Line& line) {
    return std::visit([](const auto& one) { return written(one); }, line);
}

Result<Line> parse_line(std::string_view line) {
    if (line.size() > kMaxLineSize) {
        return invalid_argument("is longer than " + std::to_string(kMaxLineSize) + " bytes.");
    }
    json::parse_options options;
    options.max_depth = kMaxLineDepth;
    json::error_code failure;
    const json::value tree = json::parse(line, failure, {}, options);
    if (failure) return invalid_argument("is not JSON.");
    const json::object* const object = tree.if_object();
    if (object == nullptr) return invalid_argument("is not a JSON object.");

    LineReader reader(*object);
    Line read = read_line(reader, *object);
    if (reader.fault()) return *reader.fault();
    // Whatever a reader can do in more than one way (keys twice or in another order, numbers, escapes, blanks) or was
    // not asked for ends here.
    if (to_line(read) != line) return invalid_argument("is not in the form that hwvaultd writes.");
    return read;
}

}  // namespace hwvault::audit
