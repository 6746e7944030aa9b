// What a death at each single instruction of a writer, a repairer and a remover would leave.
//
// A child is executed instruction by instruction (ptrace(2)). Whenever what others can see has
// changed, all objects of its store are copied into another space, where nobody holds the lock, as
// nobody does after a death. There the value must be the old or the new one, whole, and once that
// store is removed nothing may be left.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/descriptor.h"
#include "lib/store/layout.h"
#include "lib/store/store.h"
#include "tests/lib/store/stores.h"
#include "tests/support/child.h"

namespace shmark {
namespace {

using support::child;
using support::exited;

using kind = store_of<posix_segment, robust_rw>;
using store_type = kind::store;

// All objects of a space but the roster of its lock: what follows the space in their names, and
// their contents.
using objects = std::map<std::string, bytes>;

std::string prefix_of(const segment_key& key) { return "shmark." + std::string(key.space.view()); }

objects objects_of(const segment_key& key) {
  objects found;
  const auto prefix = prefix_of(key);
  for (const auto& name : posix_segment::names(prefix)) {
    const descriptor object(shm_open(("/" + name).c_str(), O_RDONLY | O_CLOEXEC, 0));
    struct stat status;
    if (!object || fstat(object.number(), &status) != 0) continue;
    bytes contents(static_cast<std::size_t>(status.st_size));
    EXPECT_EQ(read(object.number(), contents.data(), contents.size()), status.st_size);
    constexpr std::string_view roster = "shmrost\n";
    if (std::string_view(reinterpret_cast<const char*>(contents.data()), contents.size())
            .starts_with(roster)) {
      continue;
    }
    found.emplace(name.substr(prefix.size()), std::move(contents));
  }
  return found;
}

// Makes copies of them in another space, with a lock that nobody holds.
void put(const objects& all, const segment_key& into) {
  for (const auto& [suffix, contents] : all) {
    const auto name = "/" + prefix_of(into) + suffix;
    const descriptor object(shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    bytes copy = contents;
    if (std::string(into.text().view()) == name.substr(1)) {
      auto& block = *reinterpret_cast<detail::control*>(copy.data());
      block.lock_area = {};
      const lock_home home{.space = into.space};
      EXPECT_TRUE(robust_rw::create(*new (block.lock_area.data()) robust_rw::state{}, home));
    }
    EXPECT_EQ(write(object.number(), copy.data(), copy.size()), static_cast<ssize_t>(copy.size()));
  }
}

// A child between two marks of whose body the parent stands after each instruction.
class stepped_child {
 public:
  explicit stepped_child(const std::function<void()>& body)
      : process_(child::start([&] {
          ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
          raise(SIGSTOP);
          body();
          raise(SIGSTOP);
        })) {
    EXPECT_EQ(stop(), SIGSTOP);
  }
  // One instruction further. Returns whether it has not ended.
  bool step() {
    if (ptrace(PTRACE_SINGLESTEP, process_.pid(), nullptr, nullptr) != 0) return false;
    return stop() == SIGTRAP;
  }
  // Whether its next instruction may be a system call.
  [[nodiscard]] bool may_call_the_system() const {
#if defined(__x86_64__)
    user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, process_.pid(), nullptr, &registers) != 0) return true;
    const auto code = ptrace(PTRACE_PEEKTEXT, process_.pid(), registers.rip, nullptr);
    return (code & 0xffff) == 0x050f;
#else
    return true;
#endif
  }
  support::ending finish() {
    ptrace(PTRACE_DETACH, process_.pid(), nullptr, nullptr);
    return process_.wait();
  }

 private:
  int stop() {
    int status = 0;
    while (waitpid(process_.pid(), &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
  }

  child process_;
};

// The parts of a store where each byte counts: the control block and the data segments' headers.
class watch {
 public:
  explicit watch(const segment_key& key)
      : key_(key), control_(posix_segment::attach(key).value()) {}

  // Takes what is there now for seen.
  void look() {
    data_.clear();
    const auto& block = *reinterpret_cast<const detail::control*>(control_.bytes().data());
    for (const auto& side : block.sides) {
      const std::uint64_t number = side.segment;
      if (number == 0) continue;
      if (auto there = posix_segment::attach({key_.space, number}); there) {
        data_.push_back(*std::move(there));
      }
    }
    seen_.clear();
    for (const auto part : parts()) seen_.insert(seen_.end(), part.begin(), part.end());
  }
  // Whether it is not what was seen.
  [[nodiscard]] bool has_changed() const {
    std::size_t at = 0;
    for (const auto part : parts()) {
      if (at + part.size() > seen_.size()) return true;
      if (std::memcmp(part.data(), seen_.data() + at, part.size()) != 0) return true;
      at += part.size();
    }
    return false;
  }

 private:
  [[nodiscard]] std::vector<std::span<const std::byte>> parts() const {
    std::vector<std::span<const std::byte>> all{
        control_.bytes().first(offsetof(detail::control, lock_area))};
    for (const auto& one : data_) all.push_back(one.bytes().first(sizeof(detail::data_header)));
    return all;
  }

  segment_key key_;
  posix_segment control_;
  std::vector<posix_segment> data_;
  bytes seen_;
};

class StoreAtEachInstruction : public store_test<kind> {
 public:
  // Executes `body` and has `check` look at each state in which it could have died, in a copy of
  // the store under another key. Returns how many there were.
  int states_of(const std::function<void()>& body,
                const std::function<void(const segment_key&)>& check) {
    watch what(key());
    objects seen;
    int states = 0;
    bool called = true;
    stepped_child traced(body);
    for (int steps = 0; !HasFailure(); ++steps) {
      if (what.has_changed() || called || steps % 256 == 0) {
        what.look();
        auto all = objects_of(key());
        if (all != seen) {
          SCOPED_TRACE("after " + std::to_string(steps) + " instructions");
          const segment_key copy{short_text(support::unique_space()), key().number};
          put(all, copy);
          check(copy);
          EXPECT_TRUE(posix_segment::names(prefix_of(copy)).empty()) << "leaked";
          seen = std::move(all);
          ++states;
        }
      }
      called = traced.may_call_the_system();
      if (!traced.step()) {
        EXPECT_EQ(traced.finish(), exited(0));
        break;
      }
    }
    return states;
  }

  // The value in the copy is one of the two, can be replaced, and all of it removed.
  static void expect_value(const segment_key& copy, const bytes& before, const bytes& after) {
    auto there = store_type::attach(copy);
    ASSERT_TRUE(there) << there.error().message();
    const auto value = read_all(*there);
    EXPECT_TRUE(value == before || value == after) << value.size() << " bytes";
    must_write(*there, value_of(99, 700));
    EXPECT_EQ(read_all(*there), value_of(99, 700));
    EXPECT_TRUE(store_type::remove(copy, deadline::none()));
  }
};

TEST_F(StoreAtEachInstruction, AWriterWouldLeaveTheOldValueOrTheNew) {
  struct change {
    std::size_t before;
    std::size_t after;
  };
  for (const auto& [before, after] : {change{100, 200}, change{100, 600}, change{600, 100}}) {
    SCOPED_TRACE("from " + std::to_string(before) + " to " + std::to_string(after) + " bytes");
    auto made = create({.capacity = 256});
    for (int i = 0; i < 2; ++i) must_write(made, value_of(1, before));
    const auto new_value = value_of(2, after);
    const int states = states_of(
        [&] { must_write(made, new_value); },
        [&](const segment_key& copy) { expect_value(copy, value_of(1, before), new_value); });
    EXPECT_GE(states, 5);
    EXPECT_EQ(read_all(made), new_value);
    ASSERT_TRUE(store_type::remove(key(), deadline::none()));
  }
}

TEST_F(StoreAtEachInstruction, ARepairerWouldLeaveTheOldValue) {
  auto made = create({.capacity = 256});
  for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 600));
  auto writer = child::start([&] {
    auto change = made.write();
    const auto value = value_of(2, 20'000);
    change->output().write(value.data(), value.size());
    kill(getpid(), SIGKILL);
  });
  EXPECT_EQ(writer.wait(), support::killed_by(SIGKILL));
  const int states = states_of(
      [&] { EXPECT_TRUE(made.read()); },
      [&](const segment_key& copy) { expect_value(copy, value_of(1, 600), value_of(1, 600)); });
  EXPECT_GE(states, 4);
  RecordProperty("states", states);
}

TEST_F(StoreAtEachInstruction, ARemoverWouldLeaveAValueOrWhatTheNextRemoves) {
  auto made = create({.capacity = 256});
  for (int i = 0; i < 2; ++i) must_write(made, value_of(1, 600));
  const int states = states_of([&] { EXPECT_TRUE(store_type::remove(key(), deadline::none())); },
                               [&](const segment_key& copy) {
                                 if (auto there = store_type::attach(copy); there) {
                                   expect_value(copy, value_of(1, 600), value_of(1, 600));
                                 } else {
                                   EXPECT_EQ(there.error().code, errc::not_found)
                                       << there.error().message();
                                 }
                               });
  EXPECT_GE(states, 8);
  RecordProperty("states", states);
}

}  // namespace
}  // namespace shmark
