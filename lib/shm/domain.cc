#include "lib/shm/domain.h"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace shmark::detail {

std::string space_of(std::string_view domain) {
  return std::to_string(geteuid()) + "." + std::string(domain);
}

std::string readable(const char* type_name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(type_name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : type_name;
}

}  // namespace shmark::detail
