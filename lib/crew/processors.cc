#include "lib/crew/processors.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <tuple>
#include <utility>

namespace shmark {
namespace {

// A number that the kernel tells of a processor, or `otherwise`.
int topology(int processor, const char* what, int otherwise) {
  std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/{}", processor, what));
  int number = otherwise;
  return file >> number && number >= 0 ? number : otherwise;
}

}  // namespace

std::string_view name_of(pinning how) noexcept {
  switch (how) {
    case pinning::none:
      return "none";
    case pinning::spread:
      return "spread";
    case pinning::packed:
      return "packed";
    case pinning::oversubscribed:
      return "oversubscribed";
  }
  return "";
}

std::vector<int> allowed_processors() {
  cpu_set_t set;
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(static_cast<unsigned>(i), &set)) processors.push_back(i);
    }
  }
  if (processors.empty()) processors.push_back(0);
  return processors;
}

std::vector<int> in_order(std::vector<placed_processor> all, pinning how) {
  if (how == pinning::none) return {};
  std::ranges::sort(
      all, {}, [](const auto& each) { return std::tuple(each.package, each.core, each.number); });
  if (how == pinning::oversubscribed) all.resize(std::min<std::size_t>(all.size(), 1));
  if (how == pinning::spread) {  // the first of each core, then the second of each
    std::map<std::pair<int, int>, int> met;
    std::map<int, int> turn;
    for (const auto& each : all) turn[each.number] = met[{each.package, each.core}]++;
    std::ranges::stable_sort(all, {}, [&](const auto& each) { return turn[each.number]; });
  }
  std::vector<int> numbers;
  for (const auto& each : all) numbers.push_back(each.number);
  return numbers;
}

std::vector<int> processors_for(pinning how) {
  if (how == pinning::none) return {};
  std::vector<placed_processor> all;
  for (const int number : allowed_processors()) {
    all.push_back({.number = number,
                   .package = topology(number, "physical_package_id", 0),
                   .core = topology(number, "core_id", number)});
  }
  return in_order(std::move(all), how);
}

void pin_to(int processor) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(processor), &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace shmark
