// What explorations of a domain, and of what is shared by a glue, have in common: both are
// variables that refer to each other, in a space with a registry.
//
// What is there is described by a text, which leads along the references. Whoever comes after a
// death must find the old text or the new one; no reference that leads nowhere; and, after a
// collection, nothing but what the text was made of.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lib/shm/domain.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

template <class Backend>
class linked_scene {
 public:
  using domain_type = domain<Backend>;

  // Of results that are errors in nobody's book.
  template <class T>
  [[nodiscard]] T must(std::string_view doing, std::expected<T, error> got) const {
    if (!got) scene_.give_up(doing, got.error());
    if constexpr (!std::is_void_v<T>) return *std::move(got);
  }

 protected:
  explicit linked_scene(const scene& in) noexcept : scene_(in) {}

  // What is made before anybody is traced has a small number: the random numbers of what is made
  // after are larger then, nearly always, so that all runs are alike.
  static bool is_early(std::uint64_t number) noexcept { return number >> 58U == 0; }

  void judge(const std::string& found, const std::string& before, const std::string& after) const {
    if (found != before && found != after) {
      scene_.give_up(finding::torn, fmt::format("found {}, not {} or {}", found, before, after));
    }
    if (before != after && found == before && scene_.must_be_new()) {
      scene_.give_up(finding::lost, fmt::format("found {}, though {} was done", found, after));
    }
    if (before != after && found == after && scene_.must_be_old()) {
      scene_.give_up(finding::torn, fmt::format("found {} before it was to be seen", found));
    }
    scene_.saw(found == before ? sight::old_value : sight::new_value);
  }
  void collect(domain_type& in) const {
    const auto done = must("collecting", in.collect(scene_.soon()));
    if (done.dangling != 0) {
      scene_.give_up(finding::lost, fmt::format("{} references lead nowhere", done.dangling));
    }
    if (done.unreadable != 0) {
      scene_.give_up(finding::broken, fmt::format("{} variables cannot be read", done.unreadable));
    }
  }
  // After a collection there is what can be reached, and all counts are right. Requires: `text` was
  // made since, with the numbers of what it describes in `reached_`.
  void expect_nothing_else(domain_type& in, const std::string& text) const {
    const auto all = must("counting", in.count());
    if (all != reached_.size()) {
      scene_.give_up(finding::leaked,
                     fmt::format("{} variables, and {} of them in {}", all, reached_.size(), text));
    }
    const auto again = must("collecting again", in.collect(scene_.soon()));
    if (again.removed != 0 || again.corrected != 0) {
      scene_.give_up(finding::broken, fmt::format("a second collection removes {} and corrects {}",
                                                  again.removed, again.corrected));
    }
  }

  const scene& scene_;
  std::set<std::uint64_t> reached_;  // the numbers of what was described
};

}  // namespace shmark::explorer
