// Perl as a peer: IPC::Shareable as a store and Storable as a codec, driven by worker.pl beside
// this through the protocol of workers in other languages (lib/crew/WORKER.md).
//
//     const auto what = ipc_shareable("read", 64, 4);
//     if (auto why = external_work::missing_reason(run, perl_worker(), what)) …  // list it so
//     auto work = external_work::make(run, perl_worker(), what);
//
// IPC::Shareable reads without a lock, unless it is told to take it, and so is measured where
// nobody writes; writes, and reads next to them, take its lock: without it values tear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/workload/external.h"

namespace shmark::bench {

// Requires: the program runs where Bazel starts it, or in the workspace's folder.
[[nodiscard]] external_command perl_worker();

// `op`: read, write or mixed, as in the benchmarks' names; of mixed, `read_percent` are reads.
[[nodiscard]] external_work::parameters ipc_shareable(std::string_view op,
                                                      std::size_t payload_bytes, int workers,
                                                      int read_percent = 50,
                                                      std::uint64_t seed = 0);

// `op`: encode or decode. `shape`: a name of lib/subject/shapes.h.
[[nodiscard]] external_work::parameters storable(std::string_view shape, std::string_view op);

}  // namespace shmark::bench
