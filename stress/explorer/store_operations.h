// Operations on a store: a write that fits the buffers, one that needs a data segment, one that
// gives it back, reads, creation and removal.
//
// Whoever comes after must read the old value or the new one, whole, under the serial number that
// goes with it; be able to write another one and to read that back; and when the store is removed,
// nothing is left.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/store.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

using bytes = std::vector<std::byte>;

// One seed and size, one value.
[[nodiscard]] bytes value_of(std::uint64_t seed, std::size_t size);

template <class Store>
class store_scene {
 public:
  static constexpr std::size_t capacity = 256;
  static constexpr std::uint64_t old_seed = 1;
  static constexpr std::uint64_t new_seed = 2;
  static constexpr std::uint64_t old_serial = 3;  // two writes, so that both sides have been used

  // What the value is changed from and to, in bytes.
  struct sizes {
    std::size_t before;
    std::size_t after;
  };

  store_scene(const scene& in, sizes of)
      : scene_(in), old_(value_of(old_seed, of.before)), new_(value_of(new_seed, of.after)) {}

  void prepare() {
    auto made = Store::create(scene_.key, {.capacity = capacity});
    if (!made) scene_.give_up("making the store", made.error());
    for (int i = 0; i < 2; ++i) write(*made, old_);
  }

  [[nodiscard]] Store open() {
    auto opened = Store::attach(scene_.key);
    if (!opened) scene_.give_up("opening the store", opened.error());
    return *std::move(opened);
  }

  // What the victim does.
  void change(Store& in) {
    scene_.shared().wrote = 1;
    scene_.enter(phase::taking);
    {
      auto change = in.write();
      if (!change) scene_.give_up("writing", change.error());
      scene_.enter(phase::exclusive);
      change->output().write(new_.data(), new_.size());
      if (auto done = change->commit(); !done) scene_.give_up("committing", done.error());
      scene_.enter(phase::giving);
    }
    scene_.enter(phase::done);
  }
  // While it holds the lock shared.
  static void look_at(const typename Store::snapshot& seen) {
    const volatile auto first = seen.bytes().front();
    static_cast<void>(first);
  }
  void remove(deadline until) {
    if (auto done = Store::remove(scene_.key, until); !done) {
      scene_.give_up("removing the store", done.error());
    }
  }
  void write(Store& to, const bytes& value) {
    auto change = to.write(scene_.soon());
    if (!change) scene_.give_up("a peer asked to write", change.error());
    change->output().write(value.data(), value.size());
    if (auto done = change->commit(); !done) scene_.give_up("committing", done.error());
  }

  // Whether a value is the old or the new one, and the one that it must be.
  void judge(std::span<const std::byte> value, std::uint64_t serial) {
    const bool is_old = serial == old_serial && std::ranges::equal(value, old_);
    const bool is_new = serial == old_serial + 1 && std::ranges::equal(value, new_);
    if (!is_old && !is_new) {
      scene_.give_up(finding::torn,
                     fmt::format("{} bytes with serial number {} are neither the old "
                                 "value nor the new one",
                                 value.size(), serial));
    }
    if (is_old && scene_.must_be_new()) {
      scene_.give_up(finding::lost, "the old value is there after the new one was committed");
    }
    if (is_new && scene_.must_be_old()) {
      scene_.give_up(finding::torn, "the new value is there before anybody wrote it");
    }
    scene_.saw(is_old ? sight::old_value : sight::new_value);
  }
  void judge_by_reading(Store& of) {
    const auto seen = of.read(scene_.soon());
    if (!seen) scene_.give_up("a peer asked to read", seen.error());
    judge(seen->bytes(), detail::serial_of(seen->word()));
  }
  void judge_by_writing(Store& of) {
    auto change = of.write(scene_.soon());
    if (!change) scene_.give_up("a peer asked to write", change.error());
    if (!change->verify()) scene_.give_up(finding::torn, "the value fails its checksum");
    judge(change->bytes(), detail::serial_of(change->word()));
  }

  // Another value, of every kind of size, and back.
  void use(Store& of) {
    for (const std::size_t size : {100U, 700U, 50U}) {
      const auto value = value_of(size, size);
      write(of, value);
      const auto seen = of.read(scene_.soon());
      if (!seen) scene_.give_up("a peer asked to read", seen.error());
      if (!std::ranges::equal(seen->bytes(), value)) {
        scene_.give_up(finding::lost, "a peer reads another value than it has written");
      }
    }
  }

  // In three ways: who comes first reads, writes, or removes.
  void check() {
    if (scene_.variant < 2) {
      auto own = open();
      if (scene_.variant == 0) judge_by_reading(own);
      judge_by_writing(own);
      use(own);
    } else {
      scene_.saw(scene_.must_be_new() ? sight::new_value : sight::old_value);
    }
    remove(scene_.soon());
  }

  // The same after the death of one who removes it, or makes it.
  void check_existence() {
    auto own = Store::attach(scene_.key);
    const auto victim = scene_.shared().victim.load();
    const auto recoverer = scene_.shared().recoverer.load();
    const bool is_over = victim == phase::done || recoverer == phase::done;
    const bool may_be_missing =
        is_creation || victim != phase::outside || recoverer != phase::outside;
    if (!own && (own.error().code != errc::not_found || !may_be_missing)) {
      // A store that is only just being made is nobody's to attach to.
      const bool is_unfinished = own.error().code == errc::corrupt && is_creation;
      if (!is_unfinished) scene_.give_up("opening the store", own.error());
    }
    if (own) {
      if (!is_creation && is_over) {
        scene_.give_up(finding::lost, "a store that was removed is there");
      }
      if (is_creation) {
        scene_.saw(sight::new_value);
      } else {
        judge_by_reading(*own);
      }
      use(*own);
      if (scene_.variant == 1) remove(scene_.soon());
    } else {
      if (is_creation && is_over) {
        scene_.give_up(finding::lost, "a store that was made is not there");
      }
      scene_.saw(is_creation ? sight::old_value : sight::new_value);
    }
    if (scene_.variant == 0) {
      // Makes it anew, or goes on with what is there.
      auto anew = Store::open_or_create(scene_.key, {.capacity = capacity});
      if (!anew) scene_.give_up("making the store anew", anew.error());
      use(*anew);
      remove(scene_.soon());
    } else if (!own) {
      Store::remove_unfinished(scene_.key);
    }
  }

  bool is_creation = false;  // of the store, rather than its removal

 private:
  const scene& scene_;
  bytes old_;
  bytes new_;
};

template <class Store>
void probe_store(const scene& in, typename store_scene<Store>::sizes of) {
  store_scene<Store> own(in, of);
  board& shared = in.shared();
  const std::size_t at = in.is_newcomer ? 2 : 0;
  const auto refused = [](const error& why) { return why.code == errc::timed_out ? 2U : 3U; };
  auto handle = Store::attach(in.key);
  if (!handle) {
    shared.probed[at] = shared.probed[at + 1] = refused(handle.error());
    return;
  }
  if (!in.is_newcomer) {
    static_cast<void>(handle->read(in.soon()));
    scene::raise(shared.probing, 1);
    scene::wait(shared.probing, 2);
  }
  if (const auto written = handle->write(in.soon()); !written) {
    shared.probed[at] = refused(written.error());
  } else {
    shared.probed[at] = 1;
  }
  const auto seen = handle->read(in.soon());
  shared.probed[at + 1] = seen ? 1 : refused(seen.error());
}

template <class Store>
void add_store_operations(std::vector<operation>& to) {
  using own_scene = store_scene<Store>;
  using sizes = typename own_scene::sizes;
  const auto add = [&](std::string name, std::string what, sizes of,
                       std::function<void(const scene&, own_scene&)> victim) {
    operation made{.name = std::move(name),
                   .what = std::move(what),
                   .prepare = [of](const scene& in) { own_scene(in, of).prepare(); },
                   .victim =
                       [of, victim](const scene& in) {
                         own_scene own(in, of);
                         victim(in, own);
                       },
                   .check = [of](const scene& in) { own_scene(in, of).check(); }};
    made.variants = 3;
    made.recoverer = [of](const scene& in) {
      own_scene own(in, of);
      auto handle = own.open();
      begin_mark();
      static_cast<void>(handle.read());
      end_mark();
    };
    made.prober = [of](const scene& in) { probe_store<Store>(in, of); };
    to.push_back(std::move(made));
  };
  const auto writes = [](const scene&, own_scene& own) {
    auto handle = own.open();
    static_cast<void>(handle.read());
    begin_mark();
    own.change(handle);
    end_mark();
  };
  add("write", "write a value that fits the store's buffers", {100, 200}, writes);
  add("write_growing", "write a value that needs a data segment", {100, 600}, writes);
  add("write_shrinking", "write a value that gives a data segment back", {600, 100}, writes);
  add("write_large", "write a value into a data segment that is there", {600, 700}, writes);
  add("read", "open the store, read, and close it", {600, 700},
      [](const scene& in, own_scene& own) {
        begin_mark();
        {
          auto handle = own.open();
          in.enter(phase::taking);
          const auto seen = handle.read();
          if (!seen) in.give_up("reading", seen.error());
          in.enter(phase::reading);
          own.look_at(*seen);
          in.enter(phase::leaving);
        }
        in.enter(phase::done);
        end_mark();
      });

  add("remove", "remove a store with two data segments", {600, 700},
      [](const scene& in, own_scene& own) {
        begin_mark();
        in.enter(phase::taking);
        own.remove(deadline::never());
        in.enter(phase::done);
        end_mark();
      });
  to.back().check = [](const scene& in) { own_scene(in, {600, 700}).check_existence(); };
  to.back().variants = 2;
  to.back().recoverer = [](const scene& in) {
    begin_mark();
    in.enter(phase::taking);
    static_cast<void>(Store::remove(in.key, deadline::never()));
    in.enter(phase::done);
    end_mark();
  };

  add("create", "make a store, unless it is there", {0, 0}, [](const scene& in, own_scene&) {
    begin_mark();
    in.enter(phase::taking);
    {
      const auto made = Store::open_or_create(in.key, {.capacity = own_scene::capacity});
      if (!made) in.give_up("making the store", made.error());
    }
    in.enter(phase::done);
    end_mark();
  });
  to.back().prepare = [](const scene&) {};
  to.back().check = [](const scene& in) {
    own_scene own(in, {0, 0});
    own.is_creation = true;
    own.check_existence();
  };
  to.back().variants = 2;
  to.back().recoverer = [](const scene& in) {
    begin_mark();
    in.enter(phase::taking);
    static_cast<void>(Store::open_or_create(in.key, {.capacity = own_scene::capacity}));
    in.enter(phase::done);
    end_mark();
  };
  to.back().is_first = true;
  to.back().prober = [](const scene& in) {
    board& shared = in.shared();
    const auto made = Store::open_or_create(in.key, {.capacity = own_scene::capacity});
    shared.probed[2] = shared.probed[3] = made ? 1U : 3U;
  };
}

}  // namespace shmark::explorer
