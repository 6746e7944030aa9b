// Variables without names: one for this program and its children, gone when they are, and one that
// lives on because the value of a named one refers to it.
//
//     bazel run //examples:lexical

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "lib/shm/domain.h"

int main(int argc, char** argv) {
  auto domain = shmark::domain<>::open(argc > 1 ? argv[1] : "example");
  if (!domain) return std::fprintf(stderr, "%s\n", domain.error().message().c_str()), 2;
  auto sum = domain->unnamed<int>();
  for (int child = 1; sum && child <= 3; ++child) {
    if (fork() == 0) _exit(sum->copy().value().update([=](int& n) { n += child; }) ? 0 : 1);
  }
  while (wait(nullptr) > 0) continue;
  auto last = domain->variable<shmark::ref<int>>("last sum");
  if (!sum || !last) return 1;
  if (auto to = *last->read().value()) std::printf("last time: %d\n", *to->read().value());
  std::printf("this time: %d\n", *sum->read().value());
  return last->write(sum->reference().value()) ? 0 : 1;
}
