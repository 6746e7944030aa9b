#include "lib/subject/lmdb_store.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/crew/crew.h"

namespace shmark {
namespace {

constexpr auto directory = "/dev/shm";
constexpr unsigned flags = MDB_NOSUBDIR | MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS;
constexpr mode_t private_file = 0600;
// For how long a write waits for readers that keep all pages.
constexpr auto patience = std::chrono::seconds(10);

constexpr std::size_t whole_pages(std::size_t bytes) noexcept {
  constexpr std::size_t page = 4096;
  return (bytes + page - 1) / page * page;
}
constexpr std::size_t least_map_bytes(std::size_t payload_bytes) noexcept {
  return whole_pages((std::size_t{1} << 20) + 64 * payload_bytes);
}

// Half of what is free: whoever writes beyond what there is ends by SIGBUS.
std::size_t map_bytes_for(std::size_t payload_bytes) {
  const std::size_t least = least_map_bytes(payload_bytes);
  struct statvfs memory;
  if (statvfs(directory, &memory) != 0) return least;
  const std::size_t free_bytes = memory.f_bavail * memory.f_frsize;
  return whole_pages(std::max(least, std::min(lmdb_store::map_bytes_max, free_bytes / 2)));
}

std::string path_of(const segment_key& key) {
  return fmt::format("{}/{}.lmdb", directory, key.text().view());
}

// A reader's place in the table. Those of readers that were killed are still taken.
int begin_reading(MDB_env* env, MDB_txn** begun) noexcept {
  const int failed = mdb_txn_begin(env, nullptr, MDB_RDONLY, begun);
  if (failed != MDB_READERS_FULL) return failed;
  int found_dead = 0;
  mdb_reader_check(env, &found_dead);
  return mdb_txn_begin(env, nullptr, MDB_RDONLY, begun);
}

}  // namespace

std::unexpected<error> lmdb_store::refusal(int failed, const char* attempted) noexcept {
  if (failed > 0) return system_failure(failed, attempted, name);
  const auto code = failed == MDB_MAP_FULL ? errc::no_space : errc::system;
  return failure(code, attempted, name, because{mdb_strerror(failed)});
}

auto lmdb_store::open(const files& what) -> std::expected<std::shared_ptr<environment>, error> {
  constexpr auto* attempted = "open";
  auto made = std::make_shared<environment>();
  int failed = mdb_env_create(&made->env);
  if (failed == 0 && what.map_bytes != 0) failed = mdb_env_set_mapsize(made->env, what.map_bytes);
  if (failed == 0) failed = mdb_env_set_maxreaders(made->env, crew_size_max + 1);
  if (failed == 0) failed = mdb_env_open(made->env, what.path.c_str(), flags, private_file);
  MDB_txn* begun = nullptr;
  if (failed == 0) failed = begin_reading(made->env, &begun);
  if (failed != 0) return refusal(failed, attempted);
  const transaction reader(begun);
  failed = mdb_dbi_open(begun, nullptr, 0, &made->table);
  if (failed != 0) return refusal(failed, attempted);
  return made;
}

std::expected<lmdb_store, error> lmdb_store::create(std::string path, std::size_t map_bytes) {
  auto its = std::make_unique<files>();
  its->path = std::move(path);
  its->map_bytes = map_bytes;
  // Closed again: forked workers open it themselves.
  SHMARK_RETURN_IF_ERROR(open(*its));
  return lmdb_store(std::move(its));
}

std::expected<lmdb_store, error> lmdb_store::create(const run& owner, std::size_t payload_bytes) {
  auto path = fmt::format("{}/shmark.{}:{:016x}.lmdb", directory, owner.space().view(),
                          unpredictable_number());
  SHMARK_ASSIGN_OR_RETURN(auto made, create(std::move(path), map_bytes_for(payload_bytes)));
  made.files_->owner = getpid();
  return made;
}

std::expected<lmdb_store, error> lmdb_store::create(const segment_key& key,
                                                    std::size_t payload_bytes) {
  return create(path_of(key), least_map_bytes(payload_bytes));
}

std::expected<lmdb_store, error> lmdb_store::open(const segment_key& key) {
  auto its = std::make_unique<files>();
  its->path = path_of(key);
  return lmdb_store(std::move(its));
}

std::expected<void, error> lmdb_store::remove() {
  for (const auto& path : {files_->path, files_->path + "-lock"}) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure(errno, "remove", name);
  }
  return {};
}

lmdb_store::~lmdb_store() {
  if (files_ != nullptr && files_->owner == getpid()) static_cast<void>(remove());
}

auto lmdb_store::attach() const -> std::expected<handle, error> {
  const std::lock_guard<std::mutex> guard(files_->opening);
  auto own = files_->opened.lock();
  if (own == nullptr || own->opener != getpid()) {
    SHMARK_ASSIGN_OR_RETURN(own, open(*files_));
    files_->opened = own;
  }
  MDB_txn* begun = nullptr;
  const int failed = begin_reading(own->env, &begun);
  if (failed != 0) return refusal(failed, "attach to");
  mdb_txn_reset(begun);
  return handle(std::move(own), transaction(begun));
}

int lmdb_store::handle::try_to_write(std::span<const std::byte> value) noexcept {
  MDB_txn* begun = nullptr;
  if (const int failed = mdb_txn_begin(in_->env, nullptr, 0, &begun); failed != 0) return failed;
  transaction change(begun);
  MDB_val key = its_key();
  MDB_val what{value.size(), const_cast<std::byte*>(value.data())};
  if (const int failed = mdb_put(begun, in_->table, &key, &what, 0); failed != 0) return failed;
  return mdb_txn_commit(change.release());
}

std::expected<void, error> lmdb_store::handle::write(std::span<const std::byte> value) {
  int failed = try_to_write(value);
  if (failed == MDB_MAP_FULL) [[unlikely]] {
    for (const auto until = deadline::after(patience); failed == MDB_MAP_FULL && !until.passed();) {
      int found_dead = 0;
      mdb_reader_check(in_->env, &found_dead);
      if (found_dead == 0) sched_yield();
      failed = try_to_write(value);
    }
  }
  if (failed != 0) [[unlikely]]
    return refusal(failed, "write to");
  return {};
}

}  // namespace shmark
