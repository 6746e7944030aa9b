// A hash that every program of every version computes alike, for what is stored or agreed upon.
//
// FNV-1a, 64 bits: G. Fowler, L. C. Noll, K.-P. Vo, "The FNV non-cryptographic hash algorithm". For
// short texts; not against those who look for collisions.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmark {

[[nodiscard]] constexpr std::uint64_t fnv1a(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace shmark
