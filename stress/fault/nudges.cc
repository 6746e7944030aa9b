#include "stress/fault/nudges.h"

#include "lib/base/check.h"
#include "lib/base/process.h"

namespace shmark::stress {
namespace {

// Of this process.
void (*note_signal)(void*) = nullptr;
void* noted_by = nullptr;

void on_signal(int) {
  if (note_signal != nullptr) note_signal(noted_by);
}

}  // namespace

schedule::schedule(std::uint64_t seed, std::chrono::nanoseconds mean_gap) noexcept
    : mean_gap_(mean_gap), random_(seed, mean_gap) {}

void schedule::draw(std::int64_t now_ns) noexcept {
  due_ns_ = mean_gap_.count() > 0 ? now_ns + random_.gap().count() : never_ns;
}

stop::stop(int worker, pid_t process) noexcept : worker_(worker), process_(process) {
  kill(process_, SIGSTOP);
}

bool stop::has_begun(std::int64_t now_ns) noexcept {
  if (began_ns_ != 0 || process_state(process_) != 'T') return false;
  began_ns_ = now_ns;
  return true;
}

bool stop::is_over(std::uint64_t others, std::int64_t now_ns) const noexcept {
  return began_ns_ != 0 && now_ns - began_ns_ >= length_ns && others >= until_others_;
}

void stop::end() const noexcept { kill(process_, SIGCONT); }

signal_handler::signal_handler() noexcept {
  struct sigaction action{};
  action.sa_handler = on_signal;  // without SA_RESTART: calls that wait end with EINTR
  sigemptyset(&action.sa_mask);
  SHMARK_CHECK(sigaction(SIGUSR1, &action, &before_) == 0, "SIGUSR1 cannot be handled");
}

signal_handler::~signal_handler() { sigaction(SIGUSR1, &before_, nullptr); }

void signal_handler::heard_by(void (*note)(void*), void* to) noexcept {
  noted_by = to;
  note_signal = note;
}

}  // namespace shmark::stress
