// bazel run //tools:shmctl -- COMMAND [flags]: see --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/flags.h"
#include "lib/segment/segment.h"
#include "tools/shmctl/commands.h"

namespace {

using shmark::inspector::arguments;
using shmark::inspector::self;

std::string check_domain(const std::string& name) {
  constexpr std::size_t longest = 40;
  const shmark::segment_key key{name, 0};
  if (name.size() <= longest && key.valid()) return {};
  return fmt::format("'{}' is no name of a domain: use 1 to 40 of A-Z a-z 0-9 . _ -", name);
}

std::string check_variable(const std::string& name) {
  return name.empty() ? "variables' names are not empty" : "";
}

class command_line {
 public:
  explicit command_line(arguments& to) : to_(to) {
    app_.require_subcommand(0, 1);
    const auto every = "which domain (default: all of this user)";
    auto& list =
        add("list", "the domains of this user, and their variables", shmark::inspector::list);
    add_domain(list, every);
    add_json(list);
    list.add_flag("--all", to_.all_users, "of all users, so far as they can be read");
    auto& show = add("show", "all about one variable", shmark::inspector::show);
    add_variable(show);
    add_domain(show);
    add_json(show);
    auto& get =
        add("get", "the value of a variable, as JSON: numbers, strings, and containers of them",
            shmark::inspector::get);
    add_variable(get);
    add_domain(get);
    get.add_flag("--json", to_.json, "on one line");
    auto& locks = add("locks", "who holds which locks, and who waits", shmark::inspector::locks);
    add_domain(locks, every);
    add_json(locks);
    auto& doctor = add("doctor", "what dead programs have left, and what mends it",
                       shmark::inspector::diagnose);
    add_domain(doctor, every);
    add_json(doctor);
    auto& collect = add("collect", "remove unnamed variables that nobody uses, mend counts",
                        shmark::inspector::collect);
    add_domain(collect);
    add_timeout(collect);
    auto& remove = add("remove", "remove a variable", shmark::inspector::remove);
    add_variable(remove, "the variable's name");
    add_domain(remove);
    add_timeout(remove);
    auto& cleanup =
        add("cleanup", "remove a whole domain, whoever has it open", shmark::inspector::clean_up);
    add_domain(cleanup);
    add_timeout(cleanup);
    auto* yes = cleanup.add_flag("--yes", to_.yes, "do it");
    cleanup.add_flag("--dry_run", to_.dry_run, "only show what would go")->excludes(yes);
    app_.footer(
        "Give --help behind a command for its flags. The commands up to doctor take no locks and\n"
        "change nothing; what they show is a snapshot, in which variables may be of different\n"
        "moments.\n\n"
        "Exit status: 0 done; 1 the doctor found something, collect could not read or mend all, "
        "or\n"
        "somebody holds what was to be removed; 2 unusable input, or nothing of that name; 130\n"
        "after Ctrl-C.");
  }

  [[nodiscard]] CLI::App& app() noexcept { return app_; }
  // Of the command that was given.
  [[nodiscard]] int run() {
    for (const auto& [command, does] : commands_) {
      if (!command->parsed()) continue;
      to_.is_domain_given = command->get_option("--domain")->count() != 0;
      return does(to_);
    }
    return self.complain("no command was given; --help shows them");
  }

 private:
  using action = int (*)(const arguments&);

  CLI::App& add(const std::string& name, const std::string& what, action does) {
    auto* command = app_.add_subcommand(name, what);
    commands_.emplace_back(command, does);
    return *command;
  }
  static constexpr const char* name_or_number =
      "the variable's name; or, of one without a name, its number as list shows it";
  void add_variable(CLI::App& to, const char* what = name_or_number) {
    to.add_option("NAME", to_.variable, what)
        ->required()
        ->check(CLI::Validator(check_variable, ""));
  }
  void add_domain(CLI::App& to, const std::string& what = "which domain (default: default)") {
    to.add_option("--domain", to_.domain, what)
        ->check(CLI::Validator(check_domain, ""))
        ->type_name("NAME");
    to.add_option("--backend", to_.backend,
                  "posix, posix_semaphore, sysv or sysv_semaphore (default: whichever it has)")
        ->check(
            CLI::IsMember({"posix", "posix_semaphore", "sysv", "sysv_semaphore"}).description(""))
        ->type_name("KIND");
  }
  void add_json(CLI::App& to) {
    to.add_flag("--json", to_.json, "as JSON; tools/shmctl/README.md names the keys");
  }
  void add_timeout(CLI::App& to) {
    to.add_option("--timeout", to_.patience_s,
                  "how long to wait for whoever holds a lock (default 10)")
        ->check(shmark::flags::number_between(0, 3600).description(""))
        ->type_name("SECONDS");
  }

  arguments& to_;
  CLI::App app_{"Looks at shared variables, and removes what is left of them.", "shmctl"};
  std::vector<std::pair<CLI::App*, action>> commands_;
};

int parse_and_run(int argc, char** argv) {
  arguments asked;
  command_line line(asked);
  try {
    line.app().parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return line.app().exit(wrong);  // --help
    return self.complain(fmt::format("{}; --help shows what can be used", wrong.what()));
  }
  return line.run();
}

}  // namespace

int main(int argc, char** argv) { return self.main(parse_and_run, argc, argv); }
