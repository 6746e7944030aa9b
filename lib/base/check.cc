#include "lib/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace shmark::detail {

void check_failed(const char* file, int line, const char* condition,
                  const char* explanation) noexcept {
  std::fprintf(stderr, "shmark: %s (check `%s` failed at %s:%d)\n", explanation, condition, file,
               line);
  std::abort();
}

}  // namespace shmark::detail
