// Our store against each other one, in the same operation on as many bytes by as many workers.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "lib/result/result.h"
#include "reports/series.h"

namespace shmark::reports {

inline constexpr const char* our_store = "variable";

struct duel {
  std::string peer{};
  std::string op{};       // "read", "mixed, 90 % reads"
  std::string payload{};  // "4k"
  int workers = 0;
  double factor = 0;      // our throughput divided by the peer's
  bool is_noise = false;  // they differ by no more than the noise floor of both together
};

// "read", "mixed, 90 % reads".
[[nodiscard]] std::string store_op(const name_parts& of);

[[nodiscard]] std::vector<duel> duels_of(const all_series& stores, const result::context& about);

// A sentence for each peer and operation: who wins, by which factors, and where it is the other way
// round.
[[nodiscard]] std::vector<std::string> verdicts(const std::vector<duel>& all);

}  // namespace shmark::reports
