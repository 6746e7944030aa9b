// Runs the script that measures Perl's IPC::Shareable.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "lib/base/error.h"

namespace shmark::bench {

class perl_script {
 public:
  // Requires: it is started where Bazel starts programs, or in the workspace's folder. Errors:
  // not_found, which says how to get what is missing: the script, Perl or the module.
  [[nodiscard]] static std::expected<perl_script, error> find();

  // Of IPC::Shareable.
  [[nodiscard]] const std::string& version() const noexcept { return version_; }

  // What one operation takes, in ns, if it is done so many times. Makes sure that the script's
  // segment and semaphores are gone. Errors: not_found, invalid (the script failed).
  [[nodiscard]] static std::expected<double, error> time_ns(const std::string& operation,
                                                            int count);

 private:
  explicit perl_script(std::string version) : version_(std::move(version)) {}

  std::string version_;
};

}  // namespace shmark::bench
