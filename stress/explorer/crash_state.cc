#include "stress/explorer/crash_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "lib/base/descriptor.h"
#include "lib/base/hash.h"
#include "lib/segment/posix.h"
#include "lib/store/layout.h"

namespace shmark::explorer {
namespace {

// 0, if there is none.
std::uint64_t word_of(const std::vector<std::byte>& bytes, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (at < bytes.size()) std::memcpy(&word, &bytes[at], std::min(sizeof word, bytes.size() - at));
  return word;
}

}  // namespace

crash_state::crash_state(std::string prefix) : prefix_(std::move(prefix)) {
  look_for_objects();
  for (auto& [name, one] : objects_) one.first.assign(one.mapped.begin(), one.mapped.end());
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
}

bool crash_state::has_changed() {
  bool changed = are_others_;
  are_others_ = false;
  for (auto& [name, one] : objects_) {
    if (one.seen.size() == one.mapped.size() &&
        (one.mapped.empty() ||
         std::memcmp(one.seen.data(), one.mapped.data(), one.mapped.size()) == 0)) {
      continue;
    }
    one.seen.assign(one.mapped.begin(), one.mapped.end());
    changed = true;
  }
  return changed;
}

std::uint64_t crash_state::hash() const noexcept {
  std::uint64_t all = 0;
  for (const auto& [name, one] : objects_) {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
    all = (all ^ fnv1a(name)) * odd;
    all = (all ^ one.seen.size() ^ detail::checksum(one.seen)) * odd;
  }
  return all;
}

std::uint64_t crash_state::shape(std::string_view main) const noexcept {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
  std::uint64_t all = objects_.size();
  for (const auto& [name, one] : objects_) {
    std::uint64_t its = one.seen.size() * odd;
    for (std::size_t at = 0; at < one.seen.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t before = name == main ? word_of(one.first, at) : 0;
      if (word_of(one.seen, at) != before) its = (its ^ at) * odd;
    }
    all += its ^ (its >> 32U);  // in whatever order: names are random
  }
  return all;
}

}  // namespace shmark::explorer
