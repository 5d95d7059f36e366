// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The test vectors of docs/formats, which were computed without hwvault's code (docs/formats/vectors.py).
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace hwvault::crypto {

inline boost::json::object read_vectors(const std::string& file) {
    std::ifstream stream(std::string(HWVAULT_FORMATS) + "/" + file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    return boost::json::parse(text).as_object();
}

inline std::string_view text_in(const boost::json::object& object, std::string_view name) {
    return object.at(name).as_string();
}

}  // namespace hwvault::crypto
