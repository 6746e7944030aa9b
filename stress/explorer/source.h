// Which source lines machine instructions come from: addr2line(1) and objdump(1) of binutils, asked
// once for all of them.
//
// Lines are known of what was compiled with -g1 or more and not stripped: lib/base, lib/lock,
// lib/segment and lib/store, with --compilation_mode=opt. Of anything else, and without binutils,
// nothing is known, and that is no error.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmark::explorer {

struct source_line {
  std::string file;  // as the compiler was told: "lib/lock/robust_rw.cc"
  int number = 0;
  auto operator<=>(const source_line&) const = default;
};

struct origin {
  std::string function;  // without arguments; empty: not known
  source_line line;
};

// Of an instruction, what it was inlined into after it.
using origins = std::vector<origin>;

class sources {
 public:
  // Of this program; `addresses` are those of its instructions in memory.
  explicit sources(const std::set<std::uint64_t>& addresses);

  // Empty, if nothing is known.
  [[nodiscard]] const origins& of(std::uint64_t address) const noexcept;
  // The innermost that is in one of these files ("lib/lock/robust_rw.cc"), or else in any of ours.
  [[nodiscard]] origin innermost_in(std::uint64_t address,
                                    std::span<const std::string_view> files) const;

 private:
  std::map<std::uint64_t, origins> known_;
};

// Whether an address is one of this program itself, and not of a library.
[[nodiscard]] bool is_our_code(std::uint64_t address);

// All lines of files in a folder ("lib/") for which this program has instructions.
[[nodiscard]] std::set<source_line> lines_with_code(std::string_view folder);

}  // namespace shmark::explorer
