#include "reports/analysis/duels.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "lib/measure/noise_floor.h"
#include "lib/result/noise.h"
#include "reports/analysis/caching.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

// "3.10 times", "1.20 to 45.0 times".
std::string range_text(std::vector<double> factors) {
  const auto [least, most] = std::ranges::minmax(factors);
  const auto low = ratio(least);
  const auto high = ratio(most);
  return (low == high ? low : low + " to " + high) + " times";
}

// "4 KiB by 1, 2 and 8 workers, 64 KiB by 1 worker".
std::string places_text(const std::vector<const duel*>& all) {
  std::vector<std::pair<std::string, std::vector<int>>> by_payload;
  for (const duel* each : all) {
    const auto payload = payload_text(each->payload);
    auto found =
        std::ranges::find(by_payload, payload, &std::pair<std::string, std::vector<int>>::first);
    if (found == by_payload.end()) found = by_payload.insert(found, {payload, {}});
    found->second.push_back(each->workers);
  }
  std::string text;
  for (const auto& [payload, workers] : by_payload) {
    text += (text.empty() ? "" : ", ") + payload + " by ";
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (i > 0) text += i + 1 == workers.size() ? " and " : ", ";
      text += std::to_string(workers[i]);
    }
    text += workers == std::vector{1} ? " worker" : " workers";
  }
  return text;
}

std::string verdict(const std::string& peer, const std::string& op,
                    const std::vector<const duel*>& all) {
  std::vector<double> won;
  std::vector<double> lost;
  std::vector<const duel*> where_lost;
  std::vector<const duel*> where_even;
  for (const duel* each : all) {
    if (each->is_noise) {
      where_even.push_back(each);
    } else if (each->factor >= 1) {
      won.push_back(each->factor);
    } else {
      lost.push_back(1 / each->factor);
      where_lost.push_back(each);
    }
  }
  std::string text = fmt::format("{} against {}: ", op, peer);
  if (lost.empty() && won.empty()) return text + "no difference beyond noise.";
  if (!won.empty()) {
    text += fmt::format("{} wins by {}", our_store, range_text(won));
    if (lost.empty() && where_even.empty() && all.size() > 1) text += " everywhere";
  }
  if (!lost.empty()) {
    text += won.empty() ? "" : "; ";
    text += fmt::format("{} wins by {}", peer, range_text(lost));
    text += won.empty() && where_even.empty() && all.size() > 1 ? " everywhere"
                                                                : ": " + places_text(where_lost);
  }
  if (!where_even.empty()) text += "; no difference beyond noise: " + places_text(where_even);
  return text + '.';
}

}  // namespace

std::string store_op(const name_parts& of) {
  std::string text(of["op"]);
  if (!of["reads"].empty()) text += fmt::format(", {} % reads", of["reads"]);
  return text;
}

std::vector<duel> duels_of(const all_series& stores, const result::context& about) {
  std::vector<duel> all;
  const auto ours = where(stores, "store", our_store);
  for (const series* one : stores) {
    if (one->parts["store"] == our_store) continue;
    const auto found = std::ranges::find_if(ours, [&](const series* other) {
      return store_op(other->parts) == store_op(one->parts) &&
             other->parts["payload"] == one->parts["payload"] &&
             other->parts["procs"] == one->parts["procs"];
    });
    const double theirs = operations_per_s(*one);
    if (found == ours.end() || !(theirs > 0)) continue;
    const double factor = operations_per_s(**found) / theirs;
    const double floor =
        result::joint_noise_floor_of(one->entries, about, (*found)->entries, about);
    if (!(factor > 0)) continue;
    all.push_back({.peer = std::string(one->parts["store"]),
                   .op = store_op(one->parts),
                   .payload = std::string(one->parts["payload"]),
                   .workers = one->parts.number("procs").value_or(0),
                   .factor = factor,
                   .is_noise = is_noise(factor, floor)});
  }
  return all;
}

std::vector<std::string> verdicts(const std::vector<duel>& all) {
  std::vector<std::string> sentences;
  std::vector<std::pair<std::string, std::string>> done;
  for (const duel& first : all) {
    const std::pair key(first.peer, first.op);
    if (std::ranges::find(done, key) != done.end()) continue;
    done.push_back(key);
    std::vector<const duel*> same;
    for (const duel& each : all) {
      if (each.peer == first.peer && each.op == first.op) same.push_back(&each);
    }
    sentences.push_back(verdict(first.peer, first.op, same));
  }
  return sentences;
}

}  // namespace shmark::reports
