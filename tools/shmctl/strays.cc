// Segments and semaphores that belong to nobody.

#include <fmt/format.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "lib/base/process.h"
#include "lib/crew/run.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/segment/sysv.h"
#include "lib/store/store.h"
#include "tools/shmctl/finding.h"
#include "tools/shmctl/users.h"

namespace shmark::inspector {
namespace {

constexpr std::string_view prefix = "shmark.";

// "shmark.SPACE:NUMBER" taken apart; nothing if it is not a name of ours.
std::optional<segment_key> key_of(std::string_view object) {
  object.remove_prefix(prefix.size());
  const auto colon = object.find(':');
  segment_key key{object.substr(0, colon), 0};
  if (!key.valid()) return {};
  if (colon == std::string_view::npos) return key;
  const auto digits = object.substr(colon + 1);
  const auto* end = digits.data() + digits.size();
  const auto [at, failed] = std::from_chars(digits.data(), end, key.number, 16);
  if (failed != std::errc{} || at != end) return {};
  return key;
}

// Inodes of the files on which somebody has a lock by flock(2).
std::set<std::uint64_t> flocked() {
  std::set<std::uint64_t> inodes;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string number, kind, advisory, access, process, place;
    if (!(fields >> number >> kind >> advisory >> access >> process >> place)) continue;
    if (kind == "FLOCK") inodes.insert(std::strtoull(&place[place.rfind(':') + 1], nullptr, 10));
  }
  return inodes;
}

class searcher {
 public:
  explicit searcher(const std::optional<std::string>& domain) : domain_(domain) {}

  examination all() {
    // First: whatever is there now was named before it was made.
    const auto objects = posix_segment::names(prefix);
    const auto segments = domain_ ? std::vector<int>{} : sysv_ids();
    const auto sets = domain_ ? std::vector<int>{} : semaphore_ids();
    for (const auto& place : find_domains({})) {
      if (const auto seen = domain_look::at(place)) {
        know(*seen);
      } else {
        doubt(place.where, place.key);
      }
    }
    std::vector<std::string> others;
    for (const auto& object : objects) {
      if (!known_objects_.contains(object)) others.push_back(object);
    }
    set_runs_apart(others);
    for (const auto& object : others) know_store(object);
    for (const auto& object : others) examine_object(object);
    for (const int id : segments) know_segment(id);
    for (const int id : segments) examine_segment(id);
    for (const int id : sets) examine_semaphores(id);
    if (!domain_ && !are_semaphores_known_) {
      done_.doubts.push_back(
          "some stores cannot be read, so that it is not known which segments and semaphores "
          "belong to them; see to these stores first");
    }
    return std::move(done_);
  }

 private:
  // --- What belongs to somebody.

  void know(const domain_look& domain) {
    know(domain.place().where, domain.registry());
    for (const auto& each : domain.variables()) {
      const auto key = domain.key_of(each.number);
      know(domain.place().where, key);
      if (each.store) {
        know(domain.place().where, *each.store);
      } else if (each.store.error().code != errc::not_found) {
        doubt(domain.place().where, key);
      }
    }
  }
  // What belongs to a store that cannot be read is not known: it may be all that looks like it.
  void doubt(medium where, const segment_key& key) {
    doubtful_spaces_.insert(std::string(key.space.view()));
    are_keys_known_ = are_keys_known_ && where == medium::posix;
    are_semaphores_known_ = false;
  }
  void know(medium where, const segment_key& key) {
    if (where == medium::posix) {
      known_objects_.insert(std::string(key.text().view()));
    } else {
      known_keys_.insert(sysv_segment::system_key(key));
    }
  }
  void know(medium where, const store_look& store) {
    if (where == medium::posix) {
      known_objects_.insert(store.segment().name);
    } else {
      known_ids_.insert(static_cast<int>(store.segment().identity));
    }
    for (const auto& data : store.data_segments()) know(where, {store.key().space, data.number});
    for (const auto& lock : store.locks()) {
      if (lock.robust != nullptr) know(medium::posix, robust_rw::roster_key(*lock.robust));
      if (lock.semaphores) known_semaphores_.insert(*lock.semaphores);
    }
  }
  // If the object is a store that may be in no domain, what belongs to it: whoever made it may come
  // back, also if nobody has it open.
  void know_store(const std::string& object) {
    const auto key = key_of(object);
    if (!key) return;
    const auto store = store_look::at(medium::posix, *key);
    if (!store) {
      know_cell(object);
    } else if (!is_of_domains(*key) || store->segment().is_open.value_or(true)) {
      know(medium::posix, *store);
    }
  }
  // Whether all stores of this space are named by a domain's registry.
  static bool is_of_domains(const segment_key& key) {
    return key.number != 0 && domain_of(key.space.view(), geteuid()).has_value();
  }
  // A lock of a benchmark's.
  void know_cell(const std::string& object) {
    const auto seen = glimpse::of_object(object);
    if (!seen) return;
    detail::cell_header header{};
    std::int32_t key = 0;
    const auto bytes = seen->bytes(0, sizeof header + sizeof key);
    if (bytes.size() != sizeof header + sizeof key) return;
    std::memcpy(&header, bytes.data(), sizeof header);
    std::memcpy(&key, bytes.data() + sizeof header, sizeof key);
    header.lock_name[sizeof header.lock_name - 1] = '\0';
    if (sysv_semaphore::name == header.lock_name) known_semaphores_.insert(key);
  }
  void know_segment(int id) {
    const auto status = sysv_status(id);
    if (!status || !is_ours(*status) || known_ids_.contains(id)) return;
    const auto store = store_look::at_id(id);
    // Variables have tags; what has none is another store, or a registry of unknown name.
    if (store && (status->is_open || store->tag() == 0)) know(medium::sysv, *store);
  }
  // Whether it may be: other programs' are not to be attached.
  static bool is_ours(const sysv_facts& status) {
    return status.user == geteuid() && is_store_mode(status.mode) &&
           status.size >= sizeof(detail::data_header);
  }

  // --- What does not.

  void add(const char* kind, std::string object, std::string what, std::string mend) {
    done_.found.push_back({kind, "", std::move(object), std::move(what), std::move(mend)});
  }

  // Takes the objects of runs of the benchmark and the stress test out of the list: those that are
  // alive are nobody's business, and the next run removes the others.
  void set_runs_apart(std::vector<std::string>& objects) {
    const std::string beginning = fmt::format("{}{}.run-", prefix, geteuid());
    constexpr std::size_t digits = 16;
    std::map<std::string, std::vector<std::string>> runs;
    std::erase_if(objects, [&](const std::string& object) {
      if (!object.starts_with(beginning)) return false;
      runs[object.substr(0, beginning.size() + digits)].push_back(object);
      return true;
    });
    if (domain_) return;
    for (const auto& [run, its] : runs) {
      const auto alive = glimpse::of_object(run + ".alive");
      if (alive && flocked_.contains(alive->identity())) {
        for (const auto& object : its) know_cell(object);
        continue;
      }
      add("run", run, fmt::format("{} objects are left of a run that was killed", its.size()),
          "bazel run -c opt //stress -- --seconds=1");
    }
  }

  void examine_object(const std::string& object) {
    if (known_objects_.contains(object)) return;
    const auto key = key_of(object);
    if (!key) return;  // nothing of ours has such a name
    const auto space = std::string(key->space.view());
    const bool is_wanted = !domain_ || space == fmt::format("{}.{}", geteuid(), *domain_);
    if (!is_wanted || doubtful_spaces_.contains(space)) return;
    const auto seen = glimpse::of_object(object);
    if (!seen || seen->owner() != geteuid()) return;
    // Somebody uses it who knows what it is.
    if (posix_segment::is_attached(*key).value_or(true)) return;
    if (flocked_.contains(seen->identity())) return;
    add("stray", object,
        fmt::format("no registry names this {}, and nobody has it open", kind_of(*seen)),
        "rm /dev/shm/" + object);
  }
  void examine_segment(int id) {
    const auto status = sysv_status(id);
    if (!status || status->is_open || !is_ours(*status) || !are_keys_known_) return;
    if (known_ids_.contains(id) || known_keys_.contains(status->key)) return;
    const auto seen = glimpse::of_id(id);
    // It may be any program's: only what bears our mark is ours.
    if (!seen || (!is_store(*seen) && !is_data_segment(*seen))) return;
    add("stray", fmt::format("System V segment {}", id),
        fmt::format("no registry names this {}, and nobody has it open", kind_of(*seen)),
        fmt::format("ipcrm -m {}", id));
  }
  static const char* kind_of(const glimpse& seen) {
    if (is_store(seen)) return "store";
    if (is_data_segment(seen)) return "data segment";
    return is_roster(seen) ? "roster" : "segment";
  }

  // Semaphores bear no mark: ours are three, of a store's mode, under a key, and those who used
  // them last have ended.
  void examine_semaphores(int id) {
    semid_ds status{};
    union {
      int value;
      semid_ds* status;
      unsigned short* values;
    } argument{.status = &status};
    constexpr mode_t access = 0777;
    if (semctl(id, 0, IPC_STAT, argument) != 0) return;
    const key_t key = status.sem_perm.__key;
    if (status.sem_nsems != 3 || status.sem_perm.uid != geteuid() || key <= 0 ||
        !is_store_mode(status.sem_perm.mode & access) || known_semaphores_.contains(key) ||
        !are_semaphores_known_) {
      return;
    }
    const auto view = sysv_semaphore::look(key);
    if (!view || view->id != id || view->waiting != 0) return;
    for (const pid_t user : {view->last_reader, view->last_writer}) {
      if (user != 0 && !has_ended(user)) return;
    }
    add("semaphores", fmt::format("semaphores {}", id),
        fmt::format("no store names these three (key 0x{:08x}), and who used them last has ended",
                    static_cast<std::uint32_t>(key)),
        fmt::format("ipcrm -s {}, unless they are another program's", id));
  }

  static std::vector<int> semaphore_ids() {
    std::vector<int> ids;
    seminfo info{};
    semid_ds status{};
    union {
      int value;
      semid_ds* status;
      seminfo* info;
    } argument{.info = &info};
    const int last = semctl(0, 0, SEM_INFO, argument);
    argument.status = &status;
    for (int index = 0; index <= last; ++index) {
      const int id = semctl(index, 0, SEM_STAT, argument);
      if (id >= 0) ids.push_back(id);
    }
    return ids;
  }

  const std::optional<std::string>& domain_;
  std::set<std::string> known_objects_;  // names in /dev/shm
  std::set<key_t> known_keys_;           // of System V segments
  std::set<int> known_ids_;
  std::set<std::uint64_t> flocked_ = flocked();
  std::set<key_t> known_semaphores_;
  std::set<std::string> doubtful_spaces_;
  bool are_keys_known_ = true;
  bool are_semaphores_known_ = true;
  examination done_;
};

}  // namespace

examination examine_strays(const std::optional<std::string>& domain) {
  return searcher(domain).all();
}

}  // namespace shmark::inspector
