// A System V shared memory segment: what IPC::Shm and IPC::Shareable stand on. See segment.h.
//
// Its System V key is made of the number's low 31 bits (never 0, which would mean "private"), or,
// for number 0, of a hash of the space. Keys are shared by all programs of the machine, so creation
// never takes over what is there, and every attach is checked for its owner.
//
// Whether it is attached is the kernel's count, shm_nattch, which forked children add to and the
// dead leave.
//
// Source: shmget(2), shmctl(2), shmop(2), sysvipc(7). While open_or_create makes first contents,
// the segment carries the execute bit of its owner, which the system has no use for: the kernel
// keeps that mark, and the creator's process number and time beside it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "lib/base/error.h"
#include "lib/segment/mapping.h"
#include "lib/segment/segment.h"

namespace shmark {

class sysv_segment {
 public:
  static constexpr std::string_view kind = "sysv";
  static constexpr segment_traits can{.named = true};

  [[nodiscard]] static std::expected<sysv_segment, error> create(const segment_key& key,
                                                                 std::size_t size, mode_t mode,
                                                                 owners whose = owners::own);
  [[nodiscard]] static std::expected<sysv_segment, error> attach(const segment_key& key,
                                                                 owners whose = owners::own);
  [[nodiscard]] static std::expected<sysv_segment, error> open_or_create(
      const segment_key& key, std::size_t size, mode_t mode, const segment_initializer& init,
      owners whose = owners::own);
  [[nodiscard]] static std::expected<void, error> remove(const segment_key& key);
  [[nodiscard]] static std::expected<bool, error> is_attached(const segment_key& key);
  [[nodiscard]] std::expected<void, error> unlink() const;

  // The system's key of a segment, as shmget(2) and ipcs(1) know it.
  [[nodiscard]] static key_t system_key(const segment_key& key) noexcept;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapped_.bytes(); }
  [[nodiscard]] segment_access access() const noexcept { return access_; }

 private:
  sysv_segment(mapping mapped, const segment_key& key, int id, segment_access by) noexcept
      : mapped_(std::move(mapped)), key_(key), id_(id), access_(by) {}
  static std::expected<sysv_segment, error> map(int id, const segment_key& key, owners whose);
  static std::expected<sysv_segment, error> fill(sysv_segment made, mode_t mode,
                                                 const segment_initializer& init);

  mapping mapped_;
  segment_key key_;
  int id_;  // the system's; tells it from a later segment of the same key
  segment_access access_;
};
static_assert(named_segment<sysv_segment>);

}  // namespace shmark
