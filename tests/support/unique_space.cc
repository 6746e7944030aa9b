#include "tests/support/unique_space.h"

#include <atomic>
#include <cstdio>

#include "lib/base/random.h"
#include "tests/support/shared.h"

namespace shmark::support {
namespace {

const shared<std::atomic<unsigned>> spaces_given;

std::string draw() {
  // Process numbers would not do: every sandbox has a number 2.
  char text[32];
  std::snprintf(text, sizeof text, "test-%016llx",
                static_cast<unsigned long long>(unpredictable_number()));
  return text;
}

const std::string drawn = draw();  // before anybody can fork

}  // namespace

const std::string& program_space() { return drawn; }

std::string unique_space() { return drawn + "." + std::to_string(spaces_given->fetch_add(1)); }

}  // namespace shmark::support
