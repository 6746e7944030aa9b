#include "stress/explorer/tracee.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "lib/base/interrupt.h"
#include "lib/base/process.h"

#if !defined(__x86_64__)
#error "stress/explorer knows the instructions of x86-64 only: build it there"
#endif

namespace shmark::explorer {
namespace {

constexpr std::uint8_t int3 = 0xCC;
constexpr std::uint16_t syscall_code = 0x050F;  // as it lies in memory, read as a number

timespec microseconds(long n) noexcept { return {.tv_sec = 0, .tv_nsec = n * 1000}; }

sigset_t sigchld() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

// Until a child has ended or stopped, or somebody interrupts; not for long.
void await_children(deadline until) noexcept {
  constexpr std::int64_t slice_ns = 50'000'000;  // a signal may come just before
  const sigset_t children = sigchld();
  const timespec left =
      deadline::after(std::chrono::nanoseconds(std::min(until.remaining_ns(), slice_ns)))
          .remaining();
  sigtimedwait(&children, nullptr, &left);
}

void be_a_child(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const sigset_t children = sigchld();
  sigprocmask(SIG_UNBLOCK, &children, nullptr);
}

}  // namespace

void expect_children() noexcept {
  const sigset_t children = sigchld();
  sigprocmask(SIG_BLOCK, &children, nullptr);
}

std::expected<process, error> process::start(const std::function<void()>& body) {
  return start_interruptible([&] {
    ignore_interrupts();
    body();
  });
}

std::expected<process, error> process::start_interruptible(const std::function<void()>& body) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return system_failure(errno, "start", "a process of an exploration");
  if (pid == 0) {
    be_a_child(parent);
    body();
    _exit(0);
  }
  return process(pid);
}

std::optional<int> process::wait(deadline until) noexcept {
  for (;;) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG | __WALL) == pid_) {
      if (!WIFEXITED(status) && !WIFSIGNALED(status)) continue;
      pid_ = 0;
      return status;
    }
    if (until.passed() || interrupted() != 0) return {};
    await_children(until);
  }
}

void process::kill() noexcept {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  for (;;) {
    int status = 0;
    const pid_t waited = waitpid(pid_, &status, __WALL);
    if (waited < 0 && errno == EINTR) continue;
    if (waited < 0 || WIFEXITED(status) || WIFSIGNALED(status)) break;
  }
  pid_ = 0;
}

std::expected<tracee, error> tracee::start(const std::function<void()>& body, deadline until) {
  SHMARK_ASSIGN_OR_RETURN(auto made, process::start([&] {
                            // An end mark that nobody watches is passed over.
                            signal(SIGTRAP, [](int) {});
                            ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                            body();
                          }));
  tracee traced(std::move(made));
  const motion came = traced.await_stop(true, until);
  if (came != motion::stands) {
    return failure(came == motion::blocked ? errc::timed_out : errc::worker_died, "bring",
                   "a process of an exploration to its mark");
  }
  ptrace(PTRACE_SETOPTIONS, traced.pid_, nullptr, PTRACE_O_EXITKILL);
  void* head = nullptr;
  std::size_t length = 0;
  if (syscall(SYS_get_robust_list, traced.pid_, &head, &length) == 0) {
    traced.robust_head_ = reinterpret_cast<std::uint64_t>(head);
  }
  return traced;
}

motion tracee::await_stop(bool may_sleep, deadline until) noexcept {
  for (;;) {
    int status = 0;
    const pid_t waited = waitpid(pid_, &status, __WALL | (may_sleep ? WNOHANG : 0));
    if (waited == 0) {
      if (until.passed() || interrupted() != 0) return motion::blocked;
      await_children(until);
      continue;
    }
    if (waited < 0 && errno == EINTR) continue;
    if (waited < 0) return motion::ended;
    if (WIFSTOPPED(status)) return WSTOPSIG(status) == SIGTRAP ? motion::stands : motion::ended;
    pid_ = 0;  // reaped
    return motion::ended;
  }
}

long tracee::register_at(std::size_t offset) const noexcept {
  return ptrace(PTRACE_PEEKUSER, pid_, offset, nullptr);
}

std::uint64_t tracee::address() const noexcept {
  return static_cast<std::uint64_t>(register_at(offsetof(user_regs_struct, rip)));
}

void tracee::set_address(std::uint64_t to) noexcept {
  ptrace(PTRACE_POKEUSER, pid_, offsetof(user_regs_struct, rip), to);
}

long tracee::word_at(std::uint64_t address) const noexcept {
  return ptrace(PTRACE_PEEKTEXT, pid_, address, nullptr);
}

void tracee::put_byte(std::uint64_t address, std::uint8_t byte) noexcept {
  const auto word = static_cast<std::uint64_t>(word_at(address));
  ptrace(PTRACE_POKETEXT, pid_, address, (word & ~std::uint64_t{0xFF}) | byte);
}

tracee::instruction tracee::next() noexcept {
  const std::uint64_t at = address();
  if (const auto found = known_.find(at); found != known_.end()) return found->second;
  const long code = word_at(at);
  auto kind = instruction::ordinary;
  if ((code & 0xFFFF) == syscall_code) kind = instruction::system_call;
  if ((code & 0xFF) == int3) kind = instruction::end_mark;
  return known_[at] = kind;
}

long tracee::system_call() const noexcept { return register_at(offsetof(user_regs_struct, rax)); }

bool tracee::is_about_to_wait() const noexcept {
  constexpr long futex_waitv_number = 449;  // older headers have no name for it
  constexpr long operation_bits = 0x7F;     // without FUTEX_PRIVATE_FLAG and so on
  const long what = register_at(offsetof(user_regs_struct, rsi));
  switch (system_call()) {
    case futex_waitv_number:
    case SYS_semop:
    case SYS_semtimedop:
      return true;
    case SYS_futex: {
      const long operation = what & operation_bits;
      return operation == 0 || operation == 9 || operation == 6 || operation == 11;
    }
    case SYS_flock:
      return (what & LOCK_NB) == 0 && (what & LOCK_UN) == 0;
    case SYS_fcntl:
      return what == F_SETLKW || what == F_OFD_SETLKW;
    default:
      return false;
  }
}

bool tracee::is_about_to_change_the_kernel() const noexcept {
  switch (system_call()) {
    case SYS_open:
    case SYS_openat:
    case SYS_creat:
    case SYS_memfd_create:
    case SYS_close:
    case SYS_close_range:
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_semget:
    case SYS_semctl:
    case SYS_semop:
    case SYS_semtimedop:
      return true;
    default:
      return false;
  }
}

tracee::robust_list tracee::robust() const noexcept {
  robust_list list{};
  if (robust_head_ == 0) return list;
  iovec ours{.iov_base = &list, .iov_len = sizeof list};
  iovec theirs{.iov_base = reinterpret_cast<void*>(robust_head_), .iov_len = sizeof list};
  process_vm_readv(pid_, &ours, 1, &theirs, 1, 0);
  if (list.first == robust_head_) list.first = 0;  // empty
  return list;
}

motion tracee::step(deadline until) noexcept {
  const instruction what = next();
  if (what == instruction::end_mark) return motion::finished;
  if (ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) return motion::ended;
  return await_stop(what == instruction::system_call, until);
}

motion tracee::step_into_sleep() noexcept {
  constexpr int looks_max = 200;
  if (ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) return motion::ended;
  for (int looks = 0; looks < looks_max; ++looks) {
    const motion came = await_stop(true, deadline::none());
    if (came != motion::blocked) return came;
    if (process_state(pid_) == 'S') return motion::blocked;
    await_children(deadline::after(std::chrono::microseconds(50)));
  }
  return motion::blocked;
}

motion tracee::go(const place_in_run& to, const std::optional<place_in_run>& event,
                  const std::function<void()>& at_event, deadline until) noexcept {
  struct stop_point {
    std::uint64_t address;
    std::uint32_t arrivals;
    std::uint8_t byte;
  };
  std::array<stop_point, 2> stops{{{to.address, 0, 0}, {0, 0, 0}}};
  std::size_t count = 1;
  if (event && event->address != to.address) stops[count++] = {event->address, 0, 0};
  const auto stop_at = [&](std::uint64_t at) -> stop_point* {
    for (std::size_t i = 0; i < count; ++i) {
      if (stops[i].address == at) return &stops[i];
    }
    return nullptr;
  };
  for (std::size_t i = 0; i < count; ++i) {
    stops[i].byte = static_cast<std::uint8_t>(word_at(stops[i].address) & 0xFF);
  }
  const auto clear = [&] {
    for (std::size_t i = 0; i < count; ++i) put_byte(stops[i].address, stops[i].byte);
  };
  const auto set = [&] {
    for (std::size_t i = 0; i < count; ++i) put_byte(stops[i].address, int3);
  };
  std::uint64_t before = 0;
  std::uint32_t repeat = 0;
  bool is_set = false;
  for (;;) {
    const std::uint64_t now = address();
    stop_point* const here = stop_at(now);
    if (here != nullptr) {
      if (is_set) clear();
      is_set = false;
      repeat = now == before ? repeat + 1 : 0;
      if (repeat == 0) ++here->arrivals;
      const place_in_run place{now, here->arrivals, repeat};
      if (event && place == *event) at_event();
      if (place == to) return motion::stands;
      before = now;
      if (const motion came = step(until); came != motion::stands) return came;
      continue;
    }
    before = 0;
    if (next() == instruction::end_mark) return motion::finished;
    if (!is_set) set();
    is_set = true;
    if (ptrace(PTRACE_CONT, pid_, nullptr, nullptr) != 0) return motion::ended;
    if (const motion came = await_stop(true, until); came != motion::stands) return came;
    const std::uint64_t trap = address() - 1;
    if (stop_at(trap) == nullptr) {
      clear();
      return motion::finished;
    }
    set_address(trap);
  }
}

motion tracee::go_past(long number, deadline until) noexcept {
  for (bool is_inside = false;;) {
    if (ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr) != 0) return motion::ended;
    if (const motion came = await_stop(true, until); came != motion::stands) return came;
    is_inside = !is_inside;
    if (!is_inside && register_at(offsetof(user_regs_struct, orig_rax)) == number) {
      return motion::stands;
    }
  }
}

void tracee::let_go() noexcept { ptrace(PTRACE_DETACH, pid_, nullptr, nullptr); }

void tracee::leave_stopped() noexcept {
  // The kernel takes the signal for one that came just now.
  ::kill(pid_, SIGSTOP);
  ptrace(PTRACE_DETACH, pid_, nullptr, SIGSTOP);
  while (process_state(pid_) != 'T') {
    const timespec pause = microseconds(20);
    nanosleep(&pause, nullptr);
  }
}

void tracee::resume() noexcept { ::kill(pid_, SIGCONT); }

}  // namespace shmark::explorer
