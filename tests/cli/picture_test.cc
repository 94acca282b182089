#include "cli/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cli/svg.h"
#include "tests/cli/distributions.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Every tag that opens closes, in order.
bool IsBalanced(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
  }
  return open.empty();
}

std::string Draw(const Distribution& d, const PictureOptions& options = {}) {
  const auto picture = DrawDistribution(d, options);
  EXPECT_TRUE(picture.ok()) << picture.status();
  EXPECT_TRUE(IsBalanced(*picture));
  return *picture;
}

// Probabilities proportional to i + 1.
std::vector<double> Rising(int n) {
  std::vector<double> p;
  for (int i = 0; i < n; ++i) p.push_back(2.0 * (i + 1) / n / (n + 1));
  return p;
}

TEST(PictureTest, HeatMapsShareOneScale) {
  PictureOptions options;
  options.grid_side = 2;
  // The largest probability, learned 0.8, has the lightest colour; true values are on its scale.
  const std::string picture = Draw(MakeDistribution({0, 0.2, 0, 0.8}, {0.4, 0.2, 0.4, 0}), options);
  EXPECT_EQ(CountOf(picture, "fill='" + RampColour(1.0) + "' rx"), 1);
  EXPECT_EQ(CountOf(picture, "fill='" + RampColour(0.5) + "' rx"), 2);
  EXPECT_EQ(CountOf(picture, "fill='" + RampColour(0.25) + "' rx"), 2);
  EXPECT_EQ(CountOf(picture, "fill='" + RampColour(0.0) + "' rx"), 3);
}

TEST(PictureTest, CellsStandWhereTheirCoordinatesSay) {
  PictureOptions options;
  options.grid_side = 2;
  const std::string picture = Draw(MakeDistribution({0, 0.2, 0, 0.8}, {0.4, 0.2, 0.4, 0}), options);
  // State 3 is the cell (1, 1): right and up. The learned map is the second one.
  const size_t at = picture.find("fill='" + RampColour(1.0) + "' rx");
  const std::string rect = picture.substr(picture.rfind("<rect", at), 60);
  EXPECT_THAT(rect, HasSubstr("x='609' y='113'"));
}

TEST(PictureTest, CaptionTellsTheErrorOfAllStates) {
  PictureOptions options;
  options.title = "Two states";
  options.log_z_learned = 2.25;
  const std::string picture = Draw(MakeDistribution({0.75, 0.25}, {0.5, 0.5}), options);
  EXPECT_THAT(picture, HasSubstr(">Two states<"));
  EXPECT_THAT(picture, HasSubstr("Total variation 0.25<"));
  EXPECT_THAT(picture, HasSubstr("log Z learned 2.2500, true 2.3026"));  // Z = 10.
  EXPECT_THAT(picture, HasSubstr("Largest error +0.25 at \xE2\x80\x9Cx0\xE2\x80\x9D"));
}

TEST(PictureTest, WithoutALearnedLogZOnlyTheTrueOneIsTold) {
  const std::string picture = Draw(MakeDistribution({0.75, 0.25}, {0.5, 0.5}));
  EXPECT_THAT(picture, HasSubstr(">log Z 2.3026<"));
  EXPECT_THAT(picture, Not(HasSubstr("nan")));
}

TEST(PictureTest, FewStatesAreDotsAndManyAreDensity) {
  const std::string dots = Draw(MakeDistribution(Rising(100), Rising(100)));
  EXPECT_EQ(CountOf(dots, "<circle"), 100);
  EXPECT_THAT(dots, HasSubstr("Each dot is a state."));
  const std::string density = Draw(MakeDistribution(Rising(5000), Rising(5000)));
  EXPECT_EQ(CountOf(density, "<circle"), 0);
  EXPECT_THAT(density, HasSubstr("5,000 states"));
  EXPECT_LT(density.size(), 50'000u);
}

TEST(PictureTest, FewDistinctRewardsAreColumnsWithTheirCounts) {
  std::vector<double> truth(100, 0.001), learned = Rising(100);
  truth[7] = 0.901;
  const std::string picture = Draw(MakeDistribution(learned, truth));
  EXPECT_THAT(picture, HasSubstr(">99 states<"));
  EXPECT_THAT(picture, HasSubstr(">1 state<"));
  EXPECT_EQ(CountOf(picture, "<circle"), 1);  // The column of one state.
}

TEST(PictureTest, WhatCannotBeDrawnIsCounted) {
  std::vector<double> truth = Rising(100), learned = Rising(100);
  learned[3] = 1e-30;
  learned[4] = 0;
  truth[9] = 0;
  double learned_sum = 0, true_sum = 0;
  for (int i = 0; i < 100; ++i) {
    learned_sum += learned[i];
    true_sum += truth[i];
  }
  for (int i = 0; i < 100; ++i) {
    learned[i] /= learned_sum;
    truth[i] /= true_sum;
  }
  const std::string picture = Draw(MakeDistribution(learned, truth));
  EXPECT_THAT(picture, HasSubstr("2 states below the frame"));
  EXPECT_THAT(picture, HasSubstr("1 state of reward 0, not drawn"));
  EXPECT_THAT(picture, Not(HasSubstr("inf")));
}

TEST(PictureTest, OneStateIsAPictureToo) {
  EXPECT_THAT(Draw(MakeDistribution({1}, {1})), HasSubstr("Total variation 0<"));
  PictureOptions options;
  options.grid_side = 1;
  EXPECT_THAT(Draw(MakeDistribution({1}, {1}), options), HasSubstr("Learned, p(x)"));
}

TEST(PictureTest, GreatGridIsDrawnAsAScatter) {
  PictureOptions options;
  options.grid_side = 130;
  const auto p = Rising(130 * 130);
  EXPECT_THAT(Draw(MakeDistribution(p, p), options), HasSubstr("On the line learned and true"));
}

TEST(PictureTest, TitleIsTextWhateverItHolds) {
  PictureOptions options;
  options.title = "</title><script>alert('x')</script>";
  EXPECT_THAT(Draw(MakeDistribution({1}, {1}), options), Not(HasSubstr("<script")));
}

TEST(PictureTest, WrongInputIsNamed) {
  auto message = [](const Distribution& d, int64_t side) {
    PictureOptions options;
    options.grid_side = side;
    const auto picture = DrawDistribution(d, options);
    EXPECT_EQ(picture.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(picture.status().message());
  };
  Distribution d = MakeDistribution(Rising(4), Rising(4));
  EXPECT_THAT(message(d, 3), HasSubstr("grid_side is 3 and there are 4 states"));
  EXPECT_THAT(message(d, -2), HasSubstr("grid_side is -2"));
  d.states[2] = 5;
  EXPECT_THAT(message(d, 2), HasSubstr("distribution.states[2] is 5"));
  d.log_true[1] = std::nan("");
  EXPECT_THAT(message(d, 0), HasSubstr("log_true[1] is nan"));
}

}  // namespace
}  // namespace anabranch
