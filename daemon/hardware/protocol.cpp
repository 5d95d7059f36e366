// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/protocol.h"

#include <algorithm>
#include <cstring>

#include "foundation/fields.h"
#include "foundation/one_line.h"

namespace hwvault::hardware {
namespace {

constexpr std::uint64_t kStatusOk = 0;
// Of an answer: the id and the status, each with its length, and the length of the payload.
constexpr std::size_t kEnvelopeSize = 2 * (sizeof(std::uint32_t) + sizeof(std::uint64_t)) + sizeof(std::uint32_t);
constexpr std::size_t kMaxPayloadSize = kMaxFrameSize - kEnvelopeSize;
constexpr auto kLastErrorCode = static_cast<std::uint64_t>(ErrorCode::kInternal);

template <class... Visits>
struct Overloaded : Visits... {
    using Visits::operator()...;
};

// Fills the four bytes that were kept free at the front with the size of what follows.
template <class Output>
Output with_header(Output frame) {
    const std::size_t size = frame.size() - kFrameHeaderSize;
    for (std::size_t i = 0; i < kFrameHeaderSize; ++i) frame[i] = static_cast<std::uint8_t>(size >> (8 * i));
    return frame;
}

Bytes encode_payload(const Verb& verb) {
    FieldWriter<> payload;
    std::visit(Overloaded{
                   [&](const DeriveRequest& derive) {
                       payload.number(static_cast<std::uint64_t>(derive.label)).bytes(derive.context);
                   },
                   [&](const CheckpointRequest& request) {
                       const Checkpoint& checkpoint = request.checkpoint;
                       payload.number(checkpoint.sequence).bytes(checkpoint.previous).bytes(checkpoint.audit_head);
                       payload.number(checkpoint.epoch).bytes(checkpoint.escrow_set);
                   },
                   [&](const RandomRequest& random) { payload.number(random.size); },
                   [&](const AdvanceRequest& advance) { payload.number(advance.from); },
                   [](const auto&) {},
               },
               verb);
    return payload.take();
}

std::optional<Verb> decode_derive(FieldReader& payload) {
    const auto label = payload.number();
    const auto context = payload.bytes();
    if (!label || !context || context->size() > kMaxContextSize) return std::nullopt;
    if (*label < static_cast<std::uint64_t>(Label::kToken) || *label > static_cast<std::uint64_t>(Label::kEpoch)) {
        return std::nullopt;
    }
    return DeriveRequest{static_cast<Label>(*label), Bytes(context->begin(), context->end())};
}

std::optional<Verb> decode_checkpoint(FieldReader& payload) {
    const auto sequence = payload.number();
    const auto previous = payload.array<crypto::kDigestSize>();
    const auto audit_head = payload.array<crypto::kDigestSize>();
    const auto epoch = payload.number();
    const auto escrow_set = payload.array<crypto::kDigestSize>();
    if (!sequence || !previous || !audit_head || !epoch || !escrow_set) return std::nullopt;
    return CheckpointRequest{{*sequence, *previous, *audit_head, *epoch, *escrow_set}};
}

std::optional<Verb> decode_random(FieldReader& payload) {
    const auto size = payload.number();
    if (!size || *size == 0 || *size > kMaxRandomSize) return std::nullopt;
    return RandomRequest{*size};
}

std::optional<Verb> decode_advance(FieldReader& payload) {
    const auto from = payload.number();
    if (!from) return std::nullopt;
    return AdvanceRequest{*from};
}

// The numbers are the alternatives' places in Verb, from 1.
std::optional<Verb> decode_verb(std::uint64_t number, FieldReader& payload) {
    switch (number) {
        case 1: return decode_derive(payload);
        case 2: return decode_checkpoint(payload);
        case 3: return decode_random(payload);
        case 4: return EpochRequest{};
        case 5: return decode_advance(payload);
        case 6: return DescribeRequest{};
        default: return std::nullopt;
    }
}

std::optional<bool> read_flag(FieldReader& reader) {
    const auto number = reader.number();
    if (!number || *number > 1) return std::nullopt;
    return *number == 1;
}

std::optional<std::string> read_string(FieldReader& reader) {
    const auto text = reader.text();
    if (!text || one_line(*text) != *text) return std::nullopt;
    return std::string(*text);
}

void write_text(FieldWriter<LockedBytes>& writer, const std::string& text) {
    writer.text(one_line(text));
}

void write_key(FieldWriter<LockedBytes>& writer, const KeyDescription& key) {
    for (const std::string* text : {&key.purpose, &key.label, &key.kind}) write_text(writer, *text);
    writer.number(key.sensitive).number(key.never_extractable).number(key.local);
}

std::optional<KeyDescription> read_key(FieldReader& reader) {
    auto purpose = read_string(reader);
    auto label = read_string(reader);
    auto kind = read_string(reader);
    const auto sensitive = read_flag(reader);
    const auto never_extractable = read_flag(reader);
    const auto local = read_flag(reader);
    if (!purpose || !label || !kind || !sensitive || !never_extractable || !local) return std::nullopt;
    return KeyDescription{std::move(*purpose), std::move(*label),  std::move(*kind),
                          *sensitive,          *never_extractable, *local};
}

std::optional<std::uint64_t> read_count(FieldReader& reader) {
    const auto count = reader.number();
    if (!count || *count > kMaxListedItems) return std::nullopt;
    return count;
}

// `read_item` until `count` items were read; nullopt when one is not there.
template <class Item>
std::optional<std::vector<Item>> read_list(FieldReader& reader, std::optional<Item> (*read_item)(FieldReader&)) {
    const auto count = read_count(reader);
    if (!count) return std::nullopt;
    std::vector<Item> items;
    for (std::uint64_t i = 0; i < *count; ++i) {
        auto item = read_item(reader);
        if (!item) return std::nullopt;
        items.push_back(std::move(*item));
    }
    return items;
}

std::optional<RollbackProtection> read_protection(FieldReader& reader) {
    const auto number = reader.number();
    if (!number || *number > static_cast<std::uint64_t>(RollbackProtection::kCounter)) return std::nullopt;
    return static_cast<RollbackProtection>(*number);
}

LockedBytes encode_answer(std::uint64_t id, std::uint64_t status, BytesView payload) {
    LockedBytes frame(kFrameHeaderSize, 0, &locked_memory());
    frame.reserve(kFrameHeaderSize + kEnvelopeSize + payload.size());  // so that growth leaves no copies behind
    FieldWriter<LockedBytes> writer(std::move(frame));
    writer.number(id).number(status).bytes(payload);
    return with_header(writer.take());
}

LockedBytes encode_answer(std::uint64_t id, const Error& error) {
    const std::string message = one_line(error.message).substr(0, kMaxMessageSize);
    return encode_answer(id, static_cast<std::uint64_t>(error.code), bytes_of(message));
}

}  // namespace

Bytes encode(const Request& request) {
    FieldWriter<> writer{Bytes(kFrameHeaderSize)};
    writer.number(request.id).number(request.verb.index() + 1).bytes(encode_payload(request.verb));
    return with_header(writer.take());
}

LockedBytes encode(const Answer& answer) {
    if (!answer.result) return encode_answer(answer.id, answer.result.error());
    if (answer.result->size() > kMaxPayloadSize) {
        return encode_answer(answer.id, {ErrorCode::kInternal, "The device's answer does not fit into a frame."});
    }
    return encode_answer(answer.id, kStatusOk, answer.result->reveal());
}

std::optional<Request> decode_request(BytesView frame) {
    FieldReader reader(frame);
    const auto id = reader.number();
    const auto number = reader.number();
    const auto payload = reader.bytes();
    if (!id || !number || !payload || !reader.finished()) return std::nullopt;
    FieldReader fields(*payload);
    auto verb = decode_verb(*number, fields);
    if (!verb || !fields.finished()) return std::nullopt;
    return Request{*id, std::move(*verb)};
}

std::optional<Answer> decode_answer(BytesView frame) {
    FieldReader reader(frame);
    const auto id = reader.number();
    const auto status = reader.number();
    const auto payload = reader.bytes();
    if (!id || !status || !payload || !reader.finished() || *status > kLastErrorCode) return std::nullopt;
    if (*status == kStatusOk) return Answer{*id, SecretBytes::copy_of(*payload)};
    const std::string message(text_of(*payload));
    if (message.size() > kMaxMessageSize || one_line(message) != message) return std::nullopt;
    return Answer{*id, Error{static_cast<ErrorCode>(*status), message}};
}

SecretBytes encode_number(std::uint64_t number) {
    FieldWriter<> writer;
    return SecretBytes::copy_of(writer.number(number).view());
}

std::optional<std::uint64_t> decode_number(BytesView payload) {
    FieldReader reader(payload);
    const auto number = reader.number();
    return reader.finished() ? number : std::nullopt;
}

SecretBytes encode_reading(const CounterReading& reading) {
    FieldWriter<> writer;
    return SecretBytes::copy_of(writer.number(reading.number).bytes(reading.counter).view());
}

std::optional<CounterReading> decode_reading(BytesView payload) {
    FieldReader reader(payload);
    const auto number = reader.number();
    const auto counter = reader.bytes();
    if (!number || !counter || !reader.finished()) return std::nullopt;
    return CounterReading{.number = *number, .counter = Bytes(counter->begin(), counter->end())};
}

SecretBytes encode_description(const Description& description) {
    FieldWriter<LockedBytes> writer{LockedBytes(&locked_memory())};
    for (const std::string* text : {&description.kind, &description.vendor, &description.model, &description.serial,
                                    &description.label, &description.module, &description.policy}) {
        write_text(writer, *text);
    }
    writer.number(static_cast<std::uint64_t>(description.rollback_protection)).bytes(description.signing_key);
    writer.bytes(description.counter);
    writer.number(description.keys.size());
    for (const KeyDescription& key : description.keys) write_key(writer, key);
    writer.number(description.abilities.size());
    for (const std::string& ability : description.abilities) write_text(writer, ability);
    return SecretBytes::copy_of(writer.view());
}

std::optional<Description> decode_description(BytesView payload) {
    FieldReader reader(payload);
    Description description;
    for (std::string* text : {&description.kind, &description.vendor, &description.model, &description.serial,
                              &description.label, &description.module, &description.policy}) {
        auto read = read_string(reader);
        if (!read) return std::nullopt;
        *text = std::move(*read);
    }
    const auto protection = read_protection(reader);
    const auto signing_key = reader.bytes();
    const auto counter = reader.bytes();
    auto keys = read_list<KeyDescription>(reader, read_key);
    if (!protection || !signing_key || !counter || !keys) return std::nullopt;
    auto abilities = read_list<std::string>(reader, read_string);
    if (!abilities || !reader.finished()) return std::nullopt;
    description.rollback_protection = *protection;
    description.signing_key.assign(signing_key->begin(), signing_key->end());
    description.counter.assign(counter->begin(), counter->end());
    description.keys = std::move(*keys);
    description.abilities = std::move(*abilities);
    return description;
}

std::span<std::uint8_t> FrameReader::space() {
    const auto buffer = buffer_.reveal_to_fill();
    const std::size_t kept = end_ - begin_;
    if (begin_ > 0) {
        std::memmove(buffer.data(), buffer.data() + begin_, kept);
        wipe(buffer.data() + kept, end_ - kept);  // what was read may have been a secret
        begin_ = 0;
        end_ = kept;
    }
    return buffer.subspan(end_);
}

std::optional<BytesView> FrameReader::next() {
    const BytesView unread = buffer_.reveal().subspan(begin_, end_ - begin_);
    if (broken_ || unread.size() < kFrameHeaderSize) return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = kFrameHeaderSize; i-- > 0;) size = size << 8 | unread[i];
    if (size == 0 || size > kMaxFrameSize) {
        broken_ = true;
        return std::nullopt;
    }
    if (unread.size() < kFrameHeaderSize + size) return std::nullopt;
    begin_ += kFrameHeaderSize + size;
    return unread.subspan(kFrameHeaderSize, size);
}

}  // namespace hwvault::hardware
