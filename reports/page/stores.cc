// Stores: ours and others', in throughput.
#include <fmt/core.h>

#include <algorithm>

#include "lib/measure/figures.h"
#include "reports/analysis/caching.h"
#include "reports/analysis/duels.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

all_series of_op(const all_series& stores, const std::string& op) {
  all_series found;
  std::ranges::copy_if(stores, std::back_inserter(found),
                       [&](const series* one) { return store_op(one->parts) == op; });
  return found;
}

std::vector<std::string> ops_of(const all_series& stores) {
  std::vector<std::string> ops;
  for (const series* one : stores) {
    const auto op = store_op(one->parts);
    if (std::ranges::find(ops, op) == ops.end()) ops.push_back(op);
  }
  return ops;
}

// How many times our throughput is the peer's, in parentheses; nothing where there is none of ours.
std::string factor_text(const std::vector<duel>& duels, const series& of) {
  const auto found = std::ranges::find_if(duels, [&](const duel& each) {
    return each.peer == of.parts["store"] && each.op == store_op(of.parts) &&
           each.payload == of.parts["payload"] &&
           each.workers == of.parts.number("procs").value_or(0);
  });
  return found == duels.end() ? "" : fmt::format(" ({})", ratio(found->factor));
}

table store_table(const all_series& stores, const std::vector<duel>& duels, const std::string& op) {
  const auto counts = numbers_of(stores, "procs");
  table numbers{.caption = fmt::format("Operations per second of all workers together, {} (and how "
                                       "many times as many {} does)",
                                       op, our_store),
                .head = {"store", "payload"}};
  numbers.words = 2;
  for (const int count : counts) numbers.head.push_back(workers(count, 0));
  for (const std::string& payload : values_of(stores, "payload")) {
    const auto of_payload = where(stores, "payload", payload);
    for (const std::string& store : values_of(of_payload, "store")) {
      std::vector<std::string> row{store, payload_text(payload)};
      const auto of_store = where(of_payload, "store", store);
      for (const int count : counts) {
        const auto found = where(of_store, "procs", std::to_string(count));
        row.push_back(found.empty() ? ""
                                    : rate_text(operations_per_s(*found.front())) +
                                          factor_text(duels, *found.front()));
      }
      numbers.rows.push_back(std::move(row));
    }
  }
  return numbers;
}

}  // namespace

void add_stores(document& to, const page_run& run, looks& looks) {
  const auto stores = of_part(run, part::store);
  if (stores.empty()) return;
  to.begin_section(
      run.prefix + "Stores",
      "Workers read and write one value that all of them share, in our store (variable) and in "
      "others. Higher is better. Factors are of throughputs, by as many workers and with as many "
      "bytes.");
  const auto duels = duels_of(stores, run.run->about);
  to.add_list(verdicts(duels));
  const auto ops = ops_of(stores);
  to.begin_grid(static_cast<int>(std::min<std::size_t>(ops.size(), 3)));
  for (const std::string& op : ops) {
    const auto chosen = of_op(stores, op);
    std::vector<variant> charts;
    for (const std::string& payload : values_of(chosen, "payload")) {
      const auto label = payload_text(payload);
      charts.push_back({label, throughput_chart(where(chosen, "payload", payload), "store",
                                                op + ", " + label, run.cores, looks)});
    }
    to.add_charts("Throughput, " + op, charts, 0, store_table(chosen, duels, op),
                  document::tables::folded);
  }
  to.end_grid();
  to.end_section();
}

}  // namespace shmark::reports
