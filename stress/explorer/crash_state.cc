#include "stress/explorer/crash_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "lib/base/descriptor.h"
#include "lib/base/hash.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/layout.h"

namespace shmark::explorer {
namespace {

constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;

// 0, if there is none.
std::uint64_t word_of(const std::vector<std::byte>& bytes, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (at < bytes.size()) std::memcpy(&word, &bytes[at], std::min(sizeof word, bytes.size() - at));
  return word;
}

// Asked after each instruction: std::ranges::equal would go byte by byte.
bool is_same(std::span<const std::byte> one, std::span<const std::byte> other) noexcept {
  return one.size() == other.size() &&
         (one.empty() || std::memcmp(one.data(), other.data(), one.size()) == 0);
}

// Of bytes, which of their words differ from those that they had at `first`, or from 0.
std::uint64_t shape_of(const std::vector<std::byte>& seen,
                       const std::vector<std::byte>* first) noexcept {
  std::uint64_t its = seen.size() * odd;
  for (std::size_t at = 0; at < seen.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t before = first != nullptr ? word_of(*first, at) : 0;
    if (word_of(seen, at) != before) its = (its ^ at) * odd;
  }
  return its;
}

std::uint64_t hash_of(const std::vector<unsigned short>& values) noexcept {
  std::uint64_t its = values.size() * odd;
  for (const auto value : values) its = (its ^ value) * odd;
  return its;
}

}  // namespace

crash_state::crash_state(std::string prefix, pid_t executed)
    : prefix_(std::move(prefix)), executed_(executed) {
  look_for_objects();
  for (auto& [name, one] : objects_) one.first.assign(one.mapped.begin(), one.mapped.end());
  read_mapped();
  for (auto& [key, one] : segments_) one.first = one.now;
}

crash_state::~crash_state() {
  for (auto& [name, one] : objects_) unmap(one);
}

void crash_state::unmap(object& one) noexcept {
  if (one.mapped.empty()) return;
  munmap(const_cast<std::byte*>(one.mapped.data()), one.mapped.size());
  one.mapped = {};
}

void crash_state::map(object& one, const std::string& name) {
  const descriptor file(shm_open(("/" + name).c_str(), O_RDONLY | O_CLOEXEC, 0));
  struct stat status;
  if (!file || fstat(file.number(), &status) != 0) return;
  // No more than has memory: looking at a hole would fill it.
  constexpr blkcnt_t block = 512;
  const auto size =
      static_cast<std::size_t>(std::min<off_t>(status.st_size, status.st_blocks * block));
  if (one.inode == status.st_ino && one.mapped.size() == size) return;
  unmap(one);
  if (one.inode != status.st_ino) one.first.clear();  // another one of this name
  one.inode = status.st_ino;
  if (size == 0) return;
  void* const at = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.number(), 0);
  if (at != MAP_FAILED) one.mapped = {static_cast<const std::byte*>(at), size};
}

void crash_state::look_for_objects() {
  const auto names = posix_segment::names(prefix_);
  for (auto at = objects_.begin(); at != objects_.end();) {
    if (std::ranges::find(names, at->first) != names.end()) {
      ++at;
      continue;
    }
    unmap(at->second);
    at = objects_.erase(at);
    are_others_ = true;
  }
  for (const auto& name : names) {
    if (!objects_.contains(name)) are_others_ = true;
    map(objects_[name], name);
  }
  look_for_segments();
  look_for_semaphores();
}

void crash_state::look_for_segments() {
  const auto all = segments_made();
  if (all.empty() && segments_.empty()) return;
  const auto mappings = mappings_of_segments(executed_);
  std::map<key_t, segment> found;
  for (const auto& its : all) {
    segment one{.its = its};
    const auto known = segments_.find(its.key);
    const bool is_known = known != segments_.end() && known->second.its.id == its.id;
    if (is_known) one = std::move(known->second);
    if (!is_known || one.its.mode != its.mode) are_others_ = true;
    one.its = its;
    const auto mapped = mappings.find(its.id);
    one.mapped_at = mapped != mappings.end() ? mapped->second : 0;
    if (one.mapped_at == 0) one.now = its.copy();
    found.emplace(its.key, std::move(one));
  }
  if (found.size() != segments_.size()) are_others_ = true;
  segments_ = std::move(found);
}

void crash_state::look_for_semaphores() {
  decltype(semaphores_) found;
  for (auto& one : semaphores_made()) found.emplace(one.key, std::move(one.values));
  if (found != semaphores_) are_others_ = true;
  semaphores_ = std::move(found);
}

void crash_state::read_mapped() {
  std::vector<iovec> ours;
  std::vector<iovec> theirs;
  for (auto& [key, one] : segments_) {
    if (one.mapped_at == 0) continue;
    one.now.resize(one.its.size);
    ours.push_back({.iov_base = one.now.data(), .iov_len = one.now.size()});
    theirs.push_back(
        {.iov_base = reinterpret_cast<void*>(one.mapped_at), .iov_len = one.now.size()});
  }
  if (ours.empty()) return;
  process_vm_readv(executed_, ours.data(), ours.size(), theirs.data(), theirs.size(), 0);
}

bool crash_state::has_changed() {
  bool changed = are_others_;
  are_others_ = false;
  for (auto& [name, one] : objects_) {
    if (is_same(one.seen, one.mapped)) continue;
    one.seen.assign(one.mapped.begin(), one.mapped.end());
    changed = true;
  }
  read_mapped();
  for (auto& [key, one] : segments_) {
    if (is_same(one.seen, one.now)) continue;
    one.seen = one.now;
    changed = true;
  }
  return changed;
}

std::uint64_t crash_state::hash() const noexcept {
  std::uint64_t all = 0;
  for (const auto& [name, one] : objects_) {
    all = (all ^ fnv1a(name)) * odd;
    all = (all ^ one.seen.size() ^ detail::checksum(one.seen)) * odd;
  }
  for (const auto& [key, one] : segments_) {
    all = (all ^ static_cast<std::uint64_t>(key) ^ (std::uint64_t{one.its.mode} << 32U)) * odd;
    all = (all ^ one.seen.size() ^ detail::checksum(one.seen)) * odd;
  }
  for (const auto& [key, values] : semaphores_) {
    all = (all ^ static_cast<std::uint64_t>(key)) * odd;
    all = (all ^ hash_of(values)) * odd;
  }
  return all;
}

std::uint64_t crash_state::shape(const segment_key& main) const noexcept {
  std::uint64_t all = objects_.size() + segments_.size() * odd;
  const auto add = [&](std::uint64_t its) { all += its ^ (its >> 32U); };  // names are random
  const auto text = main.text();
  for (const auto& [name, one] : objects_) {
    add(shape_of(one.seen, name == text.view() ? &one.first : nullptr));
  }
  const key_t main_key = sysv_segment::system_key(main);
  for (const auto& [key, one] : segments_) {
    add(shape_of(one.seen, key == main_key ? &one.first : nullptr) ^ one.its.mode);
  }
  for (const auto& [key, values] : semaphores_) add(hash_of(values));
  return all;
}

}  // namespace shmark::explorer
