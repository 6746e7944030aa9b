#include "lib/shm/domain.h"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace shmark::detail {

std::string space_of(std::string_view domain, uid_t user) {
  return std::to_string(user) + "." + std::string(domain);
}
std::string space_of(std::string_view domain) { return space_of(domain, geteuid()); }

error with_options(error why) noexcept {
  if (why.code != errc::denied) return why;
  why.remedy =
      why.sys_errno != 0
          ? "run as its owner, or have him make it with the option mode, 0660 or 0666"
          : "run as its owner or, if you trust him and all whom its mode lets write it, name him "
            "by the option owner";
  return why;
}

std::string readable(const char* type_name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(type_name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : type_name;
}

std::string brief(std::string type) {
  constexpr std::string_view string =
      "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >";
  for (auto at = type.find(string); at != type.npos; at = type.find(string, at)) {
    type.replace(at, string.size(), "std::string");
  }
  for (const std::string_view usual : {", std::allocator<", ", std::less<"}) {
    for (auto at = type.find(usual); at != type.npos; at = type.find(usual, at)) {
      auto end = at + usual.size();
      for (int depth = 1; end < type.size() && depth != 0; ++end) {
        depth += type[end] == '<' ? 1 : type[end] == '>' ? -1 : 0;
      }
      type.erase(at, end - at);
    }
  }
  for (auto at = type.find(" >"); at != type.npos; at = type.find(" >", at)) type.erase(at, 1);
  return type;
}

}  // namespace shmark::detail
