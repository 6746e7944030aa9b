// Waiting in the kernel until a word in shared memory changes: futex(2), futex_waitv(2).
//
// Process and thread safety: for words in memory that processes share; any thread, any time.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace shmark {

using futex_word = std::atomic<std::uint32_t>;
static_assert(futex_word::is_always_lock_free);

// A word, and the value that it had when the caller decided to wait.
struct futex_watch {
  const futex_word* word;
  std::uint32_t value;
};

// Returns when one of at most 8 words has, or had already, another value and its waiters were
// woken, after `span_ns`, at a signal, or for no reason: the caller looks again. Where the kernel
// cannot wait for several (before Linux 5.16, under valgrind, forbidden by seccomp), only the first
// is watched, and the wait ends after 2 ms.
void futex_wait(std::span<const futex_watch> words, std::int64_t span_ns) noexcept;

// Wakes up to `count` of those who wait for the word.
void futex_wake(const futex_word& word, int count) noexcept;

}  // namespace shmark
