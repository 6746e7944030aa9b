#include "stress/scenario/counters.h"

#include <fmt/format.h>

#include <new>

namespace shmark::stress {

bool is_alive(const holder_mark& who, const worker_logs& logs) noexcept {
  // In this order: the supervisor gives the place to the next life before it takes the mark of the
  // doomed away.
  const auto& log = logs.of(who.worker());
  return log.doomed.load() == 0 && log.life.load() == who.life();
}

std::expected<counters, error> counters::create(int workers) {
  const auto count = static_cast<std::size_t>(workers);
  SHMARK_ASSIGN_OR_RETURN(auto memory,
                          anonymous_segment::create(sizeof(shared_by_all) +
                                                    count * sizeof(std::atomic<std::uint64_t>)));
  counters made(std::move(memory), workers);
  new (&made.common()) shared_by_all{};
  for (auto& number : made.numbers()) new (&number) std::atomic<std::uint64_t>{};
  return made;
}

std::uint64_t counters::step_first() const noexcept {
  const std::uint64_t value = first() + 1;
  common().first.store(value, std::memory_order_release);
  return value;
}

void counters::step_number(int worker, std::uint64_t number) const noexcept {
  numbers()[static_cast<std::size_t>(worker)].store(number, std::memory_order_release);
}

void counters::step_second(std::uint64_t value) const noexcept {
  common().second.store(value, std::memory_order_release);
}

std::uint64_t counters::done(int worker) const noexcept {
  return numbers()[static_cast<std::size_t>(worker)].load(std::memory_order_acquire);
}

std::uint64_t counters::sum_of_done() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& number : numbers()) sum += number.load(std::memory_order_acquire);
  return sum;
}

std::uint64_t counters::unaccounted_for() const noexcept {
  const auto apart = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; };
  const std::uint64_t sum = sum_of_done();
  return apart(first(), sum) + apart(second(), sum);
}

std::optional<std::string> counters::repair() const {
  const std::uint64_t sum = sum_of_done();
  const std::uint64_t ahead = first() - sum;    // 1 between (1) and (2)
  const std::uint64_t behind = sum - second();  // 1 between (2) and (3)
  const bool is_explained = (ahead <= 1 && behind == 0) || (ahead == 0 && behind <= 1);
  std::optional<std::string> wrong;
  if (!is_explained) {
    wrong = fmt::format("the counters are {} and {} after {} changes", first(), second(), sum);
  }
  common().first.store(sum, std::memory_order_release);
  common().second.store(sum, std::memory_order_release);
  ++common().repaired;
  return wrong;
}

counters::shared_by_all& counters::common() const noexcept {
  return *std::launder(reinterpret_cast<shared_by_all*>(memory_.bytes().data()));
}

std::span<std::atomic<std::uint64_t>> counters::numbers() const noexcept {
  auto* begin =
      reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.bytes().data() + sizeof(shared_by_all));
  return {begin, static_cast<std::size_t>(workers_)};
}

}  // namespace shmark::stress
