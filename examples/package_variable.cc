// A named variable survives the program: how often has it been run?
//
//     bazel run //examples:package_variable

#include <cstdio>

#include "lib/shm/domain.h"

int main(int argc, char** argv) {
  auto domain = shmark::domain<>::open(argc > 1 ? argv[1] : "example");
  if (!domain) return std::fprintf(stderr, "%s\n", domain.error().message().c_str()), 2;
  auto visits = domain->variable<int>("visits");
  if (!visits) return 1;
  auto done = visits->update([](int& n) { ++n; });  // all of it or nothing, for all processes
  auto now = visits->read();
  if (!done || !now) return 1;
  std::printf("%d\n", **now);
}
