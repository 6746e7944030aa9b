// Histories in files, to be looked at and judged again: JSON lines, the first for the register,
// then one for each operation.
//
//     {"history":1,"first_value":4294901760,"first_serial":2}
//     [0,"write",123456,123999,1,3]                          // returned
//     [1,"read",123500,null,0,0]                             // pending
//
// "history" is the format's version. An operation: worker, kind, when it was called and when it
// returned (ns of CLOCK_MONOTONIC), value, serial number (0: not known). No `//` in the file.
//
// Thread safety: functions of their arguments.
#pragma once

#include <expected>
#include <filesystem>

#include "lib/base/error.h"
#include "stress/history/history.h"

namespace shmark::stress {

// Errors: no_space, denied, and others of the system's; nothing usable is there then.
[[nodiscard]] std::expected<void, error> save(const history& all,
                                              const std::filesystem::path& path);

// Errors: not_found, denied; corrupt (with the line), mismatch (another version).
[[nodiscard]] std::expected<history, error> load(const std::filesystem::path& path);

}  // namespace shmark::stress
