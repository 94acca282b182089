#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/plots.h"

namespace anabranch {
namespace {

constexpr double kHeight = 512;
constexpr double kMap = 336;  // Side of a map.
constexpr double kTop = 112;
constexpr double kTrueLeft = 64, kLearnedLeft = 440;
constexpr double kBarLeft = 806, kBarWidth = 14;
// With more cells than this in a row, cells have no gaps and no tooltips.
constexpr int64_t kMaxSeparateSide = 16;

class HeatMaps {
 public:
  HeatMaps(const Distribution& distribution, int64_t side, const PictureText& text)
      : d_(distribution), side_(side), text_(text), svg_(kPictureWidth, kHeight, text.description) {
    for (int64_t i = 0; i < d_.size(); ++i) {
      largest_ = std::max({largest_, std::exp(d_.log_true[i]), std::exp(d_.log_learned[i])});
    }
  }

  std::string Draw() {
    svg_.Text(kTrueLeft, 44, text_.title, "class='ink' font-size='20' font-weight='600'");
    DrawMap(d_.log_true, kTrueLeft, "True, R(x) / Z");
    DrawMap(d_.log_learned, kLearnedLeft, "Learned, p(x)");
    svg_.Text(
        kTrueLeft - 36, kTop + kMap / 2, "second coordinate",
        absl::StrCat("class='soft' font-size='12' text-anchor='middle' transform='rotate(-90 ",
                     kTrueLeft - 36, " ", kTop + kMap / 2, ")'"));
    DrawScale();
    std::string caption;
    for (const std::string& fact : text_.facts) {
      absl::StrAppend(&caption, caption.empty() ? "" : "   \xC2\xB7   ", fact);
    }
    svg_.Text(kTrueLeft, 70, caption, "class='soft' font-size='13'");
    return svg_.Finish();
  }

 private:
  void DrawMap(const std::vector<double>& log_p, double left, const std::string& name) {
    svg_.Text(left, kTop - 10, name, "class='ink' font-size='13' font-weight='600'");
    if (side_ <= kMaxSeparateSide) {
      DrawCells(log_p, left);
    } else {
      DrawRuns(log_p, left);
    }
    const double cell = kMap / static_cast<double>(side_);
    const int64_t step = side_ <= 16 ? 1 : (side_ + 7) / 8;
    for (int64_t k = 0; k < side_; k += step) {
      const double at = (static_cast<double>(k) + 0.5) * cell;
      svg_.Text(left + at, kTop + kMap + 18, absl::StrCat(k),
                "class='soft' font-size='11' text-anchor='middle'");
      svg_.Text(left - 8, kTop + kMap - at + 4, absl::StrCat(k),
                "class='soft' font-size='11' text-anchor='end'");
    }
    svg_.Text(left + kMap / 2, kTop + kMap + 40, "first coordinate",
              "class='soft' font-size='12' text-anchor='middle'");
  }

  std::string Fill(double p) const {
    return absl::StrCat("fill='", RampColour(largest_ > 0 ? p / largest_ : 0), "'");
  }

  // The first coordinate runs to the right, the second upwards.
  void DrawCells(const std::vector<double>& log_p, double left) {
    const double cell = kMap / static_cast<double>(side_), gap = 1;
    for (int64_t i = 0; i < d_.size(); ++i) {
      const double x = left + static_cast<double>(i / side_) * cell;
      const double y = kTop + kMap - static_cast<double>(i % side_ + 1) * cell;
      svg_.Rect(x + gap, y + gap, cell - 2 * gap, cell - 2 * gap,
                Fill(std::exp(log_p[i])) + " rx='2'",
                absl::StrCat(PrintableObject(d_.objects[i], 64), ": learned ",
                             Significant(std::exp(d_.log_learned[i]), 4), ", true ",
                             Significant(std::exp(d_.log_true[i]), 4)));
    }
  }

  // Cells of one colour in a row become one rectangle.
  void DrawRuns(const std::vector<double>& log_p, double left) {
    const double cell = kMap / static_cast<double>(side_);
    for (int64_t row = 0; row < side_; ++row) {
      for (int64_t first = 0, last; first < side_; first = last) {
        const std::string fill = Fill(std::exp(log_p[first * side_ + row]));
        last = first + 1;
        while (last < side_ && Fill(std::exp(log_p[last * side_ + row])) == fill) ++last;
        svg_.Rect(left + static_cast<double>(first) * cell,
                  kTop + kMap - static_cast<double>(row + 1) * cell,
                  static_cast<double>(last - first) * cell, cell,
                  fill + " shape-rendering='crispEdges'");
      }
    }
  }

  void DrawScale() {
    constexpr int kSteps = 84;
    for (int k = 0; k < kSteps; ++k) {
      svg_.Rect(kBarLeft, kTop + kMap - (k + 1) * kMap / kSteps, kBarWidth, kMap / kSteps + 0.3,
                Fill(largest_ * (k + 0.5) / kSteps) + " shape-rendering='crispEdges'");
    }
    for (const double tick : RoundTicks(largest_)) {
      const double y = kTop + kMap * (1 - tick / largest_);
      svg_.Line(kBarLeft + kBarWidth, y, kBarLeft + kBarWidth + 4, y, "class='axis'");
      svg_.Text(kBarLeft + kBarWidth + 8, y + 4, Significant(tick, 3),
                "class='soft' font-size='11'");
    }
    svg_.Text(kBarLeft + kBarWidth, kTop - 10, "probability",
              "class='soft' font-size='12' text-anchor='middle'");
  }

  const Distribution& d_;
  int64_t side_;
  const PictureText& text_;
  Svg svg_;
  double largest_ = 0;
};

}  // namespace

std::string DrawHeatMaps(const Distribution& distribution, int64_t side, const PictureText& text) {
  return HeatMaps(distribution, side, text).Draw();
}

}  // namespace anabranch
