// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fields: a reader stays within its bytes, and what it read to the end encodes to the same bytes again.
#include <algorithm>
#include <cstdlib>

#include "foundation/fields.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    const BytesView bytes{data, size};
    FieldReader reader(bytes);
    FieldWriter<> writer;
    while (!reader.finished()) {
        const auto field = reader.bytes();
        if (!field) break;
        if (field->data() < data || field->data() + field->size() > data + size) std::abort();
        writer.bytes(*field);
    }
    if (reader.finished() && !std::ranges::equal(writer.view(), bytes)) std::abort();

    FieldReader numbers(bytes);
    while (numbers.number()) {
    }
    if (numbers.bytes()) std::abort();  // nothing is read after the first failure
    FieldReader arrays(bytes);
    while (arrays.array<16>()) {
    }
    if (arrays.text()) std::abort();
    return 0;
}
