#include "stress/explorer/trial.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <expected>
#include <unordered_map>
#include <utility>

#include "lib/base/interrupt.h"
#include "lib/segment/posix.h"
#include "stress/explorer/source.h"
#include "stress/explorer/system_v.h"

namespace shmark::explorer {
namespace {

constexpr int recording_max = 12;  // times the patience of a peer, until the victim counts as stuck

// Keeps a traced process on this one's processor as long as this lives: one of the two always waits
// for the other, and waking somebody elsewhere takes several times as long.
class same_processor {
 public:
  explicit same_processor(pid_t other) : other_(other) {
    is_set_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(std::max(sched_getcpu(), 0)), &one);
    if (is_set_) set(one);
  }
  same_processor(const same_processor&) = delete;
  same_processor& operator=(const same_processor&) = delete;
  ~same_processor() {
    if (is_set_) set(before_);
  }

 private:
  void set(const cpu_set_t& to) const noexcept {
    sched_setaffinity(0, sizeof to, &to);
    sched_setaffinity(other_, sizeof to, &to);
  }
  pid_t other_;
  cpu_set_t before_;
  bool is_set_;
};

class trial {
 public:
  trial(const operation& what, const options& how, const segment_key& key, stage& on)
      : what_(what),
        how_(how),
        stage_(on),
        shared_(on.notes),
        scene_(on.notes, key, how.patience, on.variant),
        prefix_(fmt::format("shmark.{}", key.space.view())) {}
  trial(const trial&) = delete;
  trial& operator=(const trial&) = delete;

  std::expected<void, error> carry_out(std::span<point> points) {
    switch (stage_.what) {
      case task::prepare:
        return carry_out(what_.prepare, "who prepares");
      case task::record:
        return record_victim(points);
      case task::kill:
        return kill_victim(true);
      case task::kill_and_leave:
        return kill_victim(false);
      case task::stop:
        return stop_victim();
      case task::record_recovery:
        return record_recovery(points);
      case task::kill_recovery:
        return kill_recoverer();
    }
    return {};
  }

 private:
  // What is asked for.

  std::expected<void, error> record_victim(std::span<point> points) {
    SHMARK_RETURN_IF_ERROR(begin());
    if (victim_) stage_.is_there = record(*victim_, shared_.victim, what_.has_event, points);
    return {};
  }
  std::expected<void, error> kill_victim(bool is_judged) {
    SHMARK_RETURN_IF_ERROR(begin());
    stage_.is_there = victim_ && bring(*victim_, shared_.victim);
    if (!stage_.is_there) return {};
    victim_->kill();
    if (is_judged) return judge();
    end_bystander();
    return {};
  }
  std::expected<void, error> stop_victim() {
    SHMARK_RETURN_IF_ERROR(begin());
    stage_.is_there = victim_ && bring(*victim_, shared_.victim);
    if (!stage_.is_there) return {};
    victim_->leave_stopped();
    const phase at = shared_.victim.load();
    SHMARK_RETURN_IF_ERROR(probe());
    if (interrupted() != 0) return {};
    expect_excluded(at);
    victim_->resume();
    await_end(*victim_, "the victim, which was stopped and continued,", 3 * how_.patience);
    return judge();
  }
  std::expected<void, error> record_recovery(std::span<point> points) {
    SHMARK_RETURN_IF_ERROR(begin_recovery());
    if (!recoverer_) return {};
    stage_.is_there = record(*recoverer_, shared_.recoverer, false, points);
    if (!stage_.is_there) return {};
    // It may have something to say about what it got.
    recoverer_->let_go();
    if (!await_end(*recoverer_, "the recoverer", 3 * how_.patience)) return {};
    return judge();
  }
  std::expected<void, error> kill_recoverer() {
    SHMARK_RETURN_IF_ERROR(begin_recovery());
    stage_.is_there = recoverer_ && bring(*recoverer_, shared_.recoverer);
    if (!stage_.is_there) return {};
    recoverer_->kill();
    return judge();
  }

  // And how it is done.

  // As far as the victim's begin mark. There is no victim then if something was found, or after
  // Ctrl-C.
  std::expected<void, error> begin() {
    if (how_.fault == fault_kind::stop && what_.prober && !what_.is_first) {
      SHMARK_ASSIGN_OR_RETURN(prober_, start(what_.prober, prober_scene(false)));
      if (!has_joined(*prober_, shared_.probing, "a prober")) return {};
    }
    if (what_.witness && how_.fault == fault_kind::kill) {
      scene_.has_witness = true;
      SHMARK_ASSIGN_OR_RETURN(witness_, start(what_.witness, scene_));
      if (!has_joined(*witness_, shared_.witnessed, "a witness")) return {};
    }
    if (what_.bystander) {
      SHMARK_ASSIGN_OR_RETURN(bystander_, start(what_.bystander, scene_));
      shared_.bystander = bystander_->pid();
    }
    SHMARK_ASSIGN_OR_RETURN(victim_, trace(what_.victim, scene_, "the victim"));
    return {};
  }
  std::expected<void, error> begin_recovery() {
    shared_.settled = shared_.cleared.exchange(0);
    scene second = scene_;
    second.is_recoverer = true;
    SHMARK_ASSIGN_OR_RETURN(recoverer_,
                            trace(what_.recoverers[stage_.recoverer], second, "the recoverer"));
    return {};
  }
  bool has_joined(process& who, const futex_word& joined, std::string_view name) {
    const auto until = deadline::after(3 * how_.patience);
    while (joined.load() == 0) {
      if (interrupted() != 0) return false;
      if (const auto status = who.wait(deadline::none())) {
        if (look_at(*status, name)) {
          scene_.fail(finding::broken, fmt::format("{} ended early", name));
        }
        return false;
      }
      if (until.passed()) {
        scene_.fail(finding::stuck, fmt::format("{} does not come to its mark", name));
        return false;
      }
      pause();
    }
    return true;
  }

  // Executes it to its end mark, noting all points; whether it gets there.
  bool record(tracee& who, const std::atomic<phase>& its_phase, bool has_event,
              std::span<point> points);
  // Brings it to the point that was asked for; false if it does not get there.
  bool bring(tracee& who, const std::atomic<phase>& its_phase) {
    crash_state bytes(prefix_, who.pid());
    const target& to = stage_.to;
    const motion came = who.go(to.at.where, to.event, [this] { raise_event(); }, scene_.soon());
    if (came != motion::stands || !is_as_recorded(who, its_phase, bytes)) return false;
    stage_.sleeps = false;
    if (!to.inside) return true;
    const motion inside = who.step_into_sleep();
    stage_.sleeps = inside == motion::blocked;
    return inside == motion::blocked || inside == motion::stands;
  }
  // Whether it has come to what was recorded, and not only to the same instruction.
  [[nodiscard]] bool is_as_recorded(const tracee& who, const std::atomic<phase>& its_phase,
                                    crash_state& bytes) const {
    bytes.look_for_objects();
    static_cast<void>(bytes.has_changed());
    return shape_of(its_phase.load(), who.robust(), bytes) == stage_.to.at.shape;
  }
  // Of a point, what is alike in every run: how far the process says it is, what it has told the
  // kernel of robust mutexes, and which of the objects' words have changed since its mark. Those
  // change in other order where a bystander works at the same time.
  [[nodiscard]] std::uint64_t shape_of(phase its, const tracee::robust_list& list,
                                       const crash_state& bytes) const {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
    const std::uint64_t alike = what_.bystander || what_.is_noisy ? 0 : bytes.shape(scene_.key);
    return ((alike ^ static_cast<std::uint64_t>(its)) * odd ^ list.first) * odd ^ list.pending;
  }

  // The bystander hears that the victim is dead, and must end.
  void end_bystander() {
    scene::raise(shared_.stepped, over);
    if (!bystander_) return;
    await_end(*bystander_, "the bystander", 3 * how_.patience);
    bystander_.reset();
  }
  // Peers come, in turn; then all must be gone.
  std::expected<void, error> judge() {
    end_bystander();
    SHMARK_ASSIGN_OR_RETURN(bool good, let_peers_come());
    if (good && witness_) good = await_end(*witness_, "the witness", how_.patience);
    if (good && what_.finish) {
      SHMARK_RETURN_IF_ERROR(carry_out(what_.finish, "who removes all"));
      good = !has_found();
    }
    if (!good || interrupted() != 0) return {};
    for (const auto& name : posix_segment::names(prefix_)) {
      scene_.fail(finding::leaked, "left behind: " + name);
    }
    for (const auto& one : segments_made()) {
      scene_.fail(finding::leaked, fmt::format("left behind: System V segment {:#x}", one.key));
    }
    for (const auto& one : semaphores_made()) {
      scene_.fail(finding::leaked, fmt::format("left behind: System V semaphores {:#x}", one.key));
    }
    return {};
  }
  // One that checks and then works, and a second that works as soon as the first has checked.
  std::expected<bool, error> let_peers_come() {
    if (!what_.worker) {
      SHMARK_RETURN_IF_ERROR(carry_out(what_.check, "a peer"));
      return !has_found();
    }
    SHMARK_ASSIGN_OR_RETURN(auto first, process::start([this] {
                              what_.check(scene_);
                              scene::raise(shared_.checked, 1);
                              what_.worker(scene_);
                            }));
    SHMARK_ASSIGN_OR_RETURN(auto second, process::start([this] {
                              scene::wait(shared_.checked, 1);
                              what_.worker(scene_);
                            }));
    if (!await_end(first, "a peer", 6 * how_.patience)) return false;
    return await_end(second, "a worker", 3 * how_.patience);
  }

  // What can be had while the victim is stopped.
  std::expected<void, error> probe() {
    scene::raise(shared_.stepped, over);
    if (bystander_) {  // which may wait for the victim
      if (const auto ended = bystander_->wait(deadline::after(how_.probe))) {
        look_at(*ended, "the bystander");
        bystander_.reset();
      }
    }
    if (!what_.prober) return {};
    if (prober_) {
      scene::raise(shared_.probing, 2);
      await_end(*prober_, "a prober", 3 * how_.patience);
    }
    SHMARK_ASSIGN_OR_RETURN(auto newcomer, start(what_.prober, prober_scene(true)));
    if (!what_.is_first) {
      await_end(newcomer, "a newcomer", 3 * how_.patience);
    } else if (!newcomer.wait(deadline::after(3 * how_.probe))) {
      constexpr std::uint32_t blocks = 2;
      newcomer.kill();
      shared_.probed[2] = shared_.probed[3] = blocks;
    }
    auto& had = stage_.had.probed;
    for (std::size_t i = 0; i < had.size(); ++i) had[i] = shared_.probed[i];
    return {};
  }
  // (L4)
  void expect_excluded(phase at) const {
    constexpr std::uint32_t granted = 1;
    const auto& probed = stage_.had.probed;
    const bool exclusive = probed[0] == granted || probed[2] == granted;
    const bool shared = probed[1] == granted || probed[3] == granted;
    if (at == phase::exclusive && (exclusive || shared)) {
      scene_.fail(finding::broken,
                  "what a stopped process holds exclusively was granted to another");
    }
    const bool reads = at == phase::reading || at == phase::raising || at == phase::lowering;
    if (reads && exclusive) {
      scene_.fail(finding::broken, "what a stopped process reads was granted exclusively");
    }
  }

  static void pause() noexcept {
    const timespec short_time{.tv_sec = 0, .tv_nsec = 20'000};
    nanosleep(&short_time, nullptr);
  }
  [[nodiscard]] bool has_found() const {
    return std::ranges::any_of(shared_.found, [](const auto& n) { return n.load() != 0; });
  }
  [[nodiscard]] scene prober_scene(bool is_newcomer) const {
    scene its = scene_;
    its.patience = how_.probe;
    its.is_newcomer = is_newcomer;
    return its;
  }
  static std::expected<process, error> start(const body& what, const scene& in) {
    return process::start([&] { what(in); });
  }
  // Waits for one that must end; whether it ended well.
  bool await_end(process& who, std::string_view name, std::chrono::nanoseconds longest) {
    if (const auto status = who.wait(deadline::after(longest))) return look_at(*status, name);
    if (interrupted() == 0) scene_.fail(finding::stuck, fmt::format("{} does not end", name));
    who.kill();
    return false;
  }
  bool look_at(int status, std::string_view name) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (WIFSIGNALED(status)) {
      scene_.fail(finding::broken,
                  fmt::format("{} was ended by signal {}", name, WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != has_given_up) {
      scene_.fail(finding::broken,
                  fmt::format("{} ended with status {}", name, WEXITSTATUS(status)));
    }
    return false;
  }
  std::expected<void, error> carry_out(const body& what, std::string_view name) {
    SHMARK_ASSIGN_OR_RETURN(auto who, start(what, scene_));
    await_end(who, name, 6 * how_.patience);
    return {};
  }
  // Nothing, if it does not come to its mark.
  std::expected<std::optional<tracee>, error> trace(const body& what, const scene& in,
                                                    std::string_view name) {
    auto made = tracee::start([&] { what(in); }, deadline::after(3 * how_.patience));
    if (made) return std::optional<tracee>(*std::move(made));
    if (made.error().is_environment()) return std::unexpected(made.error());
    if (interrupted() == 0) {
      scene_.fail(made.error().code == errc::timed_out ? finding::stuck : finding::broken,
                  fmt::format("{} does not come to its mark", name));
    }
    return std::optional<tracee>();
  }
  void raise_event() {
    scene::raise(shared_.stepped, event);
    const auto until = scene_.soon();
    while (shared_.stepped.load() < answered && !until.passed() && interrupted() == 0) pause();
  }

  const operation& what_;
  const options& how_;
  stage& stage_;
  board& shared_;
  scene scene_;
  std::string prefix_;
  std::optional<process> witness_;
  std::optional<process> bystander_;
  std::optional<process> prober_;
  std::optional<tracee> victim_;
  std::optional<tracee> recoverer_;
};

bool trial::record(tracee& who, const std::atomic<phase>& its_phase, bool has_event,
                   std::span<point> points) {
  const same_processor together(who.pid());
  crash_state bytes(prefix_, who.pid());
  std::unordered_map<std::uint64_t, std::uint32_t> arrivals;
  tracee::robust_list robust{};
  std::uint64_t kernel_changes = 0;
  bool has_kernel_changed = false;
  std::size_t count = 0;
  point now;
  const auto until = deadline::after(recording_max * how_.patience);
  for (;;) {
    const auto kind = who.next();
    if (kind == tracee::instruction::end_mark) break;
    const std::uint64_t address = who.address();
    if (address == now.where.address) {
      ++now.where.repeat;
    } else {
      now.where = {address, ++arrivals[address], 0};
    }
    if (is_our_code(address)) now.ours = address;
    now.index = static_cast<std::uint32_t>(count);
    now.waits = kind == tracee::instruction::system_call && who.is_about_to_wait();
    if (now.waits && has_event && !stage_.event) {
      stage_.event = now.where;
      stage_.event_index = count;
      raise_event();
    }
    const auto list = who.robust();
    const phase its = its_phase.load(std::memory_order_relaxed);
    if (bytes.has_changed() || list != robust || its != now.its || has_kernel_changed ||
        count == 0) {
      robust = list;
      now.its = its;
      constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
      now.state =
          ((((bytes.hash() ^ list.first) * odd ^ list.pending) * odd ^ kernel_changes) * odd) ^
          static_cast<std::uint64_t>(its) ^ (static_cast<std::uint64_t>(list.offset) << 32U);
      now.shape = shape_of(its, list, bytes);
    }
    if (count == points.size()) {
      scene_.fail(finding::broken, "the operation is too long to be recorded");
      return false;
    }
    points[count++] = now;
    has_kernel_changed =
        kind == tracee::instruction::system_call && who.is_about_to_change_the_kernel();
    if (has_kernel_changed) ++kernel_changes;
    const motion came = who.step(scene_.soon());
    if (kind == tracee::instruction::system_call) bytes.look_for_objects();
    if (came == motion::stands && !until.passed() && interrupted() == 0) continue;
    if (interrupted() == 0) {
      scene_.fail(came == motion::ended ? finding::broken : finding::stuck,
                  came == motion::ended ? "the process that was to be recorded ended by itself"
                                        : "the process that was to be recorded does not end");
    }
    return false;
  }
  stage_.points = count;
  return true;
}

}  // namespace

void carry_out(const operation& what, const options& how, const segment_key& key, stage& on,
               std::span<point> points) {
  expect_children();
  if (const auto done = trial(what, how, key, on).carry_out(points); !done) {
    on.failed = done.error();
  }
  on.is_over = true;
}

}  // namespace shmark::explorer
