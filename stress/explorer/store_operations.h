// Operations on a store: a write that fits the buffers, one that needs a data segment, one that
// gives it back, reads, creation and removal.
//
// Whoever comes after must read the old value or the new one, whole, under the serial number that
// goes with it; be able to write another one and to read that back; and when the store is removed,
// nothing is left. A witness that has the store open, and the old value mapped, must find the same.
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
  static constexpr std::uint64_t third_seed = 3;    // what a recoverer writes
  static constexpr std::uint64_t witness_seed = 4;  // and a witness
  static constexpr std::uint64_t fresh_serial = 1;
  static constexpr std::uint64_t old_serial = 3;  // two writes, so that both sides have been used

  // In which ways peers come after the death of one who writes or reads.
  enum peer_way { reads_first, writes_first, removes_first, witness_reads, witness_writes, ways };
  // And of one who removes the store, or makes it.
  enum existence_way { uses_and_leaves, uses_and_removes, makes_first, existence_ways };

  // What the value is changed from and to, in bytes.
  struct sizes {
    std::size_t before;
    std::size_t after;
  };

  store_scene(const scene& in, sizes of)
      : scene_(in),
        old_(value_of(old_seed, of.before)),
        new_(value_of(new_seed, of.after)),
        third_(value_of(third_seed, 300)),
        witness_(value_of(witness_seed, 1200)) {}

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

  // What recoverers do, but for their marks.
  void write_third(Store& to) {
    scene_.shared().rewrote = 1;
    scene_.enter(phase::taking);
    write(to, third_);
    scene_.shared().rewrote = 2;
    scene_.enter(phase::done);
  }
  void remove_as_it_may_be() {
    scene_.shared().removal = 1;
    scene_.enter(phase::taking);
    const auto done = Store::remove(scene_.key, deadline::never());
    if (!done && done.error().code != errc::not_found) {
      scene_.give_up("removing the store", done.error());
    }
    scene_.shared().removal = 2;
    scene_.enter(phase::done);
  }
  void make_anew() {
    scene_.shared().remade = 1;
    scene_.enter(phase::taking);
    const auto made = Store::open_or_create(scene_.key, {.capacity = capacity});
    if (!made) scene_.give_up("making the store", made.error());
    scene_.shared().remade = 2;
    scene_.enter(phase::done);
  }

  // Whether a value is the old or the new one, and the one that it must be.
  void judge(std::span<const std::byte> value, std::uint64_t serial) {
    const board& seen = scene_.shared();
    const bool is_old = serial == old_serial && std::ranges::equal(value, old_);
    const bool is_new = serial == old_serial + 1 && std::ranges::equal(value, new_);
    const bool is_third = seen.rewrote != 0 && std::ranges::equal(value, third_) &&
                          (serial == old_serial + 1 || serial == old_serial + 2);
    const bool is_fresh =
        (seen.remade != 0 || is_creation) && serial == fresh_serial && value.empty();
    if (!is_old && !is_new && !is_third && !is_fresh) {
      scene_.give_up(finding::torn,
                     fmt::format("{} bytes with serial number {} are neither the old "
                                 "value nor the new one",
                                 value.size(), serial));
    }
    if (is_old && scene_.must_be_new()) {
      scene_.give_up(finding::lost, "the old value is there after the new one was committed");
    }
    if (!is_third && !is_fresh && seen.rewrote == 2) {
      scene_.give_up(finding::lost, "what a recoverer committed is not there");
    }
    if (is_new && scene_.must_be_old()) {
      scene_.give_up(finding::torn, "the new value is there before anybody wrote it");
    }
    scene_.saw(is_old ? sight::old_value : sight::new_value);
  }
  // The value, and its serial number.
  std::pair<bytes, std::uint64_t> copy_of(Store& what) {
    const auto seen = what.read();
    if (!seen) scene_.give_up("a recoverer asked to read", seen.error());
    return {bytes(seen->bytes().begin(), seen->bytes().end()), detail::serial_of(seen->word())};
  }
  void judge_by_reading(Store& of) {
    const bool was_writing = (of.word() & detail::writing_bit) != 0;
    std::size_t size = 0;
    {
      const auto seen = of.read(scene_.soon());
      if (!seen) scene_.give_up("a peer asked to read", seen.error());
      judge(seen->bytes(), detail::serial_of(seen->word()));
      size = seen->bytes().size();
      if ((of.word() & detail::writing_bit) != 0) {  // (S3)
        scene_.give_up(finding::broken, "a reader leaves it to others to repair what it has seen");
      }
    }
    if (was_writing) expect_repaired(of, size);
  }
  // Of a value of this size, and of nothing else, there is memory left: (5) of store.h.
  void expect_repaired(Store& of, std::size_t size) {
    constexpr std::size_t page = 4096;
    const std::size_t data = sizeof(detail::data_header) + size;
    const std::size_t expected = sizeof(detail::control) + 2 * capacity +
                                 (size <= capacity ? 0 : (data + page - 1) / page * page);
    const auto now = of.stats(scene_.soon());
    if (!now) scene_.give_up("a peer asked for figures", now.error());
    if (now->allocated != expected) {
      scene_.give_up(finding::broken, fmt::format("{} bytes are allocated after a repair, not {}",
                                                  now->allocated, expected));
    }
  }
  void judge_by_writing(Store& of) {
    auto change = of.write(scene_.soon());
    if (!change) scene_.give_up("a peer asked to write", change.error());
    if (!change->verify()) scene_.give_up(finding::torn, "the value fails its checksum");
    judge(change->bytes(), detail::serial_of(change->word()));
  }
  void expect(Store& of, const bytes& value) {
    const auto seen = of.read(scene_.soon());
    if (!seen) scene_.give_up("a peer asked to read", seen.error());
    if (!std::ranges::equal(seen->bytes(), value)) {
      scene_.give_up(finding::lost, "a peer reads another value than was written last");
    }
  }

  // Another value, of every kind of size, and back.
  void use(Store& of) {
    for (const std::size_t size : {100U, 700U, 50U}) {
      const auto value = value_of(size, size);
      write(of, value);
      expect(of, value);
    }
  }

  // One that has read the old value before the victim writes, keeps a copy of it and the segment
  // that it lay in, and comes again.
  void witness() {
    auto own = open();
    const std::uint64_t copied_under = [&] {
      const auto seen = own.read(scene_.soon());
      if (!seen) scene_.give_up("a witness asked to read", seen.error());
      return seen->word();
    }();
    board& shared = scene_.shared();
    scene::raise(shared.witnessed, 1);
    scene::wait(shared.witnessed, 2);
    const bool is_current = own.word() == copied_under;
    switch (scene_.variant) {
      case removes_first:
        if (is_current)
          scene_.give_up(finding::lost, "a copy of what was removed counts as current");
        if (const auto seen = own.read(scene_.soon()); seen) {
          scene_.give_up(finding::lost, "what was removed can be read");
        } else if (seen.error().code != errc::not_found) {
          scene_.give_up("a witness asked to read what was removed", seen.error());
        }
        break;
      case witness_reads:
        if (is_current && scene_.must_be_new()) {
          scene_.give_up(finding::lost, "a copy of the old value counts as current after a commit");
        }
        judge_by_reading(own);
        break;
      case witness_writes:
        judge_by_writing(own);
        write(own, witness_);
        break;
      default:
        if (is_current)
          scene_.give_up(finding::lost, "a copy counts as current after other commits");
        expect(own, last_used());
        write(own, witness_);
    }
    scene::raise(shared.witnessed, 3);
  }
  // Lets it, and waits until it has.
  void hear_witness() {
    scene::raise(scene_.shared().witnessed, 2);
    if (!scene::wait(scene_.shared().witnessed, 3, scene_.soon())) {
      scene_.give_up(finding::stuck, "a witness does not get on");
    }
  }

  // After the death of one who writes or reads, in each `peer_way`.
  void check() {
    const int way = scene_.has_witness ? scene_.variant : scene_.variant % witness_reads;
    if (way >= witness_reads) hear_witness();
    if (way == removes_first) {
      scene_.saw(scene_.must_be_new() ? sight::new_value : sight::old_value);
    } else if (auto own = open_what_is_there(way == writes_first); own) {
      if (way == reads_first) judge_by_reading(*own);
      if (way == witness_writes) {
        expect(*own, witness_);
      } else {
        judge_by_writing(*own);
      }
      use(*own);
      if (scene_.has_witness && way <= writes_first) {
        hear_witness();
        expect(*own, witness_);
      }
    }
    remove_what_is_there();
    if (scene_.has_witness && way == removes_first) hear_witness();
  }

  // The same after the death of one who removes it, or makes it, in each `existence_way`.
  void check_existence() {
    auto own = open_what_is_there(scene_.variant == makes_first);
    if (own) {
      judge_by_reading(*own);
      use(*own);
    }
    if (scene_.variant == uses_and_leaves) {
      // Makes it anew, or goes on with what is there.
      auto anew = Store::open_or_create(scene_.key, {.capacity = capacity});
      if (!anew) scene_.give_up("making the store anew", anew.error());
      use(*anew);
      remove(scene_.soon());
    } else if (own) {
      remove(scene_.soon());
    } else if (scene_.shared().remade == 1) {
      Store::remove_unfinished(scene_.key);  // a creation's, not a removal's
    }
  }

  bool is_creation = false;  // of the store, rather than its removal

 private:
  // What use() writes last.
  static bytes last_used() { return value_of(50, 50); }

  // The store, or nothing if it is not there and need not be; in another way, a store in any case.
  std::optional<Store> open_what_is_there(bool makes) {
    const board& seen = scene_.shared();
    const bool may_be_gone = seen.removal != 0 || is_creation;
    if (makes && may_be_gone) {
      scene_.shared().remade = 1;
      auto made = Store::open_or_create(scene_.key, {.capacity = capacity});
      if (!made) scene_.give_up("making the store", made.error());
      return *std::move(made);
    }
    auto own = Store::attach(scene_.key);
    if (own) {
      if (seen.removal == 2 && seen.remade == 0) {
        scene_.give_up(finding::lost, "a store that was removed is there");
      }
      return *std::move(own);
    }
    if (own.error().code != errc::not_found || !may_be_gone || seen.remade == 2) {
      scene_.give_up("opening the store", own.error());
    }
    scene_.saw(is_creation ? sight::old_value : sight::new_value);
    return {};
  }
  void remove_what_is_there() {
    const auto done = Store::remove(scene_.key, scene_.soon());
    if (done || (done.error().code == errc::not_found && scene_.shared().removal != 0)) return;
    scene_.give_up("removing the store", done.error());
  }

  const scene& scene_;
  bytes old_;
  bytes new_;
  bytes third_;
  bytes witness_;
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
    made.variants = own_scene::ways;
    made.witness = [of](const scene& in) { own_scene(in, of).witness(); };
    made.recoverers = {[of](const scene& in) {
                         own_scene own(in, of);
                         begin_mark();
                         auto handle = own.open();
                         const auto [value, serial] = own.copy_of(handle);
                         end_mark();
                         own.judge(value, serial);
                       },
                       [of](const scene& in) {
                         own_scene own(in, of);
                         auto handle = own.open();
                         begin_mark();
                         own.write_third(handle);
                         end_mark();
                       },
                       [of](const scene& in) {
                         own_scene own(in, of);
                         begin_mark();
                         own.remove_as_it_may_be();
                         end_mark();
                       }};
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

  const auto removes = [](const scene&, own_scene& own) {
    begin_mark();
    own.remove_as_it_may_be();
    end_mark();
  };
  const auto makes = [](const scene&, own_scene& own) {
    begin_mark();
    own.make_anew();
    end_mark();
  };
  const auto is_of_existence = [&](sizes of, bool is_creation) {
    to.back().check = [of, is_creation](const scene& in) {
      own_scene own(in, of);
      own.is_creation = is_creation;
      own.check_existence();
    };
    to.back().variants = own_scene::existence_ways;
    to.back().witness = {};
    to.back().recoverers.clear();
    const auto add_recoverer = [&](const auto& does) {
      to.back().recoverers.emplace_back([of, does](const scene& in) {
        own_scene own(in, of);
        does(in, own);
      });
    };
    if (!is_creation) add_recoverer(removes);
    add_recoverer(makes);
  };
  add("remove", "remove a store with two data segments", {600, 700}, removes);
  is_of_existence({600, 700}, false);
  add("create", "make a store, unless it is there", {0, 0}, makes);
  is_of_existence({0, 0}, true);
  to.back().prepare = [](const scene&) {};
  to.back().is_first = true;
  to.back().prober = [](const scene& in) {
    board& shared = in.shared();
    const auto made = Store::open_or_create(in.key, {.capacity = own_scene::capacity});
    shared.probed[2] = shared.probed[3] = made ? 1U : 3U;
  };
}

}  // namespace shmark::explorer
