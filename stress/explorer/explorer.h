// The explorer: kills, or stops, a process at every instruction of an operation on a lock or store,
// and has its peers show that they get on, with the old value or the new one.
//
//     auto run = shmark::run::begin();
//     for (const auto& each : explorer::catalog()) {
//       auto done = explorer::explore(each, {.fault = explorer::fault_kind::kill}, *run, {});
//       fmt::print("{}", explorer::table_line(*done));
//     }
//
// Terms
//   operation    what is explored: see operation.h
//   victim       the process that carries it out, between two marks, and is killed or stopped there
//   point        an instruction of that run: the victim has executed all before it, and none after.
//                Named by its address and by how often the victim has come to it, so that another
//                run of the same operation can be brought there at full speed (breakpoints)
//   crash state  all that a death leaves: the bytes of all objects and System V segments of the
//                lock or store, the values of its semaphores, the robust list that the kernel
//                walks, what else it keeps and undoes (descriptors, locks on files, what is to be
//                undone of semaphores: another state after each system call that may change these),
//                and what the victim had noted of its progress
//   trial        one life of a lock or store: made, a victim brought to a point, the fault, and
//                peers that must get on; then nothing may be left
//
// How it is done
//   (1) prepare  what is explored is made once; its objects are copied, and every trial begins with
//                them (see snapshot.h)
//   (2) record   the victim is executed instruction by instruction (PTRACE_SINGLESTEP). After each
//                its crash state is compared with the last: what is mapped is shared, so that costs
//                one memcmp. New objects are looked for after each system call
//   (3) choose   every point (--every), or one of each distinct crash state: the others of it leave
//                the same behind. Where the victim is about to wait for a futex, a second point is
//                inside that system call
//   (4) trial    for each of them, in each way in which peers can come after (exclusive or shared
//                first; reader, writer or remover first, or a witness who has it open; of --every's
//                further points of a crash state, in one way each): everything anew, in fresh
//                processes. The victim is killed for real, and so the kernel does what it does
//                about its robust mutexes and file locks
//   Every trial is forked from a process that has seen none of the others (nursery.h): how memory
//   is allocated and copied depends on what was allocated before, and a victim is to go the way
//   that was recorded. One that comes to its point with another shape of things (crash_state.h)
//   than was recorded counts as not having come; an exploration that missed a crash state so
//   does not pass.
//
//   Faults
//   kill              SIGKILL at the point
//   kill_in_recovery  after a death at each distinct crash state, what is left is copied; upon it
//                     the next peer (who reads, writes, removes, makes anew) is recorded, and
//                     killed at each of its distinct crash states; a third must get on. So each
//                     pair of a crash state and one of its recovery is died in once
//   stop              SIGSTOP at the point: who can get what meanwhile, and that everything goes on
//                     after SIGCONT, is noted, and that nobody takes what the stopped one holds
//                     (L4)
//
// What it does not see: deaths inside of a system call that does not wait (the kernel changes what
// it changes before SIGKILL is looked at, as far as the calls used here go); reordering of memory
// accesses, as a process's stores are seen in order by x86-64's other processors and by the kernel;
// victims with more than one thread; memory that is neither in /dev/shm nor in a System V segment
// with a key.
//
// Process and thread safety: for the run's thread, once at a time; all else happens in forked
// processes, which end with it. After Ctrl-C (see lib/base/interrupt.h) it ends early. x86-64 only.
//
// Sources: ptrace(2); get_robust_list(2). Exploring every crash point of a file system's operation:
// J. Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI
// 2018.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/result/result.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

enum class fault_kind : std::uint8_t { kill, kill_in_recovery, stop };
[[nodiscard]] std::string_view name_of(fault_kind fault) noexcept;

struct options {
  fault_kind fault = fault_kind::kill;
  bool every = false;  // each point, and not only one of each crash state
  // How long a peer may wait for anything before it is stuck.
  std::chrono::nanoseconds patience = std::chrono::seconds(5);
  // How long a peer tries while the victim is stopped.
  std::chrono::nanoseconds probe = std::chrono::milliseconds(150);
  std::uint64_t findings_max = 5;  // after as many, an operation is given up
  // After how long it is cut short. What is done until then is a sample: trials come in an order
  // that is drawn by `seed`.
  std::optional<std::chrono::nanoseconds> budget{};
  std::uint64_t seed = 1;
};

// How much of an exploration was done.
struct extent {
  std::uint64_t trials = 0;
  std::uint64_t trials_max = 0;  // that are to be made, as far as known
  // Of recoveries, which begin with a crash state and one of those who come then: for how many of
  // these it is known where one can die in them.
  std::uint64_t beginnings = 0;
  std::uint64_t beginnings_max = 0;
  bool is_cut = false;  // the time was over before all of it was done

  // Of the trials, 0 to 1; an estimate, where not all beginnings are known.
  [[nodiscard]] double share() const noexcept;
};

struct counts {
  std::uint64_t points = 0;  // instructions of the operation, of all runs that were recorded
  std::uint64_t states = 0;  // distinct crash states of these
  std::uint64_t deaths = 0;  // how often a victim was killed, or stopped, and peers came after
  std::uint64_t asleep = 0;  // of these: inside a system call that waits
  std::uint64_t missed = 0;  // points to which no victim could be brought: not counted as deaths
  // Of --every: the same of points whose crash state was died in at others. Not every run has each
  // of them: a process number may have another digit.
  std::uint64_t absent = 0;
  std::array<std::uint64_t, sights> seen{};
  // All should be 0.
  std::array<std::uint64_t, findings> found{};

  [[nodiscard]] std::uint64_t of(sight what) const noexcept {
    return seen[static_cast<std::size_t>(what)];
  }
  [[nodiscard]] std::uint64_t of(finding what) const noexcept {
    return found[static_cast<std::size_t>(what)];
  }
  [[nodiscard]] bool faultless() const noexcept { return found == decltype(found){}; }
};

// What peers can do while the victim is stopped at a point.
struct access {
  // By what is asked for (exclusive, shared) and by whom (one who has used it before, a newcomer):
  // 1 granted, 2 blocks, 3 refused, 0 not known.
  std::array<std::uint32_t, 4> probed{};
  auto operator<=>(const access&) const = default;
};

struct outcome {
  std::string operation;
  counts seen;
  extent done;
  bool interrupted = false;
  double elapsed_s = 0;
  std::vector<std::string> findings;
  std::vector<std::string> missed;  // the first points of those
  // Where victims were in the crash states that they died in: addresses of our own code, that of
  // the caller for a library's; and how often somebody died in one of these states.
  std::map<std::uint64_t, std::uint64_t> died_at;
  // Where they were stopped, by what peers could do then; and how often.
  std::map<access, std::map<std::uint64_t, std::uint64_t>> stopped_at;

  // failed: something was found; undecided: cut short, by time too, or points were missed; vacuous:
  // nobody died.
  [[nodiscard]] result::verdict_kind verdict() const noexcept;
};

struct progress {
  std::uint64_t trials = 0;
  std::uint64_t trials_max = 0;
};
using progress_callback = std::function<void(const progress&)>;

// Errors: no_space, and whatever else keeps a trial from beginning. What is found is no error.
[[nodiscard]] std::expected<outcome, error> explore(const operation& what, const options& how,
                                                    const run& in, const progress_callback& tell);

// The command that repeats it.
[[nodiscard]] std::string command_of(const std::string& operation, const options& how);

// A heading, and an outcome's line of the table under it.
[[nodiscard]] std::string table_heading(fault_kind fault);
[[nodiscard]] std::string table_line(const outcome& done);
// What peers could do while victims were stopped, by the function that these were in.
[[nodiscard]] std::string stop_table(const std::vector<outcome>& all);
// Of an outcome that was cut by time, a line that says how much is missing; empty, if nothing is.
[[nodiscard]] std::string what_is_missing(const outcome& done);

// Of a source file of lib: how often somebody died in a crash state that each line is a part of,
// by the lines for which there is code.
struct file_coverage {
  std::string file;
  std::map<int, std::uint64_t> deaths;

  [[nodiscard]] std::size_t lines_died_at() const noexcept;
  // "1 of 5; never: 3, 7-9; 1-9 times: 20".
  [[nodiscard]] std::string text() const;
};
// Of all files that have such a line. Empty, if lines are not known (source.h).
[[nodiscard]] std::vector<file_coverage> coverage_of(const std::vector<outcome>& all);
[[nodiscard]] std::string coverage_table(const std::vector<file_coverage>& of);

// The outcome as an entry of a result file: "Explore/operation:exclusive/fault:kill".
[[nodiscard]] result::entry to_entry(const outcome& done, const options& how);

}  // namespace shmark::explorer
