// A general search for an order of operations that a sequential specification allows, and that
// keeps to real time: one that had returned before another was called comes before it. Where there
// is such an order, the history is linearizable.
//
// For objects whose operations do not tell their order themselves; those of numbered registers do,
// and are judged in nearly linear time (linearizability.h). Here the time is exponential at worst,
// but what is put in order at each point is only those that overlap there: with a few workers, and
// results that tell operations apart, a search hardly goes back.
//
// Pending operations may come anywhere after their calls, or nowhere. They are tried last: each
// that is there all the time is one more possibility at each point.
//
// Source: Wing, Gong, "Testing and verifying concurrent objects", Journal of Parallel and
// Distributed Computing 17, 1993 (the search: what may come first are those called before any
// returns); Lowe, "Testing for linearizability", Concurrency and Computation 29, 2017 (never
// twice from the same set of operations done, and the same state). Here a set is told by a sum of
// random numbers of 128 bits, one for each of its operations (Zobrist, "A new hashing method with
// application for game playing", 1970): that two of 10^7 sets meet has a probability below 10^-24.
//
// Thread safety: a value.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lib/base/random.h"
#include "stress/history/history.h"

namespace shmark::stress {

// What an object does when its operations come one after the other.
template <class M>
concept sequential_model =
    std::derived_from<typename M::operation, interval> &&
    std::equality_comparable<typename M::state> &&
    requires(const M& model, const typename M::state& in, const typename M::operation& one) {
      // The state that it is in before any.
      { model.first() } -> std::same_as<typename M::state>;
      // The state after an operation with the result that it had, or, if it is pending, whatever
      // result; nothing if it cannot have had that there.
      { model.after(in, one) } -> std::same_as<std::optional<typename M::state>>;
      { model.hash(in) } -> std::same_as<std::size_t>;
    };

enum class order { exists, none, undecided };

// The operations must outlive it.
template <sequential_model M>
class order_search {
 public:
  using operation = typename M::operation;
  using state = typename M::state;

  order_search(std::span<const operation> operations, M model)
      : operations_(operations), model_(std::move(model)), state_(model_.first()) {
    link_events();
    furthest_.left = left_ + 1;
  }

  // Undecided: more than `states_max` pairs of a set and a state were met. About 64 bytes each.
  [[nodiscard]] order run(std::size_t states_max) {
    rewind();
    while (left_ != 0) {
      if (seen_.size() > states_max) return order::undecided;
      if (advance()) continue;
      note_dead_end();
      if (!go_back()) return order::none;
    }
    return order::exists;
  }

  // Where the search that got furthest came to its end.
  struct dead_end {
    std::size_t left = 0;                 // operations that had returned, and were not put in order
    const operation* blocked = nullptr;   // of these the first to return: it had to come next
    const operation* previous = nullptr;  // put in order last; null: none was
    state in{};                           // that it left
  };
  // Requires: run() returned none.
  [[nodiscard]] const dead_end& furthest() const noexcept { return furthest_; }

 private:
  using index = std::uint32_t;
  // A call or a return that is not put in order, in the list of all that are not.
  struct event {
    index of;
    bool is_return;
    index previous;
    index next;
  };
  struct step {
    index called;  // the event of its call
    bool among_pending;
    state before;
  };
  struct configuration {
    std::array<std::uint64_t, 2> done;
    state in;
    bool operator==(const configuration&) const = default;
  };
  struct configuration_hash {
    const M* model;
    std::size_t operator()(const configuration& of) const noexcept {
      return of.done[0] ^ (model->hash(of.in) * 0x9E3779B97F4A7C15u);
    }
  };
  static constexpr index head = 0;  // the list's ends meet there; it stops a walk, as a return does

  // Puts all events into the list, by time. Where times are the same, calls come first.
  void link_events() {
    std::vector<std::tuple<std::int64_t, bool, index>> all;
    for (index i = 0; i < operations_.size(); ++i) {
      all.emplace_back(operations_[i].called_ns, false, i);
      if (operations_[i].pending()) continue;
      all.emplace_back(operations_[i].returned_ns, true, i);
      ++left_;
    }
    std::ranges::sort(all);
    return_of_.assign(operations_.size(), head);
    events_.push_back({.of = 0, .is_return = true, .previous = head, .next = head});
    for (const auto& [when, is_return, of] : all) {
      const auto at = static_cast<index>(events_.size());
      if (is_return) return_of_[of] = at;
      const index last = events_[head].previous;
      events_.push_back({.of = of, .is_return = is_return, .previous = last, .next = head});
      events_[last].next = at;
      events_[head].previous = at;
    }
  }

  void rewind() noexcept {
    at_ = events_[head].next;
    among_pending_ = false;
  }

  // Puts one more in order: the first of those called before any has returned that can come next
  // and leads to something new. False: there is none.
  bool advance() {
    for (;; at_ = events_[at_].next) {
      while (events_[at_].is_return) {
        if (among_pending_) return false;
        rewind();
        among_pending_ = true;
      }
      const operation& next = operations_[events_[at_].of];
      if (next.pending() != among_pending_) continue;
      auto after = model_.after(state_, next);
      if (after && take(*std::move(after))) return true;
    }
  }
  bool take(state after) {
    const index of = events_[at_].of;
    auto done = with(of);
    if (!seen_.insert({done, after}).second) return false;
    path_.push_back({at_, among_pending_, std::exchange(state_, std::move(after))});
    done_ = done;
    unlink(at_);
    if (!operations_[of].pending()) {
      unlink(return_of_[of]);
      --left_;
    }
    rewind();
    return true;
  }
  // Takes back what was put in order last; the next is looked for behind it.
  bool go_back() {
    if (path_.empty()) return false;
    step& last = path_.back();
    const index of = events_[last.called].of;
    if (!operations_[of].pending()) {
      relink(return_of_[of]);
      ++left_;
    }
    relink(last.called);
    done_ = with(of);  // by exclusive or: this takes it out
    state_ = std::move(last.before);
    among_pending_ = last.among_pending;
    at_ = events_[last.called].next;
    path_.pop_back();
    return true;
  }

  void unlink(index which) noexcept {
    events_[events_[which].previous].next = events_[which].next;
    events_[events_[which].next].previous = events_[which].previous;
  }
  // In the reverse order of unlinking.
  void relink(index which) noexcept {
    events_[events_[which].previous].next = which;
    events_[events_[which].next].previous = which;
  }

  [[nodiscard]] std::array<std::uint64_t, 2> with(index of) const noexcept {
    random_source numbers(of);
    return {done_[0] ^ numbers.next(), done_[1] ^ numbers.next()};
  }

  void note_dead_end() {
    if (left_ >= furthest_.left) return;
    index at = events_[head].next;
    while (!events_[at].is_return) at = events_[at].next;
    furthest_ = {
        .left = left_,
        .blocked = &operations_[events_[at].of],
        .previous = path_.empty() ? nullptr : &operations_[events_[path_.back().called].of],
        .in = state_};
  }

  std::span<const operation> operations_;
  M model_;
  state state_;
  std::vector<event> events_;
  std::vector<index> return_of_;  // by operation: the event
  std::size_t left_ = 0;          // that have returned and are not put in order
  std::vector<step> path_;
  std::array<std::uint64_t, 2> done_{};
  std::unordered_set<configuration, configuration_hash> seen_{0, configuration_hash{&model_}};
  index at_ = head;
  bool among_pending_ = false;
  dead_end furthest_;
};

}  // namespace shmark::stress
