// What tests of stores have in common: the kinds of store that they run over, a store of the test's
// own, and values that say of themselves whether they are whole.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/random.h"
#include "lib/lock/pthread_robust.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/store.h"
#include "tests/lib/store/mortal.h"
#include "tests/support/unique_space.h"

namespace shmark {

template <named_segment S, lock L>
struct store_of {
  using segment = S;
  using lock = L;
  using store = shmark::store<S, L>;
  using mortal_store = shmark::store<mortal_segment<S>, mortal_lock<L>>;
};

using all_stores = ::testing::Types<  //
    store_of<posix_segment, robust_rw>, store_of<posix_segment, pthread_robust>,
    store_of<posix_segment, sysv_semaphore>, store_of<sysv_segment, robust_rw>,
    store_of<sysv_segment, pthread_robust>, store_of<sysv_segment, sysv_semaphore>>;

// Names the instances of a suite: Store/posix_robust_rw.
struct name_of_store {
  template <class Kind>
  static std::string GetName(int) {
    return std::string(Kind::segment::kind) + "_" + std::string(Kind::lock::name);
  }
};

// --- Values.

using bytes = std::vector<std::byte>;

// Of any size; one seed and size, one value. From 16 bytes on it describes itself.
[[nodiscard]] inline bytes value_of(std::uint64_t seed, std::size_t size) {
  bytes value(size);
  random_source random(seed);
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    std::uint64_t word = random.next();
    if (at == 0) word = seed;
    if (at == sizeof word) word = size;
    std::memcpy(value.data() + at, &word, std::min(sizeof word, size - at));
  }
  return value;
}

// The seed of a value that describes itself; nothing if it is not whole.
[[nodiscard]] inline std::optional<std::uint64_t> seed_of(std::span<const std::byte> value) {
  std::uint64_t seed = 0;
  if (value.size() < 2 * sizeof seed) return {};
  std::memcpy(&seed, value.data(), sizeof seed);
  if (!std::ranges::equal(value, value_of(seed, value.size()))) return {};
  return seed;
}

// --- What calls came to.

template <class T>
[[nodiscard]] std::string outcome(const std::expected<T, error>& got) {
  return got ? "ok" : std::string(name_of(got.error().code));
}

// The current value, of a store that can be read.
template <class Store>
[[nodiscard]] bytes read_all(Store& from) {
  auto seen = from.read();
  if (!seen) {
    ADD_FAILURE() << seen.error().message();
    return {};
  }
  return {seen->bytes().begin(), seen->bytes().end()};
}

template <class Store>
[[nodiscard]] std::expected<void, error> write_all(Store& to, std::span<const std::byte> value) {
  SHMARK_ASSIGN_OR_RETURN(auto change, to.write());
  change.output().write(value.data(), value.size());
  return change.commit();
}

// In the same words, of a store that must take it.
template <class Store>
void must_write(Store& to, std::span<const std::byte> value) {
  const auto done = write_all(to, value);
  if (!done) ADD_FAILURE() << done.error().message();
}

template <class Store>
[[nodiscard]] typename Store::statistics stats_of(Store& of) {
  auto got = of.stats();
  if (!got) {
    ADD_FAILURE() << got.error().message();
    return {};
  }
  return *got;
}

// --- A store of the test's own, removed at its end.

template <class Kind>
class store_test : public ::testing::Test {
 public:
  using store = typename Kind::store;
  using mortal_store = typename Kind::mortal_store;

  ~store_test() override { static_cast<void>(store::remove(key_, deadline::none())); }

  [[nodiscard]] const segment_key& key() const noexcept { return key_; }
  [[nodiscard]] store create(const store_options& options = {}) const {
    return store::create(key_, options).value();
  }
  [[nodiscard]] store open() const { return store::attach(key_).value(); }
  // One whose calls end the process at its turn.
  [[nodiscard]] mortal_store open_mortal() const { return mortal_store::attach(key_).value(); }

 private:
  const segment_key key_ = segment_key::random_in(short_text(support::unique_space()));
};

}  // namespace shmark
