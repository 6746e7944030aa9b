#include "stress/scenario/bank.h"

#include <fmt/format.h>

#include <iterator>

#include "stress/checker/history.h"

namespace shmark::stress {
namespace {

bool has_all_accounts(const bank& seen) {
  if (seen.accounts.size() != bank::accounts_count) return false;
  int index = 0;
  for (const auto& [name, balance] : seen.accounts) {
    if (name != account_name(index++)) return false;
  }
  return true;
}

std::int64_t sum_of(const bank& seen) noexcept {
  std::uint64_t sum = 0;  // what is torn may overflow
  for (const auto& [name, balance] : seen.accounts) sum += static_cast<std::uint64_t>(balance);
  return static_cast<std::int64_t>(sum);
}

}  // namespace

std::string account_name(int index) { return fmt::format("account-{:02}", index); }

bank opening_bank(int workers) {
  bank opening;
  for (int i = 0; i < bank::accounts_count; ++i) {
    opening.accounts[account_name(i)] = bank::opening_balance;
  }
  opening.done.resize(static_cast<std::size_t>(workers));
  return opening;
}

void move_money(bank& of, random_source& random) {
  const auto from = random.below(bank::accounts_count);
  const auto to = (from + 1 + random.below(bank::accounts_count - 1)) % bank::accounts_count;
  const std::int64_t amount = 1 + random.below(100);
  std::next(of.accounts.begin(), from)->second -= amount;
  std::next(of.accounts.begin(), to)->second += amount;
}

std::optional<std::string> what_is_torn(const bank& seen, std::uint64_t serial,
                                        const bank_rules& rules) {
  if (!has_all_accounts(seen)) {
    return fmt::format("{} accounts, not the {} of the beginning", seen.accounts.size(),
                       bank::accounts_count);
  }
  if (seen.done.size() != static_cast<std::size_t>(rules.workers)) {
    return fmt::format("transfers of {} workers, not of {}", seen.done.size(), rules.workers);
  }
  constexpr std::int64_t expected_sum = bank::accounts_count * bank::opening_balance;
  if (const auto sum = sum_of(seen); sum != expected_sum) {
    return fmt::format("all accounts hold {}, not {}", sum, expected_sum);
  }
  if (const auto expected = serial_after(rules.first_serial, seen.done); serial != expected) {
    return fmt::format("its serial number is {}, but its transfers make it {}", serial, expected);
  }
  return std::nullopt;
}

}  // namespace shmark::stress
