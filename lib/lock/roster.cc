#include "lib/lock/roster.h"

#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/process.h"
#include "lib/base/random.h"
#include "lib/lock/pthread_call.h"

namespace shmark::detail {

constinit thread_local std::uint64_t thread_serial = 0;

struct roster::header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t record_size;
  std::uint64_t number;
  std::uint64_t pid_namespace;   // 0: not known
  std::uint64_t time_namespace;  // of whoever made it: start times are compared in it only
  pthread_mutex_t claims;
  std::atomic<std::uint32_t> allocated;  // records that have memory
  std::atomic<std::uint32_t> used;       // no record from here on is taken
  std::atomic<std::uint32_t> locks;      // numbers given out
  alignas(64) std::atomic<std::uint64_t> tickets;
};

namespace {

static_assert(sizeof(pthread_mutex_t) == 40);

constexpr std::array<char, 8> magic{'s', 'h', 'm', 'r', 'o', 's', 't', '\n'};
constexpr std::uint32_t version = 1;
constexpr mode_t owner_only = 0600;
constexpr std::size_t page = 4096;
constexpr std::size_t records_at = 256;  // bytes from the beginning
constexpr std::size_t table_size = records_at + roster::capacity * sizeof(participant);
// Rosters that one thread takes part in: the kernel looks at no more than 2048 robust mutexes.
constexpr std::size_t memberships_max = 1024;

constexpr std::uint32_t records_in(std::size_t bytes) noexcept {
  return static_cast<std::uint32_t>(
      std::min<std::size_t>((bytes - records_at) / sizeof(participant), roster::capacity));
}
constexpr std::size_t bytes_of(std::uint32_t records) noexcept {
  return records_at + records * sizeof(participant);
}

std::uint64_t inode_of(const char* path) noexcept {
  struct stat status;
  return stat(path, &status) == 0 ? status.st_ino : 0;
}
std::uint64_t pid_namespace() noexcept { return inode_of("/proc/self/ns/pid"); }
std::uint64_t time_namespace() noexcept { return inode_of("/proc/self/ns/time"); }

// Whether /proc shows the processes that we mean by their numbers.
bool proc_is_ours() noexcept {
  char text[32] = {};
  return readlink("/proc/self", text, sizeof text - 1) > 0 && std::atoi(text) == getpid();
}

// The word that the kernel marks: of glibc's mutex the first, see pthread_mutex_t.
futex_word& word_of(participant& record) noexcept {
  static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0);
  return *reinterpret_cast<futex_word*>(&record.proof);
}

constexpr bool says_alive(std::uint32_t proof) noexcept {
  return (proof & FUTEX_TID_MASK) != 0 && (proof & FUTEX_OWNER_DIED) == 0;
}

constexpr std::uint64_t incarnation_of(seat whose) noexcept { return whose >> incarnation_shift; }
constexpr seat seat_of(std::uint32_t index, std::uint64_t incarnation) noexcept {
  return (incarnation << incarnation_shift) | (index + 1);
}
constexpr bool is_taken(std::uint64_t incarnation) noexcept { return incarnation % 2 == 1; }

// The tables that this process has mapped.
struct mapped_tables {
  std::mutex guard;
  std::map<std::string, std::weak_ptr<roster>, std::less<>> by_name;
};
mapped_tables& tables() {
  static auto* const all = new mapped_tables;  // threads may end after static destruction
  return *all;
}

}  // namespace

// The right to change who has which record.
class roster::claiming {
 public:
  claiming(header& head, deadline until) noexcept
      : mutex_(head.claims), returned_(acquire_robust_mutex(mutex_, until)) {
    if (returned_ != EOWNERDEAD) return;
    pthread_mutex_consistent(&mutex_);  // by T3, nothing is half done
    returned_ = 0;
  }
  claiming(const claiming&) = delete;
  claiming& operator=(const claiming&) = delete;
  ~claiming() {
    if (returned_ == 0) pthread_mutex_unlock(&mutex_);
  }
  explicit operator bool() const noexcept { return returned_ == 0; }
  [[nodiscard]] std::unexpected<error> failure() const noexcept {
    return acquire_failure(returned_);
  }

 private:
  pthread_mutex_t& mutex_;
  int returned_;
};

namespace {

// Set when the thread's `mine` has gone.
constinit thread_local bool has_ended = false;

}  // namespace

// What this thread is in all rosters that it takes part in.
struct memberships {
  std::uint64_t serial = 0;
  std::vector<std::unique_ptr<member>> all;

  ~memberships() {
    has_ended = true;
    drop_foreign();
    // If the thread ends holding a lock, its proof must stay mapped until the kernel has seen it. A
    // static object may release it later on; this, and what that takes other locks for, is still
    // this thread's doing.
    if (std::ranges::all_of(all, [](const auto& one) { return one->holds == 0; })) {
      leave_if([](const member&) { return true; });
      thread_serial = 0;
    }
    drop();
  }
  // Forgets what was the parent's.
  void drop_foreign() noexcept {
    if (serial != thread_serial) drop();
  }
  // Keeps them and what they have mapped for as long as the process lives.
  void drop() noexcept {
    static constinit std::atomic<member*> dropped{nullptr};
    for (auto& one : all) {
      member* const last = one.release();
      last->dropped_before = dropped.load();
      while (!dropped.compare_exchange_weak(last->dropped_before, last)) {
      }
    }
    all.clear();
  }
  // What cannot be left now stays for the next time, or for the kernel.
  template <class Predicate>
  void leave_if(Predicate&& wanted) noexcept {
    std::erase_if(all, [&](const auto& one) {
      return one->holds == 0 && wanted(*one) && one->in->leave(*one);
    });
  }
  void leave_unused() noexcept {
    leave_if([](const member& one) { return !one.in->in_use(); });
  }
};

namespace {

thread_local memberships mine;

// A child has one thread, which has joined nothing, and finds the list of tables whole.
[[maybe_unused]] const int registered =
    pthread_atfork([] { tables().guard.lock(); }, [] { tables().guard.unlock(); },
                   [] {
                     tables().guard.unlock();
                     thread_serial = 0;
                   });

// Makes sure that what this thread has is its own, and not that of the thread that forked it.
void know_thyself() {
  static std::atomic<std::uint64_t> serials{0};
  if (thread_serial != 0) return;
  mine.drop_foreign();
  thread_serial = serials.fetch_add(1, std::memory_order_relaxed) + 1;
  mine.serial = thread_serial;
}

}  // namespace

roster::header& roster::head() const noexcept {
  return *std::launder(reinterpret_cast<header*>(segment_.bytes().data()));
}

participant* roster::records() const noexcept {
  return std::launder(reinterpret_cast<participant*>(segment_.bytes().data() + records_at));
}

std::expected<posix_segment, error> roster::open_segment(const segment_key& key,
                                                         std::uint64_t number) {
  if (number != 0) return posix_segment::attach(key);
  const auto initialize = [](std::span<std::byte> fresh) -> std::expected<void, error> {
    auto* head = new (fresh.data()) header{};
    SHMARK_RETURN_IF_ERROR(make_mutex(head->claims, mutex_kind::robust));
    head->number = unpredictable_number() | 1;
    head->pid_namespace = pid_namespace();
    head->time_namespace = time_namespace();
    head->record_size = sizeof(participant);
    head->allocated.store(records_in(page), std::memory_order_relaxed);
    head->version = version;
    head->magic = magic;
    return {};
  };
  return posix_segment::open_or_create_growing(key, table_size, page, owner_only, initialize);
}

std::expected<std::shared_ptr<roster>, error> roster::map(const segment_key& key,
                                                          std::uint64_t number) {
  // What lib/store/LAYOUT.md says.
  static_assert(sizeof(header) <= records_at && offsetof(header, magic) == 0);
  static_assert(offsetof(header, number) == 16 && offsetof(header, claims) == 40);
  static_assert(offsetof(header, allocated) == 80 && offsetof(header, tickets) == 128);
  constexpr const char* attempted = "open the table of participants";
  auto segment = open_segment(key, number);
  if (!segment) {
    if (number == 0 || segment.error().code != errc::not_found) {
      return std::unexpected(segment.error());
    }
    return failure(errc::corrupt, attempted, key.text(),
                   "it has been removed by other means: remove and recreate what it belongs to");
  }
  const auto bytes = segment->bytes();
  const auto* head = std::launder(reinterpret_cast<const header*>(bytes.data()));
  if (bytes.size() < table_size || head->magic != magic || head->version != version ||
      head->record_size != sizeof(participant)) {
    return failure(errc::mismatch, attempted, key.text(),
                   "it is of another version, or not one: remove it with its lock");
  }
  const std::uint64_t here = pid_namespace();
  if (here != 0 && head->pid_namespace != 0 && head->pid_namespace != here) {
    return failure(errc::mismatch, attempted, key.text(),
                   "its lock belongs to processes of another PID namespace: thread numbers mean "
                   "nothing across it; share the namespace, or use sysv_semaphore");
  }
  return std::shared_ptr<roster>(new roster(key, *std::move(segment)));
}

std::expected<std::shared_ptr<roster>, error> roster::find_or_map(const segment_key& key,
                                                                  std::uint64_t number) {
  auto& known = tables();
  const std::string name(key.text().view());
  const std::scoped_lock guard(known.guard);
  std::erase_if(known.by_name, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = known.by_name.find(name); found != known.by_name.end()) {
    if (auto there = found->second.lock()) return there;
  }
  SHMARK_ASSIGN_OR_RETURN(auto made, map(key, number));
  known.by_name[name] = made;
  return made;
}

std::expected<std::shared_ptr<roster>, error> roster::open(const segment_key& key,
                                                           std::uint64_t number) noexcept {
  try {
    SHMARK_ASSIGN_OR_RETURN(auto found, find_or_map(key, number));
    if (number == 0 || found->number() == number) return found;
    return failure(errc::corrupt, "open the table of participants", key.text(),
                   "it is not the one that its lock was made with: remove and recreate that");
  } catch (const std::bad_alloc&) {
    return failure(errc::no_space, "open the table of participants", key.text());
  }
}

void roster::remove(const segment_key& key) noexcept {
  static_cast<void>(posix_segment::remove(key));
}

std::expected<member*, error> roster::join(const std::shared_ptr<roster>& in,
                                           deadline until) noexcept {
  constexpr const char* attempted = "join the users of";
  if (has_ended) {
    return failure(errc::not_recoverable, attempted, in->key_.text(),
                   "the thread is at its end: use no lock from destructors that run then");
  }
  try {
    know_thyself();
    const auto found =
        std::ranges::find_if(mine.all, [&in](const auto& one) { return one->in == in; });
    if (found != mine.all.end()) return found->get();
    mine.leave_unused();
    if (mine.all.size() >= memberships_max) {
      return failure(errc::no_space, attempted, in->key_.text(),
                     "this thread takes part in 1024 locks: make locks beside one another");
    }
    mine.all.reserve(mine.all.size() + 1);
    auto made = std::make_unique<member>(in);
    SHMARK_ASSIGN_OR_RETURN(made->record, in->claim(until));
    made->self = in->seat_at(static_cast<std::uint32_t>(made->record - in->records()));
    mine.all.push_back(std::move(made));
    return mine.all.back().get();
  } catch (const std::bad_alloc&) {
    return failure(errc::no_space, attempted, in->key_.text());
  }
}

void roster::exit() noexcept {
  const bool is_last = users_.fetch_sub(1, std::memory_order_relaxed) == 1;
  if (is_last && thread_serial != 0 && !has_ended) mine.leave_unused();
}

// (1).
std::expected<participant*, error> roster::claim(deadline until) {
  thread_local std::uint64_t started_serial = 0;
  thread_local std::uint64_t started = 0;
  if (started_serial != thread_serial) {
    started = proc_is_ours() ? start_ticks(gettid()).value_or(0) : 0;
    started_serial = thread_serial;
  }
  const claiming right(head(), until);
  if (!right) return right.failure();
  for (std::uint32_t index = 0;; ++index) {
    if (index == head().allocated.load(std::memory_order_relaxed)) SHMARK_RETURN_IF_ERROR(grow());
    participant& record = at(index);
    std::uint64_t incarnation = record.incarnation.load(std::memory_order_relaxed);
    if (is_taken(incarnation)) {
      if (says_alive(word_of(record).load(std::memory_order_acquire))) continue;
      bury(record);
      ++incarnation;
    }
    SHMARK_RETURN_IF_ERROR(make_mutex(record.proof, mutex_kind::robust));
    if (pthread_mutex_trylock(&record.proof) != 0) continue;  // it is nobody else's
    record.thread.store(static_cast<std::uint32_t>(gettid()), std::memory_order_relaxed);
    const bool is_comparable = time_namespace() == head().time_namespace;
    record.started.store(is_comparable ? started : 0, std::memory_order_relaxed);
    record.asleep.store(0, std::memory_order_relaxed);
    record.incarnation.store(incarnation + 1, std::memory_order_release);
    if (used() <= index) head().used.store(index + 1);
    return &record;
  }
}

// (2).
bool roster::leave(const member& who) noexcept {
  constexpr auto patience = std::chrono::milliseconds(50);
  const claiming right(head(), deadline::after(patience));
  if (!right) return false;
  pthread_mutex_unlock(&who.record->proof);
  const std::uint64_t incarnation = who.record->incarnation.load(std::memory_order_relaxed);
  if (incarnation == incarnation_of(who.self)) {
    who.record->incarnation.store(incarnation + 1, std::memory_order_release);
  }
  shrink();
  return true;
}

// (3). Requires: the claims mutex, and that the record's thread is dead.
void roster::bury(participant& record) noexcept {
  for (auto& mark : record.marks) mark.store(0, std::memory_order_release);
  record.awaits.store(0, std::memory_order_relaxed);
  record.incarnation.fetch_add(1, std::memory_order_release);
}

void roster::shrink() noexcept {
  std::uint32_t end = used();
  while (end > 0 && !is_taken(at(end - 1).incarnation.load(std::memory_order_relaxed))) --end;
  head().used.store(end, std::memory_order_relaxed);
}

// (5).
std::expected<void, error> roster::grow() {
  const std::uint32_t before = head().allocated.load(std::memory_order_relaxed);
  if (before == capacity) {
    return failure(errc::no_space, "join the users of", key_.text(),
                   because{"16384 threads take part already"}, "end some of them first");
  }
  const std::size_t size = std::min(table_size, (bytes_of(before) / page + 1) * page + page);
  SHMARK_RETURN_IF_ERROR(segment_.reserve(size));
  head().allocated.store(records_in(size), std::memory_order_release);
  return {};
}

std::uint64_t roster::number() const noexcept { return head().number; }

std::uint64_t roster::next_ticket() noexcept {
  return head().tickets.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint32_t roster::next_lock_number() noexcept {
  constexpr std::uint32_t numbers = participant::awaited - 2;
  return head().locks.fetch_add(1, std::memory_order_relaxed) % numbers + 2;
}

std::uint32_t roster::used() const noexcept {
  // First, so that what is allocated is at least what it was then.
  const std::uint32_t end = head().used.load();
  // It is input, as all that lies in a segment.
  return std::min({end, capacity, head().allocated.load(std::memory_order_acquire)});
}

participant* roster::record_of(seat whose) const noexcept {
  const auto index = static_cast<std::uint32_t>(whose & index_bits) - 1;
  const auto end = std::min(capacity, head().allocated.load(std::memory_order_acquire));
  return index < end ? &at(index) : nullptr;
}

seat roster::seat_at(std::uint32_t index) const noexcept {
  return seat_of(index, at(index).incarnation.load(std::memory_order_acquire)) & seat_bits;
}

bool roster::is_alive(seat whose) const noexcept {
  participant* const record = record_of(whose);
  if (record == nullptr) return false;
  const auto is_still_its = [&] {
    const auto index = static_cast<std::uint32_t>(record - records());
    return seat_at(index) == (whose & seat_bits);
  };
  if (!is_still_its()) return false;
  if (says_alive(word_of(*record).load(std::memory_order_acquire))) return true;
  // Dead, whoever it was; the record has no other thread before its incarnation has changed.
  return false;
}

std::optional<futex_watch> roster::watch(seat whose) const noexcept {
  participant* const record = record_of(whose);
  if (record == nullptr) return {};
  futex_word& proof = word_of(*record);
  std::uint32_t seen = proof.load(std::memory_order_acquire);
  while (says_alive(seen) && (seen & FUTEX_WAITERS) == 0 &&
         !proof.compare_exchange_weak(seen, seen | FUTEX_WAITERS, std::memory_order_acq_rel)) {
  }
  if (!is_alive(whose)) return {};
  return futex_watch{&proof, seen | FUTEX_WAITERS};
}

bool roster::is_stopped(seat whose) const noexcept {
  const participant* const record = record_of(whose);
  if (record == nullptr) return false;
  const char state =
      process_state(static_cast<pid_t>(record->thread.load(std::memory_order_relaxed)));
  return state == 'T' || state == 't';
}

void roster::bury_if_gone(seat whose, bool thorough) noexcept {
  participant* const record = record_of(whose);
  if (record == nullptr || !is_alive(whose)) return;
  const std::uint64_t started = record->started.load(std::memory_order_relaxed);
  const auto thread = static_cast<pid_t>(record->thread.load(std::memory_order_relaxed));
  const auto is_another = [&] {
    if (!thorough || started == 0 || !proc_is_ours()) return false;
    if (time_namespace() != head().time_namespace) return false;
    const auto now = start_ticks(thread);  // nothing, if /proc does not say
    return now && *now != started;
  };
  const bool is_nobody = syscall(SYS_tkill, thread, 0) != 0 && errno == ESRCH;
  if (!is_nobody && !is_another()) return;
  const claiming right(head(), deadline::none());
  if (right && seat_at(static_cast<std::uint32_t>(record - records())) == (whose & seat_bits)) {
    bury(*record);
  }
}

namespace {

// What lies there, of a copy that need not be aligned.
template <class T>
T number_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T number;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

}  // namespace

std::expected<roster_copy, error> roster_copy::of(std::span<const std::byte> bytes,
                                                  std::uint64_t number) noexcept {
  using header = roster::header;
  if (bytes.size() < records_at ||
      number_at<std::array<char, 8>>(bytes, offsetof(header, magic)) != magic ||
      number_at<std::uint32_t>(bytes, offsetof(header, version)) != version ||
      number_at<std::uint32_t>(bytes, offsetof(header, record_size)) != sizeof(participant)) {
    return failure(errc::mismatch, "look at", "a table of participants",
                   because{"it is of another version, or not one"});
  }
  if (number != 0 && number_at<std::uint64_t>(bytes, offsetof(header, number)) != number) {
    return failure(errc::mismatch, "look at", "a table of participants",
                   because{"it is not the one that the lock was made with"});
  }
  const auto used = number_at<std::uint32_t>(bytes, offsetof(header, used));
  return roster_copy(bytes, std::min(used, records_in(bytes.size())));
}

roster_copy::record roster_copy::at(std::uint32_t index) const noexcept {
  const auto bytes = bytes_.subspan(bytes_of(index), sizeof(participant));
  const auto incarnation = number_at<std::uint64_t>(bytes, offsetof(participant, incarnation));
  const auto proof = number_at<std::uint32_t>(bytes, offsetof(participant, proof));
  record copy{.self = seat_of(index, incarnation) & seat_bits,
              .is_alive = is_taken(incarnation) && says_alive(proof),
              .thread = number_at<std::uint32_t>(bytes, offsetof(participant, thread)),
              .started = number_at<std::uint64_t>(bytes, offsetof(participant, started)),
              .marks = number_at<std::array<std::uint32_t, 8>>(bytes, offsetof(participant, marks)),
              .awaits = number_at<std::uint32_t>(bytes, offsetof(participant, awaits)),
              .ticket = number_at<std::uint64_t>(bytes, offsetof(participant, ticket))};
  for (auto& mark : copy.marks) mark &= ~participant::awaited;
  return copy;
}

}  // namespace shmark::detail
