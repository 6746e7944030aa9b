// Reads the colours that shareable_server shares, and takes the red ones away.

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdio>

#include "lib/shareable/shareable.h"

int main(int argc, char** argv) {
  using colours = std::map<std::string, std::vector<std::string>>;
  auto ours = shmark::shareable<colours>::open(argc > 1 ? argv[1] : "data");
  if (!ours) return std::fprintf(stderr, "%s\n", ours.error().message().c_str()), 2;
  auto change = ours->writable();
  if (!change) return std::fprintf(stderr, "%s\n", change.error().message().c_str()), 1;
  for (const auto& [name, things] : **change) {
    std::printf("client: %s, as of %s\n", name.c_str(), things.front().c_str());
  }
  (*change)->erase("red");
  const auto done = change->unlock();
  return done ? 0 : (std::fprintf(stderr, "%s\n", done.error().message().c_str()), 1);
}
