// What the doctor finds, and where it looks.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tools/shmctl/domain_look.h"

namespace shmark::inspector {

struct finding {
  std::string kind{};    // one word, for programs
  std::string domain{};  // empty: of none
  std::string object{};  // a variable, a segment, a set of semaphores
  std::string what{};    // a sentence without its full stop
  std::string mend{};    // a command, or what to do

  // What tells it from other findings.
  [[nodiscard]] auto identity() const { return std::tie(kind, domain, object); }
};

struct examination {
  std::vector<finding> found{};
  // Why not all could be judged; a sentence without its full stop.
  std::vector<std::string> doubts{};
};

// A domain's registry, variables, references and locks.
[[nodiscard]] examination examine(const domain_place& what);

// Segments and semaphores of this user that belong to no domain and to no run that is alive. With a
// domain: of its name only, which semaphores and System V segments do not have.
[[nodiscard]] examination examine_strays(const std::optional<std::string>& domain);

}  // namespace shmark::inspector
