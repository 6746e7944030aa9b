// Ctrl-C, and its relatives, as something a program can wait for.
//
// After catch_interrupts(), SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGPIPE no longer end the process:
// they raise a flag and make a descriptor readable, so that long work stops at its next step and
// everything it created is removed on the way out. A second signal of the same kind changes
// nothing: cleaning up takes milliseconds, and SIGKILL is there for those who cannot wait. A SIGHUP
// that is ignored, as under nohup(1), stays so.
//
// Process-wide; call catch_interrupts() once, early, from the main thread. Forked workers inherit
// it; they call ignore_interrupts(), because a terminal's Ctrl-C reaches them as well and it is
// their supervisor who ends them.
#pragma once

namespace shmark {

void catch_interrupts() noexcept;
void ignore_interrupts() noexcept;

// The signal that arrived first, 0 if none has.
[[nodiscard]] int interrupted() noexcept;

// Readable once interrupted; -1 before catch_interrupts(). For poll(2) only: do not read from it.
[[nodiscard]] int interrupt_descriptor() noexcept;

}  // namespace shmark
