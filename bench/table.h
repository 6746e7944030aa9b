// The table that benchmarks print, a row as soon as each is done.
#pragma once

#include <cstddef>
#include <string>

#include "lib/result/result.h"

namespace shmark::bench {

// Where, with what and how: printed before anything is measured, with a warning for what would
// make the numbers worthless.
void print_context(const result::context& about);

class table {
 public:
  void begin(std::size_t name_width);
  // A line; with a heading before the first of each family.
  void add(const result::entry& entry);

 private:
  std::size_t name_width_ = 40;
  std::string family_;
};

// A duration with a fitting unit and three digits: "0.31 ns", "12.7 ns", "4.05 us", "118 ms".
[[nodiscard]] std::string duration_text(double ns);
// A rate likewise: "31.4 M/s".
[[nodiscard]] std::string rate_text(double per_s);

}  // namespace shmark::bench
