// Codecs, limits of the hardware, and benchmarks that the page knows nothing about.
#include <fmt/core.h>

#include <algorithm>

#include "lib/measure/figures.h"
#include "reports/page/sections.h"
#include "reports/text.h"

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

constexpr const char* our_codec = "direct";

const series* find(const all_series& codecs, const std::string& codec, const std::string& op) {
  const auto found = where(where(codecs, "codec", codec), "op", op);
  return found.empty() ? nullptr : found.front();
}

// How many times our time this is, in parentheses.
std::string factor_text(const all_series& of_shape, const series& one) {
  const series* ours = find(of_shape, our_codec, std::string(one.parts["op"]));
  if (ours == nullptr || ours == &one || !(ours->median_ns() > 0)) return "";
  return fmt::format(" ({})", ratio(one.median_ns() / ours->median_ns()));
}

table codec_time_table(const all_series& codecs) {
  const bool has_ours = !where(codecs, "codec", our_codec).empty();
  table numbers{.caption = std::string("Time per operation") +
                           (has_ours ? " (and how many times that of direct)" : ""),
                .head = {"shape", "codec"}};
  numbers.words = 2;
  const auto ops = values_of(codecs, "op");
  numbers.head.insert(numbers.head.end(), ops.begin(), ops.end());
  for (const std::string& shape : values_of(codecs, "shape")) {
    const auto of_shape = where(codecs, "shape", shape);
    for (const std::string& codec : values_of(of_shape, "codec")) {
      std::vector<std::string> row{shape, codec};
      for (const std::string& op : ops) {
        const series* one = find(of_shape, codec, op);
        row.push_back(
            one == nullptr ? "" : duration_utf8(one->median_ns()) + factor_text(of_shape, *one));
      }
      numbers.rows.push_back(std::move(row));
    }
  }
  return numbers;
}

table codec_bytes_table(const all_series& codecs) {
  table numbers{.caption = "Encoded size", .head = {"shape", "codec", "size"}};
  numbers.words = 2;
  for (const std::string& shape : values_of(codecs, "shape")) {
    const auto of_shape = where(codecs, "shape", shape);
    for (const std::string& codec : values_of(of_shape, "codec")) {
      for (const series* one : where(of_shape, "codec", codec)) {
        const auto size = one->median_of("bytes");
        if (!size) continue;
        numbers.rows.push_back({shape, codec, bytes_text(*size)});
        break;  // encoding and decoding see the same bytes
      }
    }
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
      "bytes it takes. Shorter is better. Each shape of data has its own scale.");
  std::vector<variant> times;
  std::vector<variant> sizes;
  for (const std::string& shape : values_of(codecs, "shape")) {
    const auto of_shape = where(codecs, "shape", shape);
    times.push_back({shape, codec_chart(of_shape, shape, false)});
    sizes.push_back({shape, codec_chart(of_shape, shape, true)});
    if (sizes.back().shown.series.empty()) sizes.pop_back();
  }
  to.begin_grid(sizes.empty() ? 1 : 2);
  to.add_charts("Time to encode and to decode", times, 0, codec_time_table(codecs),
                document::tables::folded);
  if (!sizes.empty()) {
    to.add_charts("Encoded size", sizes, 0, codec_bytes_table(codecs), document::tables::folded);
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
