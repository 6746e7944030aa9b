// Mutants: a lock and a store with one bug each, planted on purpose, which the stress scenarios
// have to find. A checker that finds none of them proves nothing about what it lets pass.
//
// Each bug is one `if constexpr` in mutant_lock.h or mutant_store.h, where somebody would have made
// it, and one line here: what is wrong, and why somebody would write it. Bug `none` is the control:
// what it is planted in has to be right, or whatever the campaign finds would mean nothing.
//
// `blind`: written without sight of the checkers that are to find it, so that it is not made to
// their measure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace shmark::mutants {

enum class lock_bug : std::uint8_t {
  none,
  no_recovery,
  trusts_process_number,
  sweeps_what_has_changed,
  keeps_a_death_to_itself,
  tells_only_once,
  counts_down_twice,
  counts_as_the_dead_left_them,
  sweeps_only_writers,
  takes_stopped_for_dead,
  starves_writers,
  sleeps_through_a_release,
  sleeps_through_a_death,
  keeps_identity_over_fork,
  lets_go_to_upgrade,
  tries_past_readers,
  ignores_deadlines,
  holds_after_timing_out,
  decides_before_it_may,
  lets_readers_pass_an_upgrade,
};

enum class store_bug : std::uint8_t {
  none,
  publishes_first,
  publishes_before_the_last_byte,
  publishes_unlocked,
  serial_after_side,
  overwrites_in_place,
  reads_unlocked,
  keeps_what_it_acknowledged,
  reads_the_older_side,
  one_size_for_both_sides,
  zeroes_serial_in_recovery,
  remembers_a_later_serial,
  compares_few_bits,
  trusts_its_copy_for_a_while,
};

template <class Bug>
struct planted {
  Bug bug;
  std::string_view name;
  std::string_view what;
  bool blind;
};

inline constexpr std::array lock_bugs{
    planted{lock_bug::none, "lock_control", "nothing is wrong", true},
    planted{lock_bug::no_recovery, "no_recovery",
            "who dies holding it holds it for ever: deaths were left for later", true},
    planted{lock_bug::trusts_process_number, "trusts_process_number",
            "a dead holder lives as long as anybody has its number: kill(pid, 0) is a line", true},
    planted{lock_bug::sweeps_what_has_changed, "sweeps_what_has_changed",
            "two survivors clear one seat, the second of them somebody else's: the look and the "
            "clearing seemed one step",
            true},
    planted{lock_bug::keeps_a_death_to_itself, "keeps_a_death_to_itself",
            "frees a dead writer's lock and tells nobody: freeing it was the task", true},
    planted{lock_bug::tells_only_once, "tells_only_once",
            "forgets the damage when it has told of it, not when it is repaired: if the one who "
            "was told dies, too, nobody knows",
            true},
    planted{lock_bug::counts_down_twice, "counts_down_twice",
            "a reader that lets others wait is counted down again when it wakes them", true},
    planted{lock_bug::counts_as_the_dead_left_them, "counts_as_the_dead_left_them",
            "takes the guard from the dead with the counts half changed: nobody dies in ten "
            "instructions",
            true},
    planted{lock_bug::sweeps_only_writers, "sweeps_only_writers",
            "a dead reader stays counted: readers damage nothing", true},
    planted{lock_bug::takes_stopped_for_dead, "takes_stopped_for_dead",
            "takes it from who is stopped, lest all wait: it did not move", true},
    planted{lock_bug::starves_writers, "starves_writers",
            "readers go past waiting writers for ever: it was faster", true},
    planted{lock_bug::sleeps_through_a_release, "sleeps_through_a_release",
            "looks at the turn after it has looked at the lock, and sleeps: what is released in "
            "between wakes nobody",
            true},
    planted{lock_bug::sleeps_through_a_death, "sleeps_through_a_death",
            "sleeps until it is woken, which the dead never do: waking up to look seemed a waste",
            true},
    planted{lock_bug::keeps_identity_over_fork, "keeps_identity_over_fork",
            "a child of fork is its parent, and can release what that holds: who it is was asked "
            "once, when it attached",
            true},
    planted{lock_bug::lets_go_to_upgrade, "lets_go_to_upgrade",
            "releases and acquires anew to upgrade: others write in between", true},
    planted{lock_bug::tries_past_readers, "tries_past_readers",
            "one that does not wait looks for writers only: the readers' count was another branch",
            true},
    planted{lock_bug::ignores_deadlines, "ignores_deadlines",
            "waits for as long as it takes: the deadline got lost in a loop", true},
    planted{lock_bug::holds_after_timing_out, "holds_after_timing_out",
            "has it, sees that the deadline has passed, and says timed_out without letting go",
            true},
    planted{lock_bug::decides_before_it_may, "decides_before_it_may",
            "looks at the counts, then gets the guard, and does not look again: it spared a wait",
            true},
    planted{lock_bug::lets_readers_pass_an_upgrade, "lets_readers_pass_an_upgrade",
            "counts an upgraded reader as a reader still, whom other readers may join", true},
};

inline constexpr std::array store_bugs{
    planted{store_bug::none, "store_control", "nothing is wrong", true},
    planted{store_bug::publishes_first, "publishes_first",
            "the word that publishes is stored before the bytes, as a compiler may without the "
            "release order",
            true},
    planted{store_bug::publishes_before_the_last_byte, "publishes_before_the_last_byte",
            "publishes, then writes the tail: the bytes after the last whole line were an "
            "afterthought",
            true},
    planted{store_bug::publishes_unlocked, "publishes_unlocked",
            "releases the lock, then publishes: two writers publish the same serial number", true},
    planted{store_bug::serial_after_side, "serial_after_side",
            "changes sides, then the serial number, in two stores: a death in between is a change "
            "that copies do not see",
            true},
    planted{store_bug::overwrites_in_place, "overwrites_in_place",
            "writes a value of the old one's size over it: it was half the memory to touch", true},
    planted{store_bug::reads_unlocked, "reads_unlocked",
            "reads without the lock, since a writer works on the other side: the second one that "
            "follows does not",
            true},
    planted{store_bug::keeps_what_it_acknowledged, "keeps_what_it_acknowledged",
            "where the lock is busy, says yes, keeps the value in its copy and publishes it with "
            "the next",
            true},
    planted{store_bug::reads_the_older_side, "reads_the_older_side",
            "where the lock is busy, reads the other side, which nobody is said to wait for", true},
    planted{store_bug::one_size_for_both_sides, "one_size_for_both_sides",
            "the size is in the header, changed before the bytes are there: a death in between "
            "leaves the old value with the new size",
            true},
    planted{store_bug::zeroes_serial_in_recovery, "zeroes_serial_in_recovery",
            "begins to count anew after a death: numbers that copies have come again", true},
    planted{store_bug::remembers_a_later_serial, "remembers_a_later_serial",
            "reads the serial number of its copy after the bytes, without the lock: one write "
            "later, the copy is taken for new",
            true},
    planted{store_bug::compares_few_bits, "compares_few_bits",
            "compares 4 bits of the serial number: 16 writes later, the copy is taken for new",
            true},
    planted{store_bug::trusts_its_copy_for_a_while, "trusts_its_copy_for_a_while",
            "does not look at the serial number for 1 ms after it has: it was so much faster",
            true},
};

namespace detail {

template <class Bug, std::size_t Count>
[[nodiscard]] constexpr const planted<Bug>& find(const std::array<planted<Bug>, Count>& all,
                                                 Bug bug) noexcept {
  return all[static_cast<std::size_t>(bug)];
}
template <class Bug, std::size_t Count>
[[nodiscard]] constexpr bool is_in_order(const std::array<planted<Bug>, Count>& all) noexcept {
  for (std::size_t i = 0; i < Count; ++i) {
    if (static_cast<std::size_t>(all[i].bug) != i) return false;
  }
  return true;
}
static_assert(is_in_order(lock_bugs) && is_in_order(store_bugs));

}  // namespace detail

[[nodiscard]] constexpr std::string_view name_of(lock_bug bug) noexcept {
  return detail::find(lock_bugs, bug).name;
}
[[nodiscard]] constexpr std::string_view name_of(store_bug bug) noexcept {
  return detail::find(store_bugs, bug).name;
}

}  // namespace shmark::mutants
