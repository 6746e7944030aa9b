// The value that `transfer` shares: accounts, whose sum never changes, and how many transfers each
// worker has made. So every copy of it can be checked by itself, whoever reads it.
#pragma once

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/random.h"

namespace shmark::stress {

struct bank {
  static constexpr int accounts_count = 16;
  static constexpr std::int64_t opening_balance = 1000;

  std::map<std::string, std::int64_t> accounts;
  std::vector<std::uint64_t> done;  // by worker: the number of its last transfer

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & accounts & done;
  }
};

[[nodiscard]] std::string account_name(int index);
[[nodiscard]] bank opening_bank(int workers);

// Moves a random amount between two random accounts. Requires: all accounts are there.
void move_money(bank& of, random_source& random);

// What a bank must be like.
struct bank_rules {
  int workers;
  std::uint64_t first_serial;  // of the opening bank
};
// What is wrong with a copy that was read under this serial number, as a sentence; nothing if it is
// whole: all accounts are there and no other, their sum is what it was, and the serial number is
// the first one plus all transfers done.
[[nodiscard]] std::optional<std::string> what_is_torn(const bank& seen, std::uint64_t serial,
                                                      const bank_rules& rules);

}  // namespace shmark::stress
