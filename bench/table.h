// The table that benchmarks print, a row as soon as each is done.
#pragma once

#include <cstddef>
#include <string>

#include "lib/result/result.h"

namespace shmark::bench {

// Where, with what and how: printed before anything is measured.
void print_context(const result::context& about);
// On standard error, if it is a build whose times say nothing.
void warn_of_build(const result::context& about);

class table {
 public:
  void begin(std::size_t name_width);
  // A line; with a heading before the first of each family.
  void add(const result::entry& entry);

 private:
  std::size_t name_width_ = 40;
  std::string family_;
};

}  // namespace shmark::bench
