#include "stress/mutants/exploration.h"

#include <cstddef>
#include <string>

#include "lib/base/interrupt.h"
#include "lib/result/result.h"
#include "stress/explorer/explorer.h"

namespace shmark::mutants {
namespace {

std::string checkers_of(const explorer::counts& seen) {
  std::string text;
  for (std::size_t i = 0; i < explorer::findings; ++i) {
    if (seen.found[i] == 0) continue;
    if (!text.empty()) text += ", ";
    text += name_of(static_cast<explorer::finding>(i));
  }
  return text;
}

}  // namespace

std::expected<seen, error> explore(std::span<const explorer::operation> all,
                                   const stress::options& chosen, const run& in) {
  using enum result::verdict_kind;
  const explorer::options how{
      .fault = explorer::fault_kind::kill, .patience = chosen.patience, .findings_max = 1};
  seen result{.verdict = vacuous};
  for (const auto& each : all) {
    SHMARK_ASSIGN_OR_RETURN(const auto done, explorer::explore(each, how, in, {}));
    if (done.interrupted) return seen{.verdict = undecided, .interrupted = true};
    if (!done.seen.faultless()) {
      return seen{.verdict = failed,
                  .checkers = checkers_of(done.seen),
                  .finding = done.findings.empty() ? "" : done.findings.front()};
    }
    // Points that were missed are no reason to doubt what was seen at the others.
    if (done.seen.deaths != 0) result.verdict = passed;
  }
  return result;
}

}  // namespace shmark::mutants
