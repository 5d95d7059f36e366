// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The texts of the tokens of a vault that bench_make_vault made: a file of lines that are all as long, mapped into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace hwvault::bench {

constexpr const char* kTextsFile = "texts";  // in the vault's folder
constexpr std::size_t kTextStride = 64;      // bytes from one text to the next: "hwv_", 59 more, and a newline

class KnownTexts {
public:
    // Throws std::runtime_error when there is no such file.
    explicit KnownTexts(const std::filesystem::path& vault);
    KnownTexts(const KnownTexts&) = delete;
    KnownTexts& operator=(const KnownTexts&) = delete;
    ~KnownTexts();

    // How many are in the vault; as many more are not.
    [[nodiscard]] std::size_t count() const { return size_ / kTextStride / 2; }
    [[nodiscard]] std::string_view text(std::size_t number) const {
        return {data_ + number * kTextStride, kTextStride - 1};
    }
    [[nodiscard]] std::string_view unknown(std::size_t number) const { return text(count() + number); }

private:
    const char* data_{nullptr};
    std::size_t size_{0};
};

}  // namespace hwvault::bench
