// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/backend.h"
#include "tests/hardware/fake_device.h"

namespace hwvault::hardware::testing {
namespace {

class FakeBackend final : public Backend {
public:
    void make_blank_token() override {
        token_ = std::make_shared<FakeToken>();
        initialised_ = false;
    }
    Result<Description> initialise() override {
        initialised_ = true;
        return FakeDevice(token_).describe();
    }
    Result<std::unique_ptr<Device>> open() override {
        if (!initialised_) return Error{ErrorCode::kNotInitialised, "The fake has no keys: run `hwvault init`."};
        return std::unique_ptr<Device>(new FakeDevice(token_));
    }

private:
    std::shared_ptr<FakeToken> token_;
    bool initialised_{false};
};

}  // namespace

std::unique_ptr<Backend> make_fake_backend() {
    return std::make_unique<FakeBackend>();
}

}  // namespace hwvault::hardware::testing
