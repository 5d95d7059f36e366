// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/wal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <optional>

#include <fcntl.h>

#include "daemon/store/handles.h"
#include "os/fd.h"

namespace hwvault::store {
namespace {

constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kFrameHeaderSize = 24;
constexpr std::uint32_t kMagic = 0x377f0682;  // its lowest bit says that checksums read big-endian words
constexpr std::uint32_t kFormat = 3'007'000;
constexpr std::size_t kMinPageSize = 512;
constexpr std::size_t kMaxPageSize = 65'536;

std::uint32_t big_endian(BytesView bytes, std::size_t offset) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | bytes[offset + i];
    return value;
}

std::uint32_t little_endian(BytesView bytes, std::size_t offset) {
    std::uint32_t value = 0;
    for (std::size_t i = sizeof value; i-- > 0;) value = value << 8 | bytes[offset + i];
    return value;
}

// The log's running checksum: two sums over pairs of words, each frame's going on from the frame before.
struct Checksum {
    std::uint32_t first{0};
    std::uint32_t second{0};
    friend bool operator==(const Checksum&, const Checksum&) = default;

    void add(BytesView bytes, bool big) {
        const auto word = big ? big_endian : little_endian;
        for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
            first += word(bytes, i) + second;
            second += word(bytes, i + 4) + first;
        }
    }
};

struct LogHeader {
    bool big_endian_sums{false};
    std::size_t page_size{0};
    std::array<std::uint8_t, 8> salts{};
    Checksum sum;
};

std::optional<LogHeader> parse_header(BytesView bytes) {
    LogHeader header;
    const std::uint32_t magic = big_endian(bytes, 0);
    header.big_endian_sums = (magic & 1) != 0;
    header.page_size = big_endian(bytes, 8);
    std::copy_n(bytes.begin() + 16, header.salts.size(), header.salts.begin());
    header.sum.add(bytes.first(24), header.big_endian_sums);
    const bool known = (magic & ~1U) == kMagic && big_endian(bytes, 4) == kFormat;
    const bool sized = header.page_size >= kMinPageSize && header.page_size <= kMaxPageSize &&
                       std::has_single_bit(header.page_size);
    const Checksum written{big_endian(bytes, 24), big_endian(bytes, 28)};
    if (!known || !sized || header.sum != written) return std::nullopt;
    return header;
}

// Follows the log frame by frame, each as long as its header and one page.
class FrameCheck {
public:
    explicit FrameCheck(const LogHeader& header) : header_(header), sum_(header.sum) {}

    void take(BytesView frame) {
        const bool of_this_log = std::ranges::equal(frame.subspan(8, header_.salts.size()), header_.salts);
        sum_.add(frame.first(8), header_.big_endian_sums);
        sum_.add(frame.subspan(kFrameHeaderSize), header_.big_endian_sums);
        const bool has_page = big_endian(frame, 0) != 0;
        intact_ = intact_ && of_this_log && has_page && sum_ == Checksum{big_endian(frame, 16), big_endian(frame, 20)};
        const bool ends_transaction = big_endian(frame, 4) != 0;
        if (!intact_ && of_this_log && ends_transaction) ++lost_transactions_;
    }

    [[nodiscard]] bool a_crash_explains_it() const { return lost_transactions_ <= 1; }

private:
    const LogHeader& header_;
    Checksum sum_;
    bool intact_{true};
    int lost_transactions_{0};
};

// Fills as much of `target` as there is; gives how much.
Result<std::size_t> read_some(const os::Fd& fd, std::span<std::uint8_t> target) {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const ssize_t got = ::read(fd.get(), target.data() + filled, target.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read of the store's -wal", errno);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    return filled;
}

}  // namespace

Result<void> check_wal(const std::filesystem::path& wal) {
    const os::Fd fd{::open(wal.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd && errno == ENOENT) return {};
    if (!fd) return errno_error("open " + wal.string(), errno);
    Bytes bytes(kHeaderSize + 1);
    HWVAULT_TRY(const std::size_t size, read_some(fd, bytes));
    // The header is synced before the first frame, so a crash leaves it spoilt only where nothing follows.
    if (size <= kHeaderSize) return {};
    const auto header = parse_header(bytes);
    if (!header) return tampered("the header of its -wal was changed.");
    if (::lseek(fd.get(), kHeaderSize, SEEK_SET) < 0) return errno_error("lseek in " + wal.string(), errno);

    FrameCheck check{*header};
    bytes.resize(kFrameHeaderSize + header->page_size);
    for (;;) {
        HWVAULT_TRY(const std::size_t got, read_some(fd, bytes));
        if (got < bytes.size()) break;
        check.take(bytes);
    }
    if (!check.a_crash_explains_it()) return tampered("its -wal was changed, and commits that were made are lost.");
    return {};
}

}  // namespace hwvault::store
