// What a chart shows, without how it is drawn: page.js turns this into Chart.js's terms, in the
// colours of the reader's theme.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shmark::reports {

// How numbers on an axis are written.
enum class quantity : std::uint8_t {
  plain,
  workers,
  rate,      // per second
  duration,  // ns
  bytes,
  share,        // 0 to 1, shown as 0 to 100 %
  log_percent,  // log10(1 + percent): spreads 0, 1, 5, 20 and 50 %
  percentile,   // how many nines: 1 is 90 %, 2 is 99 %
};

struct axis {
  std::string label{};
  quantity shows = quantity::plain;
  bool logarithmic = false;
  std::vector<double> ticks{};            // exactly these, if any
  std::vector<std::string> categories{};  // if any: positions are indexes into these
};

struct chart_point {
  double x = 0;
  double y = 0;
  std::optional<double> low{};  // the range over repetitions, drawn as a whisker
  std::optional<double> high{};
};

struct chart_series {
  std::string name{};
  std::string group{};  // what leaves and returns together with it; empty: the name
  int look = 0;         // selects colour and marker
  bool line = true;
  bool markers = true;
  bool dashed = false;
  bool strong = false;  // ours: a thicker line
  bool listed = true;   // in the legend
  bool quiet = false;   // says nothing when pointed at
  std::vector<chart_point> points{};
};

// A stretch of the x axis that needs a warning.
struct chart_band {
  double from = 0;
  std::string label{};
};

enum class chart_kind : std::uint8_t {
  lines,   // x and y are numbers
  dots,    // horizontal: x is a number, y a category
  bars,    // likewise, as bars from 0
  points,  // x and y are numbers, and each point has its series' name beside it
};

struct chart {
  chart_kind kind = chart_kind::lines;
  std::string title{};
  axis x{};
  axis y{};
  std::vector<chart_series> series{};
  std::optional<chart_band> band{};
};

[[nodiscard]] nlohmann::ordered_json to_json(const chart& chart);

// Whether values reach over so many decades that a linear axis would hide the small ones. Requires
// nothing; values from 0 down never do.
[[nodiscard]] bool needs_logarithm(const std::vector<chart_series>& all, bool of_x);

}  // namespace shmark::reports
