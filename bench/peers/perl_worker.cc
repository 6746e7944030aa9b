#include "bench/peers/perl_worker.h"

namespace shmark::bench {

external_command perl_worker() { return {.words = {"perl", "bench/peers/worker.pl"}}; }

external_work::parameters ipc_shareable(std::string_view op, std::size_t payload_bytes, int workers,
                                        int read_percent, std::uint64_t seed) {
  return {.workers = workers,
          .op = op == "write" ? "locked_write" : std::string(op),
          .payload_bytes = payload_bytes,
          .read_percent = read_percent,
          .seed = seed};
}

external_work::parameters storable(std::string_view shape, std::string_view op) {
  return {.op = "storable_" + std::string(op), .shape = std::string(shape)};
}

}  // namespace shmark::bench
