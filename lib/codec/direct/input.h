// The archive that decodes: Boost.Serialization's concept "Loading Archive", from bytes that may be
// damaged. Users meet it as the Archive of their own serialize(). DIRECT.md describes the bytes.
//
// Nothing in the bytes is believed: each read is held against what is left, each count too, since
// every item takes at least a byte; a pointer can refer only to an object of its own class, and no
// object gets two owners, and no key comes twice where it may not; nesting has a limit.
#pragma once

#include <bit>
#include <boost/archive/basic_archive.hpp>
#include <boost/core/demangle.hpp>
#include <boost/mpl/bool.hpp>
#include <boost/serialization/access.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/detail/stack_constructor.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/version.hpp>
#include <boost/serialization/void_cast.hpp>
#include <boost/variant/variant_fwd.hpp>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <utility>
#include <vector>

#include "lib/codec/border.h"
#include "lib/codec/direct/archive.h"
#include "lib/codec/direct/classes.h"
#include "lib/codec/direct/exports.h"
#include "lib/codec/direct/format.h"
#include "lib/codec/direct/objects.h"
#include "lib/codec/direct/serializable.h"

namespace shmark {

class direct_input : public detail::archive_base {
 public:
  using is_saving = boost::mpl::false_;
  using is_loading = boost::mpl::true_;

  explicit direct_input(std::span<const std::byte> from)
      : at_(from.data()), end_(from.data() + from.size()) {
    if (get<std::uint8_t>() != detail::direct_format) {
      throw refused(errc::mismatch, "another codec wrote it, or another version of this one");
    }
    const std::uint64_t library = get_number();
    const auto own = boost::archive::BOOST_ARCHIVE_VERSION();
    if (library > own) {
      throw refused(errc::mismatch, "a newer Boost.Serialization wrote it",
                    "update this program's");
    }
    library_version_ =
        boost::serialization::library_version_type(static_cast<std::uint16_t>(library));
  }
  direct_input(const direct_input&) = delete;
  direct_input& operator=(const direct_input&) = delete;
  ~direct_input() = default;

  // T is constant for wrappers: make_nvp(…) and so on.
  template <class T>
  direct_input& operator>>(T& into) {
    load(into);
    return *this;
  }
  template <class T>
  direct_input& operator&(T& into) {
    load(into);
    return *this;
  }

  // Errors: mismatch, if something follows: a program with another type of this name wrote it.
  void end() const {
    if (left() != 0) throw refused(errc::mismatch, "it goes on where this program's type ends");
  }
  void load_binary(void* into, std::size_t size) {
    if (size != 0) std::memcpy(into, take(size), size);
  }
  // Of the Boost that the bytes were written with.
  [[nodiscard]] boost::serialization::library_version_type get_library_version() const noexcept {
    return library_version_;
  }

  // Says that the object that was decoded last, `from`, is now at `to`.
  template <class To, class From>
  void reset_object_address(To* to, From* from) noexcept {
    move_objects(last_begin_, to, from);
  }

 private:
  template <class T>
  friend struct detail::operations_of;

  // Those from `begin` on that are a part of `from`.
  template <class To, class From>
  void move_objects(std::size_t begin, To* to, From* from) noexcept {
    for (std::size_t i = begin; i < objects_.size(); ++i) {
      auto& object = objects_[i];
      const std::size_t offset =
          std::bit_cast<std::uintptr_t>(object.address) - std::bit_cast<std::uintptr_t>(from);
      if (object.owned != detail::ownership::embedded || offset >= extent_of<From>()) continue;
      object.address = std::bit_cast<std::byte*>(to) + offset;
    }
  }

  // --- Bytes.

  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  [[nodiscard, gnu::always_inline]] const std::byte* take(std::size_t size) {
    if (size > left()) [[unlikely]]
      end_too_early();
    return std::exchange(at_, at_ + size);
  }
  template <class T>
  [[nodiscard, gnu::always_inline]] T get() {
    T bits;
    std::memcpy(&bits, take(sizeof bits), sizeof bits);
    return bits;
  }
  [[nodiscard, gnu::always_inline]] std::uint64_t get_number() {
    const auto number = get<std::uint8_t>();
    return number < detail::long_number ? number : get<std::uint64_t>();
  }
  // How many items follow, of `item_size` bytes at least.
  [[nodiscard, gnu::always_inline]] std::size_t get_count(std::size_t item_size = 1) {
    const std::uint64_t count = get_number();
    if (count > left() / item_size) [[unlikely]]
      end_too_early();
    return count;
  }
  [[nodiscard]] std::uint32_t get_version() { return checked_version(get_number()); }
  [[nodiscard]] static std::uint32_t checked_version(std::uint64_t version) {
    if (version > detail::class_note::max_version) fail("a class has an impossible version");
    return static_cast<std::uint32_t>(version);
  }
  // serialize() of an older program would take what follows for something else.
  template <class T>
  [[nodiscard]] static std::uint32_t known_version(std::uint64_t version) {
    if (version > boost::serialization::version<T>::value) refuse_newer(typeid(T));
    return checked_version(version);
  }

  // --- Values, by kind.

  template <class T>
  [[gnu::always_inline]] void load(const T& wrapped) {
    static_assert(detail::wrapper<T>, "constants cannot be decoded");
    load_class(const_cast<T&>(wrapped));
  }
  template <class T>
    requires(!std::is_const_v<T>)
  [[gnu::always_inline]] void load(T& into) {
    using boost::serialization::collection_size_type;
    using boost::serialization::item_version_type;
    if constexpr (std::is_pointer_v<T>) {
      load_pointer(into);
    } else if constexpr (std::is_array_v<T>) {
      load_array(into);
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      load(number);
      into = static_cast<T>(number);
    } else if constexpr (std::same_as<T, bool>) {
      into = get<std::uint8_t>() != 0;
    } else if constexpr (std::same_as<T, long double> && std::numeric_limits<T>::digits == 64) {
      load_binary(&into, detail::long_double_bytes);
    } else if constexpr (std::is_arithmetic_v<T>) {
      into = get<T>();
    } else if constexpr (detail::is_string<T>) {
      load_string(into);
    } else if constexpr (std::same_as<T, collection_size_type>) {
      into = collection_size_type(get_count());
    } else if constexpr (std::same_as<T, item_version_type>) {
      into = item_version_type(get_version());
    } else if constexpr (detail::primitive_class<T>) {
      load_binary(&into, sizeof into);
    } else {
      load_class(into);
    }
  }

  template <class String>
  [[gnu::always_inline]] void load_string(String& into) {
    constexpr std::size_t char_size = sizeof(typename String::value_type);
    const std::size_t size = get_count(char_size);
    if constexpr (std::same_as<typename String::value_type, char>) {
      into.assign(reinterpret_cast<const char*>(take(size)), size);
    } else {
      into.resize(size);
      load_binary(into.data(), size * char_size);
    }
  }
  template <class T, std::size_t N>
  void load_array(T (&into)[N]) {
    const std::uint64_t count = get_number();
    if (count > N) fail("an array has more elements than there is room for");
    load_elements(&into[0], count);
  }
  template <class T>
  void load_elements(T* into, std::size_t count) {
    if constexpr (detail::plain_number<T>) {
      load_binary(into, count * sizeof(T));
    } else {
      for (; count > 0; --count) load(*into++);
    }
  }

  template <class T>
  [[gnu::always_inline]] void load_class(boost::serialization::nvp<T>& named) {
    load(named.value());
  }
  template <class T>
  void load_class(boost::serialization::array_wrapper<T>& elements) {
    load_elements(elements.address(), elements.count());
  }
  template <class T>
  [[gnu::always_inline]] void load_class(T& object) {
    if constexpr (detail::wrapper<T>) {
      load_members(object, boost::serialization::version<T>::value);
    } else if constexpr (detail::unnoted<T>) {
      load_contents(object, boost::serialization::version<T>::value);
    } else {
      load_object(object);
    }
  }

  // --- Objects of classes.

  template <class T>
  [[gnu::always_inline]] detail::class_note meet() {
    auto& note = notes_[detail::number_of<T>()];
    if (!note.met()) [[unlikely]]
      note = introduce<T>();
    return note;
  }
  template <class T>
  [[gnu::noinline]] detail::class_note introduce() {
    const std::uint64_t bits = get_number();
    return {known_version<T>(bits >> 1), (bits & 1) != 0};
  }

  template <class T>
  [[gnu::always_inline]] void load_object(T& object) {
    const auto note = meet<T>();
    const std::size_t begin = objects_.size();
    if (note.tracked() && !load_id(&object, detail::number_of<T>())) return;
    load_contents(object, note.version());
    last_begin_ = begin;
  }
  // Whether its contents follow; otherwise they have come before.
  [[gnu::noinline]] bool load_id(void* object, std::uint32_t number) {
    const std::uint64_t id = get_number();
    if (id > objects_.size()) fail("an object refers to one that is not there");
    if (id == objects_.size()) {
      objects_.push_back({object, number, detail::ownership::embedded, nullptr, {}});
      return true;
    }
    const auto& known = objects_[id];
    if (known.owned != detail::ownership::embedded || known.number != number) {
      fail("an object refers to one that it cannot be");
    }
    return false;
  }

  template <class T>
  [[gnu::always_inline]] void load_contents(T& object, std::uint32_t version) {
    if constexpr (detail::is_pair<T>) {
      load_members(object, version);
    } else {
      const auto deeper = descend();
      const auto* before = at_;
      load_members(object, version);
      if (at_ == before) static_cast<void>(take(1));  // see direct_output
    }
  }
  [[nodiscard]] detail::depth_guard descend() {
    if (depth_ >= detail::max_depth) fail("its objects are nested too deeply");
    return detail::depth_guard(depth_);
  }

  // What direct_output::save_members() has saved.
  template <class T>
  [[gnu::always_inline]] void load_members(T& object, std::uint32_t version) {
    detail::serialize_members(*this, object, version);
  }
  template <class T, class A>
    requires detail::plain_number<T>
  void load_members(std::vector<T, A>& into, std::uint32_t /*version*/) {
    into.resize(get_count(sizeof(T)));
    load_elements(into.data(), into.size());
  }
  template <class K, class T, class C, class A>
  void load_members(std::map<K, T, C, A>& into, std::uint32_t /*version*/) {
    const std::size_t count = get_count();
    if constexpr (std::default_initializable<K> && std::default_initializable<T>) {
      if (count == 0 || !meet<std::pair<const K, T>>().tracked()) return load_map(into, count);
    }
    load_items(into, count, 0);
  }
  template <class T>
    requires detail::is_hashed<T> || detail::is_set<T>
  void load_members(T& into, std::uint32_t /*version*/) {
    const std::size_t count = get_count();
    const std::uint32_t item_version = known_version<typename T::value_type>(get_number());
    if constexpr (detail::is_hashed<T>) into.reserve(count);
    load_items(into, count, item_version);
  }
  // Boost's header does not expect a negative number here.
  template <class First, class... Rest>
  void load_members(boost::variant<First, Rest...>& into, std::uint32_t version) {
    const auto* before = at_;
    if (get<int>() < 0) fail("a variant has an impossible type");
    at_ = before;
    boost::serialization::serialize_adl(*this, into, version);
  }

  template <class Container>
  void load_items(Container& into, std::size_t count, std::uint32_t version) {
    using item = typename Container::value_type;
    into.clear();
    for (; count > 0; --count) {
      const std::size_t begin = objects_.size();
      boost::serialization::detail::stack_construct<direct_input, item> next(*this, version);
      load(next.reference());
      const std::size_t before = into.size();
      const auto at = into.insert(into.end(), std::move(next.reference()));
      refuse_twice(into.size() == before);
      move_objects(begin, &*at, next.address());
    }
  }
  // The second would go, and with it what it owns: pointers that follow may refer to that.
  [[gnu::always_inline]] static void refuse_twice(bool is_there) {
    if (is_there) [[unlikely]]
      fail("two items of a container have the same key");
  }

  // A map keeps those of its elements whose keys come again: mostly little has changed, and getting
  // the same memory again would take most of the time. What lies before `old` has been decoded,
  // from there on it is what the map held.
  template <class Map>
  void load_map(Map& into, std::size_t count) {
    constexpr bool keeps =
        detail::plainly_keyed<Map> && detail::is_replaced_whole<typename Map::mapped_type>;
    if constexpr (!keeps) into.clear();
    auto old = into.begin();
    for (; count > 0; --count) {
      [[maybe_unused]] const std::size_t begin = objects_.size();
      std::conditional_t<detail::keyed_by_text<Map>, std::string_view, typename Map::key_type>
          key{};
      load_key(key);
      auto order = std::weak_ordering::greater;
      while (old != into.end() && (order = compare(into, old->first, key)) < 0) {
        old = into.erase(old);
      }
      if (old != into.end() && order == 0) {
        load((old++)->second);
      } else {
        const std::size_t before = into.size();
        const auto made = into.emplace_hint(old, std::piecewise_construct,
                                            std::forward_as_tuple(std::move(key)), std::tuple());
        refuse_twice(into.size() == before);
        if constexpr (!detail::plainly_keyed<Map>) move_objects(begin, &made->first, &key);
        load(made->second);
      }
    }
    into.erase(old, into.end());
  }
  template <class Key>
  [[gnu::always_inline]] void load_key(Key& into) {
    if constexpr (std::same_as<Key, std::string_view>) {
      const std::size_t size = get_count();
      into = {reinterpret_cast<const char*>(take(size)), size};
    } else {
      load(into);
    }
  }
  template <class Map, class Key>
  [[nodiscard, gnu::always_inline]] static std::weak_ordering compare(
      const Map& in, const typename Map::key_type& a, const Key& b) {
    if constexpr (detail::keyed_by_text<Map>) {
      return a <=> b;
    } else {
      if (in.key_comp()(a, b)) return std::weak_ordering::less;
      return in.key_comp()(b, a) ? std::weak_ordering::greater : std::weak_ordering::equivalent;
    }
  }

  // --- Pointers. `take` is called with the object, or null, before the object's contents are
  // decoded: these may refer to it, and nothing is lost should they be damaged.

  template <class T>
  void load_pointer(T*& into) {
    load_pointee<std::remove_const_t<T>>([&](auto* object, detail::object_entry* entry) {
      if (entry != nullptr && entry->owned == detail::ownership::nobody) {
        entry->owned = detail::ownership::unknown;
      }
      into = object;
    });
  }
  template <class T>
    requires(!std::is_array_v<T>)
  void load_class(std::unique_ptr<T>& into) {
    load_pointee<std::remove_const_t<T>>([&](auto* object, detail::object_entry* entry) {
      if (entry != nullptr) claim(*entry, detail::ownership::unique);
      into.reset(object);
    });
  }
  template <class T>
  void load_class(std::shared_ptr<T>& into) {
    load_pointee<std::remove_const_t<T>>([&](auto* object, detail::object_entry* entry) {
      if (entry == nullptr) return into.reset();
      if (entry->owned != detail::ownership::shared) {
        claim(*entry, detail::ownership::shared);
        entry->owner = entry->share(entry->address);
      }
      into = std::shared_ptr<T>(entry->owner, object);
    });
  }
  static void claim(detail::object_entry& entry, detail::ownership by) {
    if (entry.owned != detail::ownership::nobody && entry.owned != detail::ownership::unknown) {
      fail("an object has two owners");
    }
    entry.owned = by;
  }

  template <class T, class Take>
  void load_pointee(const Take& take) {
    static_assert(std::is_class_v<T>, "only pointers to objects of classes can be decoded");
    const std::uint64_t kind = get_number();
    if (kind == detail::null_pointer) return take(static_cast<T*>(nullptr), nullptr);
    if constexpr (!std::is_abstract_v<T>) {
      if (kind == detail::declared_class) return load_as<T>(take);
    }
    if constexpr (std::is_polymorphic_v<T>) {
      if (kind >= detail::first_named_class) {
        return load_derived<T>(named(kind - detail::first_named_class), take);
      }
    }
    fail("a pointer's object is of an impossible class");
  }

  template <class T, class Take>
  void load_derived(const detail::class_operations& of, const Take& take) {
    struct upcasting : detail::object_taker {
      const detail::class_operations* of;
      const Take* take;
    };
    constexpr auto upcast = [](detail::object_taker& self, void* object,
                               detail::object_entry& entry) {
      const auto& about = static_cast<upcasting&>(self);
      void* base =
          boost::serialization::void_upcast(about.of->info(), detail::info_of<T>(), object);
      if (base == nullptr) {
        throw unknown(boost::core::demangle(about.of->type->name()),
                      "its serialize() must name its base_object<>()");
      }
      (*about.take)(static_cast<T*>(base), &entry);
    };
    upcasting taker{{upcast}, &of, &take};
    of.load(*this, taker);
  }
  [[nodiscard]] const detail::class_operations& named(std::uint64_t index) {
    if (index > named_.size()) fail("a pointer's object is of an impossible class");
    if (index == named_.size()) {
      std::string name;
      load_string(name);
      const auto* known = detail::exported_class::find(
          [&](const detail::class_operations& any) { return name == any.name(); });
      if (known == nullptr) {
        throw unknown(name, "BOOST_CLASS_EXPORT it in a file that includes lib/codec/direct.h");
      }
      named_.add(*known);
    }
    return named_[index];
  }

  template <class T, class Take>
  void load_as(const Take& take) {
    static_cast<void>(detail::refer_to<&detail::through_pointers<T>::noted>());
    const auto note = meet<T>();
    const std::uint64_t id = note.tracked() ? get_number() : objects_.size();
    if (id > objects_.size()) fail("a pointer refers to an object that is not there");
    if (id < objects_.size()) {
      auto& known = objects_[id];
      if (known.number != detail::number_of<T>() || known.owned == detail::ownership::unfinished) {
        fail("a pointer refers to an object that it cannot be");
      }
      return take(static_cast<T*>(known.address), &known);
    }
    T* object = make<T>(note, take);
    load_contents(*object, note.version());
  }

  // A new object, constructed, entered if it is tracked, and taken.
  template <class T, class Take>
  T* make(detail::class_note note, const Take& take) {
    const std::size_t id = objects_.size();
    detail::allocation<T> memory;
    detail::object_entry own{
        memory.get(), detail::number_of<T>(), detail::ownership::unfinished, share<T>, {}};
    if (note.tracked()) objects_.push_back(own);
    {
      const auto deeper = descend();
      boost::serialization::load_construct_data_adl(*this, memory.get(), note.version());
    }
    T* object = memory.get();
    memory.release();
    auto& entry = note.tracked() ? objects_[id] : own;
    entry.owned = detail::ownership::nobody;
    try {
      take(object, &entry);
    } catch (...) {
      if (entry.owned == detail::ownership::nobody) boost::serialization::access::destroy(object);
      throw;
    }
    return object;
  }

  // By way of T*, so that shared_from_this() works.
  template <class T>
  [[nodiscard]] static std::shared_ptr<void> share(void* object) {
    return std::shared_ptr<T>(static_cast<T*>(object), boost::serialization::access::destroy<T>);
  }

  template <class T>
  [[nodiscard]] static constexpr std::size_t extent_of() noexcept {
    if constexpr (std::is_void_v<T>) {
      return std::numeric_limits<std::ptrdiff_t>::max();
    } else {
      return sizeof(T);
    }
  }

  [[nodiscard]] static detail::refusal refused(errc code, const char* why,
                                               const char* remedy = "") {
    return detail::refusal({code, 0, "decode", detail::direct_name, remedy, why});
  }
  [[nodiscard]] static detail::refusal unknown(std::string_view name, const char* remedy) {
    return detail::refusal({errc::mismatch, 0, "decode class", short_text(name), remedy});
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_newer(const std::type_info& of) {
    throw detail::refusal(
        {errc::mismatch, 0, "decode class", short_text(boost::core::demangle(of.name())),
         "update this program: a newer one wrote it", "its version is newer than this program's"});
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void fail(const char* why,
                                                          const char* remedy = "") {
    throw refused(errc::corrupt, why, remedy);
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void end_too_early() {
    fail("it ends too early",
         "if its type has other members in the program that wrote it, use that, or write it anew");
  }

  const std::byte* at_;
  const std::byte* end_;
  boost::serialization::library_version_type library_version_;
  int depth_ = 0;
  std::size_t last_begin_ = 0;  // objects_.size() before the object that was decoded last
  detail::class_notes notes_;
  std::vector<detail::object_entry> objects_;  // those that are tracked, by id
};

}  // namespace shmark
