#include "stress/explorer/peers.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "lib/subject/locks.h"
#include "lib/subject/stores.h"
#include "stress/explorer/byte_store_operations.h"
#include "stress/explorer/lock_operations.h"

namespace shmark::explorer {
namespace {

constexpr std::array<std::string_view, 4> of_locks{"exclusive", "shared", "wait_exclusive",
                                                   "hand_over"};

template <lock L>
surveyed survey_of_lock() {
  surveyed made{.name = std::string(L::name),
                .crash_safe = L::can.crash_safe,
                .reports_owner_death = L::can.reports_owner_death};
  add_lone_operations<L>(made.operations);
  add_contended_operations<L>(made.operations);
  std::erase_if(made.operations, [](const operation& each) {
    return std::ranges::find(of_locks, each.name) == of_locks.end();
  });
  return made;
}

template <keyed_byte_store S>
surveyed survey_of_store() {
  surveyed made{.name = std::string(S::name), .crash_safe = S::can.crash_safe};
  add_byte_store_operations<S>(made.operations);
  for (auto& each : made.operations) each.is_noisy = made.name == "lmdb";
  return made;
}

}  // namespace

const std::vector<surveyed>& all_surveyed() {
  static const auto all = [] {
    std::vector<surveyed> made;
    for_each_type(all_locks{}, [&]<class L> { made.push_back(survey_of_lock<L>()); });
    for_each_type(all_stores{}, [&]<class S> {
      if constexpr (keyed_byte_store<S>) made.push_back(survey_of_store<S>());
    });
    for (auto& each : made) {
      for (auto& operation : each.operations) operation.name = each.name + '/' + operation.name;
    }
    return made;
  }();
  return all;
}

}  // namespace shmark::explorer
