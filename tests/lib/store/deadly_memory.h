// Shared memory that kills whoever writes to it at his turn, so that tests see what a death between
// any two stores leaves.
//
//     deadly_memory::dies_at_each_store([&] { … opens what it needs …; deadly_memory::begin(); … },
//                                       [&] { … look … });
//
// begin() takes away the right to write to all shared memory that the process has mapped by then. A
// store to it is let through by a handler, one instruction long, and counted; the process is killed
// behind the nth. What it maps later is not watched.
//
// Complements mortal.h, whose steps are calls: here a commit is many steps. For x86-64, where a
// process can single-step itself.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/support/child.h"

namespace shmark {

class deadly_memory {
 public:
#if defined(__x86_64__)
  static constexpr bool is_supported = true;
#else
  static constexpr bool is_supported = false;
#endif

  // In the process that is to die. The handlers stay.
  static void begin() {
    if (nth_ == 0) return;
    find_mappings();
    struct sigaction action{};
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    action.sa_sigaction = on_store;
    sigaction(SIGSEGV, &action, nullptr);
    action.sa_sigaction = behind_store;
    sigaction(SIGTRAP, &action, nullptr);
    protect(PROT_READ);
  }
  static void end() { protect(PROT_READ | PROT_WRITE); }

  // Runs `body` in a child that dies behind its first store, in another that dies behind its
  // second, and so on until one gets to the end; `check` after each. Returns how many have died.
  template <class Body, class Check>
  static int dies_at_each_store(const Body& body, const Check& check) {
    for (int deaths = 0;; ++deaths) {
      SCOPED_TRACE("the child died behind store " + std::to_string(deaths + 1));
      auto doomed = support::child::start([&] {
        nth_ = deaths + 1;
        body();
        end();
      });
      const auto how = doomed.wait();
      check();
      if (how == support::exited(0)) return deaths;
      EXPECT_EQ(how, support::killed_by(SIGKILL));
      if (how != support::killed_by(SIGKILL)) return deaths;
    }
  }

 private:
  struct range {
    void* begin;
    std::size_t size;
  };
  static constexpr std::size_t ranges_max = 64;

  static void find_mappings() {
    count_ = 0;
    std::FILE* maps = std::fopen("/proc/self/maps", "re");
    std::array<char, 512> line;
    while (std::fgets(line.data(), line.size(), maps) != nullptr) {
      std::uintptr_t from = 0;
      std::uintptr_t to = 0;
      std::array<char, 8> rights;
      std::array<char, 256> name{};
      // NOLINTNEXTLINE(cert-err34-c): the kernel's own text
      if (std::sscanf(line.data(), "%lx-%lx %7s %*s %*s %*s %255[^\n]", &from, &to, rights.data(),
                      name.data()) < 4) {
        continue;
      }
      const bool is_segment = std::strstr(name.data(), "/dev/shm/shmark.") != nullptr ||
                              std::strstr(name.data(), "/SYSV") != nullptr;
      if (!is_segment || rights[1] != 'w' || count_ == ranges_max) continue;
      ranges_[count_++] = {reinterpret_cast<void*>(from), to - from};  // NOLINT
    }
    std::fclose(maps);
  }
  static void protect(int rights) {
    for (std::size_t i = 0; i < count_; ++i) mprotect(ranges_[i].begin, ranges_[i].size, rights);
  }

#if defined(__x86_64__)
  static constexpr greg_t trap_flag = 0x100;
  static void on_store(int, siginfo_t* about, void* context) {
    const auto* const at = static_cast<const char*>(about->si_addr);
    bool is_ours = false;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto* const begin = static_cast<const char*>(ranges_[i].begin);
      is_ours = is_ours || (at >= begin && at < begin + ranges_[i].size);
    }
    if (!is_ours) {
      signal(SIGSEGV, SIG_DFL);  // an ordinary one
      return;
    }
    protect(PROT_READ | PROT_WRITE);
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= trap_flag;
  }
  static void behind_store(int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
    // With the memory writable: the kernel marks there that this thread is dead.
    if (--nth_ == 0) kill(getpid(), SIGKILL);
    protect(PROT_READ);
  }
#else
  static void on_store(int, siginfo_t*, void*) {}
  static void behind_store(int, siginfo_t*, void*) {}
#endif

  static inline int nth_ = 0;  // of this process, inherited by the children it forks
  static inline std::array<range, ranges_max> ranges_{};
  static inline std::size_t count_ = 0;
};

}  // namespace shmark
