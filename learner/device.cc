#include "learner/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <exception>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"

namespace anabranch {
namespace {

constexpr absl::string_view kLibrary = "libtorch_cuda.so";

class DlopenedCuda final : public CudaLibrary {
 public:
  absl::Status Open() override {
    absl::MutexLock lock(&mu_);
    if (!tried_) opened_ = Load();
    tried_ = true;
    return opened_;
  }

  absl::StatusOr<int> CountDevices() override {
    try {
      if (!at::hasCUDA()) {
        return absl::FailedPreconditionError(
            "CUDA finds no driver or no device; look at what nvidia-smi says");
      }
      return static_cast<int>(at::detail::getCUDAHooks().deviceCount());
    } catch (const c10::Error& error) {
      return absl::FailedPreconditionError(
          absl::StrCat("CUDA fails: ", error.what_without_backtrace()));
    } catch (const std::exception& error) {
      return absl::FailedPreconditionError(absl::StrCat("CUDA fails: ", error.what()));
    }
  }

 private:
  static absl::Status Load() {
    Dl_info here = {};
    // Any function of libtorch_cpu tells where it lies.
    if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &here) == 0) {
      return absl::InternalError("can't find out where LibTorch lies");
    }
    std::string directory = here.dli_fname;
    directory.resize(directory.rfind('/') == std::string::npos ? 0 : directory.rfind('/') + 1);
    const std::string path = absl::StrCat(directory, kLibrary);
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("LibTorch's CUDA can't be loaded (", dlerror(),
                                            "); run scripts/setup --cuda"));
  }

  absl::Mutex mu_;
  bool tried_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status opened_ ABSL_GUARDED_BY(mu_);
};

absl::StatusOr<int> OpenAndCount(CudaLibrary& cuda) {
  if (absl::Status status = cuda.Open(); !status.ok()) return status;
  return cuda.CountDevices();
}

OpenedDevice ChooseDevice(CudaLibrary& cuda) {
  const auto count = OpenAndCount(cuda);
  if (count.ok() && *count > 0) {
    return {c10::Device(c10::DeviceType::CUDA, 0), "device auto: cuda:0"};
  }
  const std::string why =
      count.ok() ? "there is no CUDA device" : std::string(count.status().message());
  return {c10::Device(c10::DeviceType::CPU), absl::StrCat("device auto: the CPU, since ", why)};
}

}  // namespace

CudaLibrary& ProcessCudaLibrary() {
  static auto* const library = new DlopenedCuda;
  return *library;
}

absl::StatusOr<OpenedDevice> OpenDevice(const std::string& name, CudaLibrary& cuda) {
  if (name == "cpu") return OpenedDevice{c10::Device(c10::DeviceType::CPU), ""};
  if (name == "auto" || name.empty()) return ChooseDevice(cuda);
  absl::string_view number = name;
  int index = 0;
  const bool numbered = absl::ConsumePrefix(&number, "cuda:");
  if (name != "cuda" && (!numbered || !absl::SimpleAtoi(number, &index) || index < 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("device is '", name, "'; write auto, cpu or cuda:N"));
  }
  const auto count = OpenAndCount(cuda);
  if (!count.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device is ", name, ", and ", count.status().message(), "; or write device: cpu"));
  }
  if (index >= *count) {
    return absl::FailedPreconditionError(
        absl::StrCat("device is ", name, ", and there ", *count == 1 ? "is" : "are", " ", *count,
                     " CUDA device", *count == 1 ? "" : "s", ", numbered from 0"));
  }
  return OpenedDevice{c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)), ""};
}

}  // namespace anabranch
