#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/plots.h"

namespace anabranch {
namespace {

constexpr double kHeight = 620;
constexpr double kLeft = 92, kTop = 88, kSide = 456;
constexpr double kNotesLeft = 592;
// How far beyond the true probabilities the axes follow the learned ones, in powers of ten.
constexpr double kMaxOvershoot = 2;
// Up to so many distinct true probabilities are drawn as columns: dots would hide each other.
constexpr size_t kMaxLevels = 12;
constexpr int64_t kMaxDots = 1500;
constexpr double kBin = 4;  // Pixels.

// The states that share one true probability.
struct Level {
  double log_true;
  std::vector<double> learned;  // log10, ascending.
};

class Scatter {
 public:
  Scatter(const Distribution& distribution, const PictureText& text)
      : d_(distribution), text_(text), svg_(kPictureWidth, kHeight, text.description) {
    Measure();
  }

  std::string Draw() {
    svg_.Text(kLeft, 44, text_.title, "class='ink' font-size='20' font-weight='600'");
    DrawAxes();
    if (levels_.size() <= kMaxLevels) {
      for (size_t k = 0; k < levels_.size(); ++k) DrawColumn(k);
    } else if (static_cast<int64_t>(points_.size()) <= kMaxDots) {
      for (const auto& [x, y] : points_) {
        svg_.Circle(X(x), Y(y), 2.6, "class='mark' fill-opacity='0.55'");
      }
    } else {
      DrawDensity();
    }
    svg_.Line(kLeft, kTop + kSide, kLeft + kSide, kTop, "class='line' stroke-width='1.5'");
    DrawNotes();
    return svg_.Finish();
  }

 private:
  void Measure() {
    std::vector<std::pair<double, double>> by_true;
    for (int64_t i = 0; i < d_.size(); ++i) {
      if (std::isinf(d_.log_true[i])) {
        impossible_mass_ += std::exp(d_.log_learned[i]);
        ++impossible_;
        continue;
      }
      points_.emplace_back(d_.log_true[i] / std::log(10), d_.log_learned[i] / std::log(10));
    }
    std::sort(points_.begin(), points_.end());
    low_ = points_.front().first;
    high_ = points_.back().first;
    const double floor = low_ - kMaxOvershoot, ceiling = high_ + kMaxOvershoot;
    for (const auto& [x, y] : points_) {
      low_ = std::min(low_, std::max(y, floor));
      high_ = std::max(high_, std::min(y, ceiling));
      if (levels_.empty() || x - levels_.back().log_true > 1e-6) levels_.push_back({x, {}});
      levels_.back().learned.push_back(y);
    }
    const double margin = 0.06 * (high_ - low_) + 0.04;
    low_ -= margin;
    high_ += margin;
    for (const auto& [x, y] : points_) {
      below_ += y < low_;
      above_ += y > high_;
    }
  }

  double X(double log10_p) const { return kLeft + kSide * Share(log10_p); }
  double Y(double log10_p) const { return kTop + kSide * (1 - Share(log10_p)); }
  double Share(double log10_p) const {
    return std::clamp((log10_p - low_) / (high_ - low_), 0.0, 1.0);
  }

  void DrawAxes() {
    const bool wide = high_ - low_ > 1.5;
    for (int decade = static_cast<int>(std::floor(low_)); decade <= high_; ++decade) {
      for (const int factor : {1, 2, 5}) {
        const double at = decade + std::log10(factor);
        if (at < low_ || at > high_ || (wide && factor != 1)) continue;
        svg_.Line(X(at), kTop, X(at), kTop + kSide, "class='grid'");
        svg_.Line(kLeft, Y(at), kLeft + kSide, Y(at), "class='grid'");
        Label(at, decade, wide);
      }
    }
    svg_.Rect(kLeft, kTop, kSide, kSide, "class='axis'");
    svg_.Text(kLeft + kSide / 2, kTop + kSide + 44, "true probability, R(x) / Z",
              "class='soft' font-size='12' text-anchor='middle'");
    svg_.Text(34, kTop + kSide / 2, "learned probability, p(x)",
              absl::StrCat("class='soft' font-size='12' text-anchor='middle' transform='rotate(-90 "
                           "34 ",
                           kTop + kSide / 2, ")'"));
  }

  void Label(double at, int decade, bool wide) {
    const std::string below = "class='soft' font-size='11' text-anchor='middle'";
    const std::string beside = "class='soft' font-size='11' text-anchor='end'";
    if (wide) {
      svg_.PowerOfTen(X(at), kTop + kSide + 20, decade, below);
      svg_.PowerOfTen(kLeft - 8, Y(at) + 4, decade, beside);
    } else {
      svg_.Text(X(at), kTop + kSide + 20, Significant(std::pow(10, at), 3), below);
      svg_.Text(kLeft - 8, Y(at) + 4, Significant(std::pow(10, at), 3), beside);
    }
  }

  // Half the room that a column has before it meets its neighbour.
  double ColumnRoom(size_t k) const {
    const double x = X(levels_[k].log_true);
    double room = std::min({34.0, x - kLeft, kLeft + kSide - x});
    if (k > 0) room = std::min(room, (x - X(levels_[k - 1].log_true)) / 2);
    if (k + 1 < levels_.size()) {
      room = std::min(room, (X(levels_[k + 1].log_true) - x) / 2);
    }
    return std::max(2.0, 0.9 * room);
  }

  // A histogram of the learned probabilities on both sides of their true one, its width the number
  // of states; and a tick at the median.
  void DrawColumn(size_t k) {
    const Level& level = levels_[k];
    const double x = X(level.log_true), room = ColumnRoom(k);
    if (level.learned.size() <= 3) {
      for (const double y : level.learned) svg_.Circle(x, Y(y), 3.2, "class='mark'");
    } else {
      std::map<int, int64_t> bins;
      for (const double y : level.learned) ++bins[static_cast<int>(std::floor(Y(y) / kBin))];
      int64_t most = 0;
      for (const auto& [bin, count] : bins) most = std::max(most, count);
      for (const auto& [bin, count] : bins) {
        const double half =
            std::max(0.8, room * static_cast<double>(count) / static_cast<double>(most));
        svg_.Rect(x - half, bin * kBin, 2 * half, kBin, "class='mark' fill-opacity='0.8'",
                  Count(count, "state"));
      }
      const double median = Y(level.learned[level.learned.size() / 2]);
      svg_.Line(x - room, median, x + room, median, "class='cut' stroke-width='2'");
    }
    if (room > 26) {
      svg_.Text(x, kTop - 8, Count(static_cast<int64_t>(level.learned.size()), "state"),
                "class='soft' font-size='11' text-anchor='middle'");
    }
  }

  // Squares, their colour the stronger the more states lie there.
  void DrawDensity() {
    std::map<std::pair<int, int>, int64_t> bins;
    int64_t most = 0;
    static constexpr int kLast = static_cast<int>(kSide / kBin) - 1;
    auto bin_of = [](double offset) { return std::min<int>(offset / kBin, kLast); };
    for (const auto& [x, y] : points_) {
      const std::pair bin{bin_of(X(x) - kLeft), bin_of(Y(y) - kTop)};
      most = std::max(most, ++bins[bin]);
    }
    for (const auto& [bin, count] : bins) {
      const double share = std::log1p(static_cast<double>(count)) / std::log1p(most);
      svg_.Rect(kLeft + bin.first * kBin, kTop + bin.second * kBin, kBin, kBin,
                absl::StrCat("class='mark' fill-opacity='", Fixed(0.15 + 0.85 * share, 2), "'"));
    }
  }

  // Lines of the legend; an empty one parts paragraphs.
  std::vector<std::string> Notes() const {
    std::vector<std::string> notes = {"On the line learned and true agree;",
                                      "above it a state is drawn too often,",
                                      "below it too rarely.", ""};
    if (levels_.size() <= kMaxLevels) {
      notes.insert(notes.end(), {"Each column holds the states that share",
                                 "one true probability: wide where they",
                                 "are many (each on its own scale), cut at", "their median."});
    } else if (static_cast<int64_t>(points_.size()) > kMaxDots) {
      notes.push_back("The stronger the colour, the more states.");
    } else {
      notes.push_back("Each dot is a state.");
    }
    if (below_ > 0) {
      notes.insert(notes.end(),
                   {"", absl::StrCat(Count(below_, "state"), " below the frame: at its edge.")});
    }
    if (above_ > 0) {
      notes.insert(notes.end(),
                   {"", absl::StrCat(Count(above_, "state"), " above the frame: at its edge.")});
    }
    if (impossible_ > 0) {
      notes.insert(
          notes.end(),
          {"", absl::StrCat(Count(impossible_, "state"), " of reward 0, not drawn:"),
           absl::StrCat(Significant(100 * impossible_mass_, 3), " % of the learned probability.")});
    }
    return notes;
  }

  void DrawNotes() {
    double y = kTop + 14;
    for (const std::string& fact : text_.facts) {
      svg_.Text(kNotesLeft, y, fact, "class='ink' font-size='13'");
      y += 22;
    }
    svg_.Text(kNotesLeft, y, Count(d_.size(), "state"), "class='ink' font-size='13'");
    y += 36;
    for (const std::string& note : Notes()) {
      if (!note.empty()) svg_.Text(kNotesLeft, y, note, "class='soft' font-size='12'");
      y += note.empty() ? 10 : 18;
    }
  }

  const Distribution& d_;
  const PictureText& text_;
  Svg svg_;
  std::vector<std::pair<double, double>> points_;  // log10 of true and learned, by true.
  std::vector<Level> levels_;
  double low_ = 0, high_ = 0;  // The frame, log10, the same on both axes.
  int64_t below_ = 0, above_ = 0, impossible_ = 0;
  double impossible_mass_ = 0;
};

}  // namespace

std::string DrawScatter(const Distribution& distribution, const PictureText& text) {
  return Scatter(distribution, text).Draw();
}

}  // namespace anabranch
