#include "lib/result/validate.h"

#include <algorithm>
#include <array>
#include <set>

#include "lib/result/document.h"
#include "lib/result/names.h"
#include "lib/result/result.h"
#include "lib/result/validate_parts.h"

namespace shmark::result {
namespace {

using detail::checked;

template <class T>
void check_word(const checked& at) {
  const auto text = at.text();
  if (!text || detail::from_word<T>(*text)) return;
  std::string known;
  for (const std::string_view word : detail::words<T>::of) {
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  at.fail("is none of " + known);
}

// Whether each letter of the text stands where the pattern has its like: 0 for a digit, + for a
// sign, f for a hexadecimal digit, and any other for itself.
bool has_form(std::string_view text, std::string_view pattern) {
  constexpr std::string_view digits = "0123456789abcdef";
  return std::ranges::equal(text, pattern, [&](char letter, char form) {
    if (form == '0') return digits.substr(0, 10).contains(letter);
    if (form == 'f') return digits.contains(letter);
    if (form == '+') return letter == '+' || letter == '-';
    return letter == form;
  });
}

void check_form(const checked& at, std::initializer_list<std::string_view> patterns,
                const char* wanted) {
  const auto text = at.text();
  const auto fits = [&](std::string_view pattern) { return has_form(*text, pattern); };
  if (text && std::ranges::none_of(patterns, fits)) at.fail(std::string("is not ") + wanted);
}

// What is there beside the keys that are known.
void warn_of_others(const checked& at, const std::set<std::string_view>& known) {
  for (const auto& [key, value] : at.members()) {
    if (!known.contains(key)) value.warn("is not known");
  }
}

void check_caches(const checked& at) {
  for (const checked& each : at.elements()) {
    if (!each.object()) continue;
    each.at("type").text_of({"Data", "Instruction", "Unified"});
    each.at("level").count(1);
    each.at("size").count();
    each.at("num_sharing").count();
  }
}

// Google Benchmark's keys, which our files must have, and its own may.
void check_context(const checked& at, bool is_ours) {
  if (!at.object()) return;
  const auto find = [&](std::string_view key) { return at.member(key, is_ours); };
  if (is_ours) {
    check_form(find("date"), {"0000-00-00T00:00:00+00:00"}, "ISO 8601 with an offset");
  } else {
    find("date").text();
  }
  find("host_name").text();
  find("executable").text();
  find("num_cpus").count(is_ours ? 1 : 0);
  find("mhz_per_cpu").number();
  find("cpu_scaling_enabled").truth();
  find("library_build_type").text_of({"release", "debug"});
  check_caches(find("caches"));
  for (const checked& each : find("load_avg").elements()) each.number();
  if (!is_ours) return;
  for (const auto& [key, value] : at.members()) {
    if (!is_context_key(key) && !value.is_text()) value.warn("is not known, and no text");
  }
}

void check_missing(const checked& at) {
  for (const checked& each : at.elements()) {
    if (!each.object()) continue;
    for (const char* key : {"name", "why"}) {
      const checked value = each.at(key);
      if (const auto text = value.text(); text && text->empty()) value.fail("is empty");
    }
  }
}

void check_calibration(const checked& at) {
  if (!at.object()) return;
  for (const char* key : {"empty_loop_ns", "clock_ns", "null_lock_ns"}) at.at(key).number();
  if (const auto spread = at.at("aa_spread_percent"); spread.object()) {
    spread.at("single").number();
    spread.at("contended").number();
  }
  for (const checked& each : at.at("warnings").elements()) each.text();
}

void check_build_and_machine(const checked& at) {
  if (const auto build = at.at("build"); build.object()) {
    check_word<build_mode>(build.at("mode"));
    build.at("compiler").text();
    check_word<sanitizer_kind>(build.at("sanitizer"));
  }
  if (const auto machine = at.at("machine"); machine.object()) {
    machine.at("cpu").text();
    machine.at("cores").count(1);
    machine.at("kernel").text();
    check_form(machine.at("fingerprint"), {"ffffffffffffffff"}, "16 hexadecimal digits");
  }
}

// Our own keys, of schema 1.
void check_own_context(const checked& at) {
  check_word<run_kind>(at.at("kind"));
  at.at("command").text();
  const std::string commit(40, 'f');
  check_form(at.at("commit"), {commit, commit + "+dirty", "unknown"},
             "40 hexadecimal digits, with +dirty or without, nor \"unknown\"");
  check_build_and_machine(at);
  check_word<worker_kind>(at.at("workers_are"));
  at.at("seed").count();
  at.at("probe_ns").number();
  check_missing(at.find("missing"));
  check_calibration(at.find("calibration"));
  warn_of_others(at, {"schema", "kind", "command", "commit", "build", "machine", "workers_are",
                      "seed", "probe_ns", "missing", "calibration"});
}

// The file's schema; nothing if that cannot be told, or is not known here.
std::optional<int> schema_of(const checked& context) {
  const checked own = context.find("shmark");
  if (!own.is_there()) return 0;
  if (!own.object()) return std::nullopt;
  const checked at = own.at("schema");
  const auto schema = at.count();
  if (!schema) return std::nullopt;
  if (*schema == schema_version) return schema_version;
  at.fail("is " + std::to_string(*schema) + ": this program knows 1");
  return std::nullopt;
}

void check_entries(const checked& at, const detail::file_facts& file) {
  detail::strangers met;
  std::vector<detail::entry_facts> entries;
  for (const checked& each : at.elements()) {
    if (auto facts = check_entry(each, file, met)) entries.push_back(*std::move(facts));
  }
  check_unique(entries, file);
  check_aggregates(entries);
}

}  // namespace

std::size_t validation::errors() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count(problems, severity::error, [](const problem& each) { return each.kind; }));
}

validation validate(std::string_view text) {
  validation done;
  const auto document = detail::parse_strictly(text, done.problems);
  if (!document) return done;
  const checked root(&*document, "", done.problems);
  if (!document->is_object()) {
    root.fail("its outermost value is no object");
    return done;
  }
  const checked context = root.at("context");
  const checked benchmarks = root.at("benchmarks");
  if (!context.object()) return done;
  const auto schema = schema_of(context);
  if (!schema) return done;
  done.schema = *schema;
  detail::file_facts file{.is_ours = *schema != 0};
  check_context(context, file.is_ours);
  if (file.is_ours) {
    const checked own = context.at("shmark");
    check_own_context(own);
    if (const checked kind = own.find("kind"); kind.is_text()) file.kind = kind.text();
    warn_of_others(root, {"context", "benchmarks"});
  }
  check_entries(benchmarks, file);
  return done;
}

std::expected<validation, error> validate_file(const std::filesystem::path& path) {
  SHMARK_ASSIGN_OR_RETURN(const std::string text, detail::contents(path, "validate result file"));
  return validate(text);
}

}  // namespace shmark::result
