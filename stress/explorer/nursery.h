// A process that does nothing but fork others when it is told to: its memory stays as it was when
// it was forked itself, and so everything that comes from it begins alike, whatever its parent has
// done meanwhile. Which way malloc(3) and memcpy(3) go depends on what was allocated before.
//
// It ends with its parent, and what it has forked ends with it.
#pragma once

#include <sys/types.h>

#include <expected>
#include <functional>
#include <optional>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "stress/explorer/tracee.h"

namespace shmark::explorer {

class nursery {
 public:
  // `body` is what each of its children does, and ends by returning. Errors: no_space.
  [[nodiscard]] static std::expected<nursery, error> start(const std::function<void()>& body);

  // Has one forked, and waits until it has ended: how, as waitpid(2) says; nothing, if it had to be
  // killed at the deadline. After Ctrl-C it is sent SIGTERM. Errors: no_space; worker_died, if the
  // nursery itself has ended.
  [[nodiscard]] std::expected<std::optional<int>, error> run(deadline until);

 private:
  nursery(process keeper, descriptor line) : line_(std::move(line)), keeper_(std::move(keeper)) {}
  std::optional<int> answer(deadline until, pid_t child);

  descriptor line_;  // to the keeper: a byte each time, answered by the child's number and its end
  process keeper_;
};

}  // namespace shmark::explorer
