#include "reports/compare/agreement.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "lib/measure/median.h"
#include "lib/measure/noise_floor.h"
#include "lib/result/noise.h"
#include "reports/compare/compared.h"
#include "reports/series.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

bool is_timed(const series& one) {
  if (!one.failure.empty() || one.verdict || one.entries.empty()) return false;
  const auto times = compared_times(one);
  return !times.empty() && median(times) > 0;
}

}  // namespace

agreement agreement_of(const result::run& one, const result::run& another) {
  const auto first = series_of(one);
  const auto second = series_of(another);
  std::map<std::string_view, const series*> others;
  for (const series& each : second) {
    if (is_timed(each)) others.emplace(each.name, &each);
  }
  agreement all;
  for (const series& each : first) {
    const auto other = others.find(each.name);
    if (other == others.end() || !is_timed(each)) continue;
    const double floor = result::joint_noise_floor_of(each.entries, one.about,
                                                      other->second->entries, another.about);
    if (!(floor > 0)) {
      ++all.unknown;
      continue;
    }
    ++all.judged;
    const double ratio = median(compared_times(*other->second)) / median(compared_times(each));
    if (is_noise(ratio, floor)) continue;
    all.disagreeing.push_back({each.name, ratio, floor});
  }
  return all;
}

std::string as_text(const agreement& of, bool lists) {
  std::string text;
  if (of.judged > 0) {
    text = fmt::format(
        "agree within the noise floor: {} of {} ({:.0f} %); about 95 of 100 are expected to, "
        "if nothing has changed\n",
        of.agreeing(), of.judged,
        100 * static_cast<double>(of.agreeing()) / static_cast<double>(of.judged));
  }
  if (of.unknown > 0) {
    text += fmt::format("noise unknown, since there were no repetitions: {}\n", of.unknown);
  }
  if (!lists || of.disagreeing.empty()) return text;
  constexpr std::string_view head = "disagreeing";
  std::size_t longest = head.size();
  for (const disagreement& each : of.disagreeing) longest = std::max(longest, each.name.size());
  text += fmt::format("{:<{}}  {:>6}  {:>8}\n", head, longest, "ratio", "floor");
  for (const disagreement& each : of.disagreeing) {
    text += fmt::format("{:<{}}  {:>6}  {:>8}\n", printable(each.name), longest, ratio(each.ratio),
                        percent(each.floor));
  }
  return text;
}

}  // namespace shmark::reports
