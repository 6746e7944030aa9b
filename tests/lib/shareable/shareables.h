// What tests of shareables have in common: a glue of the test's own, values that refer to others,
// and what calls came to.
#pragma once

#include <gtest/gtest.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "lib/base/random.h"
#include "lib/shareable/shareable.h"
#include "tests/lib/shm/backends.h"

namespace shmark {

// A number, and more of its kind.
template <class Backend>
struct tree_value {
  int number = 0;
  std::map<std::string, ref<tree_value, Backend>> below{};
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & number & below;
  }
};

// The value, of a shareable that can be read.
template <class Shareable>
[[nodiscard]] auto now_in(Shareable& from) {
  auto got = from.get();
  if (!got) throw std::runtime_error(got.error().message());
  return **got;
}

template <class Backend>
class shareable_test : public ::testing::Test {
 public:
  template <class T>
  using shareable_of = shareable<T, Backend>;
  using tree_type = tree_value<Backend>;

  ~shareable_test() override { EXPECT_TRUE(shareable_of<int>::clean_up_all()); }

  [[nodiscard]] const glue& key() const noexcept { return key_; }
  template <class T>
  [[nodiscard]] static auto try_open(const glue& where, shareable_options options) {
    return shareable_of<T>::open(where, options);
  }
  // Opened, and made if it was not there.
  template <class T>
  [[nodiscard]] shareable_of<T> make(shareable_options options = {}) const {
    options.create = true;
    auto made = shareable_of<T>::open(key_, options);
    if (!made) throw std::runtime_error(made.error().message());
    return *std::move(made);
  }
  // Nothing is there.
  void expect_gone() const { EXPECT_EQ(outcome(try_open<int>(key_, {})), "not_found"); }

 private:
  const glue key_{static_cast<std::uint32_t>(unpredictable_number())};
};

}  // namespace shmark
