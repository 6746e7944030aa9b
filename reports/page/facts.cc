// Header, warnings, highlights, and how everything was measured.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <set>

#include "lib/measure/figures.h"
#include "reports/analysis/caching.h"
#include "reports/analysis/load.h"
#include "reports/page/sections.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

using std::string;

string cores_text(int cores) { return fmt::format("{} {}", cores, cores == 1 ? "core" : "cores"); }

string build_text(const result::build_info& build) {
  string text = fmt::format("{}, {}", build.compiler, name_of(build.mode));
  if (build.sanitizer != result::sanitizer_kind::none) {
    text += fmt::format(", {} sanitizer", name_of(build.sanitizer));
  }
  return text;
}

// Each once, in order.
void add_fact(std::vector<string>& facts, string fact) {
  if (!fact.empty() && std::ranges::find(facts, fact) == facts.end()) {
    facts.push_back(std::move(fact));
  }
}

// Warnings.

// " (bench run)", where there are others.
string which(const page_run& run, std::span<const page_run> runs) {
  if (runs.size() == 1) return "";
  if (run.prefix.empty()) return fmt::format(" ({} run)", name_of(run.run->about.kind));
  return " (run " + std::to_string(&run - runs.data() + 1) + ')';
}

void warn_of_build(const result::context& about, const std::function<void(string)>& warn) {
  if (about.schema == 0) {
    if (about.library_build_type == "debug") {
      warn(
          "Google Benchmark's library was a debug build (Debian's is); how the program itself was "
          "built is not known");
    }
    return;
  }
  if (about.build.mode == result::build_mode::debug) {
    warn("This is a debug build: its times say nothing; measure with bazel run -c opt");
  }
  if (about.build.sanitizer != result::sanitizer_kind::none) {
    warn(fmt::format("Built with the {} sanitizer, which makes everything many times slower",
                     name_of(about.build.sanitizer)));
  }
}

void warn_of_machine(const page_run& run, const std::function<void(string)>& warn) {
  const result::context& about = run.run->about;
  if (about.calibration) return;  // which has looked at the same, and warns of less load
  if (about.cpu_scaling_enabled) {
    warn("The processor's frequency was allowed to vary, so times depend on what ran before");
  }
  if (run.cores > 0 && !about.load_avg.empty() && about.load_avg.front() > run.cores) {
    warn(fmt::format("The machine was busy before the run began: load {:.1f} on {}",
                     about.load_avg.front(), cores_text(run.cores)));
  }
}

void warn_of_what_is_missing(const result::context& about,
                             const std::function<void(string)>& warn) {
  if (about.missing.empty()) return;
  string names;
  for (const auto& each : about.missing) names += (names.empty() ? "" : ", ") + each.name;
  warn("Missing, for reasons that stand under \"Noise\": " + names);
}

void warn_of_entries(const page_run& run, const std::function<void(string)>& warn) {
  int most_workers = 0;
  bool timed = false;
  bool repeated = false;
  for (const series& one : run.all) {
    if (!one.failure.empty()) warn(fmt::format("{} failed: {}", one.name, one.failure));
    if (one.verdict || one.entries.empty()) continue;
    timed = true;
    repeated = repeated || one.repetitions() > 1;
    most_workers = std::max(most_workers, one.parts.number("procs").value_or(0));
  }
  if (run.all.empty()) warn("There are no results in this file");
  if (timed && !repeated) {
    warn(
        "Each benchmark ran once, so nothing is known about its spread; "
        "--benchmark_repetitions=5 would tell");
  }
  if (run.cores > 0 && most_workers > run.cores) {
    warn(fmt::format(
        "Up to {} workers shared {}: beyond {} workers the numbers show the scheduler as "
        "much as the subject",
        most_workers, cores_text(run.cores), run.cores));
  }
}

// Highlights: each is a number and what it means, or nothing if the runs have none of it.

struct highlight {
  string number;
  string words;
};

const series* find(std::span<const page_run> runs,
                   const std::function<bool(const series&)>& wanted) {
  for (const page_run& run : runs) {
    for (const series& one : run.all) {
      if (!one.entries.empty() && wanted(one)) return &one;
    }
  }
  return nullptr;
}

const series* find_lock(std::span<const page_run> runs, std::string_view lock, int procs) {
  return find(runs, [&](const series& one) {
    return part_of(one) == part::lock && one.parts["lock"] == lock &&
           load_of(one.parts) == "exclusive" && one.parts.number("procs") == procs;
  });
}

void add_cached_read(std::span<const page_run> runs, std::vector<highlight>& all) {
  const series* read = nullptr;
  for (const page_run& run : runs) {
    for (const series* one : of_part(run, part::cache)) {
      const bool pure = one->parts.number("write_percent") == 0 && one->parts.number("procs") == 1;
      if (pure && (read == nullptr || one->median_ns() < read->median_ns())) read = one;
    }
  }
  if (read == nullptr) return;
  const series* load =
      find(runs, [](const series& one) { return one.name == "Limit/acquire_load"; });
  string words = fmt::format("for a cached read ({})", payload_text(read->parts["payload"]));
  if (load != nullptr)
    words += fmt::format("; a bare acquire load takes {}", duration_utf8(load->median_ns()));
  all.push_back({duration_utf8(read->median_ns()), words});
}

void add_lock_pair(std::span<const page_run> runs, std::vector<highlight>& all) {
  const series* ours = find_lock(runs, "robust_rw", 1);
  if (ours == nullptr) return;
  const series* peer = find_lock(runs, "pthread_robust", 1);
  string words = "to acquire and release robust_rw alone";
  if (peer != nullptr && peer->median_ns() > 0) {
    words += fmt::format("; {} times glibc's robust mutex",
                         ratio(ours->median_ns() / peer->median_ns()));
  }
  all.push_back({duration_utf8(ours->median_ns()), words});
}

void add_contention(std::span<const page_run> runs, std::vector<highlight>& all) {
  int most = 0;
  for (const page_run& run : runs) {
    for (const series* one : of_part(run, part::lock)) {
      if (one->parts["lock"] == "robust_rw" && load_of(one->parts) == "exclusive") {
        most = std::max(most, one->parts.number("procs").value_or(0));
      }
    }
  }
  const series* ours = most > 1 ? find_lock(runs, "robust_rw", most) : nullptr;
  if (ours == nullptr) return;
  all.push_back({rate_text(operations_per_s(*ours)),
                 fmt::format("through one exclusive robust_rw under {}", workers(most, 0))});
}

// Of all verdicts of one part of the page: how often somebody died, and what came of it.
void add_survival(std::span<const page_run> runs, part of, const char* deaths, const string& who,
                  std::vector<highlight>& all) {
  double died = 0;
  double damage = 0;
  bool any = false;
  bool passed = true;
  for (const page_run& run : runs) {
    for (const series* one : of_part(run, of)) {
      any = true;
      passed = passed && *one->verdict == result::verdict_kind::passed;
      died += one->sum_of(deaths).value_or(0);
      for (const char* counter : {"lost", "torn", "intruded", "stuck", "leaked", "broken"}) {
        damage += one->sum_of(counter).value_or(0);
      }
    }
  }
  if (!any) return;
  string words = who + "; ";
  words += passed ? "nothing was lost, torn, stuck or leaked" : "the verdict is not a pass";
  if (!passed && damage > 0) words += fmt::format(", damage found {} times", count_text(damage));
  all.push_back({count_text(died), words});
}

// Facts: one row for each, one column for each run.

using fact = std::pair<const char*, std::function<string(const page_run&)>>;

string caches_text(const result::context& about) {
  string text;
  for (const result::cache_level& cache : about.caches) {
    if (!text.empty()) text += ", ";
    text += fmt::format("L{} {} {}", cache.level, cache.type,
                        bytes_text(static_cast<double>(cache.size)));
  }
  return text;
}

string load_text(const result::context& about) {
  string text;
  for (const double load : about.load_avg)
    text += fmt::format("{}{:.2f}", text.empty() ? "" : ", ", load);
  return text;
}

string given_text(const result::context& about) {
  string text;
  for (const auto& [key, value] : about.given) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key, value);
  }
  return text;
}

std::vector<fact> all_facts() {
  const auto own = [](auto text) {
    return [text](const page_run& run) {
      return run.run->about.schema == 0 ? string() : string(text(run.run->about));
    };
  };
  const auto any = [](auto text) {
    return [text](const page_run& run) { return string(text(run.run->about)); };
  };
  using result::context;
  return {
      {"Kind", own([](const context& about) { return name_of(about.kind); })},
      {"Date", any([](const context& about) { return about.date; })},
      {"Command", own([](const context& about) { return about.command; })},
      {"Program", any([](const context& about) { return about.executable; })},
      {"Commit", own([](const context& about) { return about.commit; })},
      {"Build", own([](const context& about) { return build_text(about.build); })},
      {"Workers are", own([](const context& about) { return name_of(about.workers_are); })},
      {"Seed", own([](const context& about) { return std::to_string(about.seed); })},
      {"Reading the clock", own([](const context& about) {
         return about.probe_ns > 0 ? duration_utf8(about.probe_ns) : "";
       })},
      {"Processor", own([](const context& about) { return about.machine.cpu; })},
      {"Cores", [](const page_run& run) { return run.cores > 0 ? std::to_string(run.cores) : ""; }},
      {"Caches", any(caches_text)},
      {"Kernel", own([](const context& about) { return about.machine.kernel; })},
      {"Host", any([](const context& about) { return about.host_name; })},
      {"Machine fingerprint", own([](const context& about) { return about.machine.fingerprint; })},
      {"Load over 1, 5, 15 minutes", any(load_text)},
      {"Given with it", any(given_text)},
  };
}

}  // namespace

void add_header(document& to, std::span<const page_run> runs, std::string_view title) {
  std::vector<string> facts;
  for (const page_run& run : runs) {
    const result::context& about = run.run->about;
    add_fact(facts, about.machine.cpu);
    if (run.cores > 0) add_fact(facts, cores_text(run.cores));
    if (about.schema != 0) {
      add_fact(facts, "Linux " + about.machine.kernel);
      add_fact(facts, build_text(about.build));
      if (about.commit != "unknown") add_fact(facts, "commit " + short_commit(about.commit));
    }
  }
  if (!runs.empty()) {
    constexpr std::size_t to_the_minute = 16;
    string date = runs.front().run->about.date.substr(0, to_the_minute);
    std::ranges::replace(date, 'T', ' ');
    add_fact(facts, date);
  }
  string line;
  for (const string& each : facts) line += "<li>" + escape_html(each) + "</li>";
  to.add_html("<header>\n<h1>" + escape_html(title) + "</h1>\n<ul class=\"facts\">" + line +
              "</ul>\n<noscript><p>The charts need scripts; the tables have all their "
              "numbers.</p></noscript>\n"
              "</header>\n");
}

void add_warnings(document& to, std::span<const page_run> runs) {
  std::vector<string> warnings;
  std::set<string> machines;
  for (const page_run& run : runs) {
    const auto warn = [&](string text) { add_fact(warnings, std::move(text) + which(run, runs)); };
    machines.insert(run.run->about.machine.fingerprint);
    warn_of_build(run.run->about, warn);
    warn_of_machine(run, warn);
    if (run.run->about.calibration) {
      for (const string& each : run.run->about.calibration->warnings)
        warn("When it began, " + each);
    }
    warn_of_what_is_missing(run.run->about, warn);
    warn_of_entries(run, warn);
  }
  if (machines.size() > 1) {
    warnings.push_back("These runs come from different machines: compare within a run only");
  }
  if (runs.empty()) warnings.push_back("There are no results to show");
  if (warnings.empty()) return;
  string items;
  for (const string& each : warnings) items += "<li>" + escape_html(each) + "</li>\n";
  to.add_html("<ul class=\"warnings\" aria-label=\"Warnings\">\n" + items + "</ul>\n");
}

void add_highlights(document& to, std::span<const page_run> runs) {
  std::vector<highlight> all;
  add_survival(runs, part::stress, "kills", "workers killed", all);
  add_survival(runs, part::explored, "deaths",
               "deaths and stops of a process at an instruction of an operation", all);
  // Of several runs, which would it be?
  const auto timed = std::ranges::count_if(
      runs, [](const page_run& run) { return run.run->about.kind != result::run_kind::stress; });
  if (timed == 1) {
    add_cached_read(runs, all);
    add_lock_pair(runs, all);
    add_contention(runs, all);
  }
  if (all.empty()) return;
  to.add_html("<dl class=\"highlights\">\n");
  for (const highlight& each : all) {
    to.add_html("<div><dt>" + escape_html(each.words) + "</dt><dd>" + escape_html(each.number) +
                "</dd></div>\n");
  }
  to.add_html("</dl>\n");
}

void add_facts(document& to, std::span<const page_run> runs) {
  if (runs.empty()) return;
  table facts{.caption = "Circumstances of each run", .head = {""}};
  for (std::size_t i = 1; i <= runs.size(); ++i) {
    facts.head.push_back(runs.size() == 1 ? "This run" : fmt::format("Run {}", i));
  }
  for (const auto& [name, text] : all_facts()) {
    std::vector<string> row{name};
    bool known = false;
    for (const page_run& run : runs) {
      row.push_back(text(run));
      known = known || !row.back().empty();
    }
    if (known) facts.rows.push_back(std::move(row));
  }
  to.begin_section("How this was measured", "");
  to.add_html("<div class=\"circumstances\">");
  to.add_table(facts);
  to.add_html("</div>\n");
  to.end_section();
}

}  // namespace shmark::reports
