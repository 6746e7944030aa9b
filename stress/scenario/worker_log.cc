#include "stress/scenario/worker_log.h"

#include <algorithm>
#include <new>

#include "lib/base/deadline.h"

namespace shmark::stress {

void worker_log::find(std::string_view sentence) noexcept {
  if (has_finding.load(std::memory_order_relaxed) != 0) return;
  const std::size_t length = std::min(sentence.size(), finding.size() - 1);
  *std::copy_n(sentence.begin(), length, finding.begin()) = '\0';
  has_finding.store(1, std::memory_order_release);
}

std::string_view worker_log::found() const noexcept {
  return has_finding.load(std::memory_order_acquire) != 0 ? std::string_view(finding.data())
                                                          : std::string_view();
}

std::expected<worker_logs, error> worker_logs::create(int workers) {
  const auto count = static_cast<std::size_t>(workers);
  SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create((1 + count) * sizeof(worker_log)));
  worker_logs made(std::move(memory), workers);
  static_assert(sizeof(shared_by_all) <= sizeof(worker_log));
  new (&made.common()) shared_by_all{};
  for (auto& log : made.all()) new (&log) worker_log{};
  return made;
}

bool worker_logs::enter_operation(int worker) const noexcept {
  of(worker).doing.store(phase::in_operation);
  for (int i = 1; i < workers_; ++i) {
    const auto& other = of((worker + i) % workers_);
    // In this order, and sequentially consistent: whoever is not doomed now, with our mark up, is
    // alive now. So if its mark is up, it either was already, or went up by its own hand since.
    if (other.doomed.load() == 0 && other.doing.load() != phase::idle) return true;
  }
  return false;
}

void worker_logs::watch_recovery(int victim) const noexcept {
  common().recovered_ns.store(0, std::memory_order_relaxed);
  common().victim.store(victim + 1, std::memory_order_release);
}

void worker_logs::answer_watch(int worker) const noexcept {
  if (common().victim.load(std::memory_order_acquire) == worker + 1) return;
  std::int64_t none = 0;
  common().recovered_ns.compare_exchange_strong(none, monotonic_ns());
}

worker_logs::shared_by_all& worker_logs::common() const noexcept {
  return *std::launder(reinterpret_cast<shared_by_all*>(memory_.bytes().data()));
}

std::span<worker_log> worker_logs::all() const noexcept {
  auto* first = reinterpret_cast<worker_log*>(memory_.bytes().data() + sizeof(worker_log));
  return {first, static_cast<std::size_t>(workers_)};
}

std::uint64_t worker_logs::sum(std::atomic<std::uint64_t> worker_log::* count) const noexcept {
  std::uint64_t total = 0;
  for (const auto& log : all()) total += (log.*count).load(std::memory_order_acquire);
  return total;
}

}  // namespace shmark::stress
