// The peers that are compared with only if they are linked (tools/setup --peers): which of them
// this build lacks. Whoever lists results says so; they are never silently left out.
//
// Peers that are looked for at run time, such as Perl's modules, are not among them.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace shmark {

struct missing_peer {
  std::string_view name;  // as its codec or store would be called
  std::string_view remedy;
};

[[nodiscard]] inline std::span<const missing_peer> missing_peers() noexcept {
#ifdef SHMARK_PEERS
  return {};
#else
  constexpr std::string_view remedy = "run tools/setup --peers, and build again";
  static constexpr std::array all{missing_peer{"cereal", remedy}, missing_peer{"lmdb", remedy},
                                  missing_peer{"redis", remedy}};
  return all;
#endif
}

}  // namespace shmark
