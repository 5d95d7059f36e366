// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/known_texts.h"

#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace hwvault::bench {

KnownTexts::KnownTexts(const std::filesystem::path& vault) {
    const std::filesystem::path file = vault / kTextsFile;
    size_ = std::filesystem::file_size(file);
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    ::close(descriptor);
    if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + file.string());
    data_ = static_cast<const char*>(mapped);
}

KnownTexts::~KnownTexts() {
    ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace hwvault::bench
