// The checkers of histories: each rule by itself, and both of them against one that tries every
// order.

#include "stress/checker/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "stress/checker/shorten.h"
#include "stress/history/history.h"

namespace shmark::stress {
namespace {

constexpr std::int64_t never = interval::never_ns;

operation make(access kind, int worker, std::int64_t called_ns, std::int64_t returned_ns,
               std::uint64_t value, std::uint64_t serial) {
  operation one;
  one.worker = worker;
  one.called_ns = called_ns;
  one.returned_ns = returned_ns;
  one.kind = kind;
  one.value = value;
  one.serial = serial;
  return one;
}
operation write(int worker, std::int64_t called_ns, std::int64_t returned_ns, std::uint64_t value,
                std::uint64_t serial = 0) {
  return make(access::write, worker, called_ns, returned_ns, value, serial);
}
operation read(int worker, std::int64_t called_ns, std::int64_t returned_ns, std::uint64_t value,
               std::uint64_t serial = 0) {
  return make(access::read, worker, called_ns, returned_ns, value, serial);
}

// Of a register that holds 0, and, if it numbers its writes, began with number 10.
history numbered(std::vector<operation> operations) {
  return {.first_value = 0, .first_serial = 10, .operations = std::move(operations)};
}
history unnumbered(std::vector<operation> operations) {
  return {.first_value = 0, .first_serial = 0, .operations = std::move(operations)};
}

void expect_order(const history& all) {
  const auto seen = check_linearizability(all);
  EXPECT_EQ(seen.found, order::exists) << seen.why;
}
void expect_none(const history& all, const std::vector<std::string_view>& why) {
  const auto seen = check_linearizability(all);
  EXPECT_EQ(seen.found, order::none);
  for (const auto part : why) {
    EXPECT_NE(seen.why.find(part), std::string::npos) << seen.why << "\nlacks: " << part;
  }
}

// By serial numbers.

TEST(SerialOrder, AcceptsAHistoryOfNothing) { expect_order(numbered({})); }

TEST(SerialOrder, AcceptsReadsOfTheFirstValueAndOfWhatWasWritten) {
  expect_order(numbered({read(0, 1, 2, 0, 10), write(1, 3, 4, 7, 11), read(0, 5, 6, 7, 11),
                         write(0, 7, 8, 8, 12), read(1, 9, 10, 8, 12)}));
}

TEST(SerialOrder, AcceptsAnyOrderOfOperationsThatOverlap) {
  expect_order(numbered({write(0, 1, 10, 7, 12), write(1, 2, 9, 8, 11), read(2, 3, 8, 0, 10)}));
  expect_order(numbered({write(0, 1, 10, 7, 11), read(1, 1, 2, 7, 11), read(2, 2, 3, 0, 10)}));
}

TEST(SerialOrder, FindsAStaleRead) {
  expect_none(numbered({write(0, 1000, 2000, 7, 11), read(1, 3000, 4000, 0, 10)}),
              {"worker 0's write of value 0x7 under serial number 11 (called at 0.000 us, returned "
               "at 1.000 us) had returned before worker 1's read of value 0x0 under serial number "
               "10 (called at 2.000 us, returned at 3.000 us) was called, and comes after it"});
}

TEST(SerialOrder, FindsTwoReadsThatWentBack) {
  expect_none(numbered({write(0, 1, 9, 7, 11), read(1, 2, 3, 7, 11), read(2, 4, 5, 0, 10)}),
              {"worker 1's read", "had returned before worker 2's read", "comes after it"});
}

TEST(SerialOrder, FindsAReadOfAWriteThatWasNotCalledYet) {
  expect_none(numbered({read(1, 1, 2, 7, 11), write(0, 3, 4, 7, 11)}),
              {"worker 1's read", "had returned before worker 0's write"});
}

TEST(SerialOrder, FindsWritesThatAreNumberedAgainstTheirOrder) {
  expect_none(numbered({write(0, 1, 2, 7, 12), write(1, 3, 4, 8, 11)}),
              {"worker 0's write", "had returned before worker 1's write"});
}

TEST(SerialOrder, FindsOneNumberOfTwoWrites) {
  expect_none(numbered({write(0, 1, 5, 7, 11), write(1, 2, 6, 8, 11)}),
              {"one serial number for two writes: worker 0's", "; worker 1's"});
}

TEST(SerialOrder, FindsAReadOfAnotherValueThanItsNumbers) {
  expect_none(
      numbered({write(0, 1, 2, 7, 11), write(0, 3, 4, 8, 12), read(1, 5, 6, 7, 12)}),
      {"one serial number for two values: worker 0's write of value 0x8", "; worker 1's read"});
  expect_none(numbered({write(0, 1, never, 7), write(1, 1, never, 8), read(2, 5, 6, 7, 11),
                        read(2, 7, 8, 8, 11)}),
              {"one serial number for two values"});
}

TEST(SerialOrder, FindsAnotherFirstValueAndOlderNumbers) {
  expect_none(numbered({read(0, 1, 2, 7, 10)}), {"began with value 0x0 under serial number 10"});
  expect_none(numbered({read(0, 1, 2, 0, 9)}), {"began with serial number 10"});
  expect_none(numbered({write(0, 1, 2, 7, 10)}), {"began with serial number 10"});
}

TEST(SerialOrder, FindsANumberThatNoWriteHas) {
  expect_none(numbered({write(0, 1, 2, 7, 12)}), {"serial number 11 is of no write"});
  // A pending one could have had it, if it had been called before the next number was returned.
  expect_order(numbered({write(1, 1, never, 8), write(0, 1, 2, 7, 12)}));
  expect_none(numbered({write(0, 1, 2, 7, 12), write(1, 3, never, 8)}),
              {"serial number 11 is of no write"});
}

TEST(SerialOrder, TakesAKilledWorkersWriteForDoneOrNot) {
  const auto pending = write(0, 1, never, 7);
  expect_order(numbered({pending}));
  expect_order(numbered({pending, read(1, 2, 3, 0, 10), read(1, 4, 5, 7, 11)}));
  expect_order(numbered({pending, write(1, 2, 3, 8, 11), read(1, 4, 5, 8, 11)}));
  expect_order(numbered({pending, write(1, 2, 3, 8, 12), read(1, 4, 5, 8, 12)}));
  expect_order(numbered({pending, write(1, 2, 3, 8, 11), read(1, 4, 5, 7, 12)}));
  // Of two with one value, number 11 can only be the one that was called first, and 13 is the
  // other.
  expect_order(
      numbered({pending, write(0, 10, never, 7), write(1, 2, 5, 8, 12), read(1, 15, 20, 7, 13)}));
}

TEST(SerialOrder, FindsAReadOfWhatNobodyWrote) {
  expect_none(numbered({read(1, 2, 3, 7, 11)}), {"nobody wrote what was read: worker 1's read"});
  expect_none(numbered({write(0, 1, 2, 7, 11), read(1, 3, 4, 7, 12)}),
              {"one value under two serial numbers: worker 0's write", "; worker 1's read"});
}

TEST(SerialOrder, FindsAPendingWriteThatWasReadBeforeItWasCalled) {
  expect_none(numbered({read(1, 2, 3, 7, 11), write(0, 4, never, 7)}),
              {"worker 1's read", "which can only be worker 0's write", "never returned"});
}

TEST(SerialOrder, FindsAPendingWriteThatWouldHaveTakenEffectTwice) {
  expect_none(numbered({write(0, 1, never, 7), read(1, 2, 3, 7, 11), write(1, 4, 5, 8, 12),
                        read(1, 6, 7, 7, 13)}),
              {"more serial numbers have value 0x7 than writes may have written it"});
}

// By search.

TEST(OrderSearch, AcceptsWhatHasAnOrder) {
  expect_order(unnumbered({}));
  expect_order(unnumbered({read(0, 1, 2, 0), write(1, 3, 4, 7), read(0, 5, 6, 7)}));
  expect_order(unnumbered({write(0, 1, 10, 7), write(1, 2, 9, 8), read(2, 11, 12, 7)}));
  expect_order(unnumbered({write(0, 1, 10, 7), write(1, 2, 9, 8), read(2, 11, 12, 8)}));
}

TEST(OrderSearch, TakesAKilledWorkersWriteForDoneOrNot) {
  const auto pending = write(0, 1, never, 7);
  expect_order(unnumbered({pending}));
  expect_order(unnumbered({pending, read(1, 2, 3, 0)}));
  expect_order(unnumbered({pending, read(1, 2, 3, 0), read(1, 4, 5, 7)}));
  expect_none(unnumbered({pending, read(1, 2, 3, 7), read(1, 4, 5, 0)}), {});
  expect_none(unnumbered({read(1, 2, 3, 7), write(0, 4, never, 7)}), {});
}

TEST(OrderSearch, NamesTheOperationThatCannotComeNext) {
  expect_none(unnumbered({write(0, 1000, 2000, 7), read(1, 3000, 4000, 0)}),
              {"no order explains worker 1's read of value 0x0 (called at 2.000 us, returned at "
               "3.000 us): the longest order has 1 of 2 that returned, and ends with worker 0's "
               "write of value 0x7",
               "the register holds 0x7"});
  expect_none(unnumbered({read(1, 2, 3, 7)}), {"nothing can come before it"});
}

TEST(OrderSearch, IsUndecidedWhenItMayRememberNoMore) {
  // Reads by many at once of what the last of as many writes wrote, and then of what none did.
  std::vector<operation> all;
  for (int i = 0; i < 12; ++i) all.push_back(write(i, 1, 100, 1 + static_cast<unsigned>(i)));
  all.push_back(read(0, 200, 300, 99));
  EXPECT_EQ(check_linearizability(unnumbered(all)).found, order::none);
  const auto seen = check_linearizability(unnumbered(all), 1000);
  EXPECT_EQ(seen.found, order::undecided);
  EXPECT_NE(seen.why.find("the first 1000 possibilities"), std::string::npos) << seen.why;
}

TEST(OrderSearch, NeedsNoMoreThanAFewPossibilitiesForEachOfManyOperations) {
  // Four workers, each of whose operations overlaps one of each other's.
  std::vector<operation> all;
  std::uint64_t value = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t at = 10 * i;
    if (i % 2 == 0) {
      all.push_back(write(i % 4, at, at + 35, ++value));
    } else {
      all.push_back(read(i % 4, at, at + 35, value));
    }
  }
  const auto seen = check_linearizability(unnumbered(all), 20 * all.size());
  EXPECT_EQ(seen.found, order::exists) << seen.why;
}

TEST(Overlapped, CountsThoseThatReturnedAndWereNotAlone) {
  EXPECT_EQ(overlapped(unnumbered({})), 0U);
  EXPECT_EQ(overlapped(unnumbered({write(0, 1, 2, 1), write(0, 3, 4, 1)})), 0U);
  EXPECT_EQ(overlapped(unnumbered({write(0, 1, 3, 1), write(1, 3, 4, 1)})), 2U);
  EXPECT_EQ(overlapped(unnumbered({write(0, 1, 9, 1), write(1, 2, 3, 1), read(1, 4, 5, 1),
                                   read(2, 10, 11, 1), write(2, 1, never, 1)})),
            3U);
}

// Every order there is, tried one after the other.

// Whether these happen in this order, as a register would have them, and as time had it.
bool is_possible(const std::vector<operation>& in_order, const history& of) {
  std::uint64_t value = of.first_value;
  std::uint64_t serial = of.first_serial;
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    for (std::size_t later = i + 1; later < in_order.size(); ++later) {
      if (in_order[later].returned_ns < in_order[i].called_ns) return false;
    }
    const auto& one = in_order[i];
    if (one.kind == access::write) {
      value = one.value;
      if (serial != 0) ++serial;
    }
    if (one.pending()) continue;
    if (one.value != value || one.serial != serial) return false;
  }
  return true;
}

bool has_order(const history& of) {
  std::vector<operation> done;
  std::vector<operation> pending;
  for (const auto& one : of.operations) (one.pending() ? pending : done).push_back(one);
  for (unsigned chosen = 0; chosen < 1U << pending.size(); ++chosen) {
    auto all = done;
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if ((chosen >> i & 1U) != 0) all.push_back(pending[i]);
    }
    std::vector<std::size_t> indices(all.size());
    std::iota(indices.begin(), indices.end(), 0);
    do {
      std::vector<operation> in_order;
      for (const auto i : indices) in_order.push_back(all[i]);
      if (is_possible(in_order, of)) return true;
    } while (std::next_permutation(indices.begin(), indices.end()));
  }
  return false;
}

// A small history of three workers: of a real register, and then perhaps not quite.
class small_history {
 public:
  explicit small_history(std::uint64_t seed) : random_(seed) {}

  history make(bool has_serials) {
    has_few_values_ = random_.below(2) == 0;
    history all = has_serials ? numbered({}) : unnumbered({});
    for (int worker = 0; worker < 3; ++worker) add_worker(worker, all);
    if (all.operations.size() > operations_max) all.operations.resize(operations_max);
    take_effect(all);
    // Without numbers, a few wrong ones go unnoticed.
    const auto changes_end = has_serials ? 4U : 15U;
    for (auto changes = random_.below(changes_end); changes != 0; --changes) spoil(all);
    return all;
  }

 private:
  static constexpr std::size_t operations_max = 6;

  void add_worker(int worker, history& to) {
    std::int64_t now = random_.below(5);
    for (auto count = 1 + random_.below(3); count != 0; --count) {
      const auto called = now + 1 + random_.below(4);
      now = called + 1 + random_.below(12);
      const bool returns = random_.below(7) != 0;
      to.operations.push_back(stress::make(random_.below(2) == 0 ? access::read : access::write,
                                           worker, called, returns ? now : never, any_value(), 0));
    }
  }
  std::uint64_t any_value() { return has_few_values_ ? 1 + random_.below(2) : ++last_value_; }

  // Each at some moment between its call and its return; pending ones perhaps.
  void take_effect(history& of) {
    std::vector<std::pair<std::int64_t, operation*>> moments;
    for (auto& one : of.operations) {
      if (one.pending() && random_.below(2) == 0) continue;
      const auto last = one.pending() ? one.called_ns + 20 : one.returned_ns;
      moments.emplace_back(
          one.called_ns + random_.below(static_cast<std::uint64_t>(last - one.called_ns) + 1),
          &one);
    }
    std::ranges::sort(moments);
    std::uint64_t value = of.first_value;
    std::uint64_t serial = of.first_serial;
    for (auto& [when, one] : moments) {
      if (one->kind == access::write) {
        value = one->value;
        if (serial != 0) ++serial;
      }
      one->value = value;
      if (!one->pending()) one->serial = serial;
    }
  }

  void spoil(history& of) {
    auto& one = of.operations[random_.below(of.operations.size())];
    const auto& other = of.operations[random_.below(of.operations.size())];
    switch (random_.below(4)) {
      case 0:  // what somebody else had
        one.value = other.value;
        if (!one.pending() && !other.pending()) one.serial = other.serial;
        return;
      case 1:
        if (!one.pending() && one.serial != 0) one.serial += random_.below(3) - 1;
        return;
      case 2:  // earlier
        if (!one.pending()) one.returned_ns = one.called_ns + 1;
        return;
      default:  // later
        one.called_ns += 1 + random_.below(10);
        if (!one.pending()) one.returned_ns = std::max(one.returned_ns, one.called_ns + 1);
    }
  }

  random_source random_;
  bool has_few_values_ = false;
  std::uint64_t last_value_ = 0;
};

std::string told(const history& of) {
  std::string text;
  for (const auto& one : of.operations) text += one.text(0) + '\n';
  return text;
}

void expect_agreement(bool has_serials, std::uint64_t seed) {
  constexpr int histories = 10'000;
  int with_order = 0;
  int with_pending = 0;
  for (int i = 0; i < histories; ++i) {
    const auto all = small_history(seed + static_cast<unsigned>(i)).make(has_serials);
    const bool exists = has_order(all);
    const auto seen = check_linearizability(all);
    ASSERT_EQ(seen.found, exists ? order::exists : order::none) << "history " << i << ":\n"
                                                                << told(all) << seen.why;
    with_order += exists ? 1 : 0;
    with_pending += std::ranges::any_of(all.operations, &operation::pending) ? 1 : 0;
  }
  std::printf("%d histories: %d have an order, %d have none; %d have pending operations\n",
              histories, with_order, histories - with_order, with_pending);
  EXPECT_GE(with_order, histories / 5);
  EXPECT_GE(histories - with_order, histories / 5);
  EXPECT_GE(with_pending, histories / 5);
}

// The shorter part must be wrong by itself.
void expect_shorter(bool has_serials, std::uint64_t seed) {
  std::size_t whole = 0;
  std::size_t part = 0;
  for (unsigned i = 0; i < 2'000; ++i) {
    const auto all = small_history(seed + i).make(has_serials);
    if (check_linearizability(all).found != order::none) continue;
    const auto enough = shorten(all);
    ASSERT_FALSE(has_order(enough)) << "history " << i << ":\n" << told(all) << told(enough);
    whole += all.operations.size();
    part += enough.operations.size();
  }
  EXPECT_GT(part, 0U);
  EXPECT_LT(part, whole);
}
TEST(Shorten, LeavesWhatHasNoOrderEither) {
  expect_shorter(true, 4'000'000);
  expect_shorter(false, 5'000'000);
}

TEST(Shorten, LeavesLittleOfAHistoryThatGoesWrongInTheMiddle) {
  std::vector<operation> all;
  for (unsigned i = 1; i <= 2'000; ++i) {
    const std::int64_t at = 100 * i;
    all.push_back(write(0, at, at + 10, i, 10 + i));
    const unsigned seen = i == 1'000 ? i - 3 : i;
    all.push_back(read(1, at + 20, at + 30, seen, 10 + seen));
  }
  const auto by_serial = shorten(numbered(all));
  EXPECT_LE(by_serial.operations.size(), 8U) << told(by_serial);
  EXPECT_EQ(check_linearizability(by_serial).found, order::none);
  for (auto& one : all) one.serial = 0;
  const auto by_search = shorten(unnumbered(all));
  EXPECT_EQ(by_search.operations.size(), 2'000U);
  EXPECT_EQ(by_search.operations.back().worker, 1);
}

TEST(SerialOrder, AgreesWithEveryOrderTried) { expect_agreement(true, 1'000'000); }
TEST(OrderSearch, AgreesWithEveryOrderTried) { expect_agreement(false, 2'000'000); }

// The same numbered histories, once more by the search.
struct numbered_register {
  using operation = stress::operation;
  using state = std::pair<std::uint64_t, std::uint64_t>;  // serial number, value

  state begin;

  [[nodiscard]] state first() const { return begin; }
  [[nodiscard]] std::optional<state> after(const state& in, const operation& one) const {
    const state next = one.kind == access::write ? state{in.first + 1, one.value} : in;
    if (!one.pending() && next != state{one.serial, one.value}) return {};
    return next;
  }
  [[nodiscard]] std::size_t hash(const state& in) const { return in.first * 31 + in.second; }
};

TEST(OrderSearch, AgreesWithSerialOrder) {
  int none = 0;
  for (unsigned i = 0; i < 10'000; ++i) {
    const auto all = small_history(3'000'000 + i).make(true);
    order_search<numbered_register> search(all.operations, {{all.first_serial, all.first_value}});
    const auto found = search.run(order_states_max);
    ASSERT_EQ(found, check_linearizability(all).found) << "history " << i << ":\n" << told(all);
    none += found == order::none ? 1 : 0;
  }
  EXPECT_GE(none, 2'000);
  EXPECT_LE(none, 8'000);
}

}  // namespace
}  // namespace shmark::stress
