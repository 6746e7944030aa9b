#include "lib/workload/external.h"

#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/segment/posix.h"

namespace shmark {
namespace {

std::string new_prefix(const run& owner) {
  return fmt::format("shmark.{}.{:016x}", owner.space().view(), unpredictable_number());
}

// Started side by side, for an interpreter takes its time; then greeted.
std::expected<std::vector<external_worker>, error> start_all(const external_command& how,
                                                             int count) {
  std::vector<external_worker> started;
  for (int i = 0; i < count; ++i) {
    SHMARK_ASSIGN_OR_RETURN(auto worker, external_worker::start(how));
    started.push_back(std::move(worker));
  }
  return started;
}

void end(std::vector<external_worker>& workers) noexcept {
  std::vector<command*> partners;
  for (auto& each : workers) partners.push_back(&each.partner());
  command::end(partners);
}

std::expected<void, error> greet(external_worker& worker, const external_command& how,
                                 const std::string& op) {
  SHMARK_ASSIGN_OR_RETURN(const auto offered, worker.greet());
  if (std::ranges::find(offered, op) != offered.end()) return {};
  std::string names;
  for (const auto& each : offered) names += ' ' + each;
  return failure(errc::invalid, "prepare worker", short_text(text_of(how)),
                 because{fmt::format("it has no operation \"{}\", but:{}", op, names)},
                 "choose one of its own");
}

template <std::size_t N>
bool copy_ids(const std::vector<int>& from, std::array<int, N>& to, std::size_t& count) {
  count = std::min(from.size(), N);
  std::copy_n(from.begin(), count, to.begin());
  return from.size() <= N;
}

// Removes what is there. Ids are not used again soon, for the kernel counts their uses in them.
void remove_left(const external_command& how, const char* kind, std::span<const int> ids,
                 int (*remove)(int)) {
  for (const int id : ids) {
    if (remove(id) != 0) continue;
    std::fprintf(stderr, "shmark: worker %s left System V %s %d; now removed\n",
                 text_of(how).c_str(), kind, id);
  }
}

}  // namespace

external_work::external_work(external_command how, parameters what,
                             anonymous_segment memory) noexcept
    : how_(std::move(how)), what_(std::move(what)), memory_(std::move(memory)) {
  static_assert(std::is_trivially_destructible_v<board>);
  new (memory_.bytes().data()) board{};
}

external_work::board& external_work::all() const noexcept {
  return *std::launder(reinterpret_cast<board*>(memory_.bytes().data()));
}

std::expected<std::unique_ptr<external_work>, error> external_work::start(
    const run& owner, const external_command& how, const parameters& what) {
  SHMARK_ASSIGN_OR_RETURN(auto memory, anonymous_segment::create(sizeof(board)));
  auto told = what;
  told.prefix = new_prefix(owner);
  std::unique_ptr<external_work> made(new external_work(how, std::move(told), std::move(memory)));
  SHMARK_ASSIGN_OR_RETURN(made->workers_, start_all(how, what.workers));
  for (auto& each : made->workers_) SHMARK_RETURN_IF_ERROR(greet(each, how, what.op));
  return made;
}

std::expected<std::unique_ptr<workload>, error> external_work::make(const run& owner,
                                                                    const external_command& how,
                                                                    const parameters& what) {
  return start(owner, how, what);
}

std::optional<std::string> external_work::missing_reason(const run& owner,
                                                         const external_command& how,
                                                         const parameters& what) {
  auto alone = what;
  alone.workers = 1;
  const auto made = start(owner, how, alone);
  if (!made && made.error().code == errc::not_found) return made.error().message();
  if (!made) return {};
  static_cast<void>((*made)->prepare(0, what.time_every));
  return (*made)->workers_.front().missing();
}

external_work::~external_work() {
  end(workers_);
  for (const auto& name : posix_segment::names(what_.prefix)) shm_unlink(("/" + name).c_str());
  for (const notice& each : std::span(all().notices).first(workers_.size())) {
    remove_left(how_, "segment", std::span(each.segments).first(each.segment_count),
                [](int id) { return shmctl(id, IPC_RMID, nullptr); });
    remove_left(how_, "semaphores", std::span(each.semaphores).first(each.semaphore_count),
                [](int id) { return semctl(id, 0, IPC_RMID); });
  }
}

void external_work::work(window_worker& self) {
  auto& worker = workers_[static_cast<std::size_t>(self.index())];
  auto& told = all().notices[static_cast<std::size_t>(self.index())];
  worker.pin_as_caller();
  for (std::uint32_t window = 1; self.next(); ++window) {
    const auto prepared = prepare_in_turn(self.index(), self.time_every(), window);
    if (!prepared) return self.fail(prepared.error());
    std::expected<void, error> done;
    self.run_elsewhere(
        [&](std::int64_t from_ns, std::chrono::nanoseconds length, worker_result& result) {
          const auto names = worker.run(from_ns, length, result);
          if (!names) {
            done = std::unexpected(names.error());
          } else {
            std::ranges::copy(*names, told.counter_names.begin());
          }
        });
    if (!done) return self.fail(done.error());
  }
}

// What the first makes, the others open.
std::expected<void, error> external_work::prepare_in_turn(int index, unsigned time_every,
                                                          std::uint32_t window) {
  if (index != 0) {
    SHMARK_RETURN_IF_ERROR(wait_for_first(window));
    return prepare(index, time_every);
  }
  const auto prepared = prepare(index, time_every);
  if (!prepared) all().why_given_up = prepared.error();
  let_others_prepare(prepared ? window : given_up);
  return prepared;
}

std::expected<void, error> external_work::prepare(int index, unsigned time_every) {
  const auto at = static_cast<std::size_t>(index);
  auto what = what_;
  what.index = index;
  what.time_every = time_every;
  SHMARK_ASSIGN_OR_RETURN(const auto ready, workers_[at].prepare(what));
  return note(ready, all().notices[at]);
}

std::expected<void, error> external_work::note(const readiness& what, notice& in) const {
  in.bytes = what.bytes;
  const bool fits = copy_ids(what.segments, in.segments, in.segment_count) &
                    copy_ids(what.semaphores, in.semaphores, in.semaphore_count);
  if (fits) return {};
  return failure(errc::invalid, "prepare worker", short_text(text_of(how_)),
                 because{"it names more than 8 segments or semaphores"}, "have it make fewer");
}

std::expected<void, error> external_work::wait_for_first(std::uint32_t window) const noexcept {
  const futex_word& word = all().first_is_ready;
  for (;;) {
    const std::uint32_t now = word.load(std::memory_order_acquire);
    if (now == given_up) return std::unexpected(all().why_given_up);
    if (now >= window) return {};
    const futex_watch changes{.word = &word, .value = now};
    futex_wait({&changes, 1}, deadline::never().remaining_ns());
  }
}

void external_work::let_others_prepare(std::uint32_t window) noexcept {
  all().first_is_ready.store(window, std::memory_order_release);
  futex_wake(all().first_is_ready, INT_MAX);
}

std::expected<workload::counters, error> external_work::conclude(const window_result& result) {
  counters own;
  for (std::size_t i = 0; i < result.counters.size(); ++i) {
    if (!(result.worker_ops_per_s[i] > 0)) {
      return failure(errc::corrupt, "measure with worker", short_text(text_of(how_)),
                     because{fmt::format("its worker {} has done nothing", i)},
                     "have it do each operation at least once");
    }
    const notice& told = all().notices[i];
    for (std::size_t k = 0; k < told.counter_names.size(); ++k) {
      const auto name = told.counter_names[k].view();
      if (!name.empty()) own[std::string(name)] += static_cast<double>(result.counters[i][k]);
    }
  }
  if (const auto bytes = all().notices[0].bytes) own["bytes"] = static_cast<double>(*bytes);
  return own;
}

std::expected<std::vector<std::string>, error> operations_of(const external_command& how) {
  SHMARK_ASSIGN_OR_RETURN(auto worker, external_worker::start(how));
  return worker.greet();
}

}  // namespace shmark
