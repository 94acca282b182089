// The safetensors format: named tensors in one file that a user's Python reads
// (`safetensors.torch.load_file`), here without LibTorch.
//
// Layout: header length (8 bytes, little-endian), header (JSON, padded with spaces to a multiple of
// 8 bytes), then the data of all tensors without gaps.
#ifndef ANABRANCH_RUNTIME_SAFETENSORS_H_
#define ANABRANCH_RUNTIME_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

enum class TensorType { kF64, kI64, kF32, kI32, kBF16, kU8 };

// Bytes of one element.
int64_t ElementSize(TensorType type);
// The format's own name, such as "F32".
absl::string_view TensorTypeName(TensorType type);

// A tensor, row-major and little-endian. Doesn't own its bytes.
struct TensorView {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;  // Empty for a scalar.
  absl::string_view bytes;
};

// The file's bytes. The same tensors and metadata give the same bytes, in whatever order they come:
// data is ordered by element size, largest first (so that every tensor is aligned to its elements),
// then by name. INVALID_ARGUMENT names a tensor whose name is reserved, not UTF-8 or used twice, or
// whose bytes don't fit its shape.
absl::StatusOr<std::string> SerializeSafetensors(
    std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata = {});

// A file that was read and verified. Views are valid as long as it lives, also when it is moved.
// Immutable.
class SafetensorsFile {
 public:
  // Takes any bytes whatever. DATA_LOSS, naming the tensor where there is one: a file that is cut
  // off, has a header that is not what the format says, or tensors that overlap, leave gaps, lie
  // outside, or don't fit their shapes. INVALID_ARGUMENT: a tensor of a type not known here.
  static absl::StatusOr<SafetensorsFile> Parse(std::string bytes);
  // The same of bytes that somebody else owns, and which outlive the views.
  static absl::StatusOr<SafetensorsFile> View(absl::string_view bytes);

  // Sorted by name.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  // NOT_FOUND names the tensor.
  absl::StatusOr<TensorView> Find(absl::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  SafetensorsFile() = default;

  // On the heap, so that views stay valid when this is moved. Null where the bytes are another's.
  std::unique_ptr<const std::string> bytes_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_SAFETENSORS_H_
