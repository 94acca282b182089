// The two kinds of plot. Private to picture.cc.
#ifndef ANABRANCH_CLI_PLOTS_H_
#define ANABRANCH_CLI_PLOTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/distribution.h"
#include "cli/svg.h"

namespace anabranch {

inline constexpr double kPictureWidth = 880;

// What stands over and beside the plot.
struct PictureText {
  std::string title;
  std::string description;
  std::vector<std::string> facts;  // Such as "TV 0.0071".
};

// Both take a valid, non-empty distribution.
std::string DrawHeatMaps(const Distribution& distribution, int64_t side, const PictureText& text);
std::string DrawScatter(const Distribution& distribution, const PictureText& text);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_PLOTS_H_
