// The archive that encodes: Boost.Serialization's concept "Saving Archive", into a sink. Users meet
// it as the Archive of their own serialize(). DIRECT.md describes the bytes.
//
// Everything is decided by type at compile time, down to one memcpy per number; what is not is one
// look at a note per object of a class.
#pragma once

#include <array>
#include <boost/archive/basic_archive.hpp>
#include <boost/core/demangle.hpp>
#include <boost/mpl/bool.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/version.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/codec/border.h"
#include "lib/codec/codec.h"
#include "lib/codec/direct/archive.h"
#include "lib/codec/direct/classes.h"
#include "lib/codec/direct/exports.h"
#include "lib/codec/direct/format.h"
#include "lib/codec/direct/serializable.h"

namespace shmark {

namespace detail {

// memcpy for what is mostly short, where calling it takes longer than what it does: two copies that
// overlap, for 4 to 32 bytes.
[[gnu::always_inline]] inline void copy_short(std::byte* to, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  const auto both_ends = [&](auto part) {
    auto last = part;
    std::memcpy(&part, bytes, sizeof part);
    std::memcpy(&last, bytes + size - sizeof last, sizeof last);
    std::memcpy(to, &part, sizeof part);
    std::memcpy(to + size - sizeof last, &last, sizeof last);
  };
  if (size > 32) {
    std::memcpy(to, bytes, size);
  } else if (size >= 16) {
    both_ends(std::array<std::byte, 16>{});
  } else if (size >= 8) {
    both_ends(std::uint64_t{});
  } else if (size >= 4) {
    both_ends(std::uint32_t{});
  } else {
    for (std::size_t i = 0; i < size; ++i) to[i] = bytes[i];
  }
}

}  // namespace detail

class direct_output : public detail::archive_base {
 public:
  using is_saving = boost::mpl::true_;
  using is_loading = boost::mpl::false_;

  explicit direct_output(sink& to) : to_(&to) {
    use(to.room(0));
    put(detail::direct_format);
    const auto library = get_library_version();
    put_number(library);
  }
  direct_output(const direct_output&) = delete;
  direct_output& operator=(const direct_output&) = delete;
  ~direct_output() { to_->advance(unflushed()); }

  template <class T>
  direct_output& operator<<(const T& value) {
    save(value);
    return *this;
  }
  template <class T>
  direct_output& operator&(const T& value) {
    save(value);
    return *this;
  }

  void save_binary(const void* data, std::size_t size) {
    if (size != 0) std::memcpy(claim(size), data, size);
  }
  [[nodiscard]] boost::serialization::library_version_type get_library_version() const {
    return boost::archive::BOOST_ARCHIVE_VERSION();
  }

 private:
  template <class T>
  friend struct detail::operations_of;

  // --- Bytes. at_ runs ahead of the sink, which is told when there is no room left.

  void use(std::span<std::byte> room) noexcept {
    begin_ = at_ = room.data();
    end_ = begin_ + room.size();
  }
  [[nodiscard]] std::size_t unflushed() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }
  [[nodiscard]] std::size_t written() const noexcept { return flushed_ + unflushed(); }

  [[nodiscard, gnu::always_inline]] std::byte* claim(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - at_)) [[unlikely]]
      make_room(size);
    return std::exchange(at_, at_ + size);
  }
  [[gnu::cold, gnu::noinline]] void make_room(std::size_t size) {
    to_->advance(unflushed());
    flushed_ += unflushed();
    begin_ = at_;
    const auto room = to_->room(size);
    if (to_->failure()) throw detail::refusal(*to_->failure());
    use(room);
  }

  template <class T>
  [[gnu::always_inline]] void put(T bits) {
    std::memcpy(claim(sizeof bits), &bits, sizeof bits);
  }
  // A number that is mostly small.
  [[gnu::always_inline]] void put_number(std::uint64_t number) {
    if (number < detail::long_number) [[likely]] {
      put(static_cast<std::uint8_t>(number));
    } else {
      put_long(number);
    }
  }
  [[gnu::noinline]] void put_long(std::uint64_t number) {
    put(detail::long_number);
    put(number);
  }

  // --- Values, by kind.

  template <class T>
  [[gnu::always_inline]] void save(const T& value) {
    using boost::serialization::collection_size_type;
    using boost::serialization::item_version_type;
    if constexpr (std::is_pointer_v<T>) {
      save_pointer(value);
    } else if constexpr (std::is_array_v<T>) {
      put_number(std::extent_v<T>);
      save_elements(&value[0], std::extent_v<T>);
    } else if constexpr (std::is_enum_v<T>) {
      save(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::same_as<T, long double> && std::numeric_limits<T>::digits == 64) {
      save_binary(&value, detail::long_double_bytes);
    } else if constexpr (std::is_arithmetic_v<T>) {
      put(value);
    } else if constexpr (detail::is_string<T>) {
      save_text(value);
    } else if constexpr (std::same_as<T, collection_size_type> ||
                         std::same_as<T, item_version_type>) {
      put_number(value);
    } else if constexpr (detail::primitive_class<T>) {
      static_assert(
          std::is_standard_layout_v<T> && std::is_trivially_destructible_v<T>,
          "a class of level primitive_type is saved as its bytes: it must consist of them");
      save_binary(&value, sizeof value);
    } else {
      save_class(value);
    }
  }

  template <class String>
  [[gnu::always_inline]] void save_text(const String& text) {
    const std::size_t bytes = text.size() * sizeof(text[0]);
    if (bytes < detail::long_number) [[likely]] {
      auto* at = claim(1 + bytes);
      *at = static_cast<std::byte>(text.size());
      detail::copy_short(at + 1, text.data(), bytes);
    } else {
      put_number(text.size());
      save_binary(text.data(), bytes);
    }
  }
  template <class T>
  void save_elements(const T* elements, std::size_t count) {
    if constexpr (detail::plain_number<T>) {
      save_binary(elements, count * sizeof(T));
    } else {
      for (; count > 0; --count) save(*elements++);
    }
  }

  template <class T>
  [[gnu::always_inline]] void save_class(const boost::serialization::nvp<T>& named) {
    save(named.const_value());
  }
  template <class T>
  void save_class(const boost::serialization::array_wrapper<T>& elements) {
    save_elements(elements.address(), elements.count());
  }
  template <class T>
    requires(!std::is_array_v<T>)
  void save_class(const std::unique_ptr<T>& pointer) {
    save_pointer(pointer.get());
  }
  template <class T>
  void save_class(const std::shared_ptr<T>& pointer) {
    save_pointer(pointer.get());
  }
  template <class T>
  [[gnu::always_inline]] void save_class(const T& object) {
    if constexpr (detail::wrapper<T>) {
      save_members(object);
    } else {
      if constexpr (!detail::unnoted<T>) {
        if (meet<T>().tracked() && !save_id(object)) return;
      }
      save_contents(object);
    }
  }

  // --- Objects of classes.

  // Notes the class, in the archive, too, if it is the first object of it.
  template <class T>
  [[gnu::always_inline]] detail::class_note meet() {
    auto& note = notes_[detail::number_of<T>()];
    if (!note.met()) [[unlikely]]
      note = introduce<T>();
    return note;
  }
  template <class T>
  [[gnu::noinline]] detail::class_note introduce() {
    constexpr std::uint64_t version = boost::serialization::version<T>::value;
    static_assert(version <= detail::class_note::max_version);
    const bool tracked = detail::is_tracked<T>();
    put_number(version << 1 | (tracked ? 1U : 0U));
    return {version, tracked};
  }

  // Whether its contents have to follow; otherwise they are in the archive already.
  template <class T>
  [[gnu::noinline]] bool save_id(const T& object) {
    const auto [found, added] = identify(object, false);
    if (!added && found.by_pointer) {
      throw refused("an object is saved after a pointer to it", "save the object first");
    }
    return added;
  }

  template <class T>
  [[gnu::always_inline]] void save_contents(const T& object) {
    if constexpr (detail::is_pair<T>) {
      save_members(object);
    } else {
      const auto deeper = descend();
      const std::size_t before = written();
      save_members(object);
      // An object takes at least a byte, so that counts of them can be held against what is there.
      if (written() == before) put(std::uint8_t{0});
    }
  }
  [[nodiscard]] detail::depth_guard descend() {
    if (depth_ >= detail::max_depth) {
      throw refused("its objects are nested too deeply", "keep long lists in a container");
    }
    return detail::depth_guard(depth_);
  }

  // What its class, or the library, says that it consists of. Some of the standard containers are
  // here instead: maps for speed; unordered ones because Boost saves their number of buckets, which
  // no bytes account for; and vectors of numbers, which are copied whole.
  template <class T>
  [[gnu::always_inline]] void save_members(const T& object) {
    detail::serialize_members(*this, const_cast<T&>(object),
                              boost::serialization::version<T>::value);
  }
  template <class T, class A>
    requires detail::plain_number<T>
  void save_members(const std::vector<T, A>& numbers) {
    put_number(numbers.size());
    save_elements(numbers.data(), numbers.size());
  }
  template <class K, class T, class C, class A>
  void save_members(const std::map<K, T, C, A>& items) {
    put_number(items.size());
    for (const auto& item : items) save(item);
  }
  template <class T>
    requires detail::is_hashed<T>
  void save_members(const T& items) {
    constexpr unsigned version = boost::serialization::version<typename T::value_type>::value;
    put_number(items.size());
    put_number(version);
    for (const auto& item : items) {
      boost::serialization::save_construct_data_adl(*this, &item, version);
      save(item);
    }
  }

  // --- Pointers.

  template <class T>
  void save_pointer(const T* object) {
    static_assert(std::is_class_v<T>, "only pointers to objects of classes can be saved");
    if (object == nullptr) return put_number(detail::null_pointer);
    if constexpr (std::is_polymorphic_v<T>) {
      if (typeid(*object) != typeid(T)) {
        return save_derived(typeid(*object), dynamic_cast<const void*>(object));
      }
    }
    if constexpr (!std::is_abstract_v<T>) {
      put_number(detail::declared_class);
      save_pointee(*object);
    }
  }
  void save_derived(const std::type_info& type, const void* object) {
    const std::size_t index = named_.find(type);
    put_number(detail::first_named_class + index);
    if (index == named_.size()) {
      const auto* known = detail::exported_class::find(
          [&](const detail::class_operations& any) { return *any.type == type; });
      if (known == nullptr) throw unknown(type);
      named_.add(*known);
      const std::string_view name = known->name();
      put_number(name.size());
      save_binary(name.data(), name.size());
    }
    named_[index].save(*this, object);
  }
  template <class T>
  void save_pointee(const T& object) {
    static_cast<void>(detail::refer_to<&detail::through_pointers<T>::noted>());
    if (meet<T>().tracked() && !identify(object, true).second) return;
    {
      const auto deeper = descend();
      boost::serialization::save_construct_data_adl(*this, &object,
                                                    boost::serialization::version<T>::value);
    }
    save_contents(object);
  }

  // --- Tracked objects.

  struct object_name {
    const void* address;
    std::uint32_t number;  // of its class: an object and its first member have the same address
    bool operator==(const object_name&) const = default;
  };
  struct name_hash {
    std::size_t operator()(const object_name& of) const noexcept {
      return std::hash<const void*>()(of.address) ^ of.number * std::size_t{0x9e3779b97f4a7c15};
    }
  };
  struct tracked_object {
    std::size_t id;
    bool by_pointer;  // it was met through one
  };

  // Writes the object's id, a new one if it has none. The second says whether it had none.
  template <class T>
  std::pair<tracked_object, bool> identify(const T& object, bool by_pointer) {
    const object_name name{&object, detail::number_of<T>()};
    const auto [found, added] = objects_.try_emplace(name, objects_.size(), by_pointer);
    put_number(found->second.id);
    return {found->second, added};
  }

  [[nodiscard]] static detail::refusal refused(const char* why, const char* remedy) {
    return detail::refusal({errc::invalid, 0, "encode", detail::direct_name, remedy, why});
  }
  [[nodiscard]] static detail::refusal unknown(const std::type_info& type) {
    return detail::refusal({errc::invalid, 0, "encode class",
                            short_text(boost::core::demangle(type.name())),
                            "BOOST_CLASS_EXPORT it in a file that includes lib/codec/direct.h"});
  }

  sink* to_;
  std::byte* begin_;
  std::byte* at_;
  std::byte* end_;
  std::size_t flushed_ = 0;
  int depth_ = 0;
  detail::class_notes notes_;
  std::unordered_map<object_name, tracked_object, name_hash> objects_;
};

}  // namespace shmark
