// Processes that count together: each step takes the write lock, counts and publishes, so that none
// is lost.
//
//     bazel run -c opt //examples:locked_counter -- 4 100000        # prints 400000

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "lib/shm/domain.h"

int main(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: locked_counter PROCESSES STEPS [DOMAIN]\n", stderr), 2;
  auto domain = shmark::domain<>::open(argc > 3 ? argv[3] : "example");
  if (!domain) return std::fprintf(stderr, "%s\n", domain.error().message().c_str()), 2;
  auto counter = domain->unnamed<int>();
  for (int i = std::atoi(argv[1]); counter && i > 0; --i) {
    if (fork() != 0) continue;
    auto own = counter->copy();
    for (int n = std::atoi(argv[2]); own && n > 0; --n) ++*own->writable().value();
    _exit(0);
  }
  while (wait(nullptr) > 0) continue;
  if (counter) std::printf("%d\n", *counter->read().value());
}
