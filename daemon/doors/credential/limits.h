// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the credential door grants, and what it knows of systemd. The numbers are the product's; tests ask for smaller
// ones.
#pragma once

#include <chrono>
#include <cstddef>

namespace hwvault::doors::credential {

struct Limits {
    // Connections that are answered at the same time; the others wait in the listening socket's queue, where no crash
    // of ours touches them. Each is in systemd's descriptor store while it lasts, which has 128 places
    // (hwvaultd.service), and a place is free only once systemd has read that it is.
    std::size_t at_once{96};

    // Units start at boot together with us and the device: what may pass is tried again for so long. systemd gives a
    // unit 90 s to start (DefaultTimeoutStartSec=).
    std::chrono::milliseconds patience{20'000};
    std::chrono::milliseconds first_pause{100};  // between tries; doubled each time up to longest_pause
    std::chrono::milliseconds longest_pause{1'000};
    // From accept to an answer or a refusal, whatever the vault does.
    std::chrono::milliseconds decision{30'000};
    // For a peer to take its answer. One that is systemd, as far as can be told, is waited for beyond it: if the
    // connection ended before, it would take what it has for the whole.
    std::chrono::milliseconds unread{10'000};
    // After stop(): so long for what is being decided to become a refusal, and as long again to hand it over.
    std::chrono::milliseconds drain{3'000};
};

// systemd reads at most this (CREDENTIAL_SIZE_MAX in src/shared/creds-util.h, 1024 * 1024 in 252 and in 257; with
// READ_FULL_FILE_FAIL_WHEN_LARGER one byte more is E2BIG, and the unit ends with 243/CREDENTIALS), and all credentials
// of a unit together, each with the length of its name, are held to as much (CREDENTIALS_TOTAL_SIZE_MAX).
constexpr std::size_t kMostOfSystemd = 1 << 20;
// A refusal. LoadCredentialEncrypted= reads 128 KiB more (CREDENTIAL_ENCRYPTED_SIZE_MAX): it is above that, too.
constexpr std::size_t kRefusalSize = kMostOfSystemd + (256 << 10);

constexpr std::size_t kMaxCredentialNameSize = 255;  // CREDENTIAL_NAME_MAX, the longest name of a file

// What waits to be said in other units' journals.
constexpr std::size_t kMaxNoticesAtOnce = 8;    // hwvault-notice.socket takes 16 connections
constexpr std::size_t kMaxNoticesWaiting = 512;
constexpr std::ptrdiff_t kMaxNoticesOfUnit = 32;  // of these; a unit has 24 credentials, say: one that asks on and on delays nobody
constexpr std::chrono::milliseconds kNoticeDeadline{5'000};  // for one, from connect to its reader's end

}  // namespace hwvault::doors::credential
