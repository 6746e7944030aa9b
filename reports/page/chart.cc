#include "reports/page/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace shmark::reports {
namespace {

using json = nlohmann::ordered_json;

std::string_view word(quantity shows) {
  constexpr std::array<std::string_view, 8> words{"plain", "workers", "rate",        "duration",
                                                  "bytes", "share",   "log_percent", "percentile"};
  return words[static_cast<std::size_t>(shows)];
}

std::string_view word(chart_kind kind) {
  constexpr std::array<std::string_view, 4> words{"lines", "dots", "bars", "points"};
  return words[static_cast<std::size_t>(kind)];
}

json of(const axis& axis) {
  json out = {{"label", axis.label}, {"shows", word(axis.shows)}, {"log", axis.logarithmic}};
  if (!axis.ticks.empty()) out["ticks"] = axis.ticks;
  if (!axis.categories.empty()) out["categories"] = axis.categories;
  return out;
}

json of(const chart_point& point) {
  json out = {{"x", point.x}, {"y", point.y}};
  if (point.low && point.high) {
    out["low"] = *point.low;
    out["high"] = *point.high;
  }
  return out;
}

json of(const chart_series& series) {
  json points = json::array();
  for (const chart_point& point : series.points) {
    // JSON has no infinities, and an axis has no place for them.
    if (std::isfinite(point.x) && std::isfinite(point.y)) points.push_back(of(point));
  }
  return {{"name", series.name},       {"group", series.group.empty() ? series.name : series.group},
          {"look", series.look},       {"line", series.line},
          {"markers", series.markers}, {"dashed", series.dashed},
          {"strong", series.strong},   {"listed", series.listed},
          {"quiet", series.quiet},     {"points", std::move(points)}};
}

}  // namespace

json to_json(const chart& chart) {
  json all = json::array();
  for (const chart_series& series : chart.series) all.push_back(of(series));
  json out = {{"kind", word(chart.kind)},
              {"title", chart.title},
              {"x", of(chart.x)},
              {"y", of(chart.y)},
              {"series", std::move(all)}};
  if (chart.band) out["band"] = {{"from", chart.band->from}, {"label", chart.band->label}};
  return out;
}

bool needs_logarithm(const std::vector<chart_series>& all, bool of_x) {
  constexpr double too_wide = 25;  // the smallest would get less than 4 % of the axis
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const chart_series& series : all) {
    for (const chart_point& point : series.points) {
      const double value = of_x ? point.x : point.y;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return low > 0 && high > too_wide * low;
}

}  // namespace shmark::reports
