// Just enough of SVG for a plot, readable on light and dark pages.
#ifndef ANABRANCH_CLI_SVG_H_
#define ANABRANCH_CLI_SVG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// Writes one image of `width` × `height` pixels, elements in the order in which they are added.
// Colours come from classes, which follow the reader's light or dark preference:
//   text: ink, soft; lines: axis, grid, line, cut (through a mark); areas: mark.
class Svg {
 public:
  // `description` is what is read to those who don't see the image.
  Svg(double width, double height, std::string_view description);

  // `attributes` are written as they are, such as "class='mark' fill-opacity='0.5'".
  void Rect(double x, double y, double width, double height, std::string_view attributes,
            std::string_view tooltip = {});
  void Line(double x1, double y1, double x2, double y2, std::string_view attributes);
  void Circle(double x, double y, double radius, std::string_view attributes,
              std::string_view tooltip = {});
  // `attributes` may hold class, text-anchor, font-size and transform. `text` is escaped.
  void Text(double x, double y, std::string_view text, std::string_view attributes);
  // 10 to a whole power, as on a logarithmic axis.
  void PowerOfTen(double x, double y, int exponent, std::string_view attributes);

  std::string Finish();

 private:
  void Element(std::string_view tag, const std::string& body, std::string_view attributes,
               std::string_view tooltip);

  std::string out_;
};

std::string EscapeXml(std::string_view text);
// printf's %.<decimals>f, without trailing zeros.
std::string Fixed(double value, int decimals);
// printf's %.<digits>g.
std::string Significant(double value, int digits);
// "1 state", "4,096 states".
std::string Count(int64_t n, std::string_view unit);

// The colour of t in [0, 1], "#rrggbb": one ramp from deep blue to pale yellow, ever lighter, its
// steps even to the eye; both ends are told from a white page and from a black one.
std::string RampColour(double t);

// Round numbers from 0 to `largest`, 3 to 6 of them.
std::vector<double> RoundTicks(double largest);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_SVG_H_
