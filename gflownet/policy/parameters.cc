#include "gflownet/policy/parameters.h"

#include <ATen/Functions.h>

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {
namespace {

constexpr int64_t kFloatsPerCacheLine = 16;

}  // namespace

int64_t Parameters::Add(std::string name, std::vector<int64_t> shape, ParameterGroup group) {
  TORCH_CHECK(!values_.defined(), "Parameters::Add after Allocate: ", name);
  TORCH_CHECK(Find(name) < 0, "two parameters are named ", name);
  ParameterSegment segment;
  segment.size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  segment.name = std::move(name);
  segment.shape = std::move(shape);
  segment.offset = size_;
  segment.group = group;
  size_ += (segment.size + kFloatsPerCacheLine - 1) / kFloatsPerCacheLine * kFloatsPerCacheLine;
  segments_.push_back(std::move(segment));
  return static_cast<int64_t>(segments_.size()) - 1;
}

void Parameters::Allocate(at::Device device) {
  values_ = at::zeros({size_}, at::TensorOptions().dtype(at::kFloat).device(device));
  gradient_ = at::zeros_like(values_);
  leaves_.clear();
  for (const ParameterSegment& segment : segments_) {
    auto view = [&](const at::Tensor& flat) {
      return flat.narrow(0, segment.offset, segment.size).view(segment.shape).detach();
    };
    at::Tensor leaf = view(values_);
    leaf.set_requires_grad(true);
    leaf.mutable_grad() = view(gradient_);
    leaves_.push_back(std::move(leaf));
  }
}

float* Parameters::Data(int64_t segment) const {
  return values_.data_ptr<float>() + segments_[segment].offset;
}

float* Parameters::GradientData(int64_t segment) const {
  return gradient_.data_ptr<float>() + segments_[segment].offset;
}

void Parameters::ZeroGradient() { gradient_.zero_(); }

std::string Parameters::Schema() const {
  std::string schema;
  for (const ParameterSegment& segment : segments_) {
    absl::StrAppend(&schema, segment.name, "[", absl::StrJoin(segment.shape, ","), "]\n");
  }
  return schema;
}

int64_t Parameters::Find(std::string_view name) const {
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace anabranch
