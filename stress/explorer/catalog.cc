#include "stress/explorer/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "lib/base/check.h"
#include "lib/lock/robust_rw.h"
#include "stress/explorer/backend_operations.h"
#include "stress/explorer/lock_operations.h"

namespace shmark::explorer {
namespace {

using listed = std::array<std::vector<operation>, backends.size()>;

listed make_all() {
  listed all{std::vector<operation>{}, posix_semaphore_operations(), sysv_operations(),
             sysv_semaphore_operations()};
  add_lone_operations<robust_rw>(all[0]);
  add_contended_operations<robust_rw>(all[0]);
  add_backend_operations<default_backend>(all[0]);
  for (std::size_t at = 0; at < all.size(); ++at) {
    for (auto& each : all[at]) each.name = name_on(backends[at], each.name);
  }
  return all;
}

}  // namespace

const std::vector<operation>& catalog_of(std::string_view backend) {
  static const listed all = make_all();
  const auto found = std::ranges::find(backends, backend);
  SHMARK_CHECK(found != backends.end(), "there is no such backend");
  return all[static_cast<std::size_t>(found - backends.begin())];
}

const std::vector<operation>& catalog() { return catalog_of(backends.front()); }

std::string name_on(std::string_view backend, std::string_view operation) {
  if (backend == backends.front()) return std::string(operation);
  return fmt::format("{}@{}", operation, backend);
}

}  // namespace shmark::explorer
