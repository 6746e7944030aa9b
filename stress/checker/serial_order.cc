#include "stress/checker/serial_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace shmark::stress {
namespace {

using finding = std::optional<std::string>;

// Writes that may have taken effect, with one value. They are asked for by rising serial numbers,
// so with rising times by which they must have been called.
class pending_writes {
 public:
  void add(const operation& one) { by_call_.push_back(&one); }
  void sort() { std::ranges::sort(by_call_, {}, &operation::called_ns); }

  // The last one called by then that is not taken; of those that are left over, the ones called
  // earliest are of most use. Null: there is none.
  const operation* take(std::int64_t called_by_ns) {
    while (next_ != by_call_.size() && by_call_[next_]->called_ns <= called_by_ns) {
      open_.push_back(by_call_[next_++]);
    }
    if (open_.empty()) return nullptr;
    const auto* taken = open_.back();
    open_.pop_back();
    return taken;
  }
  // The first one that was called too late; null: none was.
  [[nodiscard]] const operation* too_late() const {
    return next_ == by_call_.size() ? nullptr : by_call_[next_];
  }
  [[nodiscard]] std::size_t size() const noexcept { return by_call_.size(); }

  template <class F>
  void each_left(const F& visit) const {
    for (const auto* one : open_) visit(*one);
    for (std::size_t i = next_; i < by_call_.size(); ++i) visit(*by_call_[i]);
  }

 private:
  std::vector<const operation*> by_call_;
  std::size_t next_ = 0;                // of these, the first not in open_
  std::vector<const operation*> open_;  // called early enough, not taken
};

class serial_order {
 public:
  explicit serial_order(const history& all) : all_(all), origin_ns_(all.begin_ns()) {
    for (const auto& one : all.operations) {
      if (!one.pending()) {
        done_.push_back(&one);
      } else if (one.kind == access::write) {
        pending_[one.value].add(one);
      }
    }
    std::ranges::sort(done_, {}, [](const operation* one) {
      return std::tuple(one->serial, one->kind == access::read, one->called_ns);
    });
    for (auto& [value, writes] : pending_) writes.sort();
    find_first_returns();
  }

  finding check() {
    if (auto found = check_numbers()) return found;
    if (auto found = check_times()) return found;
    return check_gaps();
  }

 private:
  // The operations that have one serial number: its write first, if that has returned.
  struct group {
    std::size_t begin;
    std::size_t end;
  };
  template <class F>
  finding for_each_group(const F& visit) {
    for (group at{0, 0}; at.begin != done_.size(); at.begin = at.end) {
      const auto serial = done_[at.begin]->serial;
      while (at.end != done_.size() && done_[at.end]->serial == serial) ++at.end;
      if (auto found = visit(at)) return found;
    }
    return {};
  }
  [[nodiscard]] std::span<const operation* const> of(group at) const {
    return std::span(done_).subspan(at.begin, at.end - at.begin);
  }
  [[nodiscard]] std::string text(const operation& one) const { return one.text(origin_ns_); }

  void find_first_returns() {
    first_return_.resize(done_.size());
    const operation* first = nullptr;
    for (std::size_t i = done_.size(); i-- != 0;) {
      if (first == nullptr || done_[i]->returned_ns < first->returned_ns) first = done_[i];
      first_return_[i] = first;
    }
  }

  // Each number is of one write, whose value is read under it.
  finding check_numbers() {
    return for_each_group([this](group at) { return check_group(at); });
  }
  finding check_group(group at) {
    const auto all = of(at);
    const operation& head = *all.front();
    if (head.serial < all_.first_serial ||
        (head.serial == all_.first_serial && head.kind == access::write)) {
      return fmt::format("the register began with serial number {}, and yet: {}", all_.first_serial,
                         text(head));
    }
    if (head.serial == all_.first_serial && head.value != all_.first_value) {
      return fmt::format("the register began with value {:#x} under serial number {}, and yet: {}",
                         all_.first_value, all_.first_serial, text(head));
    }
    for (const auto* other : all.subspan(1)) {
      if (other->kind == access::write) {
        return fmt::format("one serial number for two writes: {}; {}", text(head), text(*other));
      }
      if (other->value != head.value) {
        return fmt::format("one serial number for two values: {}; {}", text(head), text(*other));
      }
    }
    return head.kind == access::write || head.serial == all_.first_serial ? finding() : explain(at);
  }

  // The write that the reads of a number saw has not returned: it must be a pending one.
  finding explain(group at) {
    const operation& read = *done_[at.begin];
    const operation& first = *first_return_[at.begin];
    const auto found = pending_.find(read.value);
    if (found == pending_.end()) return explain_stranger(read);
    auto& writes = found->second;
    if (writes.take(first.returned_ns) != nullptr) return {};
    if (const auto* late = writes.too_late()) {
      return fmt::format(
          "{} comes, by its serial number, not before the write of number {}, which can only be "
          "{}, "
          "and had returned before that was called",
          text(first), read.serial, text(*late));
    }
    return fmt::format("more serial numbers have value {:#x} than writes may have written it: {}",
                       read.value, text(read));
  }
  // A value that no pending write has.
  [[nodiscard]] finding explain_stranger(const operation& read) const {
    const auto writer = std::ranges::find_if(done_, [&](const operation* one) {
      return one->kind == access::write && one->value == read.value;
    });
    if (writer != done_.end()) {
      return fmt::format("one value under two serial numbers: {}; {}", text(**writer), text(read));
    }
    return fmt::format("nobody wrote what was read: {}", text(read));
  }

  // No operation had returned before one was called that comes before it.
  finding check_times() {
    const operation* last_called = nullptr;  // of all numbers before
    return for_each_group([&, this](group at) -> finding {
      const operation* before = last_called;
      for (const auto* one : of(at)) {
        if (before != nullptr && one->is_before(*before)) {
          return fmt::format("{} had returned before {} was called, and comes after it", text(*one),
                             text(*before));
        }
        if (one->kind == access::write) before = later(before, one);
        last_called = later(last_called, one);
      }
      return {};
    });
  }
  static const operation* later(const operation* one, const operation* other) noexcept {
    return one == nullptr || one->called_ns < other->called_ns ? other : one;
  }

  // Numbers that nobody saw are of pending writes, too, of any that are left.
  finding check_gaps() {
    std::vector<const operation*> left;
    for (const auto& [value, writes] : pending_) {
      writes.each_left([&left](const operation& one) { left.push_back(&one); });
    }
    std::ranges::sort(left, {}, &operation::called_ns);
    auto next = left.begin();
    std::uint64_t expected = all_.first_serial;
    return for_each_group([&, this](group at) -> finding {
      const auto serial = done_[at.begin]->serial;
      for (; expected < serial; ++expected) {
        if (expected == all_.first_serial) continue;
        const auto* first = first_return_[at.begin];
        if (next == left.end() || (*next)->called_ns > first->returned_ns) {
          return fmt::format(
              "serial number {} is of no write that can have taken effect before: {}", expected,
              text(*first));
        }
        ++next;
      }
      expected = serial + 1;
      return {};
    });
  }

  const history& all_;
  std::int64_t origin_ns_;
  std::vector<const operation*> done_;          // by serial number; the write before the reads
  std::vector<const operation*> first_return_;  // from each of these on, the first to return
  std::unordered_map<std::uint64_t, pending_writes> pending_;  // by value
};

}  // namespace

std::optional<std::string> contradiction_by_serial(const history& all) {
  return serial_order(all).check();
}

}  // namespace shmark::stress
