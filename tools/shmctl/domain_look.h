// Domains as one sees them who only looks on: which there are, and which variables.
//
//     for (const auto& each : find_domains({})) {
//       auto seen = domain_look::at(each);
//       for (const auto& it : seen->variables()) …
//
// Thread safety: one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/segment/segment.h"
#include "lib/shm/registry.h"
#include "tools/shmctl/glimpse.h"
#include "tools/shmctl/store_look.h"
#include "tools/shmctl/type.h"

namespace shmark::inspector {

// Where a domain's registry is.
struct domain_place {
  medium where = medium::posix;
  uid_t user = 0;
  // Empty where it cannot be known: a System V key is made of the name, and not the other way.
  std::string name{};
  segment_key key{};        // of the registry
  std::optional<int> id{};  // of a registry whose name is not known
  // Another has this name, too, among those that were looked for: a backend tells which.
  bool is_ambiguous = false;

  // "default"; "of unknown name, segment 123".
  [[nodiscard]] std::string title() const;
};

// The user and the name of the domain whose space this is, "1000.name"; nothing if it is none's.
// That of a glue is a name, and its user `owner`.
[[nodiscard]] std::optional<std::pair<uid_t, std::string>> domain_of(std::string_view space,
                                                                     uid_t owner);

struct domain_filter {
  std::optional<std::string> name{};
  bool all_users = false;
};
// All domains that can be seen, by medium and name. Throws std::bad_alloc.
[[nodiscard]] std::vector<domain_place> find_domains(const domain_filter& which);

// An entry of a registry, and its store.
struct variable_look {
  std::uint64_t number = 0;
  std::optional<std::string> name{};
  detail::registry_entry entry{};
  std::expected<store_look, error> store;

  // "visits"; ":0123456789abcdef" if it has no name.
  [[nodiscard]] std::string title() const;
  [[nodiscard]] std::string_view state() const noexcept;
};

class domain_look {
 public:
  // Errors: those of store_look::at(); corrupt, if its registry cannot be read.
  [[nodiscard]] static std::expected<domain_look, error> at(const domain_place& where);

  [[nodiscard]] const domain_place& place() const noexcept { return place_; }
  [[nodiscard]] const store_look& registry() const noexcept { return registry_; }
  // The registry's serial number that all of this is of.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  // Named ones first, by name.
  [[nodiscard]] const std::vector<variable_look>& variables() const noexcept { return variables_; }
  // As --backend has it: "posix", "sysv_semaphore"; empty if this program knows none such.
  [[nodiscard]] std::string backend() const;
  [[nodiscard]] segment_key key_of(std::uint64_t number) const noexcept {
    return {place_.key.space, number};
  }
  // By its name, or by its number as title() has it; nullptr if there is none such.
  [[nodiscard]] const variable_look* find(std::string_view what) const;

 private:
  domain_look(domain_place where, store_look registry)
      : place_(std::move(where)), registry_(std::move(registry)) {}

  domain_place place_;
  store_look registry_;
  std::uint64_t serial_ = 0;
  std::vector<variable_look> variables_;
};

}  // namespace shmark::inspector
