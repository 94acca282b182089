// All that is learned, in one flat buffer, with names.
#ifndef ANABRANCH_GFLOWNET_POLICY_PARAMETERS_H_
#define ANABRANCH_GFLOWNET_POLICY_PARAMETERS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// Which learning rate a parameter goes by.
enum class ParameterGroup { kPolicy, kLogZ };

struct ParameterSegment {
  std::string name;  // Such as "trunk.0.weight".
  std::vector<int64_t> shape;
  int64_t offset = 0;  // In floats, into the flat buffer.
  int64_t size = 0;
  ParameterGroup group = ParameterGroup::kPolicy;
};

// float32 parameters and their gradients, each one contiguous buffer: an optimizer makes one pass
// over it, a snapshot is one copy. First all Add(), then Allocate(), then use. Not thread-safe.
class Parameters {
 public:
  // Returns the segment's number.
  int64_t Add(std::string name, std::vector<int64_t> shape,
              ParameterGroup group = ParameterGroup::kPolicy);
  // Zeroes; every segment begins on a 64-byte boundary.
  void Allocate(at::Device device = at::kCPU);

  const std::vector<ParameterSegment>& segments() const { return segments_; }
  // [size] float32, the padding between segments included (and always 0).
  const at::Tensor& values() const { return values_; }
  // [size] float32: where backward() adds up, for every segment.
  const at::Tensor& gradient() const { return gradient_; }
  // The segment as an autograd leaf in its shape, over the memory of values(); its grad() lies in
  // gradient().
  const at::Tensor& Leaf(int64_t segment) const { return leaves_[segment]; }
  // CPU only: the raw floats of a segment.
  float* Data(int64_t segment) const;
  float* GradientData(int64_t segment) const;
  void ZeroGradient();

  // Names, shapes and order of all segments, as text; two models with equal schemas can exchange
  // snapshots.
  std::string Schema() const;

  // The number of the segment, or −1.
  int64_t Find(std::string_view name) const;

 private:
  std::vector<ParameterSegment> segments_;
  int64_t size_ = 0;
  at::Tensor values_;
  at::Tensor gradient_;
  std::vector<at::Tensor> leaves_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_PARAMETERS_H_
