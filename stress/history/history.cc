#include "stress/history/history.h"

#include <fmt/format.h>

namespace shmark::stress {
namespace {

double microseconds(std::int64_t ns) noexcept { return static_cast<double>(ns) * 1e-3; }

}  // namespace

std::string operation::text(std::int64_t origin_ns) const {
  std::string text = fmt::format("worker {}'s {} of value {:#x}", worker,
                                 kind == access::read ? "read" : "write", value);
  if (serial != 0) text += fmt::format(" under serial number {}", serial);
  text += fmt::format(" (called at {:.3f} us, ", microseconds(called_ns - origin_ns));
  text += pending() ? "never returned)"
                    : fmt::format("returned at {:.3f} us)", microseconds(returned_ns - origin_ns));
  return text;
}

std::int64_t history::begin_ns() const noexcept {
  const auto first = std::ranges::min_element(operations, {}, &operation::called_ns);
  return first == operations.end() ? 0 : first->called_ns;
}

std::size_t overlapped(const history& all) {
  std::vector<operation> done;
  std::ranges::copy_if(all.operations, std::back_inserter(done),
                       [](const operation& each) { return !each.pending(); });
  std::ranges::sort(done, {}, &operation::called_ns);
  std::size_t count = 0;
  std::int64_t last_return_ns = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 0; i < done.size(); ++i) {
    const bool with_earlier = last_return_ns >= done[i].called_ns;
    const bool with_later = i + 1 < done.size() && done[i + 1].called_ns <= done[i].returned_ns;
    if (with_earlier || with_later) ++count;
    last_return_ns = std::max(last_return_ns, done[i].returned_ns);
  }
  return count;
}

}  // namespace shmark::stress
