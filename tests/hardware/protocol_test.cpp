// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The codec: what it writes it reads back, and it reads nothing else.
#include "daemon/hardware/protocol.h"

#include <algorithm>

#include "foundation/fields.h"
#include "tests/catch.h"

namespace hwvault::hardware {
namespace {

BytesView without_header(BytesView frame) {
    return frame.subspan(kFrameHeaderSize);
}

Bytes request_frame(std::uint64_t verb, BytesView payload) {
    return FieldWriter().number(1).number(verb).bytes(payload).take();
}

Description sample_description() {
    return {.kind = "pkcs11",
            .vendor = "vendor",
            .model = "model",
            .serial = "1234",
            .label = "vault",
            .module = "/lib/module.so",
            .policy = "a PIN",
            .keys = {{"root", "hwvault-root", "CKK_GENERIC_SECRET", true, true, false}},
            .abilities = {"derive", "sign"},
            .rollback_protection = RollbackProtection::kCounter,
            .signing_key = {1, 2, 3},
            .counter = {4, 5}};
}

TEST_CASE("a derive request is read back as it was written") {
    const Bytes frame = encode(Request{7, DeriveRequest{Label::kSeal, {1, 2, 3}}});
    const auto request = decode_request(without_header(frame));
    REQUIRE(request);
    CHECK(request->id == 7);
    const auto* derive = std::get_if<DeriveRequest>(&request->verb);
    REQUIRE(derive != nullptr);
    CHECK(derive->label == Label::kSeal);
    CHECK(derive->context == Bytes{1, 2, 3});
}

TEST_CASE("a checkpoint request is read back as it was written") {
    Checkpoint checkpoint{.sequence = 5, .epoch = 9};
    checkpoint.previous.fill(1);
    checkpoint.audit_head.fill(2);
    checkpoint.escrow_set.fill(3);
    const auto request = decode_request(without_header(encode(Request{8, CheckpointRequest{checkpoint}})));
    REQUIRE(request);
    const auto* read = std::get_if<CheckpointRequest>(&request->verb);
    REQUIRE(read != nullptr);
    CHECK(checkpoint_message(read->checkpoint) == checkpoint_message(checkpoint));
}

TEST_CASE("every other verb is read back as the same verb") {
    for (const Verb& verb :
         {Verb(RandomRequest{16}), Verb(EpochRequest{}), Verb(AdvanceRequest{9}), Verb(DescribeRequest{})}) {
        const auto request = decode_request(without_header(encode(Request{9, verb})));
        REQUIRE(request);
        CHECK(request->verb.index() == verb.index());
    }
}

TEST_CASE("an answer is read back with its secret or its error") {
    const Bytes secret{5, 6, 7};
    const auto good = decode_answer(without_header(encode(Answer{3, SecretBytes::copy_of(secret)})));
    REQUIRE(good);
    REQUIRE(good->result.has_value());
    CHECK(good->id == 3);
    CHECK(equal_in_constant_time(good->result->reveal(), secret));

    const Error error{ErrorCode::kHardwareLocked, "The PIN is locked."};
    const auto bad = decode_answer(without_header(encode(Answer{4, error})));
    REQUIRE(bad);
    REQUIRE_FALSE(bad->result.has_value());
    CHECK(bad->result.error() == error);
}

TEST_CASE("an error's sentence is cut to its cap and stays readable") {
    const Error error{ErrorCode::kInternal, std::string(2 * kMaxMessageSize, 'x')};
    const auto answer = decode_answer(without_header(encode(Answer{1, error})));
    REQUIRE(answer);
    CHECK(answer->result.error().message.size() == kMaxMessageSize);
}

TEST_CASE("a sentence or a device's text with control characters is sent as one line, and refused when it is none") {
    const auto answer = decode_answer(without_header(encode(Answer{1, Error{ErrorCode::kInternal, "one\ntwo\x1b[2J"}})));
    REQUIRE(answer);
    CHECK(answer->result.error().message == "one two [2J");
    CHECK_FALSE(decode_answer(FieldWriter().number(1).number(1).bytes(bytes_of("one\ntwo")).view()));

    Description description = sample_description();
    description.model = "Model\nREADY=1";
    description.keys[0].label = description.abilities[0] = "a\tb";
    const auto read = decode_description(encode_description(description).reveal());
    REQUIRE(read);
    CHECK(read->model == "Model READY=1");
    CHECK(read->keys[0].label == "a b");
    CHECK(read->abilities[0] == "a b");
    FieldWriter raw;
    raw.text("softhsm").text("vendor").text("Model\nREADY=1");
    for (int i = 0; i < 4; ++i) raw.text("x");
    raw.number(0).text("").text("").number(0).number(0);
    CHECK_FALSE(decode_description(raw.view()));
}

TEST_CASE("a payload that does not fit into a frame becomes an error") {
    const LockedBytes frame = encode(Answer{1, SecretBytes(kMaxFrameSize)});
    CHECK(frame.size() <= kFrameHeaderSize + kMaxFrameSize);
    const auto answer = decode_answer(without_header(frame));
    REQUIRE(answer);
    CHECK(answer->result.error().code == ErrorCode::kInternal);
}

TEST_CASE("a description is read back as it was written") {
    const auto read = decode_description(encode_description(sample_description()).reveal());
    REQUIRE(read);
    CHECK(read->module == "/lib/module.so");
    CHECK(read->policy == "a PIN");
    CHECK(read->rollback_protection == RollbackProtection::kCounter);
    CHECK(read->counter == Bytes{4, 5});
    CHECK(read->signing_key == Bytes{1, 2, 3});
    CHECK(read->abilities == std::vector<std::string>{"derive", "sign"});
    REQUIRE(read->keys.size() == 1);
    CHECK(read->keys[0].kind == "CKK_GENERIC_SECRET");
    CHECK(read->keys[0].never_extractable);
    CHECK_FALSE(read->keys[0].local);
}

TEST_CASE("a counter's reading is read back as it was written") {
    const auto read = decode_reading(encode_reading({.number = 5, .counter = {6, 7}}).reveal());
    REQUIRE(read);
    CHECK(read->number == 5);
    CHECK(read->counter == Bytes{6, 7});
}

TEST_CASE("no part of a frame is a frame, and nothing may follow it") {
    const Bytes request = encode(Request{7, DeriveRequest{Label::kSeal, {1, 2, 3}}});
    const LockedBytes answer = encode(Answer{3, SecretBytes(4)});
    const SecretBytes description = encode_description(sample_description());
    const auto check_all_parts = [](BytesView whole, const auto& decode) {
        for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(decode(whole.first(size)));
        Bytes longer(whole.begin(), whole.end());
        longer.push_back(0);
        CHECK_FALSE(decode(longer));
    };
    check_all_parts(without_header(request), decode_request);
    check_all_parts(without_header(answer), decode_answer);
    check_all_parts(description.reveal(), decode_description);
    check_all_parts(encode_number(5).reveal(), decode_number);
    check_all_parts(encode_reading({.number = 5, .counter = {6, 7}}).reveal(), decode_reading);
}

TEST_CASE("a request with an unknown verb or label, or beyond a cap, is none") {
    const auto derive = [](std::uint64_t label, std::size_t context) {
        return request_frame(1, FieldWriter().number(label).bytes(Bytes(context)).view());
    };
    const auto random = [](std::uint64_t size) { return request_frame(3, FieldWriter().number(size).view()); };
    CHECK(decode_request(derive(1, kMaxContextSize)));
    CHECK_FALSE(decode_request(derive(1, kMaxContextSize + 1)));
    CHECK_FALSE(decode_request(derive(0, 1)));
    CHECK_FALSE(decode_request(derive(5, 1)));
    CHECK(decode_request(random(kMaxRandomSize)));
    CHECK_FALSE(decode_request(random(kMaxRandomSize + 1)));
    CHECK_FALSE(decode_request(random(0)));
    CHECK_FALSE(decode_request(request_frame(0, {})));
    CHECK_FALSE(decode_request(request_frame(7, {})));
    CHECK_FALSE(decode_request(request_frame(4, Bytes{1})));
}

TEST_CASE("an answer with an unknown status or an endless sentence is none") {
    const auto answer = [](std::uint64_t status, std::size_t size) {
        return FieldWriter().number(1).number(status).bytes(Bytes(size, 'x')).take();
    };
    CHECK(decode_answer(answer(14, 1)));
    CHECK_FALSE(decode_answer(answer(15, 1)));
    CHECK_FALSE(decode_answer(answer(1, kMaxMessageSize + 1)));
}

TEST_CASE("a description with an endless list is none") {
    FieldWriter writer;
    for (int i = 0; i < 6; ++i) writer.text("x");
    writer.number(0).text("").number(kMaxListedItems + 1);
    CHECK_FALSE(decode_description(writer.view()));
}

TEST_CASE("frames are cut out of a stream however it arrives") {
    Bytes stream = encode(Request{1, EpochRequest{}});
    const Bytes second = encode(Request{2, AdvanceRequest{}});
    stream.insert(stream.end(), second.begin(), second.end());
    const auto step = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1'000});
    FrameReader reader;
    std::vector<std::uint64_t> ids;
    for (BytesView rest = stream; !rest.empty();) {
        const BytesView part = rest.first(std::min(step, rest.size()));
        std::copy(part.begin(), part.end(), reader.space().begin());
        reader.filled(part.size());
        rest = rest.subspan(part.size());
        while (const auto frame = reader.next()) ids.push_back(decode_request(*frame)->id);
    }
    CHECK(ids == std::vector<std::uint64_t>{1, 2});
    CHECK_FALSE(reader.broken());
}

TEST_CASE("a header that announces nothing or too much breaks the stream") {
    const auto size = GENERATE(std::uint32_t{0}, std::uint32_t{kMaxFrameSize + 1}, std::uint32_t{0xffffffff});
    FrameReader reader;
    for (std::size_t i = 0; i < kFrameHeaderSize; ++i) {
        reader.space()[0] = static_cast<std::uint8_t>(size >> (8 * i));
        reader.filled(1);
    }
    CHECK_FALSE(reader.next());
    CHECK(reader.broken());
}

TEST_CASE("the largest frame fits into the reader") {
    FrameReader reader;
    const std::array<std::uint8_t, kFrameHeaderSize> header{0, 0, 1, 0};  // 65536
    std::copy(header.begin(), header.end(), reader.space().begin());
    reader.filled(header.size());
    REQUIRE_FALSE(reader.next());
    REQUIRE(reader.space().size() == kMaxFrameSize);
    reader.filled(kMaxFrameSize);
    const auto frame = reader.next();
    REQUIRE(frame);
    CHECK(frame->size() == kMaxFrameSize);
}

}  // namespace
}  // namespace hwvault::hardware
