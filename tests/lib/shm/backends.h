// What tests of variables and domains have in common: the backends that they run over, and a domain
// of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <expected>
#include <string>

#include "lib/base/error.h"
#include "lib/shm/backend.h"
#include "lib/shm/domain.h"
#include "tests/lib/store/mortal.h"
#include "tests/support/unique_space.h"

namespace shmark {

// The same bytes, in processes that end at their turn (see mortal.h).
template <class Backend>
struct mortal_backend {
  using segment = mortal_segment<typename Backend::segment>;
  using lock = mortal_lock<typename Backend::lock>;
  using codec = typename Backend::codec;
};

// Which have nothing in common: for what all would say the same.
using both_extremes = ::testing::Types<default_backend, sysv_semaphore_backend>;
#ifndef SHMARK_ASAN
using all_backends = ::testing::Types<default_backend, posix_semaphore_backend, sysv_backend,
                                      sysv_semaphore_backend>;
#else
// These have all the code, and four take twice the time of a build that is slow as it is.
using all_backends = both_extremes;
#endif

// Names the instances of a suite: Domain/posix_robust_rw.
struct name_of_backend {
  template <class Backend>
  static std::string GetName(int) {
    return std::string(Backend::segment::kind) + "_" + std::string(Backend::lock::name);
  }
};

// "ok", or the kind of error.
template <class T>
[[nodiscard]] std::string outcome(const std::expected<T, error>& got) {
  return got ? "ok" : std::string(name_of(got.error().code));
}

// The value, of a variable that can be read.
template <class Variable>
[[nodiscard]] auto value_of(Variable& from) {
  auto got = from.read();
  if (!got) throw std::runtime_error(got.error().message());
  return **got;
}

// A domain of the test's own, removed at its end.
template <class Backend>
class domain_test : public ::testing::Test {
 public:
  using domain_type = domain<Backend>;
  using mortal_domain = domain<mortal_backend<Backend>>;

  ~domain_test() override {
    if (auto there = domain_type::open_existing(name_)) static_cast<void>(there->cleanup());
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] domain_type open() const { return domain_type::open(name_).value(); }
  template <class T>
  [[nodiscard]] variable<T, Backend> make(std::string_view of = "it") const {
    return open().template variable<T>(of).value();
  }

 private:
  const std::string name_ = support::unique_space();
};

}  // namespace shmark
