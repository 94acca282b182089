#include "runtime/components/snapshot.h"

#include <ATen/Functions.h>

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/safetensors.h"

namespace anabranch {
namespace {

constexpr int64_t kFloatBytes = 4;

// Where a segment of a buffer on the CPU lies.
char* SegmentData(const at::Tensor& flat, const ParameterSegment& segment) {
  return reinterpret_cast<char*>(flat.data_ptr<float>() + segment.offset);
}

std::string Shape(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// One tensor of the file against the segment that it is for.
absl::Status CheckTensor(const std::string& name, const ParameterSegment& segment,
                         const absl::StatusOr<TensorView>& tensor) {
  if (!tensor.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file has no tensor '", name, "' ", Shape(segment.shape),
                     ", which this run's policy has; give it the policy it was written with"));
  }
  if (tensor->type != TensorType::kF32) {
    return absl::FailedPreconditionError(absl::StrCat(
        "tensor '", name, "' is ", TensorTypeName(tensor->type), " in the file, F32 in this run"));
  }
  if (tensor->shape != segment.shape) {
    return absl::FailedPreconditionError(
        absl::StrCat("tensor '", name, "' has shape ", Shape(tensor->shape), " in the file, ",
                     Shape(segment.shape), " in this run; give it the policy it was written with"));
  }
  return absl::OkStatus();
}

absl::Status CheckNothingElse(const SafetensorsFile& file, const Parameters& parameters,
                              const std::map<std::string, at::Tensor>& buffers) {
  if (file.tensors().size() == parameters.segments().size() * buffers.size()) {
    return absl::OkStatus();
  }
  for (const TensorView& tensor : file.tensors()) {
    bool known = false;
    for (const auto& [prefix, flat] : buffers) {
      known |= tensor.name.compare(0, prefix.size(), prefix) == 0 &&
               parameters.Find(tensor.name.substr(prefix.size())) >= 0;
    }
    if (!known) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the file has a tensor '", tensor.name, "' ", Shape(tensor.shape),
          ", which this run's policy has not; give it the policy it was written with"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SerializeSegments(
    const Parameters& parameters, const std::map<std::string, at::Tensor>& flat_buffers_by_prefix,
    const std::map<std::string, std::string>& metadata) {
  std::vector<TensorView> views;
  std::vector<at::Tensor> on_cpu;  // Owns what the views look at.
  for (const auto& [prefix, flat] : flat_buffers_by_prefix) {
    on_cpu.push_back(flat.to(at::kCPU));
    for (const ParameterSegment& segment : parameters.segments()) {
      views.push_back(
          {prefix + segment.name, TensorType::kF32, segment.shape,
           absl::string_view(SegmentData(on_cpu.back(), segment), segment.size * kFloatBytes)});
    }
  }
  return SerializeSafetensors(views, metadata);
}

absl::Status DeserializeSegments(absl::string_view bytes, const Parameters& parameters,
                                 const std::map<std::string, at::Tensor>& flat_buffers_by_prefix,
                                 std::map<std::string, std::string>* metadata) {
  auto file = SafetensorsFile::Parse(std::string(bytes));
  if (!file.ok()) return file.status();
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // From, to.
  for (const auto& [prefix, flat] : flat_buffers_by_prefix) {
    const at::Tensor staged = at::zeros({flat.numel()}, at::kFloat);
    for (const ParameterSegment& segment : parameters.segments()) {
      const std::string name = prefix + segment.name;
      const auto tensor = file->Find(name);
      if (absl::Status status = CheckTensor(name, segment, tensor); !status.ok()) return status;
      std::memcpy(SegmentData(staged, segment), tensor->bytes.data(), tensor->bytes.size());
    }
    copies.emplace_back(staged, flat);
  }
  absl::Status status = CheckNothingElse(*file, parameters, flat_buffers_by_prefix);
  if (!status.ok()) return status;
  for (auto& [from, to] : copies) to.copy_(from);
  if (metadata != nullptr) *metadata = file->metadata();
  return absl::OkStatus();
}

absl::StatusOr<std::string> SerializeParameters(
    const Parameters& parameters, const std::map<std::string, std::string>& metadata) {
  return SerializeSegments(parameters, {{"", parameters.values()}}, metadata);
}

absl::Status DeserializeParameters(absl::string_view bytes, const Parameters& parameters,
                                   std::map<std::string, std::string>* metadata) {
  return DeserializeSegments(bytes, parameters, {{"", parameters.values()}}, metadata);
}

}  // namespace anabranch
