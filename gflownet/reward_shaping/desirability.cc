#include "gflownet/reward_shaping/desirability.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/exact_decimal.h"

namespace anabranch {
namespace {

absl::Status Refuse(absl::string_view key, absl::string_view field, double value,
                    absl::string_view remedy) {
  return absl::InvalidArgumentError(absl::StrCat(key, ".", field, " is ", value, "; ", remedy));
}

absl::Status Check(absl::string_view, std::monostate) { return absl::OkStatus(); }

absl::Status Check(absl::string_view key, const MinMaxDesirability& line) {
  if (!std::isfinite(line.from)) return Refuse(key, "min_max.from", line.from, "make it finite");
  if (!std::isfinite(line.to)) return Refuse(key, "min_max.to", line.to, "make it finite");
  if (line.from == line.to) {
    return Refuse(key, "min_max.to", line.to, "give another number than min_max.from");
  }
  return absl::OkStatus();
}

absl::Status Check(absl::string_view key, const SigmoidDesirability& sigmoid) {
  if (!std::isfinite(sigmoid.midpoint)) {
    return Refuse(key, "sigmoid.midpoint", sigmoid.midpoint, "make it finite");
  }
  if (!std::isfinite(sigmoid.slope) || sigmoid.slope == 0) {
    return Refuse(key, "sigmoid.slope", sigmoid.slope, "give a finite number that is not 0");
  }
  return absl::OkStatus();
}

absl::Status Check(absl::string_view key, const GaussianDesirability& gaussian) {
  if (!std::isfinite(gaussian.target)) {
    return Refuse(key, "gaussian.target", gaussian.target, "make it finite");
  }
  if (!std::isfinite(gaussian.width) || gaussian.width <= 0) {
    return Refuse(key, "gaussian.width", gaussian.width, "give a finite number above 0");
  }
  return absl::OkStatus();
}

double Of(std::monostate, double value) { return value; }

double Of(const MinMaxDesirability& line, double value) {
  // Halved, so that a range of all finite numbers doesn't overflow.
  const double range = line.to / 2 - line.from / 2;
  return std::clamp((value / 2 - line.from / 2) / range, 0.0, 1.0);
}

double Of(const SigmoidDesirability& sigmoid, double value) {
  return 1 / (1 + std::exp(-sigmoid.slope * (value - sigmoid.midpoint)));
}

double Of(const GaussianDesirability& gaussian, double value) {
  const double distance = (value - gaussian.target) / gaussian.width;
  return std::exp(-0.5 * distance * distance);
}

std::string Text(std::monostate) { return ""; }

std::string Text(const MinMaxDesirability& line) {
  return absl::StrCat(" min_max=", ExactDecimal(line.from), ",", ExactDecimal(line.to));
}

std::string Text(const SigmoidDesirability& sigmoid) {
  return absl::StrCat(" sigmoid=", ExactDecimal(sigmoid.midpoint), ",",
                      ExactDecimal(sigmoid.slope));
}

std::string Text(const GaussianDesirability& gaussian) {
  return absl::StrCat(" gaussian=", ExactDecimal(gaussian.target), ",",
                      ExactDecimal(gaussian.width));
}

}  // namespace

absl::Status ValueTransform::Validate(absl::string_view key) const {
  if (std::isnan(clip_min)) return Refuse(key, "clip_min", clip_min, "give a number");
  if (std::isnan(clip_max)) return Refuse(key, "clip_max", clip_max, "give a number");
  if (clip_max < clip_min) {
    return Refuse(key, "clip_max", clip_max,
                  absl::StrCat("give at least clip_min, ", clip_min, ", or leave one out"));
  }
  return std::visit([&](const auto& shape) { return Check(key, shape); }, desirability);
}

double ValueTransform::Apply(double value) const {
  const double clipped = std::clamp(value, clip_min, clip_max);
  return std::visit([&](const auto& shape) { return Of(shape, clipped); }, desirability);
}

std::string ValueTransform::CanonicalText() const {
  std::string text;
  if (std::isfinite(clip_min)) absl::StrAppend(&text, " clip_min=", ExactDecimal(clip_min));
  if (std::isfinite(clip_max)) absl::StrAppend(&text, " clip_max=", ExactDecimal(clip_max));
  return text + std::visit([](const auto& shape) { return Text(shape); }, desirability);
}

}  // namespace anabranch
