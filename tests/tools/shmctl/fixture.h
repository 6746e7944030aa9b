// shmctl as a user starts it, and a domain of the test's own to show it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/serialization/library_version_type.hpp>
// The above first: Boost 1.74's containers use it without including it.
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "lib/store/layout.h"
#include "tests/lib/shm/backends.h"
#include "tests/support/program.h"
#include "tests/support/unique_space.h"

namespace shmark {

using support::exited;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using json = nlohmann::json;

// As --backend has it.
template <class Backend>
[[nodiscard]] std::string backend_name() {
  const std::string segment(Backend::segment::kind);
  return Backend::lock::name == robust_rw::name ? segment : segment + "_semaphore";
}

template <class T>
T expect(std::expected<T, error> got) {
  if (!got) throw std::runtime_error(got.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(got);
}

// A variable that refers to others of its kind.
template <class Backend>
struct linked {
  std::vector<ref<linked, Backend>> to;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & to;
  }
};

template <class Backend>
class shmctl_test : public ::testing::Test {
 public:
  using domain_type = domain<Backend>;
  using segment = typename Backend::segment;

  ~shmctl_test() override {
    if (auto there = domain_type::open_existing(name_)) static_cast<void>(there->cleanup());
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] domain_type open() const { return expect(domain_type::open(name_)); }
  template <class T>
  [[nodiscard]] variable<T, Backend> make(const std::string& of) const {
    return expect(open().template variable<T>(of));
  }
  template <class T>
  void write(const std::string& of, const T& value) const {
    auto it = make<T>(of);
    expect(it.write(value));
  }
  [[nodiscard]] segment_key key(std::uint64_t number = 0) const {
    return {detail::space_of(name_), number};
  }

  // Runs a command on this domain.
  [[nodiscard]] support::outcome run(std::vector<std::string> arguments) const {
    arguments.push_back("--domain=" + name_);
    return run_as_it_is(arguments);
  }
  [[nodiscard]] support::outcome run_as_it_is(const std::vector<std::string>& arguments) const {
    return support::run_program(at_, path, arguments);
  }
  // What a command that succeeds prints.
  [[nodiscard]] std::string output(const std::vector<std::string>& arguments,
                                   int status = 0) const {
    const auto done = run(arguments);
    EXPECT_EQ(done.how, exited(status)) << done.out << done.err;
    EXPECT_EQ(done.err, "");
    return done.out;
  }
  [[nodiscard]] json json_output(std::vector<std::string> arguments, int status = 0) const {
    arguments.push_back("--json");
    return json::parse(output(arguments, status));
  }
  void expect_complaint(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& parts) const {
    SCOPED_TRACE(testing::PrintToString(arguments));
    support::expect_complaint(run(arguments), parts);
  }
  [[nodiscard]] const support::folder& folder() const noexcept { return at_; }

  // The control block of a variable, or of the registry, to be damaged.
  void change(std::uint64_t number, const std::function<void(detail::control&)>& how) const {
    const auto there = expect(segment::attach(key(number)));
    how(*std::launder(reinterpret_cast<detail::control*>(there.bytes().data())));
  }
  // What the registry says, to be changed as somebody left it who died.
  void change_registry(const std::function<void(detail::registry_contents&)>& how) const {
    variable<detail::registry_contents, Backend> all(expect(store_on<Backend>::attach(key())));
    expect(all.update(how));
  }

  static constexpr const char* path = "tools/shmctl/shmctl";

 private:
  const std::string name_ = support::unique_space();
  const support::folder at_;
};

}  // namespace shmark
