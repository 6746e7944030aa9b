#include "tools/shmctl/store_look.h"

#include <sched.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "lib/lock/sysv_semaphore.h"

namespace shmark::inspector {
namespace {

// How often to begin anew because a writer was faster.
constexpr int tries_max = 100;

std::expected<glimpse, error> finished(std::expected<glimpse, error> seen) {
  if (seen && seen->is_unfinished()) {
    return failure(errc::not_found, "look at store", seen->name(),
                   because{"it is being made, or its maker has died"});
  }
  return seen;
}

bool begins_with(const glimpse& seen, std::string_view magic) {
  const auto bytes = seen.bytes(0, magic.size());
  return bytes.size() == magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

segment_facts facts_of(const glimpse& seen) {
  return {seen.name(), seen.size(), seen.owner(), seen.mode(), seen.is_open(), seen.identity()};
}

bool is_store(const glimpse& seen) { return begins_with(seen, "shmarkS\n"); }
bool is_data_segment(const glimpse& seen) { return begins_with(seen, "shmarkD\n"); }
bool is_roster(const glimpse& seen) { return begins_with(seen, "shmrost\n"); }

const detail::control& store_look::control_in(const block_copy& copy) noexcept {
  return *std::launder(reinterpret_cast<const detail::control*>(copy.bytes.data()));
}

// A copy in which what describes the current value belongs to the word.
auto store_look::copy_block(const glimpse& seen)
    -> std::expected<std::shared_ptr<block_copy>, error> {
  auto one = std::make_shared<block_copy>();
  auto next = std::make_shared<block_copy>();
  for (int tries = 0; tries < tries_max; ++tries) {
    for (auto* copy : {one.get(), next.get()}) {
      if (seen.copy(0, copy->bytes) == copy->bytes.size()) continue;
      return failure(errc::mismatch, "look at store", seen.name(),
                     because{"it is too small to be one"});
    }
    // The side that is current under a serial is written by nobody before the next.
    if (detail::serial_of(control_in(*one).word) == detail::serial_of(control_in(*next).word)) {
      return next;  // all of it was copied while that was the serial
    }
    sched_yield();
  }
  return failure(errc::would_block, "look at store", seen.name(),
                 because{"it is written faster than it can be copied"}, "try again");
}

std::expected<glimpse, error> store_look::look() const {
  return finished(id_ ? glimpse::of_id(*id_) : glimpse::of(where_, key_));
}

auto store_look::at(medium where, const segment_key& key) -> std::expected<store_look, error> {
  return from(store_look(where, key, {}));
}

auto store_look::at_id(int id) -> std::expected<store_look, error> {
  return from(store_look(medium::sysv, {"", 0}, id));
}

auto store_look::from(store_look made) -> std::expected<store_look, error> {
  SHMARK_ASSIGN_OR_RETURN(const auto seen, made.look());
  made.segment_ = facts_of(seen);
  SHMARK_ASSIGN_OR_RETURN(made.copy_, copy_block(seen));
  const auto size = static_cast<std::size_t>(seen.size());
  const std::span<std::byte> bytes(made.copy_->bytes);
  // What examine() checks of a mapping, for the lock that the block names.
  const auto lock = made.lock_name();
  const auto checked =
      detail::examine(bytes, lock, static_cast<std::size_t>(made.block().lock_size), seen.name());
  // It was given the block alone, which is shorter than what its sizes say.
  if (!checked && checked.error().code != errc::corrupt) return std::unexpected(checked.error());
  const auto capacity = made.capacity();
  const auto whole = detail::control_size(made.has_advisory(), capacity);
  if (!detail::is_capacity(capacity) || capacity > size || whole > size ||
      whole != made.block().segment_size) {
    return failure(errc::corrupt, "look at store", seen.name(),
                   because{"its sizes do not fit together"});
  }
  for (std::size_t index : {made.serial() % 2, (made.serial() + 1) % 2}) {
    const auto number = made.block().sides[index].segment.load();
    if (number == 0) continue;
    data one{number, index == made.serial() % 2, {}};
    const auto there = glimpse::of(made.where_, {made.key_.space, number});
    if (there) one.there = facts_of(*there);
    made.data_.push_back(one);
  }
  return made;
}

std::string store_look::lock_name() const {
  const auto& name = block().lock_name;
  return {name.begin(), std::ranges::find(name, '\0')};
}

std::vector<store_look::lock> store_look::locks() const {
  const auto name = lock_name();
  std::vector<lock> all;
  const auto add = [&](bool is_advisory, const std::byte* state) {
    lock one{.is_advisory = is_advisory};
    if (name == robust_rw::name && block().lock_size == sizeof(robust_rw::state)) {
      one.robust = std::launder(reinterpret_cast<const robust_rw::state*>(state));
    } else if (name == sysv_semaphore::name) {
      std::memcpy(&one.semaphores.emplace(), state, sizeof *one.semaphores);
    }
    all.push_back(one);
  };
  add(false, block().lock_area.data());
  if (has_advisory()) add(true, copy_->bytes.data() + sizeof(detail::control));
  return all;
}

std::uint64_t store_look::allocated() const noexcept {
  std::uint64_t all = segment_.size;
  for (const auto& each : data_) all += each.there ? each.there->size : 0;
  return all;
}

auto store_look::bytes_of(const glimpse& seen, const detail::control& now) const
    -> std::optional<std::vector<std::byte>> {
  const auto serial = detail::serial_of(now.word);
  const auto& side = now.sides[serial % 2];
  const auto number = side.segment.load();
  const auto cut = [&](const glimpse& from, std::uint64_t begin,
                       std::uint64_t room) -> std::optional<std::vector<std::byte>> {
    if (side.length > room || side.references > (room - side.length) / sizeof(std::uint64_t)) {
      return {};
    }
    const auto wanted = side.length + side.references * sizeof(std::uint64_t);
    auto bytes = from.bytes(begin, wanted);
    if (bytes.size() != wanted) return {};
    return bytes;
  };
  if (number == 0) {
    return cut(seen, detail::buffers_at(has_advisory()) + serial % 2 * now.capacity, now.capacity);
  }
  const auto there = glimpse::of(where_, {key_.space, number});
  if (!there || there->size() < sizeof(detail::data_header)) return {};
  const auto header = there->bytes(0, sizeof(detail::data_header));
  if (!detail::is_data(header, key_.number, side.generation.load())) return {};
  return cut(*there, header.size(), there->size() - header.size());
}

std::expected<store_contents, error> store_look::contents() const {
  constexpr const char* attempted = "look at store";
  for (int tries = 0; tries < tries_max; ++tries) {
    SHMARK_ASSIGN_OR_RETURN(const auto seen, look());
    SHMARK_ASSIGN_OR_RETURN(const auto copy, copy_block(seen));
    const auto& now = control_in(*copy);
    if (now.removed.load() != 0) {
      return failure(errc::not_found, attempted, segment_.name, because{"it has been removed"});
    }
    const auto serial = detail::serial_of(now.word);
    const auto& side = now.sides[serial % 2];
    const auto bytes = now.capacity == capacity() ? bytes_of(seen, now) : std::nullopt;
    const bool is_unwritten = serial == 1 && bytes && bytes->empty();
    const bool is_whole = bytes && (now.has_checksum == 0 || is_unwritten ||
                                    detail::checksum(*bytes) == side.checksum);
    SHMARK_ASSIGN_OR_RETURN(const auto after, copy_block(seen));
    const bool is_current = detail::serial_of(control_in(*after).word) == serial;
    // A checksum that is right is one of bytes of one moment.
    if (is_whole && (is_current || now.has_checksum != 0)) {
      store_contents found{.serial = serial};
      const auto length = static_cast<std::ptrdiff_t>(side.length);
      found.value.assign(bytes->begin(), bytes->begin() + length);
      found.references.resize(side.references);
      if (!found.references.empty()) {
        std::memcpy(found.references.data(), bytes->data() + length,
                    found.references.size() * sizeof(std::uint64_t));
      }
      return found;
    }
    if (is_current) {
      return failure(errc::corrupt, attempted, segment_.name,
                     bytes ? because{"its value does not have its checksum"}
                           : because{"its value is not in its segments"},
                     "write it anew, or remove it");
    }
    sched_yield();
  }
  return failure(errc::would_block, attempted, segment_.name,
                 because{"it is written faster than it can be copied"}, "try again");
}

}  // namespace shmark::inspector
