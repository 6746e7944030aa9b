// A T in memory that this process shares with the children it forks.
//
//     shared<std::atomic<int>> count;
//     auto worker = child::start([&] { ++*count; });
//
// Zero-filled, then value-initialised; never destroyed, so T must not need it. Gone with the last
// process that has it.
#pragma once

#include <sys/mman.h>

#include <new>
#include <type_traits>

namespace shmark::support {

template <class T>
class shared {
  static_assert(std::is_trivially_destructible_v<T>, "other processes may still be using it");

 public:
  shared() {
    void* memory =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    value_ = new (memory) T{};
  }
  ~shared() { munmap(static_cast<void*>(value_), sizeof(T)); }
  shared(const shared&) = delete;
  shared& operator=(const shared&) = delete;

  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return value_; }

 private:
  T* value_;
};

}  // namespace shmark::support
