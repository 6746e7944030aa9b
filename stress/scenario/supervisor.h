// The supervisor of a scenario: starts the workers, kills one after the other at random moments and
// starts their successors, and sees to it that they get on.
//
// Besides killing, it stops workers for a while and sends them signals (stress/fault/nudges.h).
//
// It ends when the time is up, when there were enough faults, when the user interrupts, or when
// somebody has found something: then all are asked to finish, and those that do not are stuck.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <set>

#include "lib/base/error.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

// A worker's body: the `life`-th (from 0) in the place of worker `worker`. Returns an exit status.
using worker_body = std::function<int(int worker, std::uint64_t life)>;

struct supervision {
  outcome seen;               // all but recoveries and leaks
  std::set<pid_t> processes;  // all that have lived
};

// Returns when no worker lives any more. Errors: no_space, if workers could not be started.
[[nodiscard]] std::expected<supervision, error> supervise(const options& chosen,
                                                          const worker_logs& logs,
                                                          const worker_body& body,
                                                          const progress_callback& tell);

}  // namespace shmark::stress
