// doctor.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/shmctl/commands.h"
#include "tools/shmctl/finding.h"
#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

using nlohmann::ordered_json;

void append(examination& to, examination from) {
  std::ranges::move(from.found, std::back_inserter(to.found));
  std::ranges::move(from.doubts, std::back_inserter(to.doubts));
}

examination examine_all(const arguments& asked) {
  examination all;
  // What is not there may have left something all the same.
  if (const auto domains = places(asked)) {
    for (const auto& each : *domains) append(all, examine(each));
  } else {
    all.doubts.push_back(domains.error());
  }
  append(all, examine_strays(asked.is_domain_given ? std::optional(asked.domain) : std::nullopt));
  return all;
}

// What both looks have found, and what either could not judge. A program that is just about to
// clean up after itself looks like a dead one, and is given the time to.
examination examine_twice(const arguments& asked) {
  constexpr useconds_t pause_us = 200'000;
  auto first = examine_all(asked);
  if (first.found.empty()) return first;
  usleep(pause_us);
  auto second = examine_all(asked);
  std::ranges::sort(first.found, {}, &finding::identity);
  std::erase_if(second.found, [&](const finding& each) {
    return !std::ranges::binary_search(first.found, each.identity(), {}, &finding::identity);
  });
  for (auto& doubt : first.doubts) {
    if (std::ranges::find(second.doubts, doubt) == second.doubts.end()) {
      second.doubts.push_back(std::move(doubt));
    }
  }
  return second;
}

// What one command mends, together, and no more than a screen can take of it.
void print_text(const examination& all) {
  constexpr std::size_t shown_max = 10;
  std::vector<const finding*> heads;
  std::map<std::string_view, std::vector<const finding*>> by_mend;
  for (const auto& each : all.found) {
    auto& its = by_mend[each.mend];
    if (its.empty()) heads.push_back(&each);
    its.push_back(&each);
  }
  for (const auto* head : heads) {
    const auto& its = by_mend.at(head->mend);
    for (const auto* each : std::span(its).first(std::min(shown_max, its.size()))) {
      const auto where = each->domain.empty() ? "" : fmt::format("domain {}, ", each->domain);
      fmt::print("{}{}: {}\n", where, printable(each->object), printable(each->what));
    }
    if (its.size() > shown_max) fmt::print("and {} more; --json has all\n", its.size() - shown_max);
    fmt::print("  mend: {}\n", head->mend);
  }
  for (const auto& doubt : all.doubts) fmt::print("not judged: {}\n", doubt);
  if (all.found.empty()) {
    fmt::print("nothing found\n");
  } else {
    fmt::print("{} found\n", all.found.size());
  }
}

void print_as_json(const examination& all) {
  auto found = ordered_json::array();
  for (const auto& each : all.found) {
    found.push_back({{"kind", each.kind},
                     {"domain", each.domain.empty() ? ordered_json() : ordered_json(each.domain)},
                     {"object", text_json(each.object)},
                     {"what", each.what},
                     {"mend", each.mend}});
  }
  print_json({{"found", std::move(found)}, {"not_judged", all.doubts}});
}

}  // namespace

int diagnose(const arguments& asked) {
  const auto all = examine_twice(asked);
  if (asked.json) {
    print_as_json(all);
  } else {
    print_text(all);
  }
  return all.found.empty() ? good : found_something;
}

}  // namespace shmark::inspector
