// collect, remove and cleanup: what the library does, by a domain's name.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/interrupt.h"
#include "lib/shm/domain.h"
#include "tools/shmctl/commands.h"
#include "tools/shmctl/report.h"
#include "tools/shmctl/text.h"

namespace shmark::inspector {
namespace {

// Between two looks at whether Ctrl-C was pressed. Each begins to wait anew, at the queue's end.
constexpr auto slice = std::chrono::milliseconds(500);

// Does it, as often as somebody holds what it needs, and no longer than --timeout.
template <class Action>
std::invoke_result_t<Action, deadline> patiently(const arguments& asked, const Action& action) {
  const auto give_up = deadline::after(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(asked.patience_s)));
  for (;;) {
    auto done = action(deadline::after(std::min<std::chrono::nanoseconds>(
        slice, std::chrono::nanoseconds(give_up.remaining_ns()))));
    const bool is_held =
        !done && (done.error().code == errc::timed_out || done.error().code == errc::would_block);
    if (!is_held || give_up.passed()) return done;
    if (interrupted() != 0) {
      return failure(errc::interrupted, done.error().attempted, done.error().object);
    }
  }
}

// The exit status for what came to nothing.
int refused(const error& why, const domain_look& in) {
  if (const int number = interrupted(); number != 0) {
    self.say("interrupted; what was not done yet was left as it is");
    return 128 + number;
  }
  if (why.code != errc::timed_out) return self.complain(why);
  self.say(fmt::format("{}: '{}' shows who", why.message(), command_for("locks", in)));
  return found_something;
}

// Calls `action` with the domain, open, of whichever backend it has.
template <class Action>
int with_domain(const domain_look& seen, const Action& action) {
  const auto open = [&]<class Backend>(Backend) {
    // Of one's own, also what others can write: it is its owner who mends it.
    domain_options whose;
    if (seen.place().user == geteuid()) whose.owner = geteuid();
    auto opened = domain<Backend>::open_space(seen.place().key.space.view(), whose);
    if (!opened) return self.complain(opened.error());
    return action(*opened);
  };
  const auto backend = seen.backend();
  if (backend == "posix") return open(default_backend{});
  if (backend == "posix_semaphore") return open(posix_semaphore_backend{});
  if (backend == "sysv") return open(sysv_backend{});
  if (backend == "sysv_semaphore") return open(sysv_semaphore_backend{});
  return self.complain(
      fmt::format("{} has a lock that shmctl does not know; use the program that "
                  "made it",
                  title_of(seen)));
}

std::string counted(std::uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

int report(const collection& found, const domain_look& in) {
  fmt::print("{}: {} removed, {} corrected\n", title_of(in), counted(found.removed, "variable"),
             counted(found.corrected, "count"));
  if (found.unreadable == 0 && found.dangling == 0) return good;
  fmt::print("{} cannot be read or removed, {} to what is not there; '{}' says more\n",
             counted(found.unreadable, "variable"),
             counted(found.dangling, "reference") + (found.dangling == 1 ? " is" : " are"),
             command_for("doctor", in));
  return found_something;
}

// What cleanup would remove.
void print_all(const domain_look& in) {
  const auto& all = in.variables();
  fmt::print("{}: {} would go, and the registry\n", title_of(in), counted(all.size(), "variable"));
  using enum table::side;
  table rows({{"NAME"}, {"ALLOCATED", right}, {"OPEN"}, {"SEGMENTS"}});
  std::map<std::string, std::uint64_t> rosters;
  const auto add = [&](std::string name, const store_look& store, std::string open) {
    std::string names;
    for (const auto& each : parts_of(in, store)) {
      if (each.is_roster && each.is_there) rosters[each.facts.name] = each.facts.size;
      if (!each.is_roster && each.is_there) names += each.facts.name + " ";
    }
    for (const auto& lock : store.locks()) {
      if (!lock.semaphores) continue;
      names += fmt::format("semaphores 0x{:08x} ", static_cast<unsigned>(*lock.semaphores));
    }
    rows.add({std::move(name), std::to_string(store.allocated()), std::move(open), names});
  };
  for (const auto& each : all) {
    if (each.store) {
      add(printable(each.title()), *each.store, open_text(each.store->segment().is_open));
    } else {
      rows.add({printable(each.title()), "-", "-", "-"});
    }
  }
  add("(the registry)", in.registry(), "-");
  for (const auto& [name, size] : rosters) {
    rows.add({"(a roster of locks)", std::to_string(size), "-", name});
  }
  fmt::print("{}Nothing was removed.\n", rows.text(2));
}

}  // namespace

int collect(const arguments& asked) {
  const auto seen = the_domain(asked);
  if (!seen) return self.complain(seen.error());
  catch_interrupts();
  return with_domain(*seen, [&](auto& domain) {
    const auto done = patiently(asked, [&](deadline until) { return domain.collect(until); });
    return done ? report(*done, *seen) : refused(done.error(), *seen);
  });
}

int remove(const arguments& asked) {
  const auto seen = the_domain(asked);
  if (!seen) return self.complain(seen.error());
  const auto found = the_variable(asked, *seen);
  if (!found) return self.complain(found.error());
  const auto& variable = **found;
  if (!variable.name) {
    return self.complain(fmt::format(
        "{} has no name: it goes by itself when nothing refers to it and nobody has it open; "
        "'{}' removes what a death has left",
        variable.title(), command_for("collect", *seen)));
  }
  catch_interrupts();
  return with_domain(*seen, [&](auto& domain) {
    const auto done =
        patiently(asked, [&](deadline until) { return domain.remove(*variable.name, until); });
    if (!done) return refused(done.error(), *seen);
    const auto after = the_domain(asked);
    const auto number = fmt::format(":{:016x}", variable.number);
    const auto* left = after ? after->find(number) : nullptr;
    if (left == nullptr) {
      fmt::print("removed {}\n", printable(*variable.name));
    } else {
      fmt::print("{} has lost its name; other variables refer to it, and keep it as {}\n",
                 printable(*variable.name), number);
    }
    return static_cast<int>(good);
  });
}

int clean_up(const arguments& asked) {
  const auto seen = the_domain(asked);
  if (!seen) return self.complain(seen.error());
  if (asked.dry_run) {
    print_all(*seen);
    return good;
  }
  if (!asked.yes) {
    return self.complain(fmt::format(
        "cleanup removes all of {}, {}, whoever has them open: say --yes, or --dry_run to see what "
        "would go",
        title_of(*seen), counted(seen->variables().size(), "variable")));
  }
  catch_interrupts();
  return with_domain(*seen, [&](auto& domain) {
    const auto done = patiently(asked, [&](deadline until) { return domain.cleanup(until); });
    if (!done) return refused(done.error(), *seen);
    fmt::print("removed {} with {}\n", title_of(*seen),
               counted(seen->variables().size(), "variable"));
    return static_cast<int>(good);
  });
}

}  // namespace shmark::inspector
