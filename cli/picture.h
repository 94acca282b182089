// A picture of what was learned, beside what should have been.
#ifndef ANABRANCH_CLI_PICTURE_H_
#define ANABRANCH_CLI_PICTURE_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "cli/distribution.h"

namespace anabranch {

struct PictureOptions {
  std::string title;  // Such as "8 × 8 hypergrid, 32,000 trajectories".
  // > 0: the states are the cells of a square grid of this side, all of them, state number =
  // first coordinate × side + second. 0: any other space.
  int64_t grid_side = 0;
  // The log Z of the model, NaN where the objective has none; the caption sets it beside the true
  // one.
  double log_z_learned = std::numeric_limits<double>::quiet_NaN();
};

// An SVG that needs no font or script from elsewhere and follows the reader's light or dark
// preference. Square grids up to a side of 128: two heat maps, true and learned, on one colour
// scale that begins at 0. Other spaces: learned against true probability of each state, on
// logarithmic axes with the diagonal; states outside the frame are drawn at its edge and counted.
// Total variation and log Z are computed here from all states, whatever is drawn. INVALID_ARGUMENT
// as Distribution::Validate says, and for states that are not the cells of the grid.
absl::StatusOr<std::string> DrawDistribution(const Distribution& distribution,
                                             const PictureOptions& options);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_PICTURE_H_
