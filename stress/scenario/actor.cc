#include "stress/scenario/actor.h"

namespace shmark::stress::detail {

std::uint64_t seed_of_life(std::uint64_t seed, int worker, std::uint64_t life) noexcept {
  random_source of_run(seed);
  random_source of_worker(of_run.next() + static_cast<std::uint64_t>(worker));
  return random_source(of_worker.next() + life).next();
}

void find_leaks(const std::expected<void, error>& cleaned, const run& in,
                const system_objects& before, const std::set<pid_t>& makers, outcome& result) {
  auto leaks = leaks_since(before, makers);
  for (const auto& name : in.objects()) leaks.push_back("left behind: /dev/shm/" + name);
  // A removal that failed and left nothing has failed nevertheless.
  if (!cleaned && leaks.empty()) leaks.push_back(cleaned.error().message());
  result.seen.leaked += leaks.size();
  result.findings.insert(result.findings.end(), leaks.begin(), leaks.end());
}

}  // namespace shmark::stress::detail
