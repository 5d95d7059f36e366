// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A folder of its own for a bench, made in another one, which goes with the bench and all that is in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace hwvault::bench {

class Folder {
public:
    explicit Folder(const std::filesystem::path& in) {
        std::string pattern = (in / "hwvault-bench-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace hwvault::bench
