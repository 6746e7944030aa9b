// What direct's archives offer to serialize() in either direction, besides values.
#pragma once

#include <boost/archive/detail/helper_collection.hpp>
#include <memory>

#include "lib/codec/direct/exports.h"

namespace shmark::detail {

class archive_base {
 public:
  // Makes a class known that is saved and loaded through pointers to a base, and not exported.
  template <class T>
  void register_type(const T* = nullptr) {
    named_.add_once(operations_of<T>::all);
  }
  template <class Helper>
  [[nodiscard]] Helper& get_helper(void* id = nullptr) {
    if (helpers_ == nullptr) helpers_ = std::make_unique<helpers>();
    return helpers_->template find_helper<Helper>(id);
  }
  [[nodiscard]] unsigned get_flags() const noexcept { return 0; }

 protected:
  archive_base() = default;
  ~archive_base() = default;

  named_classes named_;

 private:
  struct helpers : boost::archive::detail::helper_collection {};
  std::unique_ptr<helpers> helpers_;
};

}  // namespace shmark::detail
