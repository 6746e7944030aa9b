// Shares colours by a glue, waits until a client takes one away, and removes them at its end.
//
//     bazel run //examples:shareable_server & bazel run //examples:shareable_client

#include <unistd.h>

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstdio>

#include "lib/shareable/shareable.h"

int main(int argc, char** argv) {
  using colours = std::map<std::string, std::vector<std::string>>;
  auto ours = shmark::shareable<colours>::open(argc > 1 ? argv[1] : "data",
                                               {.create = true, .destroy = true});
  if (!ours) return std::fprintf(stderr, "%s\n", ours.error().message().c_str()), 2;
  if (auto change = ours->writable()) {  // the exclusive lock, as long as `change` lives
    **change = {{"red", {"fire truck", "leaves in the fall"}}, {"blue", {"sky"}}};
  }
  auto now = ours->get();
  for (; now && (*now)->size() == 2; now = ours->get()) usleep(10'000);
  if (!now) return std::fprintf(stderr, "%s\n", now.error().message().c_str()), 1;
  for (const auto& [name, things] : **now) {
    std::printf("server: %s, as of %s\n", name.c_str(), things.front().c_str());
  }
}
