// Checks of command-line flags that several programs need. Not for the library: nothing else in
// lib/ includes it.
//
//     app.add_option("--threshold", threshold, "…")->check(flags::number_between(1, 10));
//     flags::add_seed(app, seed, "of all that is drawn");
//
// Thread safety: as CLI11's.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

namespace shmark::flags {

// A number from `min` to `max`. CLI::Range takes NaN for one.
[[nodiscard]] CLI::Validator number_between(double min, double max);

// Something that may be the path of a file to write. Where nothing follows `--out=`, CLI11 takes
// the next flag for its value.
[[nodiscard]] CLI::Validator path();

// Adds --seed: a number of 64 bits, in decimal. CLI11 takes a greater one for the greatest.
CLI::Option* add_seed(CLI::App& app, std::uint64_t& seed, const std::string& what);

}  // namespace shmark::flags
