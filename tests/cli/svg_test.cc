#include "cli/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Relative luminance of "#rrggbb", roughly.
double Luminance(const std::string& colour) {
  auto channel = [&](size_t at) {
    return std::pow(std::stoi(colour.substr(at, 2), nullptr, 16) / 255.0, 2.2);
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

TEST(SvgTest, RampGrowsEverLighterAndKeepsOffBothPages) {
  double last = -1;
  for (int k = 0; k <= 100; ++k) {
    const double luminance = Luminance(RampColour(k / 100.0));
    EXPECT_GT(luminance, last - 1e-3) << k;
    last = luminance;
  }
  EXPECT_EQ(RampColour(0), "#15304f");
  EXPECT_EQ(RampColour(1), "#fbf2b2");
  EXPECT_EQ(RampColour(-3), RampColour(0));
  EXPECT_EQ(RampColour(7), RampColour(1));
}

TEST(SvgTest, TicksAreRoundAndFew) {
  EXPECT_THAT(RoundTicks(0.15), ElementsAre(0, 0.05, 0.1, ::testing::DoubleNear(0.15, 1e-12)));
  EXPECT_EQ(RoundTicks(1.0).size(), 6u);
  for (double largest = 1e-6; largest < 1e3; largest *= 1.07) {
    const std::vector<double> ticks = RoundTicks(largest);
    EXPECT_GE(ticks.size(), 3u) << largest;
    EXPECT_LE(ticks.size(), 6u) << largest;
    EXPECT_LE(ticks.back(), largest * (1 + 1e-6));
    EXPECT_GT(ticks.back(), largest * 0.6);
  }
}

TEST(SvgTest, TextFromOutsideCannotBreakTheImage) {
  Svg svg(10, 10, "a <b> & 'c'");
  svg.Text(1, 2, "</text><script>\x01\"", "class='ink'");
  const std::string image = svg.Finish();
  EXPECT_THAT(image, HasSubstr("a &lt;b&gt; &amp; &#39;c&#39;"));
  EXPECT_THAT(image, HasSubstr("&lt;/text&gt;&lt;script&gt; &quot;</text>"));
  EXPECT_THAT(image, Not(HasSubstr("<script")));
}

TEST(SvgTest, NumbersAreShort) {
  EXPECT_EQ(Fixed(1.5, 2), "1.5");
  EXPECT_EQ(Fixed(100, 2), "100");
  EXPECT_EQ(Fixed(-0.001, 2), "0");
  EXPECT_EQ(Significant(0.000123456, 3), "0.000123");
  EXPECT_EQ(Count(1, "state"), "1 state");
  EXPECT_EQ(Count(999, "state"), "999 states");
  EXPECT_EQ(Count(1234567, "state"), "1,234,567 states");
}

TEST(SvgTest, ColoursFollowThePageAndNothingIsFetched) {
  const std::string image = Svg(10, 10, "x").Finish();
  EXPECT_THAT(image, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(image, Not(HasSubstr("@import")));
  EXPECT_THAT(image, Not(HasSubstr("url(")));
  EXPECT_THAT(image, Not(HasSubstr("href")));
}

}  // namespace
}  // namespace anabranch
