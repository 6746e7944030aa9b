#include "reports/analysis/load.h"

#include <algorithm>
#include <iterator>

namespace shmark::reports {

std::string load_of(const name_parts& of) {
  std::string text(of["mode"]);
  const auto add = [&](const char* argument, const char* words) {
    if (!of[argument].empty()) ((text += ", ") += of[argument]) += words;
  };
  add("reads", " % reads");
  add("cs_ns", " ns inside");
  add("think_ns", " ns between");
  return text;
}

bool is_plain(const name_parts& of) { return of["cs_ns"].empty() && of["think_ns"].empty(); }

std::vector<std::string> loads_of(const all_series& all) {
  std::vector<std::string> loads;
  for (const series* one : all) {
    const auto load = load_of(one->parts);
    if (std::ranges::find(loads, load) == loads.end()) loads.push_back(load);
  }
  return loads;
}

all_series with_load(const all_series& from, const std::string& load) {
  all_series found;
  std::ranges::copy_if(from, std::back_inserter(found),
                       [&](const series* one) { return load_of(one->parts) == load; });
  return found;
}

}  // namespace shmark::reports
