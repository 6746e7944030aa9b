#include "stress/history/recorder.h"

#include <new>

namespace shmark::stress {

std::size_t recorder::bytes_per_worker(std::size_t operations) noexcept {
  const std::size_t bytes = sizeof(place) + operations * sizeof(record);
  return (bytes + alignof(place) - 1) / alignof(place) * alignof(place);
}

std::expected<recorder, error> recorder::create(int workers, std::size_t operations_per_worker) {
  const auto count = static_cast<std::size_t>(workers);
  SHMARK_ASSIGN_OR_RETURN(
      auto memory, anonymous_segment::create(count * bytes_per_worker(operations_per_worker)));
  recorder made(std::move(memory), workers, operations_per_worker);
  // Records are all zeros, as the memory is: to write them now would use all of it.
  for (int i = 0; i < workers; ++i) new (&made.place_of(i)) place{};
  return made;
}

std::vector<operation> recorder::collect() const {
  std::vector<operation> all;
  for (int i = 0; i < workers_; ++i) {
    const auto count = place_of(i).count.load(std::memory_order_acquire);
    for (const record& each : records_of(i).first(count)) {
      const std::int64_t returned_ns = each.returned_ns.load(std::memory_order_acquire);
      operation one;
      one.worker = i;
      one.called_ns = each.called_ns;
      one.kind = static_cast<access>(each.kind);
      one.value = each.value;
      if (returned_ns != 0) {
        one.returned_ns = returned_ns;
        one.serial = each.serial;
      }
      all.push_back(one);
    }
  }
  return all;
}

}  // namespace shmark::stress
