#include <fmt/format.h>

#include "bench/cases.h"
#include "lib/workload/external.h"

namespace shmark::bench {

void add_external(cases& all, const catalog_options& how) {
  for (const auto& each : how.workers) {
    const std::string family = "External/worker:" + each.name;
    const auto command = users_command(each.command);
    const auto operations =
        command ? operations_of(*command)
                : std::expected<std::vector<std::string>, error>(std::unexpected(command.error()));
    if (!operations) {
      all.push_back({.name = family,
                     .needs = family,
                     .missing = [why = operations.error().message()](const run&) {
                       return std::optional(why);
                     }});
      continue;
    }
    for (const std::string& op : *operations) {
      for (const int workers : or_else(how.points.workers, worker_counts())) {
        all.push_back(
            {.name = fmt::format("{}/op:{}/procs:{}", family, op, workers),
             .workers = workers,
             .make = [command = *command, op, workers, seed = how.seed](const run& owner) {
               return external_work::make(owner, command,
                                          {.workers = workers, .op = op, .seed = seed});
             }});
      }
    }
  }
}

}  // namespace shmark::bench
