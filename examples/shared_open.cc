// Raw shared memory: one handle writes and another reads, as two programs would.
//
//     bazel run //examples:shared_open

#include <cstdio>
#include <span>

#include "lib/mapping/posix.h"

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "/shmark-example";
  auto board = shmark::shared_open(name, shmark::open_mode::create_read_write, {.size = 4096});
  if (!board) return std::fprintf(stderr, "%s\n", board.error().message().c_str()), 2;
  const char greeting[] = "hello";
  auto written = board->write(0, std::as_bytes(std::span(greeting)));

  auto seen = shmark::shared_open(name);  // all of it, for reading
  auto unlinked = shmark::shared_unlink(name);
  if (!written || !seen || !unlinked) return 1;
  std::printf("%zu bytes: %s\n", seen->size(), reinterpret_cast<const char*>(seen->bytes().data()));

  auto too_much = board->write(4093, std::as_bytes(std::span(greeting)));
  if (!too_much) std::printf("%s\n", too_much.error().message().c_str());
}
