#include "lib/shareable/held_here.h"

#include <algorithm>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/process.h"

namespace shmark::detail::held_here {
namespace {

struct one {
  short_text space;
  std::uint64_t number;
};
// Static objects may end after this has.
constinit thread_local bool has_ended = false;
struct everything {
  std::uint32_t since_fork = 0;
  std::vector<one> all;

  ~everything() { has_ended = true; }
};

std::vector<one>& mine() noexcept {
  thread_local everything held;
  if (has_ended) {
    static auto& nothing = *new std::vector<one>;  // of the thread that ends the process
    return nothing;
  }
  if (held.since_fork != fork_depth()) {
    held.all.clear();
    held.since_fork = fork_depth();
  }
  return held.all;
}

}  // namespace

bool holds(std::string_view space, std::uint64_t number) noexcept {
  return std::ranges::any_of(
      mine(), [&](const one& it) { return it.number == number && it.space.view() == space; });
}

std::uint64_t last(std::string_view space) noexcept {
  std::uint64_t largest = 0;
  for (const auto& it : mine()) {
    if (it.space.view() == space) largest = std::max(largest, it.number);
  }
  return largest;
}

void prepare() { mine().reserve(mine().size() + 1); }

void add(std::string_view space, std::uint64_t number) noexcept {
  mine().push_back({space, number});
}

void remove(std::string_view space, std::uint64_t number) noexcept {
  auto& all = mine();
  const auto found = std::ranges::find_if(
      all, [&](const one& it) { return it.number == number && it.space.view() == space; });
  if (found != all.end()) all.erase(found);
}

}  // namespace shmark::detail::held_here
