#include "lib/mapping/shared_memory.h"

#include <array>
#include <cstdio>
#include <cstring>

namespace shmark {

std::expected<open_mode, error> parse_open_mode(std::string_view spelling) noexcept {
  if (spelling == "<") return open_mode::read;
  if (spelling == "+<") return open_mode::read_write;
  if (spelling == ">") return open_mode::create_write;
  if (spelling == "+>") return open_mode::create_read_write;
  return failure(errc::invalid, "open shared memory in mode", spelling, "use <, +<, > or +>");
}

shared_memory& shared_memory::operator=(shared_memory&& other) noexcept {
  std::swap(mapped_, other.mapped_);
  std::swap(bytes_, other.bytes_);
  std::swap(writable_, other.writable_);
  std::swap(name_, other.name_);
  return *this;
}

std::expected<std::span<std::byte>, error> shared_memory::writable_bytes() const noexcept {
  if (writable_) return bytes_;
  return failure(errc::denied, "write to shared memory", name_,
                 because{"it was opened for reading"}, "open it with open_mode::read_write");
}

std::expected<void, error> shared_memory::write(std::size_t offset,
                                                std::span<const std::byte> from) const noexcept {
  SHMARK_ASSIGN_OR_RETURN(const auto to, writable_bytes());
  if (offset > to.size() || from.size() > to.size() - offset) {
    std::array<char, 80> found;
    std::snprintf(found.data(), found.size(), "%zu bytes at %zu go past the end at %zu",
                  from.size(), offset, to.size());
    return failure(errc::invalid, "write to shared memory", name_, because{found.data()},
                   "write less, or open it anew with a larger size");
  }
  if (!from.empty()) std::memmove(to.data() + offset, from.data(), from.size());
  return {};
}

}  // namespace shmark
