// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What stands behind the opaque types of <hwvault/hwvault.h>, and the one way from C++ into C: guarded() turns a
// Failure, and any exception (which is memory that ran out, or a defect), into a code and this thread's message.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <unistd.h>

#include "libclient/client.h"
#include "libclient/include/hwvault/hwvault.h"
#include "libclient/watcher.h"

struct hwvault_client {
    explicit hwvault_client(std::string address) : client(std::move(address)) {}
    hwvault::libclient::Client client;
};

struct hwvault_info {
    hwvault::libclient::Info info;
};

struct hwvault_secret {
    hwvault::SecretBytes bytes;
    hwvault_info info;
    pid_t process{::getpid()};  // the pages of `bytes` are in no child of it
};

struct hwvault_listing {
    hwvault::libclient::Client& client;
    std::string account;
    hwvault::libclient::Page page;
    std::size_t position{0};
    hwvault_info current;
};

struct hwvault_report {
    hwvault::libclient::Report lines;
};

struct hwvault_watcher {
    hwvault::libclient::Watcher watcher;
    hwvault::libclient::Event event;
};

namespace hwvault::libclient {

// Remembers the message for hwvault_error_message() and gives the code.
int fail(Failure failure) noexcept;

// Runs `work`, which gives an Answer<void>.
template <class Work>
int guarded(Work&& work) noexcept {
    try {
        Answer<void> answer = std::forward<Work>(work)();
        return answer ? HWVAULT_OK : fail(std::move(answer).error());
    } catch (const std::bad_alloc&) {
        return fail({HWVAULT_ERROR_INTERNAL, "Out of memory."});
    } catch (const std::exception& defect) {
        return fail({HWVAULT_ERROR_INTERNAL, std::string("A defect in libhwvault: ") + defect.what()});
    }
}

}  // namespace hwvault::libclient
