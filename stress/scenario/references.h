// Scenario `references`: workers store references to books on shared shelves, copy them from shelf
// to shelf, chain them, drop them, collect garbage, and are killed at random moments.
//
// What it checks, at every operation and at the end: what a value refers to is there (lost), whole
// and what it was (torn); what a worker alone has open is not collected (lost); somebody always
// gets on (stuck); workers end only when killed or asked to (died); after a collection there is
// nothing but shelves, and what can be reached from them; and removing the domain leaves nothing in
// the system (leaked).
//
// Templated on what variables stand on, so that other backends, and faulty ones, are put to the
// same test.
#pragma once

#include <fmt/format.h>

#include <array>
#include <boost/serialization/map.hpp>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/crew/run.h"
#include "lib/shm/domain.h"
#include "stress/scenario/actor.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"

namespace shmark::stress {

namespace detail {

// Says of itself whether it is what it was.
template <class Backend>
struct book {
  std::uint64_t title = 0;
  std::uint64_t copy = 0;  // of the title, turned
  ref<book, Backend> sequel;

  [[nodiscard]] static book of(std::uint64_t title) { return {title, ~title, {}}; }
  [[nodiscard]] bool is_whole() const noexcept { return copy == ~title; }

  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    archive & title & copy & sequel;
  }
};

template <class Backend>
using shelf = std::map<std::uint32_t, ref<book<Backend>, Backend>>;

constexpr std::uint32_t shelf_places = 8;
constexpr std::size_t shelf_count = 4;
[[nodiscard]] inline std::string name_of_shelf(std::size_t number) {
  return fmt::format("shelf.{}", number);
}

template <class Backend>
class librarian final : actor {
 public:
  using domain_type = shmark::domain<Backend>;
  using book_type = book<Backend>;
  using shelf_type = shelf<Backend>;
  template <class T>
  using variable = shmark::variable<T, Backend>;

  [[nodiscard]] static std::expected<librarian, error> open(const std::string& domain_name,
                                                            int index, const worker_logs& logs,
                                                            std::uint64_t seed) {
    SHMARK_ASSIGN_OR_RETURN(auto in, domain_type::open_existing(domain_name));
    std::vector<variable<shelf_type>> shelves;
    for (std::size_t i = 0; i < shelf_count; ++i) {
      SHMARK_ASSIGN_OR_RETURN(auto one, in.template variable<shelf_type>(name_of_shelf(i)));
      shelves.push_back(std::move(one));
    }
    return librarian(index, logs, seed, std::move(in), std::move(shelves));
  }

  // Operates until asked to stop. Returns an exit status.
  int work() {
    while (!logs_->stopped()) {
      const auto done = operate();
      log_->doing.store(phase::idle, std::memory_order_release);
      if (!done && !explain(done.error())) return 1;
    }
    return 0;
  }

 private:
  librarian(int index, const worker_logs& logs, std::uint64_t seed, domain_type in,
            std::vector<variable<shelf_type>> shelves)
      : actor(index, logs, seed), domain_(std::move(in)), shelves_(std::move(shelves)) {}

  std::expected<void, error> operate() {
    const bool overlaps = logs_->enter_operation(index());
    const auto what = random_.below(64);
    std::expected<void, error> done;
    if (what == 0) {
      done = collect();
    } else if (what < 24) {
      done = follow();
    } else if (what < 40) {
      done = place();
    } else if (what < 48) {
      done = copy();
    } else if (what < 56) {
      done = take_away();
    } else {
      done = keep_one();
    }
    if (done) count(what < 24 ? log_->reads : log_->changes, overlaps);
    return done;
  }
  // Nothing that a worker has open, or meets in a value, may be gone.
  bool explain(const error& why) {
    if (why.code != errc::not_found) return tolerate(why);
    report(log_->lost, 1, "has lost what it uses: " + why.message());
    return true;
  }
  [[nodiscard]] variable<shelf_type>& any_shelf() { return shelves_[random_.below(shelf_count)]; }
  [[nodiscard]] std::uint32_t any_place() {
    return static_cast<std::uint32_t>(random_.below(shelf_places));
  }

  // Everything that can be reached from a shelf is there.
  std::expected<void, error> follow() {
    SHMARK_ASSIGN_OR_RETURN(const auto* all, any_shelf().read());
    const shelf_type seen = *all;  // the copy keeps what it refers to
    for (const auto& [place, one] : seen) SHMARK_RETURN_IF_ERROR(follow(one));
    return {};
  }
  std::expected<void, error> follow(ref<book_type, Backend> one) {
    constexpr int depth_max = 20;  // chains have circles
    for (int depth = 0; one && depth < depth_max; ++depth) {
      SHMARK_ASSIGN_OR_RETURN(const auto* its, one->read());
      if (!its->is_whole()) {
        report(log_->torn, 1, fmt::format("read a book {} that is not whole", its->title));
        return {};
      }
      // Not in one step: what `one` refers to holds what `its` points to.
      auto next = its->sequel;
      one = std::move(next);
    }
    return {};
  }

  // A new book, with a sequel from the same shelf if there is one in that place.
  std::expected<void, error> place() {
    auto& to = any_shelf();
    SHMARK_ASSIGN_OR_RETURN(auto made, domain_.make_ref(book_type::of(random_.next())));
    SHMARK_ASSIGN_OR_RETURN(auto change, to.transact());
    logs_->note_acquired(index());
    const holding_mark mark(*log_);
    auto& all = change.value();
    if (const auto sequel = all.find(any_place()); sequel != all.end()) {
      const auto linked = link(made, sequel->second);
      if (!linked) return linked;
    }
    all[any_place()] = made;
    return change.commit();
  }
  static std::expected<void, error> link(const ref<book_type, Backend>& from,
                                         const ref<book_type, Backend>& to) {
    return from->update([&](book_type& its) { its.sequel = to; });
  }

  // The same book on two shelves; sometimes the sequel of itself.
  std::expected<void, error> copy() {
    SHMARK_ASSIGN_OR_RETURN(const auto* all, any_shelf().read());
    const auto found = all->find(any_place());
    if (found == all->end()) return {};
    const auto one = found->second;
    if (random_.below(8) == 0) return link(one, one);
    SHMARK_ASSIGN_OR_RETURN(auto change, any_shelf().transact());
    logs_->note_acquired(index());
    const holding_mark mark(*log_);
    change.value()[any_place()] = one;
    return change.commit();
  }

  std::expected<void, error> take_away() {
    SHMARK_ASSIGN_OR_RETURN(auto change, any_shelf().transact());
    logs_->note_acquired(index());
    const holding_mark mark(*log_);
    change.value().erase(any_place());
    if (random_.below(16) == 0) change.value().clear();
    return change.commit();
  }

  // A book that nobody else knows is kept for some operations.
  std::expected<void, error> keep_one() {
    if (own_) {
      SHMARK_RETURN_IF_ERROR(follow(*own_));
      const auto its = (*own_)->read();
      if (its && (*its)->title != own_title_) {
        report(log_->torn, 1, fmt::format("kept book {}, and reads {}", own_title_, (*its)->title));
      }
    }
    if (random_.below(4) != 0) return {};
    own_title_ = random_.next();
    own_.reset();
    SHMARK_ASSIGN_OR_RETURN(own_, domain_.make_ref(book_type::of(own_title_)));
    return {};
  }

  std::expected<void, error> collect() {
    SHMARK_ASSIGN_OR_RETURN(const auto found, domain_.collect());
    if (found.dangling != 0) {
      report(log_->lost, found.dangling,
             fmt::format("found {} references to nothing when collecting", found.dangling));
    }
    return {};
  }

  domain_type domain_;
  std::vector<variable<shelf_type>> shelves_;
  std::optional<ref<book_type, Backend>> own_;
  std::uint64_t own_title_ = 0;
};

// How many books can be reached from a shelf, each counted once. Errors: as read().
template <class Backend>
std::expected<std::size_t, error> count_books(shmark::domain<Backend>& in) {
  using book_type = book<Backend>;
  std::map<std::uint64_t, ref<book_type, Backend>> met;
  std::vector<ref<book_type, Backend>> next;
  for (std::size_t i = 0; i < shelf_count; ++i) {
    SHMARK_ASSIGN_OR_RETURN(auto one, in.template variable<shelf<Backend>>(name_of_shelf(i)));
    SHMARK_ASSIGN_OR_RETURN(const auto* all, one.read());
    for (const auto& [place, book] : *all) next.push_back(book);
  }
  while (!next.empty()) {
    const auto one = next.back();
    next.pop_back();
    if (!met.emplace(one->number(), one).second) continue;
    SHMARK_ASSIGN_OR_RETURN(const auto* its, one->read());
    if (its->sequel) next.push_back(its->sequel);
  }
  return met.size();
}

// The last look, when no worker lives any more.
template <class Backend>
void audit_library(shmark::domain<Backend>& in, outcome& result) {
  const auto found = [&](std::uint64_t& counter, std::uint64_t by, std::string sentence) {
    counter += by;
    result.findings.push_back("at the end: " + std::move(sentence));
  };
  const auto collected = in.collect();
  if (!collected) return found(result.seen.stuck, 1, collected.error().message());
  if (collected->dangling != 0) {
    found(result.seen.lost, collected->dangling,
          fmt::format("{} references to nothing", collected->dangling));
  }
  const auto books = count_books(in);
  if (!books) return found(result.seen.lost, 1, books.error().message());
  const auto all = in.count();
  if (!all) return found(result.seen.torn, 1, all.error().message());
  if (*all != *books + shelf_count) {
    found(result.seen.leaked, *all > *books + shelf_count ? *all - *books - shelf_count : 1,
          fmt::format("{} variables, of which {} books can be reached from {} shelves", *all,
                      *books, shelf_count));
  }
  result.seen.recoveries = collected->removed + collected->corrected;
}

template <class Backend>
std::expected<supervision, error> operate_library(shmark::domain<Backend>& in,
                                                  const std::string& domain_name,
                                                  const options& chosen,
                                                  const progress_callback& tell) {
  for (std::size_t i = 0; i < shelf_count; ++i) {
    SHMARK_ASSIGN_OR_RETURN(auto one, in.template variable<shelf<Backend>>(
                                          name_of_shelf(i), store_options{.capacity = 256}));
  }
  SHMARK_ASSIGN_OR_RETURN(const auto logs, worker_logs::create(chosen.workers));
  const worker_body body = [&](int worker, std::uint64_t life) {
    auto opened = librarian<Backend>::open(domain_name, worker, logs,
                                           seed_of_life(chosen.seed, worker, life));
    if (opened) return opened->work();
    logs.of(worker).give_up(opened.error());
    return 1;
  };
  SHMARK_ASSIGN_OR_RETURN(auto result, supervise(chosen, logs, body, tell));
  audit_library(in, result.seen);
  return result;
}

}  // namespace detail

// Requires: nobody else has used the run's domain. Errors: no_space, and others that keep it from
// beginning or going on; nothing is left in the domain then.
template <class Backend = default_backend>
[[nodiscard]] std::expected<outcome, error> run_references(const options& chosen,
                                                           const progress_callback& tell,
                                                           const run& in) {
  return detail::run_in_domain<Backend>(in, [&](shmark::domain<Backend>& domain) {
    return detail::operate_library(domain, in.domain(), chosen, tell);
  });
}

}  // namespace shmark::stress
