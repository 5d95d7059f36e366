// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/plain_verify.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

namespace hwvault::doors::varlink {
namespace {

using namespace std::string_view_literals;

// What stands before and after the token, the message's NUL included. No head is the beginning of another.
struct Form {
    std::string_view head;
    std::string_view tail;
};
constexpr std::array kForms{
    Form{R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")", "\"}}\0"sv},      // libhwvault, and most
    Form{R"({"method": "org.hwvault.Vault.Verify", "parameters": {"token": ")", "\"}}\0"sv},  // Python's json
    Form{R"({"parameters":{"token":")", "\"},\"method\":\"org.hwvault.Vault.Verify\"}\0"sv},  // keys in another order
};

// No longer than any token; a longer text is none, but that is not for this file to say.
constexpr std::size_t kMaxToken = 128;

// Stands for itself in a JSON string, and is one character: ASCII but for controls, the quote and the backslash.
constexpr auto kIsPlain = [] {
    std::array<std::uint8_t, 256> is{};
    for (std::size_t byte = 0x20; byte < 0x80; ++byte) is[byte] = byte != '"' && byte != '\\' ? 1 : 0;
    return is;
}();

// Without a branch for each character.
bool is_plain(BytesView text) {
    std::uint8_t all = 1;
    for (const std::uint8_t byte : text) all = static_cast<std::uint8_t>(all & kIsPlain[byte]);
    return all == 1;
}

class Writer {
public:
    explicit Writer(std::span<std::uint8_t> space) : space_(space) {}

    void raw(std::string_view text) {
        std::copy(text.begin(), text.end(), reinterpret_cast<char*>(space_.data()) + size_);
        size_ += text.size();
    }
    void number(std::uint64_t number) {
        char* const begin = reinterpret_cast<char*>(space_.data());
        size_ = static_cast<std::size_t>(std::to_chars(begin + size_, begin + space_.size(), number).ptr - begin);
    }
    // Of the vault's names: of all that JSON escapes, only the backslash is in any, and in a token's name and id not that.
    void quoted(std::string_view text) {
        raw("\"");
        raw(text);
        raw("\"");
    }
    void name(std::string_view text) {
        raw("\"");
        for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\')) {
            raw(text.substr(0, at));
            raw("\\\\");
            text.remove_prefix(at + 1);
        }
        raw(text);
        raw("\"");
    }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    std::span<std::uint8_t> space_;
    std::size_t size_{0};
};

constexpr std::string_view kInactive{"{\"parameters\":{\"active\":false}}\0", 32};

}  // namespace

std::optional<PlainVerify> plain_verify_at(BytesView bytes) {
    const std::string_view text = text_of(bytes);
    for (const auto& [head, tail] : kForms) {
        if (!text.starts_with(head)) continue;
        const std::string_view rest = text.substr(head.size(), kMaxToken + tail.size());
        const std::size_t size = rest.find('"');
        if (size == std::string_view::npos || !rest.substr(size).starts_with(tail)) return std::nullopt;
        const BytesView token = bytes.subspan(head.size(), size);
        if (!is_plain(token)) return std::nullopt;
        return PlainVerify{token, head.size() + size + tail.size()};
    }
    return std::nullopt;
}

std::size_t write_verification(std::span<std::uint8_t> space, const service::Verification& verification) {
    Writer out(space);
    if (!verification.active) {
        out.raw(kInactive);
        return out.size();
    }
    out.raw(R"({"parameters":{"active":true,"info":{"account":)");
    out.name(verification.account);
    out.raw(R"(,"name":)");
    out.quoted(verification.name);
    out.raw(R"(,"id":)");
    out.quoted(verification.id);
    out.raw(R"(,"generation":)");
    out.number(verification.generation);
    if (verification.expires_at != vault::kNever) {
        out.raw(R"(,"expires_at":)");
        out.number(verification.expires_at);
    }
    out.raw(R"(,"scopes":[)");
    bool is_first = true;
    for (const std::string_view scope : verification.scopes) {
        if (!is_first) out.raw(",");
        is_first = false;
        out.name(scope);
    }
    out.raw(std::string_view("]}}}\0", 5));
    return out.size();
}

}  // namespace hwvault::doors::varlink
