// The table that benchmarks print, a row as soon as each is done.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lib/result/result.h"

namespace shmark::bench {

// Where, with what and how: printed before anything is measured.
void print_context(const result::context& about);
// What can be told from noise, and what disturbs.
void print_calibration(const result::context& about);
// On standard error, if it is a build whose times say nothing.
void warn_of_build(const result::context& about);
// What was not measured, since it is not here.
void print_missing(const result::context& about);

class table {
 public:
  explicit table(const result::context& about) : about_(about) {}
  void begin(std::size_t name_width);
  // A line, with a heading before the first of each family: of one repetition that, of several
  // their medians, with the noise floor.
  void add(const std::vector<result::entry>& of_one_benchmark);

 private:
  void add_row(const result::entry& entry, double noise_floor);

  const result::context& about_;
  std::size_t name_width_ = 40;
  std::string family_;
};

}  // namespace shmark::bench
