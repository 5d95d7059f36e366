// SPDX-License-Identifier: LGPL-2.1-or-later
//
// CMS to an offline key, held against the openssl program: its keys are read, and it opens what is written.
#include "crypto/cms.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/catch.h"

namespace hwvault::crypto {
namespace {

using std::filesystem::path;

class KeyFolder {
public:
    KeyFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-cms-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
    }
    KeyFolder(const KeyFolder&) = delete;
    KeyFolder& operator=(const KeyFolder&) = delete;
    ~KeyFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    // `openssl ARGUMENTS`, in the folder.
    void openssl(const std::string& arguments) const { REQUIRE(try_openssl(arguments)); }
    [[nodiscard]] bool try_openssl(const std::string& arguments) const {
        return std::system(("cd '" + folder_.string() + "' && openssl " + arguments + " 2>>log").c_str()) == 0;
    }
    [[nodiscard]] Bytes read(const std::string& name) const {
        std::ifstream in(folder_ / name, std::ios::binary);
        REQUIRE(in);
        return Bytes(std::istreambuf_iterator<char>(in), {});
    }
    void write(const std::string& name, BytesView bytes) const {
        std::ofstream out(folder_ / name, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    // key.pem and its public half, by the arguments of `openssl genpkey`.
    void make_key(const std::string& kind) const {
        openssl("genpkey -algorithm " + kind + " -out key.pem");
        openssl("pkey -in key.pem -pubout -out public.pem");
    }

private:
    path folder_;
};

Recipient recipient_of(BytesView pem) {
    auto parsed = Recipient::parse(pem);
    if (!parsed) FAIL(parsed.error().message);
    return std::move(parsed).value();
}

Result<SecretBytes> no_passphrase() {
    return Error{ErrorCode::kInvalidArgument, "nobody is there to ask"};
}

RecoveryKey key_of(const KeyFolder& folder, const std::string& name = "key.pem") {
    auto parsed = RecoveryKey::parse(SecretBytes::copy_of(folder.read(name)), no_passphrase);
    if (!parsed) FAIL(parsed.error().message);
    return std::move(parsed).value();
}

// The message of the refusal.
std::string refusal_of(BytesView pem) {
    const auto parsed = Recipient::parse(pem);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
    return parsed.error().message;
}

const Bytes kPlaintext = [] {
    Bytes bytes(100'000);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 256);
    return bytes;
}();

const std::string kKinds[] = {"EC -pkeyopt ec_paramgen_curve:P-256", "EC -pkeyopt ec_paramgen_curve:P-384",
                              "RSA -pkeyopt rsa_keygen_bits:2048"};

TEST_CASE("What is encrypted to a key opens with the openssl program and with ours") {
    const KeyFolder folder;
    folder.make_key(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
    const bool certificate = GENERATE(false, true);
    if (certificate) folder.openssl("req -x509 -new -key key.pem -subj /CN=recovery -days 1 -out public.pem");
    const Recipient recipient = recipient_of(folder.read("public.pem"));

    const auto message = recipient.encrypt(kPlaintext);
    REQUIRE(message);
    folder.write("message.der", *message);
    folder.openssl("cms -decrypt -inform DER -in message.der -inkey key.pem -out plain");
    CHECK(folder.read("plain") == kPlaintext);
    if (certificate) {
        folder.openssl("cms -decrypt -inform DER -in message.der -recip public.pem -inkey key.pem -out by-name");
        CHECK(folder.read("by-name") == kPlaintext);
    }

    const RecoveryKey key = key_of(folder);
    const auto opened = key.decrypt(*message);
    REQUIRE(opened);
    CHECK(std::ranges::equal(opened->reveal(), kPlaintext));
    CHECK(key.fingerprint() == recipient.fingerprint());
}

TEST_CASE("The message is AuthEnvelopedData with AES-256-GCM, and no SHA-1 and no PKCS#1 v1.5 are in it") {
    const KeyFolder folder;
    folder.make_key(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
    folder.write("message.der", recipient_of(folder.read("public.pem")).encrypt(bytes_of("secret")).value());
    folder.openssl("cms -cmsout -print -noout -inform DER -in message.der -out shown");
    const Bytes shown = folder.read("shown");
    const std::string text(text_of(shown));
    CHECK(text.find("id-smime-ct-authEnvelopedData") != std::string::npos);
    CHECK(text.find("aes-256-gcm") != std::string::npos);
    CHECK(text.find("rsaEncryption") == std::string::npos);
    CHECK(text.find("sha1") == std::string::npos);
}

TEST_CASE("The fingerprint is the SHA-256 of the key that openssl shows, whatever it is wrapped in") {
    const KeyFolder folder;
    folder.make_key(kKinds[0]);
    folder.openssl("req -x509 -new -key key.pem -subj /CN=recovery -days 1 -out certificate.pem");
    folder.openssl("pkey -pubin -in public.pem -outform DER -out public.der");
    const Digest expected = sha256(folder.read("public.der"));
    CHECK(recipient_of(folder.read("public.pem")).fingerprint() == expected);
    CHECK(recipient_of(folder.read("certificate.pem")).fingerprint() == expected);
}

TEST_CASE("Another key does not open it, nor does the right one when a byte was changed") {
    const KeyFolder folder;
    folder.make_key(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
    const Bytes message = recipient_of(folder.read("public.pem")).encrypt(bytes_of("secret")).value();
    const RecoveryKey right = key_of(folder);
    REQUIRE(right.decrypt(message));
    for (std::size_t i = 0; i < message.size(); i += 7) {
        Bytes changed = message;
        changed[i] ^= 0x01;
        INFO("byte " << i);
        const auto opened = right.decrypt(changed);
        // Bytes that name the recipient decide nothing when the key is given.
        if (opened) CHECK(text_of(opened->reveal()) == "secret");
    }
    for (std::size_t from_end = 1; from_end <= 16; ++from_end) {
        Bytes changed = message;
        changed[changed.size() - from_end] ^= 0x80;
        CHECK(right.decrypt(changed).error().code == ErrorCode::kStoreTampered);
    }
    folder.make_key(GENERATE(from_range(std::begin(kKinds), std::end(kKinds))));
    CHECK(key_of(folder).decrypt(message).error().code == ErrorCode::kStoreTampered);
    CHECK(right.decrypt(bytes_of("no message")).error().code == ErrorCode::kStoreTampered);
    CHECK(right.decrypt({}).error().code == ErrorCode::kStoreTampered);
}

TEST_CASE("What is no recovery recipient is refused, with the reason") {
    const KeyFolder folder;
    folder.make_key(kKinds[0]);
    CHECK(refusal_of(folder.read("key.pem")).find("private key") != std::string::npos);
    CHECK(refusal_of(bytes_of("hello")).find("neither a certificate nor a public key") != std::string::npos);
    CHECK(refusal_of({}).find("neither a certificate nor a public key") != std::string::npos);
    CHECK(refusal_of(Bytes(kMaxKeyFileSize + 1)).find("larger") != std::string::npos);
    for (const std::string kind : {"RSA -pkeyopt rsa_keygen_bits:1024", "ED25519", "EC -pkeyopt ec_paramgen_curve:P-521"}) {
        INFO(kind);
        folder.make_key(kind);
        CHECK(refusal_of(folder.read("public.pem")).find("RSA key of 2048 bits") != std::string::npos);
    }
}

TEST_CASE("An encrypted private key opens with its passphrase alone") {
    const KeyFolder folder;
    folder.write("passphrase", bytes_of("correct horse"));
    folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass file:passphrase -out key.pem");
    const SecretBytes pem = SecretBytes::copy_of(folder.read("key.pem"));
    const auto saying = [](std::string_view passphrase) {
        return [passphrase] { return Result<SecretBytes>(SecretBytes::copy_of(bytes_of(passphrase))); };
    };
    CHECK(RecoveryKey::parse(pem, saying("correct horse")));
    const auto wrong = RecoveryKey::parse(pem, saying("battery"));
    CHECK(wrong.error().message.find("passphrase is wrong") != std::string::npos);
    CHECK(RecoveryKey::parse(pem, no_passphrase).error().message == "nobody is there to ask");
    const auto endless = RecoveryKey::parse(pem, [] { return Result<SecretBytes>(SecretBytes(1 << 20)); });
    CHECK(endless.error().message.find("too long") != std::string::npos);
}

TEST_CASE("What is no private key is refused") {
    const KeyFolder folder;
    folder.make_key(kKinds[0]);
    const Bytes public_half = folder.read("public.pem");
    for (const BytesView pem : {BytesView{public_half}, bytes_of("hello"), BytesView{}}) {
        const auto parsed = RecoveryKey::parse(SecretBytes::copy_of(pem), no_passphrase);
        CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
    }
    folder.make_key("ED25519");
    CHECK(RecoveryKey::parse(SecretBytes::copy_of(folder.read("key.pem")), no_passphrase).error().code ==
          ErrorCode::kInvalidArgument);
}

TEST_CASE("A public key goes to PEM and back") {
    const KeyFolder folder;
    folder.make_key(kKinds[0]);
    folder.openssl("pkey -pubin -in public.pem -outform DER -out public.der");
    const Bytes der = folder.read("public.der");
    CHECK(public_key_pem(der).value() == text_of(folder.read("public.pem")));
    CHECK(public_key_der(folder.read("public.pem")).value() == der);
    CHECK(public_key_pem(bytes_of("x")).error().code == ErrorCode::kInvalidArgument);
    CHECK(public_key_der(folder.read("key.pem")).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace hwvault::crypto
