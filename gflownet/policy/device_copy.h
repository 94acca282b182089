// Columns on their way to the device that computes.
#ifndef ANABRANCH_GFLOWNET_POLICY_DEVICE_COPY_H_
#define ANABRANCH_GFLOWNET_POLICY_DEVICE_COPY_H_

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <cstring>

namespace anabranch {

// Memory on the CPU whose copy to `device` need not wait: pinned where that is another device.
inline at::Tensor StagingTensor(at::IntArrayRef shape, at::ScalarType type, at::Device device) {
  return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(!device.is_cpu()));
}

// A StagingTensor's content on `device`. Doesn't wait: the memory isn't used again before it has
// been read. On the CPU it is the same tensor.
inline at::Tensor SendToDevice(const at::Tensor& staged, at::Device device) {
  return device.is_cpu() ? staged : staged.to(device, /*non_blocking=*/true);
}

// `data`, of that shape, as a tensor on `device`. On the CPU it is `data` itself, which must
// outlive the tensor; elsewhere it is copied before this returns.
template <typename T>
at::Tensor ToDevice(const T* data, at::IntArrayRef shape, at::Device device) {
  const at::Tensor here =
      at::from_blob(const_cast<T*>(data), shape, c10::CppTypeToScalarType<T>::value);  // Read only.
  if (device.is_cpu()) return here;
  return SendToDevice(StagingTensor(shape, here.scalar_type(), device).copy_(here), device);
}

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_DEVICE_COPY_H_
