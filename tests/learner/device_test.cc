#include "learner/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

// A machine with so many devices, or with something missing.
class MachineWith final : public CudaLibrary {
 public:
  explicit MachineWith(int devices) : count_(devices) {}
  MachineWith(absl::Status opened, absl::StatusOr<int> count)
      : opened_(std::move(opened)), count_(std::move(count)) {}
  absl::Status Open() override { return opened_; }
  absl::StatusOr<int> CountDevices() override { return count_; }

 private:
  const absl::Status opened_;
  const absl::StatusOr<int> count_;
};

std::string Message(const absl::StatusOr<OpenedDevice>& device) {
  return std::string(device.status().message());
}

TEST(Device, AutoTakesTheFirstCudaDeviceOrSaysWhyNot) {
  MachineWith two(2), none(0);
  EXPECT_EQ(OpenDevice("auto", two)->device, c10::Device(c10::DeviceType::CUDA, 0));
  EXPECT_TRUE(OpenDevice("auto", none)->device.is_cpu());
  EXPECT_THAT(OpenDevice("auto", none)->note, HasSubstr("there is no CUDA device"));
  MachineWith missing(absl::NotFoundError("no library; run scripts/setup --cuda"), 0);
  EXPECT_TRUE(OpenDevice("auto", missing)->device.is_cpu());
  EXPECT_THAT(OpenDevice("auto", missing)->note, HasSubstr("scripts/setup --cuda"));
  MachineWith no_driver(absl::OkStatus(), absl::FailedPreconditionError("no driver"));
  EXPECT_THAT(OpenDevice("auto", no_driver)->note, HasSubstr("the CPU, since no driver"));
}

TEST(Device, AnIndexOutOfRangeNamesHowManyThereAre) {
  MachineWith two(2), one(1);
  EXPECT_EQ(OpenDevice("cuda:1", two)->device.index(), 1);
  auto third = OpenDevice("cuda:2", two);
  EXPECT_EQ(third.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(third), HasSubstr("device is cuda:2, and there are 2 CUDA devices"));
  EXPECT_THAT(Message(OpenDevice("cuda:1", one)), HasSubstr("there is 1 CUDA device,"));
}

TEST(Device, WhatIsMissingForANamedDeviceIsAnErrorWithTheRemedy) {
  MachineWith missing(absl::NotFoundError("no library; run scripts/setup --cuda"), 0);
  auto device = OpenDevice("cuda:0", missing);
  EXPECT_EQ(device.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(device), HasSubstr("scripts/setup --cuda"));
  MachineWith no_driver(absl::OkStatus(), absl::FailedPreconditionError("no driver"));
  EXPECT_THAT(Message(OpenDevice("cuda:0", no_driver)), HasSubstr("no driver"));
}

TEST(Device, OtherNamesAreRefused) {
  MachineWith two(2);
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"}) {
    EXPECT_EQ(OpenDevice(name, two).status().code(), StatusCode::kInvalidArgument) << name;
  }
}

TEST(Device, ThisProcessOpensTheLibraryOrSaysWhatIsMissing) {
  auto device = OpenDevice("auto");
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_THAT(device->note, HasSubstr("device auto: "));
  auto named = OpenDevice("cuda:0");
  EXPECT_EQ(named.ok(), device->device.is_cuda()) << named.status();
  if (!named.ok()) {
    EXPECT_THAT(Message(named), testing::AnyOf(HasSubstr("scripts/setup --cuda"),
                                               HasSubstr("nvidia-smi"), HasSubstr("0 CUDA")));
  }
}

}  // namespace
}  // namespace anabranch
