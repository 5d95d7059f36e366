// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/raw_digest.h"

#include <stdexcept>

namespace hwvault::bench {
namespace {

void require(const char* call, bool done) {
    if (!done) throw std::runtime_error(std::string(call) + " failed");
}

}  // namespace

RawSha256::RawSha256() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
    require("EVP_DigestInit_ex2", EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1);
}

std::array<std::uint8_t, 32> RawSha256::operator()(std::string_view bytes) {
    std::array<std::uint8_t, 32> digest{};
    require("EVP_DigestInit_ex2", EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
    require("EVP_DigestUpdate", EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    require("EVP_DigestFinal_ex", EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    return digest;
}

}  // namespace hwvault::bench
