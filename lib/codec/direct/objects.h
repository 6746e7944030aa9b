// What direct_input keeps of objects that it decodes: whom they belong to, and the memory that they
// are made in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace shmark::detail {

// Damage must not give an object to two owners.
enum class ownership : std::uint8_t {
  embedded,    // it is part of another, or of the value itself
  unfinished,  // made for a pointer, it is being constructed
  nobody,      // it has been constructed, and no pointer has it yet
  unknown,     // pointers have it, which may own it or not
  unique,      // it is a unique_ptr's
  shared,      // it is shared_ptrs'
};

struct object_entry {
  void* address;
  std::uint32_t number;  // of its class
  ownership owned;
  std::shared_ptr<void> (*share)(void* object);  // makes it shared, if it can be
  std::shared_ptr<void> owner;                   // if it is shared
};

// Memory for an object, as a new-expression would get it, since a delete-expression will free it.
// Frees it unless released.
template <class T>
class allocation {
 public:
  allocation() : memory_(allocate()) {}
  allocation(const allocation&) = delete;
  allocation& operator=(const allocation&) = delete;
  ~allocation() {
    if (memory_ != nullptr) deallocate(memory_);
  }
  [[nodiscard]] T* get() const noexcept { return static_cast<T*>(memory_); }
  void release() noexcept { memory_ = nullptr; }

 private:
  static constexpr bool by_class = requires { T::operator new(sizeof(T)); };
  static constexpr bool over_aligned = alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;

  static void* allocate() {
    if constexpr (by_class) {
      return T::operator new(sizeof(T));
    } else if constexpr (over_aligned) {
      return ::operator new(sizeof(T), std::align_val_t(alignof(T)));
    } else {
      return ::operator new(sizeof(T));
    }
  }
  static void deallocate(void* memory) {
    if constexpr (by_class) {
      T::operator delete(memory);
    } else if constexpr (over_aligned) {
      ::operator delete(memory, std::align_val_t(alignof(T)));
    } else {
      ::operator delete(memory);
    }
  }
  void* memory_;
};

}  // namespace shmark::detail
