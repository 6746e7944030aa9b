// A peer: LMDB, if it is there (SHMARK_PEERS; see missing_peers.h). A database of one entry, in
// /dev/shm, where its readers see bytes where they lie, as ours do.
//
// It is set up to be as fast as it can be while a process's death harms nobody, which is what ours
// promises, too:
//
//   MDB_NOSYNC     nothing is flushed to a disk: it is all memory
//   MDB_WRITEMAP   a write goes into the mapping, and makes no system call
//   MDB_NOTLS      a reader's slot belongs to its transaction, which is renewed for each read
//
// A read takes no lock: a reader keeps the pages that it may be looking at, and writers take
// others. So does a reader that does not run, or one that died, whom writers then look for. The
// file has room for map_bytes_max; if readers keep all of that, a write waits for them.
//
// What survives a crash of a process: the value as of the last commit; its mutex is a robust one.
// As with any of glibc's, the death of a waiter can leave another asleep (see pthread_robust.h).
// Unlike with ours, memory is not set aside: when /dev/shm is full, whoever writes ends by SIGBUS.
//
// Its numbers of transactions are no serial numbers of values: the scenario register saw a reader
// that was held up for 40 ms while it began, and then read a value newer than the number it was
// told.
//
// Source: lmdb.h.
#pragma once

#include <lmdb.h>
#include <sys/types.h>
#include <unistd.h>

#include <concepts>
#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lib/subject/byte_store.h"

namespace shmark {

class lmdb_store {
  // The database as one process has it open. A process must not open it twice, so its threads share
  // it; nor may it be used by a forked child.
  struct environment {
    MDB_env* env = nullptr;
    MDB_dbi table = 0;
    pid_t opener = getpid();

    environment() = default;
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    ~environment() {
      if (opener == getpid()) mdb_env_close(env);
    }
  };
  struct aborts {
    void operator()(MDB_txn* transaction) const noexcept { mdb_txn_abort(transaction); }
  };
  using transaction = std::unique_ptr<MDB_txn, aborts>;

 public:
  static constexpr std::string_view name = "lmdb";
  static constexpr byte_store_traits can{.crash_safe = true};
  static constexpr std::size_t map_bytes_max = std::size_t{1} << 30;

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      if (const int failed = mdb_txn_renew(reader_.get()); failed != 0) [[unlikely]]
        return refusal(failed, "read from");
      MDB_val key = its_key();
      MDB_val value{};
      const int failed = mdb_get(reader_.get(), in_->table, &key, &value);
      if (failed == 0) [[likely]]
        visit(std::span(static_cast<const std::byte*>(value.mv_data), value.mv_size));
      mdb_txn_reset(reader_.get());
      if (failed != 0) [[unlikely]]
        return refusal(failed, "read from");
      return {};
    }
    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value);

   private:
    friend lmdb_store;
    handle(std::shared_ptr<environment> in, transaction reader) noexcept
        : in_(std::move(in)), reader_(std::move(reader)) {}

    // One transaction, for a code of LMDB's.
    int try_to_write(std::span<const std::byte> value) noexcept;

    std::shared_ptr<environment> in_;
    transaction reader_;  // ends before it
  };

  [[nodiscard]] static std::expected<lmdb_store, error> create(const run& owner,
                                                               std::size_t payload_bytes);
  // With room for few values only.
  [[nodiscard]] static std::expected<lmdb_store, error> create(const segment_key& key,
                                                               std::size_t payload_bytes);
  // Errors: those of LMDB if it is not there.
  [[nodiscard]] static std::expected<lmdb_store, error> open(const segment_key& key);
  lmdb_store(lmdb_store&& other) noexcept = default;
  lmdb_store& operator=(lmdb_store&&) = delete;
  ~lmdb_store();

  [[nodiscard]] std::expected<handle, error> attach() const;
  [[nodiscard]] std::expected<void, error> remove();

 private:
  // What the threads of a process share.
  struct files {
    std::string path;
    std::size_t map_bytes = 0;  // 0: as it was made
    pid_t owner = 0;            // whom they go with; 0: they stay
    std::mutex opening{};
    std::weak_ptr<environment> opened{};
  };

  explicit lmdb_store(std::unique_ptr<files> its) noexcept : files_(std::move(its)) {}
  // Makes them.
  static std::expected<lmdb_store, error> create(std::string path, std::size_t map_bytes);
  // Errors: those of the system, and of LMDB.
  static std::expected<std::shared_ptr<environment>, error> open(const files& what);
  // `failed` is a code of LMDB's, or of the system's.
  [[nodiscard]] static std::unexpected<error> refusal(int failed, const char* attempted) noexcept;
  [[nodiscard]] static MDB_val its_key() noexcept {
    static char key[] = {'v'};
    return {sizeof key, key};
  }

  std::unique_ptr<files> files_;  // null: moved from
};
static_assert(keyed_byte_store<lmdb_store>);

}  // namespace shmark
