#include "cli/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

constexpr char kStyle[] = R"(<style>
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
.page{fill:#ffffff}.ink{fill:#1b2530}.soft{fill:#5b6875}.mark{fill:#1f6f9f}
.axis{stroke:#8a96a3;fill:none}.grid{stroke:#e3e7eb}.line{stroke:#c2571a}.cut{stroke:#ffffff}
@media (prefers-color-scheme:dark){
.page{fill:#0f151b}.ink{fill:#e6edf3}.soft{fill:#9aa8b5}.mark{fill:#6cb8e6}
.axis{stroke:#5d6a77;fill:none}.grid{stroke:#232d37}.line{stroke:#f0925a}.cut{stroke:#0f151b}}
</style>
)";

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

using Triple = std::array<double, 3>;

double ToLinear(double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); }

double FromLinear(double c) {
  c = std::clamp(c, 0.0, 1.0);
  return c <= 0.0031308 ? 12.92 * c : 1.055 * std::pow(c, 1 / 2.4) - 0.055;
}

// OKLab, where equal distances look equal (Ottosson 2020).
Triple ToLab(int rgb) {
  const double r = ToLinear(((rgb >> 16) & 255) / 255.0);
  const double g = ToLinear(((rgb >> 8) & 255) / 255.0);
  const double b = ToLinear((rgb & 255) / 255.0);
  const double l = std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const double m = std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const double s = std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

std::string FromLab(const Triple& lab) {
  auto cube = [](double v) { return v * v * v; };
  const double l = cube(lab[0] + 0.3963377774 * lab[1] + 0.2158037573 * lab[2]);
  const double m = cube(lab[0] - 0.1055613458 * lab[1] - 0.0638541728 * lab[2]);
  const double s = cube(lab[0] - 0.0894841775 * lab[1] - 1.2914855480 * lab[2]);
  const Triple rgb = {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                      -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
  char text[8];
  std::snprintf(text, sizeof(text), "#%02x%02x%02x",
                static_cast<int>(std::lround(255 * FromLinear(rgb[0]))),
                static_cast<int>(std::lround(255 * FromLinear(rgb[1]))),
                static_cast<int>(std::lround(255 * FromLinear(rgb[2]))));
  return text;
}

std::string At(absl::string_view name, double value) {
  return absl::StrCat(" ", name, "='", Fixed(value, 2), "'");
}

}  // namespace

Svg::Svg(double width, double height, std::string_view description) {
  const std::string w = Fixed(width, 0), h = Fixed(height, 0);
  out_ = absl::StrCat("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ", w, " ", h,
                      "' width='", w, "' height='", h, "' role='img'>\n<title>",
                      EscapeXml(description), "</title>\n", kStyle);
  absl::StrAppend(&out_, "<rect class='page' width='", w, "' height='", h, "' rx='10'/>\n");
}

void Svg::Element(std::string_view tag, const std::string& body, std::string_view attributes,
                  std::string_view tooltip) {
  absl::StrAppend(&out_, "<", View(tag), body, " ", View(attributes));
  if (tooltip.empty()) {
    absl::StrAppend(&out_, "/>\n");
  } else {
    absl::StrAppend(&out_, "><title>", EscapeXml(tooltip), "</title></", View(tag), ">\n");
  }
}

void Svg::Rect(double x, double y, double width, double height, std::string_view attributes,
               std::string_view tooltip) {
  Element("rect", absl::StrCat(At("x", x), At("y", y), At("width", width), At("height", height)),
          attributes, tooltip);
}

void Svg::Line(double x1, double y1, double x2, double y2, std::string_view attributes) {
  Element("line", absl::StrCat(At("x1", x1), At("y1", y1), At("x2", x2), At("y2", y2)), attributes,
          {});
}

void Svg::Circle(double x, double y, double radius, std::string_view attributes,
                 std::string_view tooltip) {
  Element("circle", absl::StrCat(At("cx", x), At("cy", y), At("r", radius)), attributes, tooltip);
}

void Svg::Text(double x, double y, std::string_view text, std::string_view attributes) {
  absl::StrAppend(&out_, "<text", At("x", x), At("y", y), " ", View(attributes), ">",
                  EscapeXml(text), "</text>\n");
}

void Svg::PowerOfTen(double x, double y, int exponent, std::string_view attributes) {
  const std::string digits =
      exponent < 0 ? absl::StrCat("\xE2\x88\x92", -exponent) : absl::StrCat(exponent);
  absl::StrAppend(&out_, "<text", At("x", x), At("y", y), " ", View(attributes),
                  ">10<tspan dy='-5' font-size='9'>", digits, "</tspan></text>\n");
}

std::string Svg::Finish() { return out_ + "</svg>\n"; }

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML has no way to say other control characters.
        out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
  }
  return out;
}

std::string Fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof(buffer), "%.*f", decimals, value);
  std::string text = buffer;
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string Significant(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*g", digits, value);
  return buffer;
}

std::string Count(int64_t n, std::string_view unit) {
  const std::string digits = absl::StrCat(n);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return absl::StrCat(text, " ", View(unit), n == 1 ? "" : "s");
}

std::string RampColour(double t) {
  static const std::array<Triple, 5> kStops = {ToLab(0x15304f), ToLab(0x1d6a93), ToLab(0x2fa59a),
                                               ToLab(0x9fd477), ToLab(0xfbf2b2)};
  const double at = std::clamp(t, 0.0, 1.0) * (kStops.size() - 1);
  const size_t below = std::min(static_cast<size_t>(at), kStops.size() - 2);
  const double share = at - static_cast<double>(below);
  Triple lab;
  for (int i = 0; i < 3; ++i) {
    lab[i] = (1 - share) * kStops[below][i] + share * kStops[below + 1][i];
  }
  return FromLab(lab);
}

std::vector<double> RoundTicks(double largest) {
  constexpr double kMostSteps = 5.5;
  const double decade = std::pow(10.0, std::floor(std::log10(largest)));
  double step = 2 * decade;
  for (const double factor : {1.0, 0.5, 0.2}) {
    if (largest <= kMostSteps * factor * decade) step = factor * decade;
  }
  std::vector<double> ticks;
  for (int i = 0; i * step <= largest * (1 + 1e-9); ++i) ticks.push_back(i * step);
  return ticks;
}

}  // namespace anabranch
