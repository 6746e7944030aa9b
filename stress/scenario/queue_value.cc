#include "stress/scenario/queue_value.h"

#include <fmt/format.h>

#include <new>

#include "stress/checker/history.h"

namespace shmark::stress {

std::optional<std::string> what_is_torn(const queue& seen, std::uint64_t serial,
                                        std::uint64_t first_serial, int workers) {
  if (seen.done.size() != static_cast<std::size_t>(workers)) {
    return fmt::format("{} workers instead of {}", seen.done.size(), workers);
  }
  if (seen.next - seen.head != seen.items.size()) {
    return fmt::format("{} items, though {} were pushed and {} taken", seen.items.size(), seen.next,
                       seen.head);
  }
  for (std::size_t i = 0; i < seen.items.size(); ++i) {
    if (seen.items[i] != seen.head + i) {
      return fmt::format("item {} where {} should be", seen.items[i], seen.head + i);
    }
  }
  const std::uint64_t changes = serial_after(0, seen.done);
  if (seen.next + seen.head != changes || first_serial + changes != serial) {
    return fmt::format("{} pushed and {} taken in {} changes, with serial number {}", seen.next,
                       seen.head, changes, serial);
  }
  return std::nullopt;
}

std::expected<tally, error> tally::create(int workers) {
  static_assert(std::atomic<std::uint8_t>::is_always_lock_free &&
                sizeof(std::atomic<std::uint8_t>) == 1);
  const auto size = static_cast<std::size_t>(workers) * sizeof(std::atomic<std::uint64_t>);
  SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(size + items_max));
  return tally(std::move(memory), workers);
}

void tally::begin(int worker, std::uint64_t item) const noexcept { taking(worker) = item + 1; }

bool tally::end(int worker, std::uint64_t item) const noexcept {
  const bool is_first = (mark_of(item).fetch_or(got) & got) == 0;
  taking(worker) = 0;
  return is_first;
}

void tally::settle(int worker) const noexcept {
  if (const std::uint64_t item = taking(worker); item != 0) mark_of(item - 1).fetch_or(maybe);
  taking(worker) = 0;
}

std::uint64_t tally::lost_before(std::uint64_t head) const noexcept {
  std::uint64_t lost = 0;
  for (std::uint64_t item = 0; item < head && item < items_max; ++item) {
    if (mark_of(item) == 0) ++lost;
  }
  return lost;
}

std::atomic<std::uint64_t>& tally::taking(int worker) const noexcept {
  auto* first = reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.bytes().data());
  return *std::launder(first + worker);
}

std::atomic<std::uint8_t>& tally::mark_of(std::uint64_t item) const noexcept {
  auto* first = memory_.bytes().data() + static_cast<std::size_t>(workers_) * sizeof(std::uint64_t);
  return *std::launder(reinterpret_cast<std::atomic<std::uint8_t>*>(first + item));
}

}  // namespace shmark::stress
