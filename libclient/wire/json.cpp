// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Messages to trees and back, over Boost.JSON; the one file that knows its parser and its serializer.
#include "libclient/wire/varlink.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/memory_resource.hpp>
#include <boost/json/serializer.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>

namespace hwvault::wire {
namespace {

namespace json = boost::json;

class LockedResource final : public json::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        return locked_memory().allocate(bytes, alignment);
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
        locked_memory().deallocate(block, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

// Builds the tree, as json::parser does, and counts: values against a cap, and keys, since Boost.JSON keeps the
// last of two that are equal and does not say so.
class Builder {
public:
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    explicit Builder(std::size_t max_values) : stack_(locked_storage()), values_left_(max_values) {
        stack_.reset(locked_storage());
    }

    [[nodiscard]] std::size_t keys() const { return keys_; }
    json::value release() { return stack_.release(); }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code&) { return true; }
    bool on_array_begin(json::error_code&) { return true; }
    bool on_object_end(std::size_t size, json::error_code& error) {
        return put(error, [&] { stack_.push_object(size); });
    }
    bool on_array_end(std::size_t size, json::error_code& error) {
        return put(error, [&] { stack_.push_array(size); });
    }
    bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
        stack_.push_chars(part);
        return true;
    }
    bool on_key(json::string_view part, std::size_t, json::error_code&) {
        ++keys_;
        stack_.push_key(part);
        return true;
    }
    bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
        stack_.push_chars(part);
        return true;
    }
    bool on_string(json::string_view part, std::size_t, json::error_code& error) {
        return put(error, [&] { stack_.push_string(part); });
    }
    bool on_number_part(json::string_view, json::error_code&) { return true; }
    bool on_int64(std::int64_t number, json::string_view, json::error_code& error) {
        return put(error, [&] { stack_.push_int64(number); });
    }
    bool on_uint64(std::uint64_t number, json::string_view, json::error_code& error) {
        return put(error, [&] { stack_.push_uint64(number); });
    }
    // A number too large for a double would be written as one that no parser reads.
    bool on_double(double number, json::string_view, json::error_code& error) {
        if (!std::isfinite(number)) {
            error = json::error::exponent_overflow;
            return false;
        }
        return put(error, [&] { stack_.push_double(number); });
    }
    bool on_bool(bool value, json::error_code& error) {
        return put(error, [&] { stack_.push_bool(value); });
    }
    bool on_null(json::error_code& error) {
        return put(error, [&] { stack_.push_null(); });
    }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

private:
    template <class Push>
    bool put(json::error_code& error, Push push) {
        if (values_left_ == 0) {
            error = json::make_error_code(json::error::array_too_large);
            return false;
        }
        --values_left_;
        push();
        return true;
    }

    json::value_stack stack_;
    std::size_t values_left_;
    std::size_t keys_{0};
};

std::size_t count_keys(const json::value& tree) {
    std::size_t keys = 0;
    if (const auto* object = tree.if_object()) {
        keys = object->size();
        for (const auto& member : *object) keys += count_keys(member.value());
    } else if (const auto* array = tree.if_array()) {
        for (const auto& element : *array) keys += count_keys(element);
    }
    return keys;
}

Error malformed(std::string what) {
    return {ErrorCode::kInvalidArgument, "The message " + std::move(what) + "; send one JSON object, ended by a NUL."};
}

Result<json::object> parse_tree(BytesView text, std::size_t max_values) {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::basic_parser<Builder> parser(options, max_values);
    json::error_code error;
    const std::size_t read = parser.write_some(false, text_of(text).data(), text.size(), error);
    if (error) return malformed("is not accepted (" + error.message() + " at byte " + std::to_string(read + 1) + ")");
    if (read != text.size()) return malformed("goes on after its end (at byte " + std::to_string(read + 1) + ")");

    json::value tree = parser.handler().release();
    if (!tree.is_object()) return malformed("is not an object");
    if (count_keys(tree) != parser.handler().keys()) return malformed("has a key twice in one object");
    return std::move(tree.get_object());
}

// Strings with escapes pass through a buffer of BOOST_JSON_STACK_BUFFER_SIZE on the parser's stack: overwritten
// here, in a frame that lies where the parser's were.
[[gnu::noinline]] void wipe_stack_below() {
    constexpr std::size_t kParserFrames = 4 * BOOST_JSON_STACK_BUFFER_SIZE;
    char frames[kParserFrames];
    wipe(frames, sizeof frames);
}

SecretBytes enlarged(const SecretBytes& bytes, std::size_t size) {
    SecretBytes larger(size);
    std::copy(bytes.reveal().begin(), bytes.reveal().end(), larger.reveal_to_fill().begin());
    return larger;
}

}  // namespace

json::storage_ptr locked_storage() {
    static LockedResource resource;  // without state, and so never in a wrong order of destruction
    return &resource;
}

Result<json::object> parse(BytesView text, std::size_t max_values) {
    auto tree = parse_tree(text, max_values);
    wipe_stack_below();
    return tree;
}

SecretBytes serialize(const json::object& message) {
    constexpr std::size_t kUsualSize = 512;  // a token with its info
    json::serializer serializer;
    serializer.reset(&message);
    SecretBytes text(kUsualSize);
    std::size_t size = 0;
    while (!serializer.done()) {
        if (size == text.size()) text = enlarged(text, 2 * size);
        const auto space = text.reveal_to_fill().subspan(size);
        size += serializer.read(reinterpret_cast<char*>(space.data()), space.size()).size();
    }
    if (size == text.size()) text = enlarged(text, size + 1);
    text.reveal_to_fill()[size] = 0;
    text.shorten(size + 1);
    return text;
}

}  // namespace hwvault::wire
