#include "lib/crew/external_worker.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <wordexp.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lib/base/deadline.h"

namespace shmark {
namespace {

using json = nlohmann::json;

constexpr auto* read_the_page = "lib/crew/WORKER.md says what is due";
constexpr auto* greeting = "greet worker";
constexpr auto* preparing = "prepare worker";
constexpr auto* measuring = "measure with worker";

// Its beginning, fit to be printed.
std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 36;
  std::string part(text.substr(0, longest));
  for (char& each : part) {
    if (std::isprint(static_cast<unsigned char>(each)) == 0) each = '?';
  }
  return text.size() > longest ? part + "..." : part;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream from(text);
  std::vector<std::string> words;
  for (std::string word; from >> word;) words.push_back(word);
  return words;
}

// What is wrong with an answer. Thrown only inside this file.
struct flaw {
  std::string what;
};

// The members of an object, of which each is asked for once; what was not asked for has no meaning.
class members {
 public:
  explicit members(const std::string& text) : all_(json::parse(text, nullptr, false)) {
    if (!all_.is_object()) throw flaw{"a JSON object is due"};
  }

  // The member, taken out; null if there is none.
  json take(const char* key) {
    const auto found = all_.find(key);
    if (found == all_.end()) return {};
    json taken = std::move(*found);
    all_.erase(found);
    return taken;
  }
  template <class Number>
  Number number(const char* key) {
    return whole<Number>(take(key), key);
  }
  json list(const char* key) {
    json taken = take(key);
    if (!taken.is_null() && !taken.is_array()) throw flaw{fmt::format("{} is no list", key)};
    return taken;
  }
  template <class Number>
  std::vector<Number> numbers(const char* key) {
    std::vector<Number> all;
    for (const auto& each : list(key)) all.push_back(whole<Number>(each, key));
    return all;
  }
  void require_no_more() const {
    if (!all_.empty()) throw flaw{fmt::format("\"{}\" is no key", excerpt(all_.begin().key()))};
  }

  template <class Number>
  static Number whole(const json& value, const char* key) {
    if (!value.is_number_unsigned() ||
        value.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) {
      throw flaw{fmt::format("{} is no whole number from 0", key)};
    }
    return value.get<Number>();
  }

 private:
  json all_;
};

std::string text_of(const preparation& what) {
  json all{{"index", what.index}, {"workers", what.workers}, {"prefix", what.prefix},
           {"op", what.op},       {"seed", what.seed},       {"time_every", what.time_every}};
  if (what.payload_bytes) all["payload_bytes"] = *what.payload_bytes;
  if (!what.shape.empty()) all["shape"] = what.shape;
  if (what.read_percent) all["read_percent"] = *what.read_percent;
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

readiness readiness_in(const std::string& text) {
  members from(text);
  readiness found;
  if (const json bytes = from.take("bytes"); !bytes.is_null()) {
    found.bytes = members::whole<std::uint64_t>(bytes, "bytes");
  }
  found.segments = from.numbers<int>("segments");
  found.semaphores = from.numbers<int>("semaphores");
  from.require_no_more();
  return found;
}

// A duration in ns, or [ns, how many].
void add_duration(const json& each, histogram& to) {
  constexpr auto* key = "durations_ns";
  const bool is_pair = each.is_array() && each.size() == 2;
  const auto ns = members::whole<std::uint64_t>(is_pair ? each[0] : each, key);
  to.add(ns, is_pair ? members::whole<std::uint64_t>(each[1], key) : 1);
}

external_worker::counter_names add_counters(const json& given, worker_result& to) {
  external_worker::counter_names names;
  if (given.is_null()) return names;
  if (!given.is_object()) throw flaw{"counters is no object"};
  if (given.size() > names.size()) throw flaw{"there are more than 4 counters"};
  std::size_t count = 0;
  for (const auto& [name, value] : given.items()) {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    if (name.empty() || name.size() > 32 || !std::ranges::all_of(name, is_letter)) {
      throw flaw{"a counter's name is a to z and _"};
    }
    names[count] = name;
    to.counters[count++] = members::whole<std::uint64_t>(value, "a counter");
  }
  return names;
}

// `given_ns`: for how long it was to work; `taken_ns`: after how long it said that it had.
external_worker::counter_names take_over(const std::string& text, std::int64_t given_ns,
                                         std::int64_t taken_ns, worker_result& to) {
  members from(text);
  to.operations = from.number<std::uint64_t>("operations");
  to.elapsed_ns = from.number<std::int64_t>("elapsed_ns");
  to.cpu_ns = from.number<std::int64_t>("cpu_ns");
  for (const auto& each : from.list("durations_ns")) add_duration(each, to.latency);
  auto names = add_counters(from.take("counters"), to);
  from.require_no_more();
  // Its clock may differ from ours a little.
  const auto about = [](std::int64_t ns) { return ns / 50; };
  if (to.elapsed_ns < given_ns - about(given_ns)) throw flaw{"it stopped too early"};
  if (to.elapsed_ns > taken_ns + about(taken_ns)) throw flaw{"it claims more time than passed"};
  if (to.latency.total() > to.operations) throw flaw{"more durations than operations"};
  return names;
}

}  // namespace

std::expected<external_command, error> users_command(const std::string& text) {
  wordexp_t found{};
  const int wrong = wordexp(text.c_str(), &found, WRDE_NOCMD | WRDE_UNDEF);
  external_command how;
  if (wrong == 0) how.words.assign(found.we_wordv, found.we_wordv + found.we_wordc);
  if (wrong == 0 || wrong == WRDE_NOSPACE) wordfree(&found);
  if (how.words.empty()) {
    return failure(errc::invalid, "use command", short_text(text),
                   "give one program with its arguments, quoted as in a shell; for more than that, "
                   "sh -c '...'");
  }
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder != nullptr) how.folder = folder;
  return how;
}

std::string text_of(const external_command& how) {
  return fmt::format("{}", fmt::join(how.words, " "));
}

std::expected<external_worker, error> external_worker::start(external_command how) {
  SHMARK_ASSIGN_OR_RETURN(auto partner, command::start(how.words, how.folder));
  return external_worker(std::move(how), std::move(partner));
}

error external_worker::failed(errc code, const char* attempted, std::string_view why,
                              const char* remedy) const {
  return {.code = code,
          .attempted = attempted,
          .object = text_of(how_),
          .remedy = remedy,
          .why = why.substr(0, short_text::capacity)};
}

error external_worker::nonsense(const char* attempted, std::string_view flaw,
                                const answer& said) const {
  const auto line = said.rest.empty() ? said.word : said.word + ' ' + said.rest;
  return failed(errc::invalid, attempted, fmt::format("{}: it said \"{}\"", flaw, excerpt(line)),
                read_the_page);
}

error external_worker::ended(const char* attempted) const {
  const auto status = partner_.status(deadline::after(how_.patience));
  if (!status) {
    return failed(errc::invalid, attempted, "it has closed its standard output", read_the_page);
  }
  if (WIFSIGNALED(*status)) {
    const int number = WTERMSIG(*status);
    return failed(errc::worker_died, attempted,
                  fmt::format("it was killed by signal {} ({})", number, strsignal(number)),
                  "see who killed it (dmesg, if it ran out of memory)");
  }
  const int number = WEXITSTATUS(*status);
  const auto why = fmt::format("it ended with status {}", number);
  if (number == 126 || number == 127) {  // as of sh(1)
    return failed(errc::not_found, attempted, why,
                  "it cannot be run: see if it is spelt right and installed, and where it is "
                  "looked for (the folder that you are in, PATH)");
  }
  return failed(errc::worker_died, attempted, why, "see what it wrote itself, if anything");
}

std::expected<external_worker::answer, error> external_worker::hear(const char* attempted,
                                                                    std::chrono::nanoseconds span) {
  auto line = partner_.line(deadline::after(span));
  if (line) {
    const auto word = line->substr(0, line->find(' '));
    return answer{word, line->substr(std::min(line->size(), word.size() + 1))};
  }
  switch (line.error().code) {
    case errc::worker_died:
      return std::unexpected(ended(attempted));
    case errc::timed_out:
      return std::unexpected(failed(
          errc::timed_out, attempted,
          fmt::format("it has said nothing for {} s", std::chrono::duration<double>(span).count()),
          "see what holds it up, and whether it flushes each line that it prints"));
    case errc::invalid:
      return std::unexpected(
          failed(errc::invalid, attempted, "its line has no end", read_the_page));
    default:
      return std::unexpected(failed(line.error().code, attempted, "", ""));
  }
}

std::expected<external_worker::answer, error> external_worker::ask(const std::string& line,
                                                                   const char* attempted,
                                                                   std::chrono::nanoseconds span) {
  // If it cannot be told, there is no answer either, and that says why.
  static_cast<void>(partner_.send(line));
  SHMARK_ASSIGN_OR_RETURN(auto got, hear(attempted, span));
  if (got.word == "failed") {
    return std::unexpected(
        failed(errc::invalid, attempted, "it says: " + got.rest, "see what it needs"));
  }
  return got;
}

std::expected<std::vector<std::string>, error> external_worker::greet() {
  SHMARK_ASSIGN_OR_RETURN(const auto got, hear(greeting, how_.patience));
  auto words = words_of(got.rest);
  if (got.word != "hello" || words.size() < 2 || words[0] != "shmark-worker") {
    return std::unexpected(nonsense(greeting, "\"hello shmark-worker 1 ...\" is due", got));
  }
  if (words[1] != std::to_string(protocol_version)) {
    return std::unexpected(failed(errc::mismatch, greeting,
                                  fmt::format("it speaks version {} of the protocol, and we {}",
                                              excerpt(words[1]), protocol_version),
                                  "use one for our version (lib/crew/WORKER.md)"));
  }
  if (words.size() < 3) return std::unexpected(nonsense(greeting, "it offers no operations", got));
  words.erase(words.begin(), words.begin() + 2);
  return words;
}

std::expected<readiness, error> external_worker::prepare(const preparation& what) {
  SHMARK_ASSIGN_OR_RETURN(const auto got,
                          ask("prepare " + text_of(what), preparing, how_.patience));
  if (got.word == "missing") {
    missing_ = got.rest;
    return std::unexpected(failed(errc::not_found, preparing, got.rest, "install what is missing"));
  }
  if (got.word != "ready") {
    return std::unexpected(nonsense(preparing, "ready, missing or failed is due", got));
  }
  try {
    return readiness_in(got.rest);
  } catch (const flaw& found) {
    return std::unexpected(nonsense(preparing, found.what, got));
  }
}

std::expected<external_worker::counter_names, error> external_worker::run(
    std::int64_t from_ns, std::chrono::nanoseconds length, worker_result& into) {
  const std::int64_t go_ns = monotonic_ns();
  const std::int64_t late_ns = go_ns - from_ns;
  const std::int64_t left_ns = std::max<std::int64_t>(0, length.count() - late_ns);
  SHMARK_ASSIGN_OR_RETURN(const auto got, ask(fmt::format("go {}", left_ns), measuring,
                                              std::chrono::nanoseconds(left_ns) + how_.patience));
  if (got.word != "done") {
    return std::unexpected(nonsense(measuring, "done or failed is due", got));
  }
  try {
    auto names = take_over(got.rest, left_ns, monotonic_ns() - go_ns, into);
    into.elapsed_ns += late_ns;
    return names;
  } catch (const flaw& found) {
    return std::unexpected(nonsense(measuring, found.what, got));
  }
}

void external_worker::pin_as_caller() noexcept {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return;
  sched_setaffinity(partner_.process(), sizeof set, &set);  // a refusal costs only precision
}

}  // namespace shmark
