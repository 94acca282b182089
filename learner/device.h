// Where the learner computes.
#ifndef ANABRANCH_LEARNER_DEVICE_H_
#define ANABRANCH_LEARNER_DEVICE_H_

#include <c10/core/Device.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// LibTorch's CUDA, which no binary links: it is opened by whoever asks for it, so that one binary
// serves machines with and without a GPU. Replaced in tests.
class CudaLibrary {
 public:
  virtual ~CudaLibrary() = default;
  // Opens the library, once, from beside the LibTorch in use. NOT_FOUND with the remedy where it,
  // or a library that it needs, is missing. Blocks for a second or more.
  virtual absl::Status Open() = 0;
  // After Open. FAILED_PRECONDITION says why none can be used, such as that there is no driver.
  virtual absl::StatusOr<int> CountDevices() = 0;
};

// This process's. Thread-safe, never destroyed.
CudaLibrary& ProcessCudaLibrary();

struct OpenedDevice {
  c10::Device device;
  std::string note;  // For people: what `auto` came to, and why. Empty where a device was named.
};

// `name` is what the configuration's `device` says: "auto" takes the first CUDA device if there is
// one and otherwise the CPU, "cpu", "cuda" or "cuda:N". INVALID_ARGUMENT for anything else.
// FAILED_PRECONDITION for a CUDA device that can't be used: no library (run scripts/setup --cuda),
// no driver, or N is out of range.
absl::StatusOr<OpenedDevice> OpenDevice(const std::string& name,
                                        CudaLibrary& cuda = ProcessCudaLibrary());

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_DEVICE_H_
