// Operations on any store of bytes, ours or another's, that can be opened by a key: a write of
// another value, and a read.
//
// Whoever comes after reads the old value or the new one, whole; a witness, who has read before and
// may keep a copy, reads the same; and both read what is written next. Stores need have no
// deadlines: who waits in vain does not end, and is found so.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/futex.h"
#include "lib/subject/byte_store.h"
#include "stress/explorer/operation.h"
#include "stress/explorer/store_operations.h"

namespace shmark::explorer {

template <keyed_byte_store Store>
class byte_store_scene {
 public:
  enum way { reads_first, writes_first, witness_reads, witness_writes, ways };
  using handle = typename Store::handle;

  explicit byte_store_scene(const scene& in) : scene_(in) {}

  void prepare() {
    auto made = Store::create(scene_.key, room);
    if (!made) scene_.give_up("making the store", made.error());
    auto own = attach(*made);
    for (int i = 0; i < 2; ++i) write(own, old_);  // so that a store of two sides has used both
  }

  void replace() {
    const auto store = open();
    auto own = attach(store);
    static_cast<void>(read(own));
    scene_.shared().wrote = 1;
    begin_mark();
    scene_.enter(phase::taking);
    write(own, new_);
    scene_.enter(phase::done);
    end_mark();
  }
  void look() {
    const auto store = open();
    auto own = attach(store);
    write(own, old_);  // of which it has no copy
    begin_mark();
    static_cast<void>(read(own));
    end_mark();
  }

  void witness() {
    const auto store = open();
    auto own = attach(store);
    expect(read(own), old_, "a witness");
    scene::raise(scene_.shared().witnessed, 1);
    scene::wait(scene_.shared().witnessed, 2);
    if (way_ == witness_reads) judge(read(own));
    if (way_ == witness_writes) write(own, next_);
    if (way_ != witness_reads) expect(read(own), next_, "a witness");
    scene::raise(scene_.shared().witnessed, 3);
  }

  void check() {
    auto store = open();
    auto own = attach(store);
    if (way_ == writes_first) {
      scene_.saw(scene_.must_be_new() ? sight::new_value : sight::old_value);
    } else {
      judge(read(own));
    }
    if (way_ >= witness_reads) hear_witness();
    if (way_ != witness_writes) write(own, next_);
    expect(read(own), next_, "a newcomer");
    if (way_ < witness_reads) hear_witness();
    if (auto gone = store.remove(); !gone) scene_.give_up("removing the store", gone.error());
  }

  // What can be had while the victim is stopped: by threads, which are left where they wait.
  void probe() {
    const auto store = open();
    auto own = attach(store);
    board& shared = scene_.shared();
    if (!scene_.is_newcomer) {
      static_cast<void>(read(own));
      scene::raise(shared.probing, 1);
      scene::wait(shared.probing, 2);
    }
    const std::size_t at = scene_.is_newcomer ? 2 : 0;
    probe(shared.probed[at + 1], [&] { static_cast<void>(read(own)); });
    probe(shared.probed[at], [&] { write(own, next_); });
  }

 private:
  static constexpr std::size_t room = 256;

  template <class Call>
  void probe(std::atomic<std::uint32_t>& came_to, const Call& call) const {
    came_to = 2;
    futex_word has_returned{0};
    std::thread caller([&] {
      call();
      came_to = 1;
      scene::raise(has_returned, 1);
    });
    if (!scene::wait(has_returned, 1, scene_.soon())) _exit(0);
    caller.join();
  }

  [[nodiscard]] Store open() const {
    auto opened = Store::open(scene_.key);
    if (!opened) scene_.give_up("opening the store", opened.error());
    return *std::move(opened);
  }
  [[nodiscard]] handle attach(const Store& to) const {
    auto own = to.attach();
    if (!own) scene_.give_up("opening the store", own.error());
    return *std::move(own);
  }
  [[nodiscard]] bytes read(handle& from) const {
    bytes value;
    const auto done =
        from.read([&](std::span<const std::byte> seen) { value.assign(seen.begin(), seen.end()); });
    if (!done) scene_.give_up("reading", done.error());
    return value;
  }
  void write(handle& to, const bytes& value) const {
    if (auto done = to.write(value); !done) scene_.give_up("writing", done.error());
  }

  void judge(const bytes& value) const {
    const auto& probed = scene_.shared().probed;
    if (value == next_ && (probed[0] == 1 || probed[2] == 1)) return scene_.saw(sight::new_value);
    if (value != old_ && value != new_) {
      scene_.give_up(finding::torn, "a value is neither the old one nor the new one");
    }
    if (value == new_ && scene_.must_be_old()) {
      scene_.give_up(finding::torn, "the new value is there before anybody wrote it");
    }
    if (value == old_ && scene_.must_be_new()) {
      scene_.give_up(finding::lost, "the old value is there after the new one was written");
    }
    const auto& seen = scene_.shared().seen;
    const bool is_new_seen = seen[static_cast<std::size_t>(sight::new_value)] != 0;
    if (value == old_ && is_new_seen) {
      scene_.give_up(finding::lost, "a witness reads the old value after another read the new one");
    }
    // Of two who look, the first says what there was.
    if (!is_new_seen && seen[static_cast<std::size_t>(sight::old_value)] == 0) {
      scene_.saw(value == old_ ? sight::old_value : sight::new_value);
    }
  }
  void expect(const bytes& value, const bytes& written, std::string_view who) const {
    if (value == written) return;
    scene_.give_up(finding::lost, fmt::format("{} reads another value than was written last", who));
  }
  void hear_witness() const {
    if (!scene_.has_witness) return;
    scene::raise(scene_.shared().witnessed, 2);
    if (!scene::wait(scene_.shared().witnessed, 3, scene_.soon())) {
      scene_.give_up(finding::stuck, "a witness does not get on");
    }
  }

  const scene& scene_;
  int way_ = scene_.has_witness ? scene_.variant : scene_.variant % witness_reads;
  bytes old_ = value_of(1, 100);
  bytes new_ = value_of(2, 200);
  bytes next_ = value_of(3, 150);
};

template <keyed_byte_store Store>
void add_byte_store_operations(std::vector<operation>& to) {
  using its = byte_store_scene<Store>;
  const auto add = [&](std::string name, std::string what, body victim) {
    to.push_back({.name = std::move(name),
                  .what = std::move(what),
                  .prepare = [](const scene& in) { its(in).prepare(); },
                  .victim = std::move(victim),
                  .check = [](const scene& in) { its(in).check(); },
                  .variants = its::ways,
                  .witness = [](const scene& in) { its(in).witness(); },
                  .prober = [](const scene& in) { its(in).probe(); }});
  };
  add("replace", "write a value of another size", [](const scene& in) { its(in).replace(); });
  add("look", "read", [](const scene& in) { its(in).look(); });
}

}  // namespace shmark::explorer
