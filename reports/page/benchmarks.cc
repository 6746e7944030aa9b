// Codecs, caches, limits of the hardware, and benchmarks that the page knows nothing about.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "lib/measure/figures.h"
#include "lib/measure/hit_model.h"
#include "reports/page/sections.h"

namespace shmark::reports {
namespace {

// Codecs.

chart codec_chart(const all_series& codecs, const std::string& shape, bool of_bytes) {
  const auto names = values_of(codecs, "codec");
  chart shown{.kind = chart_kind::bars,
              .title = shape + (of_bytes ? ": encoded size" : ": time"),
              .x = {.label = of_bytes ? "bytes" : "time per operation",
                    .shows = of_bytes ? quantity::bytes : quantity::duration},
              .y = {.label = "", .categories = names}};
  int look = 0;
  for (const std::string& op : values_of(codecs, "op")) {
    chart_series bars{.name = op, .look = look++, .line = false};
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto found = where(where(codecs, "codec", names[i]), "op", op);
      if (found.empty()) continue;
      const series& one = *found.front();
      const auto size = one.median_of("bytes");
      if (of_bytes && !size) continue;
      const auto y = static_cast<double>(i);
      bars.points.push_back(of_bytes ? chart_point{*size, y, {}, {}}
                                     : chart_point{one.median_ns(), y, one.min_ns(), one.max_ns()});
    }
    if (bars.points.empty()) continue;
    if (of_bytes) bars.name = "encoded size";
    bars.listed = !of_bytes;
    shown.series.push_back(std::move(bars));
    if (of_bytes) break;  // encoding and decoding see the same bytes
  }
  show_all_sizes(shown);
  return shown;
}

table codec_time_table(const all_series& codecs, const std::string& shape) {
  table numbers{.caption = "Time to encode and decode " + shape, .head = {"codec"}};
  const auto ops = values_of(codecs, "op");
  numbers.head.insert(numbers.head.end(), ops.begin(), ops.end());
  for (const std::string& codec : values_of(codecs, "codec")) {
    std::vector<std::string> row{codec};
    for (const std::string& op : ops) {
      const auto found = where(where(codecs, "codec", codec), "op", op);
      row.push_back(found.empty() ? "" : duration_utf8(found.front()->median_ns()));
    }
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

table codec_bytes_table(const chart& shown, const std::string& shape) {
  table numbers{.caption = "Encoded size of " + shape, .head = {"codec", "size"}};
  for (const chart_series& bars : shown.series) {
    for (const chart_point& point : bars.points) {
      const auto category = static_cast<std::size_t>(point.y);
      numbers.rows.push_back({shown.y.categories[category], bytes_text(point.x)});
    }
  }
  return numbers;
}

// Caches.

chart_series model_curve(int procs, int look, double max_percent, bool listed) {
  chart_series curve{
      .name = listed ? "model (dashed)" : fmt::format("model, {}", workers(procs, 0)),
      .look = look,
      .markers = false,
      .dashed = true,
      .listed = listed};
  constexpr int steps = 50;
  for (int i = 0; i <= steps; ++i) {
    const double percents = std::pow(1 + max_percent, static_cast<double>(i) / steps) - 1;
    curve.points.push_back(
        {std::log10(1 + percents), model_hit_rate(1 - percents / 100, procs), {}, {}});
  }
  return curve;
}

enum class cache_value : std::uint8_t { hit_rate, time };

chart_series measured(const all_series& caches, int procs, int look, cache_value value, int cores) {
  const bool rates = value == cache_value::hit_rate;
  chart_series points{.name = workers(procs, cores), .look = look, .line = !rates};
  for (const series* one : where(caches, "procs", std::to_string(procs))) {
    const double x = std::log10(1.0 + one->parts.number("write_percent").value_or(0));
    if (!rates) {
      points.points.push_back({x, one->median_ns(), one->min_ns(), one->max_ns()});
    } else if (const auto rate = one->median_of("hit_rate")) {
      points.points.push_back({x, *rate, one->min_of("hit_rate"), one->max_of("hit_rate")});
    }
  }
  std::ranges::sort(points.points, {}, &chart_point::x);
  return points;
}

chart cache_chart(const all_series& caches, const std::string& payload, cache_value value,
                  int cores) {
  const bool rates = value == cache_value::hit_rate;
  const auto percents = numbers_of(caches, "write_percent");
  std::vector<double> ticks;
  for (const int each : percents) ticks.push_back(std::log10(1.0 + each));
  chart shown{.kind = chart_kind::lines,
              .title = (rates ? "Cache hits, " : "Time per operation, ") + payload,
              .x = {.label = "share of writes (scale: log of 1 + %)",
                    .shows = quantity::log_percent,
                    .ticks = ticks},
              .y = {.label = rates ? "share of reads that hit" : "time per operation",
                    .shows = rates ? quantity::share : quantity::duration}};
  int look = 0;
  for (const int procs : numbers_of(caches, "procs")) {
    auto points = measured(caches, procs, look, value, cores);
    if (rates && !points.points.empty()) {
      const double max_percent = percents.back() > 0 ? percents.back() : 100;
      shown.series.push_back(model_curve(procs, look, max_percent, shown.series.empty()));
    }
    if (!points.points.empty()) shown.series.push_back(std::move(points));
    ++look;
  }
  if (!rates) shown.y.logarithmic = needs_logarithm(shown.series, false);
  return shown;
}

table cache_table(const all_series& caches, const std::string& payload, cache_value value) {
  const bool rates = value == cache_value::hit_rate;
  table numbers{.caption = rates ? "Cache hits in %, measured (and by the model), " + payload
                                 : "Time per operation, " + payload,
                .head = {"writes"}};
  const auto all_procs = numbers_of(caches, "procs");
  for (const int procs : all_procs) numbers.head.push_back(workers(procs, 0));
  for (const int writes : numbers_of(caches, "write_percent")) {
    std::vector<std::string> row{fmt::format("{} %", writes)};
    for (const int procs : all_procs) {
      const auto found = where(where(caches, "write_percent", std::to_string(writes)), "procs",
                               std::to_string(procs));
      const series* one = found.empty() ? nullptr : found.front();
      const auto hits = one == nullptr ? std::nullopt : one->median_of("hit_rate");
      if (rates && hits) {
        const double model =
            one->median_of("model_hit_rate").value_or(model_hit_rate(1 - writes / 100.0, procs));
        row.push_back(fmt::format("{:.1f} ({:.1f})", *hits * 100, model * 100));
      } else {
        row.push_back(rates || one == nullptr ? "" : duration_utf8(one->median_ns()));
      }
    }
    numbers.rows.push_back(std::move(row));
  }
  return numbers;
}

// Everything else.

chart time_chart(const all_series& all, std::string title, bool drop_family) {
  chart shown{.kind = chart_kind::bars,
              .title = std::move(title),
              .x = {.label = "time per operation", .shows = quantity::duration},
              .y = {.label = ""},
              .series = {{.name = "time per operation", .line = false, .listed = false}}};
  for (const series* one : all) {
    const auto position = static_cast<double>(shown.y.categories.size());
    const std::size_t skipped = drop_family ? one->parts.family.size() + 1 : 0;
    shown.y.categories.push_back(one->name.size() > skipped ? one->name.substr(skipped)
                                                            : one->name);
    shown.series.front().points.push_back(
        {one->median_ns(), position, one->min_ns(), one->max_ns()});
  }
  show_all_sizes(shown);
  return shown;
}

table time_table(const all_series& all, std::string caption) {
  table numbers{.caption = std::move(caption),
                .head = {"benchmark", "median", "fastest", "slowest", "repetitions"}};
  for (const series* one : all) {
    numbers.rows.push_back({one->name, duration_utf8(one->median_ns()),
                            duration_utf8(one->min_ns()), duration_utf8(one->max_ns()),
                            std::to_string(one->repetitions())});
  }
  return numbers;
}

}  // namespace

void add_codecs(document& to, const page_run& run) {
  const auto codecs = of_part(run, part::codec);
  if (codecs.empty()) return;
  to.begin_section(
      run.prefix + "Serialization",
      "What it costs to encode a value into bytes and to decode it again, and how many "
      "bytes it takes. Shorter is better. Each chart has its own scale.");
  const auto shapes = values_of(codecs, "shape");
  to.begin_grid(static_cast<int>(std::min<std::size_t>(shapes.size(), 3)));
  for (const bool of_bytes : {false, true}) {
    for (const std::string& shape : shapes) {
      const auto of_shape = where(codecs, "shape", shape);
      const chart shown = codec_chart(of_shape, shape, of_bytes);
      if (shown.series.empty()) continue;
      to.add_chart(shown,
                   of_bytes ? codec_bytes_table(shown, shape) : codec_time_table(of_shape, shape));
    }
  }
  to.end_grid();
  to.end_section();
}

void add_caches(document& to, const page_run& run) {
  const auto caches = of_part(run, part::cache);
  if (caches.empty()) return;
  to.begin_section(
      run.prefix + "Cached reads",
      "Every process keeps a decoded copy. A read whose serial number is unchanged is "
      "served by that copy (a hit); after somebody else's write it must decode again. The "
      "model assumes that all N workers take turns at random: hits = 1 / (1 + w (N - 1)) "
      "for a share w of writes. Where the scheduler lets one worker run on, there are "
      "more hits than that.");
  const auto payloads = values_of(caches, "payload");
  to.begin_grid(payloads.size() > 1 ? 2 : 1);
  for (const cache_value value : {cache_value::hit_rate, cache_value::time}) {
    for (const std::string& payload : payloads) {
      const auto chosen = where(caches, "payload", payload);
      const chart shown = cache_chart(chosen, payload, value, run.cores);
      if (shown.series.empty()) continue;
      to.add_chart(shown, cache_table(chosen, payload, value));
    }
  }
  to.end_grid();
  to.end_section();
}

void add_limits(document& to, const page_run& run) {
  const auto limits = of_part(run, part::limit);
  if (limits.empty()) return;
  to.begin_section(
      run.prefix + "Limits of this machine",
      "What the hardware and the system charge for the simplest operations. Nothing above "
      "can be faster than what it is made of.");
  to.add_chart(time_chart(limits, "Cost of single operations", true),
               time_table(limits, "Real time per operation, over the repetitions"));
  to.end_section();
}

void add_others(document& to, const page_run& run) {
  const auto others = of_part(run, part::other);
  if (others.empty()) return;
  const bool all_of_it = others.size() == run.all.size();
  to.begin_section(run.prefix + (all_of_it ? "Benchmarks" : "Other benchmarks"), "");
  constexpr std::size_t readable = 60;
  std::vector<std::string> families;
  for (const series* one : others) {
    if (std::ranges::find(families, one->parts.family) == families.end()) {
      families.push_back(one->parts.family);
    }
  }
  // A family of one is no comparison: such go together.
  const bool together = families.size() * 2 > others.size();
  if (together) families = {""};
  for (const std::string& family : families) {
    all_series shown;
    std::ranges::copy_if(others, std::back_inserter(shown), [&](const series* one) {
      return together || one->parts.family == family;
    });
    const std::string title = together ? "Time per operation" : family;
    if (shown.size() > readable) {
      to.add_table(time_table(shown, title));
    } else {
      to.add_chart(time_chart(shown, title, !together),
                   time_table(shown, "Real time per operation, over the repetitions"));
    }
  }
  to.end_section();
}

}  // namespace shmark::reports
