// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/load_wire.h"

#include <charconv>
#include <stdexcept>

namespace hwvault::bench {
namespace {

[[noreturn]] void unexpected(std::string_view answer) {
    throw std::runtime_error("not the answer that was expected: " + std::string(answer.substr(0, 200)));
}

// org.hwvault.Vault: JSON objects that end in a zero byte.
class Varlink : public Wire {
public:
    explicit Varlink(std::string_view wanted) : wanted_(wanted) {}
    [[nodiscard]] std::size_t answer_size(std::string_view in) const override {
        const std::size_t end = in.find('\0');
        if (end == std::string_view::npos) return 0;
        if (in.substr(0, end).find(wanted_) == std::string_view::npos) unexpected(in.substr(0, end));
        return end + 1;
    }

private:
    std::string_view wanted_;  // is in the answer
};

class VarlinkVerify final : public Varlink {
public:
    explicit VarlinkVerify(const KnownTexts& texts) : Varlink("\"active\":true"), texts_(texts) {}
    void append_call(std::string& out, std::size_t, std::size_t number) const override {
        out += R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")";
        out += texts_.text(number);
        out += std::string_view("\"}}\0", 4);
    }

private:
    const KnownTexts& texts_;
};

class VarlinkRevoke final : public Varlink {
public:
    VarlinkRevoke() : Varlink("\"generation\":") {}
    void append_call(std::string& out, std::size_t connection, std::size_t) const override {
        out += R"({"method":"org.hwvault.Vault.Revoke","parameters":{"account":"app:busy-)";
        out += std::to_string(connection);
        out += std::string_view("\"}}\0", 4);
    }
};

// RESP: an array of strings with their sizes.
class RedisGet final : public Wire {
public:
    explicit RedisGet(const KnownTexts& texts) : texts_(texts) {}
    void append_call(std::string& out, std::size_t, std::size_t number) const override {
        out += "*2\r\n$3\r\nGET\r\n$63\r\n";
        out += texts_.text(number);
        out += "\r\n";
    }
    [[nodiscard]] std::size_t answer_size(std::string_view in) const override {
        const std::size_t end = in.find('\n');
        if (end == std::string_view::npos) return 0;
        std::size_t size = 0;
        std::from_chars(in.data() + 1, in.data() + end, size);
        if (in[0] != '$' || size != kValueSize) unexpected(in.substr(0, end));
        const std::size_t whole = end + 1 + size + 2;
        return in.size() < whole ? 0 : whole;
    }

private:
    const KnownTexts& texts_;
};

class RedisSet final : public Wire {
public:
    explicit RedisSet(const KnownTexts& texts) : texts_(texts) {}
    void append_call(std::string& out, std::size_t, std::size_t number) const override {
        out += "*3\r\n$3\r\nSET\r\n$63\r\n";
        out += texts_.text(number);
        out += "\r\n$" + std::to_string(kValueSize) + "\r\n" + std::string(kValueSize, 'v') + "\r\n";
    }
    [[nodiscard]] std::size_t answer_size(std::string_view in) const override {
        constexpr std::string_view kOk = "+OK\r\n";
        if (in.size() < kOk.size()) return 0;
        if (!in.starts_with(kOk)) unexpected(in);
        return kOk.size();
    }

private:
    const KnownTexts& texts_;
};

}  // namespace

std::unique_ptr<Wire> varlink_verify(const KnownTexts& texts) { return std::make_unique<VarlinkVerify>(texts); }
std::unique_ptr<Wire> varlink_revoke() { return std::make_unique<VarlinkRevoke>(); }
std::unique_ptr<Wire> redis_get(const KnownTexts& texts) { return std::make_unique<RedisGet>(texts); }
std::unique_ptr<Wire> redis_set(const KnownTexts& texts) { return std::make_unique<RedisSet>(texts); }

}  // namespace hwvault::bench
