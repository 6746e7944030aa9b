// Operations on a lock: what it promises is asked of any lock, and what only some can do (readers,
// downgrading, waiters in a queue) of those that can.
//
// The lock guards two numbers that are alike whenever nobody holds it exclusively, and a third that
// the workers count up.
#pragma once

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "lib/lock/lock.h"
#include "lib/segment/posix.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

template <lock L>
class lock_scene {
 public:
  struct world {
    alignas(64) typename L::state state;
    alignas(64) std::uint64_t first;
    std::uint64_t second;
    std::uint64_t counted;
  };
  static constexpr std::uint64_t new_value = 1;
  static constexpr std::uint64_t repaired = 2;
  static constexpr int workers = 2;
  static constexpr int rounds = 25;

  // A handle onto the lock of the scene.
  explicit lock_scene(const scene& in)
      : scene_(in), segment_(attach(in)), handle_(open(in, where())) {}

  static void prepare(const scene& in) {
    auto made = posix_segment::create(in.key, sizeof(world), mode);
    if (!made) in.give_up("making a segment", made.error());
    auto* const fresh = new (made->bytes().data()) world{};
    if (auto done = L::create(fresh->state, {.space = in.key.space}); !done) {
      in.give_up("making the lock", done.error());
    }
  }

  [[nodiscard]] world& where() const noexcept {
    return *std::launder(reinterpret_cast<world*>(segment_.bytes().data()));
  }
  [[nodiscard]] L& handle() noexcept { return *handle_; }
  void drop_handle() noexcept { handle_.reset(); }

  // Acquires it by a deadline, or gives up.
  acquired ask(shmark::mode how, deadline until) {
    // Of a lock without deadlines, who waits in vain does not end, and is found so.
    if (!L::can.timed && !until.is_none()) until = deadline::never();
    const auto got = handle().acquire(how, until);
    if (!got) scene_.give_up(fmt::format("a peer asked for {}", name_of(how)), got.error());
    return *got;
  }
  acquired ask(shmark::mode how) { return ask(how, scene_.soon()); }
  // Where it does not matter what one is told.
  void take(shmark::mode how, deadline until) { static_cast<void>(ask(how, until)); }
  void take(shmark::mode how) { take(how, scene_.soon()); }
  void give(shmark::mode how) { handle().release(how); }
  void warm_up(shmark::mode how) {
    take(how);
    give(how);
  }

  // The victim's change, while it holds the lock exclusively.
  void change() {
    world& at = where();
    scene_.shared().wrote.store(1, std::memory_order_relaxed);
    const_cast<volatile std::uint64_t&>(at.first) = new_value;
    const_cast<volatile std::uint64_t&>(at.second) = new_value;
  }

  // Whether what a peer was told, and what it then saw, is as it must be. Requires: it holds it.
  void judge(acquired told) const {
    const bool is_told = told == acquired::owner_died;
    if (is_told && !scene_.may_be_told()) {
      scene_.give_up(finding::broken, "a peer was told that an owner died, but none died holding");
    }
    if (L::can.reports_owner_death && !is_told && scene_.must_be_told()) {
      scene_.give_up(finding::broken, "an owner died, and the next peer was not told");
    }
    if (is_told || scene_.must_be_told()) return scene_.saw(sight::owner_died);
    const std::uint64_t first = where().first;
    if (first != where().second || first > repaired) {
      scene_.give_up(finding::torn, fmt::format("the guarded numbers are {} and {}, and no death "
                                                "was told",
                                                first, where().second));
    }
    if (first == repaired) return scene_.saw(sight::owner_died);  // by one who died as well
    if (scene_.must_be_old() && first != 0) {
      scene_.give_up(finding::torn, "the guarded numbers changed before the victim had the lock");
    }
    if (scene_.must_be_new() && first != new_value) {
      scene_.give_up(finding::lost,
                     "the guarded numbers are the old ones, after they were changed");
    }
    scene_.saw(first == 0 ? sight::old_value : sight::new_value);
  }
  // Requires: holds it exclusively.
  void repair(acquired told) {
    if (told == acquired::owner_died || where().first != where().second) {
      where().first = where().second = repaired;
    }
  }
  // Takes it exclusively, judges, repairs, releases.
  void succeed() {
    const acquired told = ask(shmark::mode::exclusive);
    judge(told);
    repair(told);
    give(shmark::mode::exclusive);
    scene_.shared().cleared = 1;
  }

  void check() {
    if (scene_.variant == 1) {
      const acquired told = ask(shmark::mode::shared);
      judge(told);
      give(shmark::mode::shared);
      const acquired again = ask(shmark::mode::exclusive);
      if (L::can.reports_owner_death && L::can.shared && told != again) {
        scene_.give_up(finding::broken, "a reader and the next writer were told different things");
      }
      repair(again);
      give(shmark::mode::exclusive);
      scene_.shared().cleared = 1;
    } else {
      succeed();
    }
    for (const auto how : {shmark::mode::shared, shmark::mode::exclusive}) {
      if (ask(how) == acquired::owner_died) {
        scene_.give_up(finding::broken, "a death was told that had been told and repaired");
      }
      give(how);
    }
  }

  // Counts up with another at the same time.
  void work() {
    for (int i = 0; i < rounds; ++i) {
      take(shmark::mode::exclusive);
      auto& counted = const_cast<volatile std::uint64_t&>(where().counted);
      const std::uint64_t before = counted;
      if (i % 8 == 0) sched_yield();
      counted = before + 1;
      give(shmark::mode::exclusive);
      take(shmark::mode::shared);
      if (where().first != where().second) scene_.fail(finding::torn, "a worker saw a torn value");
      give(shmark::mode::shared);
    }
  }

  static void finish(const scene& in) {
    auto segment = attach(in);
    auto* const at = std::launder(reinterpret_cast<world*>(segment.bytes().data()));
    if (at->counted != workers * rounds) {
      in.fail(finding::lost, fmt::format("of {} changes by two peers, {} are there",
                                         workers * rounds, at->counted));
    }
    L::destroy(at->state);
    static_cast<void>(segment.unlink());
  }

  // What can be had while the victim is stopped.
  static void probe(const scene& in) {
    lock_scene own(in);
    board& shared = in.shared();
    if (!in.is_newcomer) {
      own.warm_up(shmark::mode::exclusive);
      scene::raise(shared.probing, 1);
      scene::wait(shared.probing, 2);
    }
    std::size_t at = in.is_newcomer ? 2 : 0;
    for (const auto how : {shmark::mode::exclusive, shmark::mode::shared}) {
      const auto got = own.handle().acquire(how, L::can.timed ? in.soon() : deadline::none());
      if (got) own.give(how);
      const bool waits =
          !got && (got.error().code == errc::timed_out || got.error().code == errc::would_block);
      shared.probed[at++] = got ? 1 : (waits ? 2 : 3);
    }
  }

 private:
  static constexpr mode_t mode = 0600;

  static posix_segment attach(const scene& in) {
    auto segment = posix_segment::attach(in.key);
    if (!segment) in.give_up("opening the lock's segment", segment.error());
    return *std::move(segment);
  }
  static std::optional<L> open(const scene& in, world& at) {
    auto handle = L::attach(at.state);
    if (!handle) in.give_up("opening the lock", handle.error());
    return *std::move(handle);
  }

  const scene& scene_;
  posix_segment segment_;
  std::optional<L> handle_;
};

// What the victim does, step by step, with the notes that go with it. `taking` is for what may
// leave a death to be told, which a reader's never is.
template <lock L>
void take(const scene& in, lock_scene<L>& own, mode how) {
  if (how == mode::exclusive) in.enter(phase::taking);
  own.take(how, deadline::never());
  in.enter(how == mode::exclusive ? phase::exclusive : phase::reading);
}
// If it is held exclusively, it changes what is guarded first.
template <lock L>
void give(const scene& in, lock_scene<L>& own, mode how) {
  if (how == mode::exclusive) own.change();
  in.enter(how == mode::exclusive ? phase::giving : phase::leaving);
  own.give(how);
  in.enter(phase::done);
}

// An operation of which only the victim and the bystander differ from those of all others.
template <lock L>
[[nodiscard]] operation lock_operation(std::string name, std::string what, body victim) {
  using own_scene = lock_scene<L>;
  operation made{.name = std::move(name),
                 .what = std::move(what),
                 .prepare = own_scene::prepare,
                 .victim = std::move(victim),
                 .check = [](const scene& in) { own_scene(in).check(); }};
  made.variants = L::can.shared ? 2 : 1;
  made.worker = [](const scene& in) { own_scene(in).work(); };
  made.finish = own_scene::finish;
  made.prober = own_scene::probe;
  made.recoverers.emplace_back([](const scene& in) {
    own_scene own(in);
    begin_mark();
    in.enter(phase::taking);
    const acquired told = own.ask(mode::exclusive, deadline::never());
    in.enter(phase::exclusive);
    own.repair(told);
    in.enter(phase::giving);
    own.give(mode::exclusive);
    in.enter(phase::done);
    end_mark();
  });
  if constexpr (L::can.shared) {
    // Changes nothing of what there is to be told, and so has no phases.
    made.recoverers.emplace_back([](const scene& in) {
      own_scene own(in);
      begin_mark();
      const acquired told = own.ask(mode::shared, deadline::never());
      own.give(mode::shared);
      end_mark();
      const bool is_told = told == acquired::owner_died;
      if (is_told ? !in.may_be_told() : L::can.reports_owner_death && in.must_be_told()) {
        in.give_up(finding::broken, "a recovering reader was told what was not so");
      }
    });
  }
  return made;
}

// Victims that nobody else disturbs.
template <lock L>
void add_lone_operations(std::vector<operation>& to) {
  using own_scene = lock_scene<L>;
  const auto add = [&](std::string name, std::string what, body victim) {
    to.push_back(lock_operation<L>(std::move(name), std::move(what), std::move(victim)));
  };
  add("exclusive", "acquire and release exclusively what nobody holds", [](const scene& in) {
    own_scene own(in);
    own.warm_up(mode::exclusive);
    begin_mark();
    take(in, own, mode::exclusive);
    give(in, own, mode::exclusive);
    end_mark();
  });
  add("join", "a first acquisition by a process, and its release", [](const scene& in) {
    own_scene own(in);
    begin_mark();
    take(in, own, mode::exclusive);
    give(in, own, mode::exclusive);
    end_mark();
  });
  add("attach", "open a lock that nobody has opened before", [](const scene& in) {
    auto segment = posix_segment::attach(in.key);
    auto* const at = reinterpret_cast<typename own_scene::world*>(segment->bytes().data());
    begin_mark();
    {
      const auto handle = L::attach(at->state);
      if (!handle) in.give_up("opening the lock", handle.error());
    }
    end_mark();
  });
  to.back().is_first = true;
  add("leave", "close a handle after use, the thread's last", [](const scene& in) {
    own_scene own(in);
    own.warm_up(mode::exclusive);
    begin_mark();
    own.drop_handle();
    end_mark();
  });
  if constexpr (L::can.shared) {
    add("shared", "acquire and release shared, after other readers", [](const scene& in) {
      own_scene own(in);
      own.warm_up(mode::shared);
      begin_mark();
      take(in, own, mode::shared);
      give(in, own, mode::shared);
      end_mark();
    });
    add("shared_first", "acquire and release shared, as the first reader", [](const scene& in) {
      own_scene own(in);
      own.warm_up(mode::exclusive);
      begin_mark();
      take(in, own, mode::shared);
      give(in, own, mode::shared);
      end_mark();
    });
    add("exclusive_after_readers", "acquire and release exclusively, after readers who have gone",
        [](const scene& in) {
          own_scene own(in);
          own.warm_up(mode::shared);
          begin_mark();
          take(in, own, mode::exclusive);
          give(in, own, mode::exclusive);
          end_mark();
        });
  }
  if constexpr (requires(L& handle) { handle.downgrade(); }) {
    add("downgrade", "change, then go from exclusive to shared, and release", [](const scene& in) {
      own_scene own(in);
      take(in, own, mode::exclusive);
      begin_mark();
      own.change();
      in.enter(phase::lowering);
      if (auto done = own.handle().downgrade(); !done) in.give_up("downgrading", done.error());
      in.enter(phase::reading);
      give(in, own, mode::shared);
      end_mark();
    });
    add("upgrade", "go from shared to exclusive, change, and release", [](const scene& in) {
      own_scene own(in);
      own.take(mode::shared);
      begin_mark();
      in.enter(phase::raising);
      if (auto done = own.handle().upgrade(deadline::never()); !done) {
        in.give_up("upgrading", done.error());
      }
      in.enter(phase::exclusive);
      give(in, own, mode::exclusive);
      end_mark();
    });
  }
}

// A bystander that holds the lock until the victim waits for it.
template <lock L>
[[nodiscard]] body holder(mode how, std::function<void(lock_scene<L>&)> before_release = {}) {
  return [how, before_release](const scene& in) {
    in.await(warm);
    lock_scene<L> own(in);
    own.take(how);
    in.reach(ready);
    in.await(event);
    if (before_release) before_release(own);
    own.give(how);
    in.reach(answered);
  };
}

// The same moment, as the victim sees it: when it returns, that one holds the lock.
template <lock L>
void meet_holder(const scene& in, lock_scene<L>& own) {
  own.warm_up(mode::exclusive);
  in.reach(warm);
  in.await(ready);
}

// A bystander that is many threads, which have used the lock and may use it again.
template <lock L>
void crowd(const scene& in) {
  constexpr std::uint32_t size = 30;  // as many as robust_rw's table first has room for
  in.await(warm);
  futex_word arrived{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t i = 0; i < size; ++i) {
    threads.emplace_back([&] {
      lock_scene<L> own(in);
      own.warm_up(mode::exclusive);
      if (arrived.fetch_add(1) + 1 == size) in.reach(ready);
      in.await(over);
    });
  }
}

// A bystander that waits for what the victim holds, and judges when it gets it.
template <lock L>
[[nodiscard]] body waiter(mode how) {
  return [how](const scene& in) {
    lock_scene<L> own(in);
    in.await(ready);  // the victim holds
    in.reach(about_to_wait);
    const acquired told = own.ask(how, deadline::after(2 * in.patience));
    own.judge(told);
    if (how == mode::exclusive) own.repair(told);
    own.give(how);
    if (how == mode::exclusive) in.shared().cleared = 1;
  };
}

// Victims that wait for somebody, or for whom somebody waits.
template <lock L>
void add_contended_operations(std::vector<operation>& to) {
  using own_scene = lock_scene<L>;
  const auto add = [&](std::string name, std::string what, body victim, body bystander,
                       bool has_event) {
    auto made = lock_operation<L>(std::move(name), std::move(what), std::move(victim));
    made.bystander = std::move(bystander);
    made.has_event = has_event;
    to.push_back(std::move(made));
  };
  const auto waits = [](mode how) {
    return [how](const scene& in) {
      own_scene own(in);
      meet_holder(in, own);
      begin_mark();
      take(in, own, how);
      give(in, own, how);
      end_mark();
    };
  };
  add("wait_exclusive", "wait for an exclusive holder to release, then change and release",
      waits(mode::exclusive), holder<L>(mode::exclusive), true);
  const auto hands_over = [](mode how) {
    return [how](const scene& in) {
      own_scene own(in);
      take(in, own, how);
      in.reach(ready);
      in.await_sleep();
      begin_mark();
      give(in, own, how);
      end_mark();
    };
  };
  add("hand_over", "change, and release exclusively what a writer waits for",
      hands_over(mode::exclusive), waiter<L>(mode::exclusive), false);
  const auto asks_in_vain = [](auto until) {
    return [until](const scene& in) {
      own_scene own(in);
      meet_holder(in, own);
      begin_mark();
      in.enter(phase::taking);
      if (own.handle().acquire(mode::exclusive, until())) {
        if (in.shared().stepped.load() < event) {
          in.give_up(finding::broken, "a lock that somebody held was granted");
        }
        own.give(mode::exclusive);  // after a stop, in which the holder has gone
      }
      in.enter(phase::outside);
      end_mark();
    };
  };
  add("give_up_waiting", "wait for what is held, until the deadline",
      asks_in_vain([] { return deadline::after(std::chrono::milliseconds(150)); }),
      holder<L>(mode::exclusive), false);
  add("refuse", "ask for what is held, without waiting",
      asks_in_vain([] { return deadline::none(); }), holder<L>(mode::exclusive), false);
  add(
      "join_crowd",
      "a first acquisition that finds the table of participants full, and its release",
      [](const scene& in) {
        own_scene own(in);
        in.reach(warm);
        in.await(ready);
        begin_mark();
        take(in, own, mode::exclusive);
        give(in, own, mode::exclusive);
        end_mark();
      },
      crowd<L>, false);
  if constexpr (L::can.shared) {
    add("wait_shared", "wait for an exclusive holder to release, then read and release",
        waits(mode::shared), holder<L>(mode::exclusive), true);
    add("wait_for_readers", "wait for a reader to release, then change and release",
        waits(mode::exclusive), holder<L>(mode::shared), true);
    add("hand_over_to_reader", "change, and release exclusively what a reader waits for",
        hands_over(mode::exclusive), waiter<L>(mode::shared), false);
    add("last_reader", "release shared what a writer waits for", hands_over(mode::shared),
        waiter<L>(mode::exclusive), false);
  }
  if constexpr (requires(L& handle) { handle.upgrade(deadline::never()); }) {
    add(
        "upgrade_after_reader", "go from shared to exclusive when another reader has gone, change",
        [](const scene& in) {
          own_scene own(in);
          meet_holder(in, own);
          own.take(mode::shared);
          begin_mark();
          in.enter(phase::raising);
          if (auto done = own.handle().upgrade(deadline::never()); !done) {
            in.give_up("upgrading", done.error());
          }
          in.enter(phase::exclusive);
          give(in, own, mode::exclusive);
          end_mark();
        },
        holder<L>(mode::shared), true);
  }
  if constexpr (requires(own_scene& own) {
                  own.where().state.served;
                  L::patience;
                }) {
    // As if the waiter had been passed over often enough.
    const auto hurry = [](own_scene& own) { own.where().state.taken += L::patience; };
    add("wait_offered", "be offered what one waits for, accept it, change and release",
        waits(mode::exclusive), holder<L>(mode::exclusive, hurry), true);
    add("wait_offered_shared", "be offered what one waits for as a reader, and release",
        waits(mode::shared), holder<L>(mode::exclusive, hurry), true);
    add(
        "offer", "change, and offer the lock to the writer that waits longest",
        [hurry](const scene& in) {
          own_scene own(in);
          take(in, own, mode::exclusive);
          in.reach(ready);
          in.await_sleep();
          hurry(own);
          begin_mark();
          give(in, own, mode::exclusive);
          end_mark();
        },
        waiter<L>(mode::exclusive), false);
  }
}

}  // namespace shmark::explorer
