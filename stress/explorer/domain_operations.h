// Operations on a domain whose variables refer to each other: storing and dropping references,
// registering, removing, collecting, giving up, cleaning up.
//
// A domain is described by a text: its names, and what the values of their references are, as far
// as they lead. Whoever comes after must find the old description or the new one; no reference that
// leads nowhere; after a collection, nothing but what the description names; be able to use all of
// it; and when the domain is cleaned up, nothing is left.
#pragma once

#include <boost/serialization/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lib/shm/domain.h"
#include "stress/explorer/linked_scene.h"
#include "stress/explorer/operation.h"

namespace shmark::explorer {

template <class Backend>
class domain_scene : public linked_scene<Backend> {
  using base = linked_scene<Backend>;
  using base::collect;
  using base::is_early;
  using base::judge;
  using base::reached_;
  using base::scene_;

 public:
  using base::must;
  struct item {
    int value = 0;
    ref<item, Backend> next;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
      archive & value & next;
    }
  };
  using reference = ref<item, Backend>;
  using shelf = std::vector<reference>;
  using domain_type = domain<Backend>;
  template <class T>
  using variable_of = variable<T, Backend>;

  // In which ways peers come after a death.
  enum peer_way { collects_first, uses_first, cleans_up_first, ways };

  explicit domain_scene(const scene& in)
      : base(in), name_(in.key.space.view().substr(in.key.space.view().find('.') + 1)) {}

  [[nodiscard]] domain_type make() const {
    return must("making the domain", domain_type::open(name_));
  }
  [[nodiscard]] domain_type open() const {
    return must("opening the domain", domain_type::open_existing(name_));
  }
  [[nodiscard]] variable_of<shelf> shelf_of(domain_type& in, std::string_view name) const {
    return must("opening a shelf", in.template variable<shelf>(name));
  }
  // An unnamed variable, or a named one, with a small number.
  [[nodiscard]] reference make_early(domain_type& in, int value, reference next = {}) const {
    for (;;) {
      auto made = must("making an item", in.make_ref(item{value, next}));
      if (is_early(made->number())) return made;
    }
  }
  void make_early(domain_type& in, const std::string& name, const shelf& contents) const {
    for (;;) {
      auto made = shelf_of(in, name);
      must("filling a shelf", made.write(contents));
      if (is_early(made.number())) return;
      must("removing a shelf", in.remove(name));
    }
  }

  // "a:[1>2][3] b:".
  [[nodiscard]] std::string describe(domain_type& in) {
    std::string text;
    reached_.clear();
    for (const auto& [name, about] : must("listing", in.list())) {
      if (!text.empty()) text += ' ';
      text += name + ':';
      auto one = shelf_of(in, name);
      reached_.insert(one.number());
      for (const auto& to : *must("a peer asked to read", one.read(scene_.soon()))) {
        text += '[' + describe(to, 4) + ']';
      }
    }
    return text;
  }

  // After a death, in each `peer_way`.
  void check(const std::string& before, const std::string& after, bool may_be_gone) {
    auto in = domain_type::open_existing(name_);
    if (!in) {
      if (in.error().code != errc::not_found || !may_be_gone) {
        scene_.give_up("opening the domain", in.error());
      }
      scene_.saw(sight::new_value);
      return;
    }
    if (scene_.variant == cleans_up_first) {
      scene_.saw(scene_.must_be_new() ? sight::new_value : sight::old_value);
    } else if (may_be_gone) {
      scene_.saw(sight::old_value);  // any of it may be gone
    } else {
      if (scene_.variant == collects_first) collect(*in);
      judge(describe(*in), before, after);
      use(*in);
      collect(*in);
      base::expect_nothing_else(*in, describe(*in));
    }
    must("cleaning up", in->cleanup(scene_.soon()));
  }

 private:
  std::string describe(const reference& to, int depth_max) {
    if (!to) return "";
    reached_.insert(to->number());
    const item* its = must("a peer followed a reference", to->read(scene_.soon()));
    auto text = std::to_string(its->value);
    if (its->next && depth_max > 0) text += '>' + describe(its->next, depth_max - 1);
    return text;
  }
  // Stores, copies and drops references.
  void use(domain_type& in) const {
    for (const auto& [name, about] : must("listing", in.list())) {
      auto one = shelf_of(in, name);
      const shelf before = *must("a peer asked to read", one.read(scene_.soon()));
      shelf more = before;
      more.push_back(must("making an item", in.make_ref(item{99, {}})));
      more.push_back(more.back());
      must("a peer asked to write", one.write(more, scene_.soon()));
      must("a peer asked to write", one.write({}, scene_.soon()));
      must("a peer asked to write", one.write(before, scene_.soon()));
    }
    auto fresh = shelf_of(in, "fresh");
    must("a peer asked to write", fresh.write({}, scene_.soon()));
    must("removing", in.remove("fresh", scene_.soon()));
  }

  std::string name_;
};

template <class Backend>
void add_domain_operations(std::vector<operation>& to) {
  using own_scene = domain_scene<Backend>;
  using domain_type = typename own_scene::domain_type;
  using item = typename own_scene::item;
  using reference = typename own_scene::reference;
  using shelf = typename own_scene::shelf;

  // Removing everything may be cut short anywhere.
  const auto add = [&](std::string name, std::string what, std::string before, std::string after,
                       std::function<void(own_scene&, domain_type&)> prepare,
                       std::function<void(const scene&, own_scene&, domain_type&)> victim,
                       bool may_be_gone = false) {
    operation made{
        .name = std::move(name),
        .what = std::move(what),
        .prepare =
            [prepare](const scene& in) {
              own_scene own(in);
              auto made_in = own.make();
              prepare(own, made_in);
            },
        .victim =
            [victim](const scene& in) {
              own_scene own(in);
              auto opened = own.open();
              in.shared().wrote = 1;
              victim(in, own, opened);
            },
        .check = [before, after, may_be_gone](
                     const scene& in) { own_scene(in).check(before, after, may_be_gone); }};
    made.variants = own_scene::ways;
    if (!may_be_gone) {
      made.recoverers = {[](const scene& in) {
        own_scene own(in);
        auto opened = own.open();
        begin_mark();
        in.enter(phase::taking);
        static_cast<void>(own.must("collecting", opened.collect()));
        in.enter(phase::done);
        end_mark();
      }};
    }
    to.push_back(std::move(made));
  };
  const auto mark = [](const scene& in, const auto& does) {
    begin_mark();
    in.enter(phase::taking);
    does();
    in.enter(phase::done);
    end_mark();
  };

  add(
      "refer", "store a reference in the place of another", "a:[1]", "a:[2]",
      [](own_scene& own, domain_type& in) { own.make_early(in, "a", {own.make_early(in, 1)}); },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        auto a = own.shelf_of(in, "a");
        const shelf more{own.must("making an item", in.make_ref(item{2, {}}))};
        mark(on, [&] { own.must("storing a reference", a.write(more)); });
      });
  add(
      "share", "store a second reference to what is referred to", "a:[1] b:", "a:[1] b:[1]",
      [](own_scene& own, domain_type& in) {
        own.make_early(in, "a", {own.make_early(in, 1)});
        own.make_early(in, "b", {});
      },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        auto a = own.shelf_of(in, "a");
        auto b = own.shelf_of(in, "b");
        const shelf same = *own.must("reading", a.read());
        mark(on, [&] { own.must("storing a reference", b.write(same)); });
      });
  add(
      "unrefer", "drop the last reference to a chain of three", "a:[1>2>3]", "a:",
      [](own_scene& own, domain_type& in) {
        const auto third = own.make_early(in, 3);
        const auto second = own.make_early(in, 2, third);
        own.make_early(in, "a", {own.make_early(in, 1, second)});
      },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        auto a = own.shelf_of(in, "a");
        mark(on, [&] { own.must("dropping a reference", a.write({})); });
      });
  add(
      "register", "open a name that is not there",
      "a:", "a: z:", [](own_scene& own, domain_type& in) { own.make_early(in, "a", {}); },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        mark(on, [&] { static_cast<void>(own.shelf_of(in, "z")); });
      });
  add(
      "make_ref", "make an unnamed variable with a value, and let it go",
      "a:", "a:", [](own_scene& own, domain_type& in) { own.make_early(in, "a", {}); },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        mark(on, [&] { static_cast<void>(own.must("making an item", in.make_ref(item{2, {}}))); });
      });
  add(
      "remove_name", "remove a variable that refers to a chain of two", "a: b:[1>2]", "a:",
      [](own_scene& own, domain_type& in) {
        own.make_early(in, "a", {});
        own.make_early(in, "b", {own.make_early(in, 1, own.make_early(in, 2))});
      },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        mark(on, [&] { own.must("removing", in.remove("b")); });
      });
  add(
      "collect", "collect a circle of two and one that was leaked", "a:[1]", "a:[1]",
      [](own_scene& own, domain_type& in) {
        own.make_early(in, "a", {own.make_early(in, 1)});
        const auto first = own.make_early(in, 2);
        const auto second = own.make_early(in, 3, first);
        own.must("closing a circle", first->write(item{2, second}));
      },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        mark(on, [&] { static_cast<void>(own.must("collecting", in.collect())); });
      });
  add(
      "clean_up", "clean up a domain whose variables refer to each other", "a:[1>2] b:[1>2]", "",
      [](own_scene& own, domain_type& in) {
        const reference both = own.make_early(in, 1, own.make_early(in, 2));
        own.make_early(in, "a", {both});
        own.make_early(in, "b", {both});
      },
      [mark](const scene& on, own_scene& own, domain_type& in) {
        mark(on, [&] { own.must("cleaning up", in.cleanup()); });
      },
      true);
}

}  // namespace shmark::explorer
