// Classes behind pointers to their bases: what BOOST_CLASS_EXPORT makes known to direct's archives,
// by the name that it gives, and what serialize() registers with one archive.
#pragma once

#include <atomic>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/serialization/extended_type_info.hpp>
#include <boost/serialization/extended_type_info_typeid.hpp>
#include <boost/serialization/singleton.hpp>
#include <boost/serialization/type_info_implementation.hpp>
#include <cstddef>
#include <typeinfo>
#include <vector>

#include "lib/codec/direct/classes.h"

namespace shmark {

class direct_input;
class direct_output;

namespace detail {

struct object_entry;

// What wants a pointer's object: called with the object's address before its contents are decoded.
struct object_taker {
  void (*take)(object_taker& self, void* object, object_entry& entry);
};

// What archives can do with objects of a class that is not known where they meet it.
struct class_operations {
  const std::type_info* type;
  const boost::serialization::extended_type_info& (*info)();
  const char* (*name)();  // as exported; null if it is not
  void (*save)(direct_output& to, const void* object);
  void (*load)(direct_input& from, object_taker& taker);
};
template <class T>
struct operations_of {
  static const class_operations all;
};

template <class T>
[[nodiscard]] const boost::serialization::extended_type_info& info_of() {
  return boost::serialization::singleton<
      typename boost::serialization::type_info_implementation<T>::type>::get_const_instance();
}

// A list that static initialisation builds of nodes that stay, so that it is of use before and
// after main(), too.
class exported_class {
 public:
  explicit exported_class(const class_operations& operations) noexcept
      : operations_(&operations), next_(first_.load()) {
    while (!first_.compare_exchange_weak(next_, this)) {
    }
  }
  exported_class(const exported_class&) = delete;
  exported_class& operator=(const exported_class&) = delete;

  // Null if there is none.
  template <class Predicate>
  [[nodiscard]] static const class_operations* find(Predicate&& wanted) {
    const auto* at = first_.load();
    while (at != nullptr && !wanted(*at->operations_)) at = at->next_;
    return at == nullptr ? nullptr : at->operations_;
  }

 private:
  static inline constinit std::atomic<exported_class*> first_ = nullptr;
  const class_operations* operations_;
  exported_class* next_;
};
template <class T>
struct export_of {
  static inline exported_class node{operations_of<T>::all};
};

// The classes that one archive refers to by number, in the order in which it met them, or
// serialize() registered them.
class named_classes {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }
  [[nodiscard]] const class_operations& operator[](std::size_t index) const {
    return *known_[index];
  }
  // size() if it is not there.
  [[nodiscard]] std::size_t find(const std::type_info& type) const noexcept {
    std::size_t i = 0;
    while (i < known_.size() && *known_[i]->type != type) ++i;
    return i;
  }
  void add(const class_operations& added) { known_.push_back(&added); }
  void add_once(const class_operations& added) {
    if (find(*added.type) == size()) add(added);
  }

 private:
  std::vector<const class_operations*> known_;
};

}  // namespace detail
}  // namespace shmark

// BOOST_CLASS_EXPORT instantiates this for each class, and each archive that is registered.
template <class T>
struct boost::archive::detail::ptr_serialization_support<shmark::direct_output, T> {
  using noted = shmark::detail::refer_to<&shmark::detail::export_of<T>::node>;
};
