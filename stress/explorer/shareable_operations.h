// Operations on what programs share by a glue: writing a root and its children under one lock,
// which publishes them together; storing and dropping references so; making it; removing it.
//
// What is shared is described by a text, which leads from the root along the references. Whoever
// comes after must find the old text or the new one, that is all changes or none, whether he reads
// or writes, which of the variables he begins with, and whether he asks for the lock, which is
// free; no reference that leads nowhere; after a collection, nothing but what the text names; be
// able to use all of it; and when it is removed, nothing is left. What an unlock has acknowledged
// is there.
#pragma once

#include <fmt/format.h>

#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/shareable/shareable.h"
#include "stress/explorer/linked_scene.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

template <class Backend>
class shareable_scene : public linked_scene<Backend> {
  using base = linked_scene<Backend>;
  using base::collect;
  using base::is_early;
  using base::judge;
  using base::reached_;
  using base::scene_;

 public:
  using base::must;
  // The root, and whatever it leads to.
  struct part {
    int value = 0;
    int mark = 0;      // not described: for peers to write without changing the text
    std::string load;  // what makes it as long as it is to be
    std::vector<ref<part, Backend>> parts;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
      archive & value & mark & load & parts;
    }
  };
  using reference = ref<part, Backend>;
  using shared = shareable<part, Backend>;
  using store_type = store_on<Backend>;
  using domain_type = typename base::domain_type;

  // In which ways peers come after the death of one who publishes: the first of them reads or
  // writes the root, or the variable with the largest number, which never leads a joint commit;
  // takes the lock; collects; removes all; or is a witness who has had all of it open since before.
  enum peer_way {
    reads_first,
    reads_last_part_first,
    writes_first,
    writes_last_part_first,
    locks_first,
    collects_first,
    cleans_up_first,
    witness_reads,
    witness_locks,
    ways
  };
  // And of one who makes or removes it.
  enum existence_way {
    opens_first,
    makes_first,
    collects_what_is_left,
    reclaims_first,
    existence_ways
  };

  // Beyond this, a value needs a data segment.
  static constexpr std::size_t capacity = 256;

  explicit shareable_scene(const scene& in) : base(in) {}

  static part part_of(int value, std::size_t load, std::vector<reference> parts = {}) {
    return {.value = value,
            .mark = 0,
            .load = std::string(load, letter_of(value)),
            .parts = std::move(parts)};
  }

  [[nodiscard]] shared make() const {
    return must("making what is shared", shared::open(where(), {.create = true, .size = capacity}));
  }
  [[nodiscard]] shared open() const {
    return must("opening what is shared", shared::open(where()));
  }
  // With a small number (linked_scene.h), which is the smallest, and so leads joint commits, or the
  // largest.
  [[nodiscard]] shared make_early(bool leads) const {
    for (;;) {
      auto made = make();
      if (is_early(made.number()) && is_low(made.number()) == leads) return made;
      must("removing what is shared", made.remove());
    }
  }
  [[nodiscard]] reference make_part_early(shared& in, const part& value) const {
    for (;;) {
      auto made = make_part(in, value);
      if (is_early(made->number()) && is_low(made->number()) != is_low(in.number())) return made;
    }
  }
  [[nodiscard]] reference make_part(shared& in, const part& value) const {
    return must("making a part", in.make_ref(value, {.capacity = capacity}));
  }
  void write(shared& to, const part& value) const { must("writing the root", to.set(value)); }
  void write(const reference& to, const part& value) const {
    must("writing a part", to->write(value, scene_.soon()));
  }
  [[nodiscard]] std::vector<reference> parts_of(shared& in) const {
    return must("reading the root", in.get())->parts;
  }

  // What victims do: lock, change, unlock; with their marks.
  template <class F>
  void publish(shared& in, const F& change) const {
    begin_mark();
    scene_.enter(phase::taking);
    must("locking", in.lock());
    change();
    scene_.shared().wrote = 1;  // nothing may be seen before (A2)
    must("unlocking", in.unlock());
    scene_.enter(phase::done);
    end_mark();
  }

  // "1.80[1.600][2.10[1.10]]": values, and lengths of loads.
  [[nodiscard]] std::string describe(shared& in) {
    reached_ = {in.number()};
    return describe(*must("a peer asked to read", in.get()), depth_max);
  }

  // After the death of one who publishes, in each `peer_way`.
  void check(const std::string& before, const std::string& after) {
    const int way = scene_.has_witness ? scene_.variant : scene_.variant % witness_reads;
    if (way == cleans_up_first) return clean_up();
    if (way >= witness_reads) hear_witness();
    if (way == collects_first) collect_all();
    if (way == reads_first) read_and_go();
    if (way == reads_last_part_first) look_at_last_part();
    if (way == writes_last_part_first) rewrite_last_part();
    auto root = open();
    if (way == writes_first) {
      must("a peer asked to write", root.update([](part& all) { all.mark = 1; }));
    }
    if (way == locks_first) {
      must("a peer asked for the lock", root.lock(mode::exclusive, scene_.soon()));
    }
    const auto found = describe(root);
    judge(found, before, after);
    if (way == locks_first) must("a peer asked to unlock", root.unlock());
    use(root, found);
    if (scene_.has_witness && way < witness_reads) hear_witness();
    leave_nothing_else(root);
    must("removing what is shared", root.remove(scene_.soon()));
  }

  // One that has read all of it, comes again to see the same as others, and lets go of it.
  void witness(const std::string& before, const std::string& after) {
    {
      auto root = open();
      const auto parts = parts_of(root);
      static_cast<void>(describe(root));
      must("a witness asked for the lock", root.lock(mode::shared, scene_.soon()));
      must("a witness asked to unlock", root.unlock());
      scene::raise(scene_.shared().witnessed, 1);
      scene::wait(scene_.shared().witnessed, 2);
      look_again(root, parts, before, after);
    }
    scene::raise(scene_.shared().witnessed, 3);
  }

  // After the death of one who makes it, or removes it, in each `existence_way`. `before` and
  // `after`: what may be there, if anything is.
  void check_existence(const std::string& before, const std::string& after) {
    if (scene_.variant == reclaims_first) return clean_up();
    if (scene_.variant == collects_what_is_left) collect_all();
    auto root = scene_.variant == makes_first ? std::optional(make()) : open_what_is_there();
    auto found = root ? describe(*root) : "";
    // What nobody has written is as good as not there, where it may have just been made.
    if (found == "0.0" && (before.empty() || scene_.variant == makes_first)) found = "";
    judge(found, before, after);
    if (!root) root = make();
    use(*root, describe(*root));
    leave_nothing_else(*root);
    must("removing what is shared", root->remove(scene_.soon()));
  }

  // What recoverers do, but for their marks.
  void read_last_part_and_root() {
    look_at_last_part();
    read_and_go();
  }
  // With the value that it has.
  void rewrite_last_part() const {
    auto own = last_part();
    auto change = must("a peer asked to write a part", own.write(scene_.soon()));
    const std::vector same(change.bytes().begin(), change.bytes().end());
    const auto references = change.references().copy();
    change.output().write(same.data(), same.size());
    must("a peer asked to write a part", change.commit(references));
  }
  void lock_and_unlock() const {
    auto root = open();
    must("locking", root.lock());
    must("unlocking", root.unlock());
  }
  void collect_all() const {
    auto all = domain_type::open_space(space());
    if (!all && all.error().code == errc::not_found) return;  // it may not be there, or not yet
    auto opened = must("opening the space", std::move(all));
    collect(opened);
  }

 private:
  static constexpr int depth_max = 4;
  static char letter_of(int value) noexcept { return static_cast<char>('a' + value); }
  static bool is_low(std::uint64_t number) noexcept { return (number >> 57U & 1U) == 0; }
  [[nodiscard]] std::string_view space() const noexcept { return scene_.key.space.view(); }
  [[nodiscard]] glue where() const { return glue::in_space(space()); }

  std::string describe(const part& its, int deeper) {
    if (its.load != std::string(its.load.size(), letter_of(its.value))) {
      scene_.give_up(finding::torn, "a value is half of one and half of another");
    }
    auto text = fmt::format("{}.{}", its.value, its.load.size());
    if (deeper == 0) return text;
    for (const auto& to : std::vector(its.parts)) {
      reached_.insert(to->number());
      const part* there = must("a peer followed a reference", to->read(scene_.soon()));
      text += '[' + describe(*there, deeper - 1) + ']';
    }
    return text;
  }
  std::optional<shared> open_what_is_there() const {
    auto root = shared::open(where());
    if (root) return *std::move(root);
    if (root.error().code != errc::not_found) {
      scene_.give_up("opening what is shared", root.error());
    }
    return {};
  }

  // What one lets go of who comes, reads and goes is referred to, and stays.
  void read_and_go() {
    auto passing = open();
    static_cast<void>(describe(passing));
  }

  // The variable with the largest number, by itself.
  [[nodiscard]] store_type last_part() const {
    using registry = detail::registry<Backend>;
    const auto home = must("a peer asked for the registry", store_type::attach({space(), 0}));
    auto all = must("a peer asked for the registry", registry::open(home));
    const auto* known = must("a peer asked for the registry", all.read());
    for (auto at = known->variables.rbegin(); at != known->variables.rend(); ++at) {
      if (at->second.state != detail::entry_state::ready) continue;  // nobody may look at it (D2)
      return must("a peer asked for a part", store_type::attach({space(), at->first}));
    }
    scene_.give_up(finding::lost, "no variable of the registry is there");
  }
  void look_at_last_part() const {
    auto own = last_part();
    static_cast<void>(must("a peer asked to read a part", own.read(scene_.soon())));
  }
  // All that one can do with it: reads and writes without a lock, under a shared and an exclusive
  // one, and by others who find what was written. Leaves last_used().
  void use(shared& root, const std::string& found) {
    must("a peer asked for the lock", root.lock(mode::shared, scene_.soon()));
    expect(root, found);
    must("a peer asked for an upgrade", root.lock(mode::exclusive, scene_.soon()));
    const auto own = make_part(root, part_of(3, 600));
    must("a peer asked to write",
         root.update([&](part& all) { all = part_of(3, 10, {own, own}); }));
    must("a peer asked to unlock", root.unlock());
    auto second = open();
    expect(second, "3.10[3.600][3.600]");
    must("a peer asked for the lock", second.lock(mode::exclusive, scene_.soon()));
    for (const auto& to : parts_of(second)) write(to, part_of(4, 20));
    must("a peer asked to unlock", second.unlock());
    write(second, part_of(5, 30, {parts_of(second).front()}));
    expect(root, last_used());
  }
  static std::string last_used() { return "5.30[4.20]"; }
  void expect(shared& root, const std::string& text) {
    if (const auto now = describe(root); now != text) {
      scene_.give_up(finding::lost, fmt::format("found {}, not {}", now, text));
    }
  }
  void leave_nothing_else(shared& root) {
    collect_all();
    auto all = must("opening the space", domain_type::open_space(space()));
    base::expect_nothing_else(all, describe(root));
  }
  // By one who has nothing of it open; or, if somebody has, whoever does.
  void clean_up() const {
    scene_.saw(scene_.must_be_new() ? sight::new_value : sight::old_value);
    if (scene_.has_witness) {
      must("removing what is shared", open().remove(scene_.soon()));
      return hear_witness();
    }
    const auto done = shared::reclaim(where());
    if (!done && done.error().code == errc::not_found) {
      must("removing what is shared", make().remove(scene_.soon()));
    } else if (!must("reclaiming what is shared", done)) {
      scene_.give_up(finding::broken, "what only the dead had open counts as open");
    }
  }
  void look_again(shared& root, const std::vector<reference>& parts, const std::string& before,
                  const std::string& after) {
    if (scene_.variant == cleans_up_first) return expect_gone(root);
    if (scene_.variant < witness_reads) return expect(root, last_used());
    if (scene_.variant == witness_locks) {
      must("a witness asked for the lock", root.lock(mode::exclusive, scene_.soon()));
    } else {
      // Those first that do not lead.
      for (const auto& to : parts) {
        static_cast<void>(must("a witness asked to read", to->read(scene_.soon())));
      }
    }
    judge(describe(root), before, after);
    must("a witness asked to unlock", root.unlock());
  }
  void expect_gone(shared& root) const {
    const auto now = root.get();
    if (now) scene_.give_up(finding::lost, "what was removed can be read");
    if (now.error().code != errc::not_found) {
      scene_.give_up("a witness asked to read what was removed", now.error());
    }
  }
  // Lets it, and waits until it has.
  void hear_witness() const {
    scene::raise(scene_.shared().witnessed, 2);
    if (!scene::wait(scene_.shared().witnessed, 3, scene_.soon())) {
      scene_.give_up(finding::stuck, "a witness does not get on");
    }
  }
};

template <class Backend>
void add_shareable_operations(std::vector<operation>& to) {
  using own_scene = shareable_scene<Backend>;
  using shared = typename own_scene::shared;

  const auto by = [](const auto& does) {
    return [does](const scene& in) {
      own_scene own(in);
      does(in, own);
    };
  };
  const auto recoverer = [by](const auto& does) {
    return by([does](const scene& in, own_scene& own) {
      begin_mark();
      in.enter(phase::taking);
      does(own);
      in.enter(phase::done);
      end_mark();
    });
  };
  const auto add = [&](std::string name, std::string what, const body& prepare,
                       const body& victim) {
    to.push_back({.name = std::move(name),
                  .what = std::move(what),
                  .prepare = prepare,
                  .victim = victim,
                  .check = {}});
  };
  const auto is_of_publishing = [&](std::string before, std::string after, bool has_witness) {
    operation& made = to.back();
    made.check = by([=](const scene&, own_scene& own) { own.check(before, after); });
    made.variants = own_scene::ways;
    if (has_witness) {
      made.witness = by([=](const scene&, own_scene& own) { own.witness(before, after); });
    }
    made.recoverers = {recoverer([](own_scene& own) { own.read_last_part_and_root(); }),
                       recoverer([](own_scene& own) { own.rewrite_last_part(); }),
                       recoverer([](own_scene& own) { own.lock_and_unlock(); }),
                       recoverer([](own_scene& own) { own.collect_all(); })};
  };
  const auto is_of_existence = [&](std::string before, std::string after) {
    operation& made = to.back();
    made.check = by([=](const scene&, own_scene& own) { own.check_existence(before, after); });
    made.variants = own_scene::existence_ways;
  };

  // A root and three parts. They have been published together before: that must not be taken for
  // what is begun after.
  const auto prepare_four = by([](const scene&, own_scene& own) {
    auto root = own.make_early(true);
    std::vector<typename own_scene::reference> parts;
    for (int i = 0; i < 3; ++i) parts.push_back(own.make_part_early(root, own.part_of(0, 50)));
    own.write(root, own.part_of(0, 50, parts));
    own.must("locking", root.lock());
    own.write(root, own.part_of(1, 80, parts));
    own.write(parts[0], own.part_of(1, 600));
    own.write(parts[1], own.part_of(1, 90));
    own.write(parts[2], own.part_of(1, 90));
    own.must("unlocking", root.unlock());
  });
  // Of the parts, one gives its data segment back, one needs one, one does neither.
  add("publish_together", "change a root and three parts under one lock", prepare_four,
      by([](const scene&, own_scene& own) {
        auto root = own.open();
        static_cast<void>(own.describe(root));
        own.publish(root, [&] {
          const auto parts = own.parts_of(root);
          own.write(root, own.part_of(2, 70, parts));
          own.write(parts[0], own.part_of(2, 90));
          own.write(parts[1], own.part_of(2, 600));
          own.write(parts[2], own.part_of(2, 100));
        });
      }));
  is_of_publishing("1.80[1.600][1.90][1.90]", "2.70[2.90][2.600][2.100]", true);
  add("publish_references", "store a new reference, and drop one to a chain, under one lock",
      by([](const scene&, own_scene& own) {
        auto root = own.make_early(false);
        const auto last = own.make_part_early(root, own.part_of(1, 10));
        const auto first = own.make_part_early(root, own.part_of(1, 20, {last}));
        const auto second = own.make_part_early(root, own.part_of(1, 30));
        own.write(root, own.part_of(1, 40, {first, second}));
      }),
      by([](const scene&, own_scene& own) {
        auto root = own.open();
        static_cast<void>(own.describe(root));
        own.publish(root, [&] {
          const auto second = own.parts_of(root)[1];
          const auto third = own.make_part(root, own.part_of(2, 50, {second}));
          own.write(root, own.part_of(2, 60, {second, third}));
          own.write(second, own.part_of(2, 70));
        });
      }));
  is_of_publishing("1.40[1.20[1.10]][1.30]", "2.60[2.70][2.50[2.70]]", false);

  add(
      "make_shareable", "make what is shared, unless it is there, and write it",
      [](const scene&) {}, by([](const scene& in, own_scene& own) {
        begin_mark();
        in.enter(phase::taking);
        {
          auto root = own.make();
          in.shared().wrote = 1;
          own.write(root, own.part_of(1, 80));
        }
        in.enter(phase::done);
        end_mark();
      }));
  is_of_existence("", "1.80");
  to.back().is_first = true;
  add("remove_shareable", "remove what is shared, a root and three parts", prepare_four,
      by([](const scene& in, own_scene& own) {
        shared root = own.open();
        begin_mark();
        in.enter(phase::taking);
        in.shared().wrote = 1;
        own.must("removing what is shared", root.remove());
        in.enter(phase::done);
        end_mark();
      }));
  is_of_existence("1.80[1.600][1.90][1.90]", "");
}

}  // namespace shmark::explorer
