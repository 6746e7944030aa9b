// What N workers in another language do: a command that speaks the crew's protocol
// (lib/crew/WORKER.md), started for each of them.
//
// Each worker of the crew is the proxy of one: it has it prepare, worker 0's first, so that this
// one can make what the others attach; then it waits for the window with all the others, and has it
// work for as long.
//
// When the workload ends, after its crew, the commands have ended, too, and all is gone that they
// have said they would make: what they left is removed, and said.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/futex.h"
#include "lib/crew/external_worker.h"
#include "lib/crew/run.h"
#include "lib/segment/anonymous.h"
#include "lib/workload/workload.h"

namespace shmark {

class external_work final : public workload {
 public:
  // What workers are to do: preparation (external_worker.h) but for what is known here, which is
  // each one's index, the prefix, and how often it times.
  using parameters = preparation;

  // Starts them. Errors: no_space; those of external_worker::greet(); invalid, if the command
  // offers no such operation.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(
      const run& owner, const external_command& how, const parameters& what);
  ~external_work() override;

  // Why a command cannot do this here: what is missing, the command itself or something that it
  // needs. Nothing if it can, or fails in another way: that is an error of the measurement.
  [[nodiscard]] static std::optional<std::string> missing_reason(const run& owner,
                                                                 const external_command& how,
                                                                 const parameters& what);

  void work(window_worker& self) override;
  // The sums of their counters, and `bytes`. Errors: corrupt, if one has done nothing.
  [[nodiscard]] std::expected<counters, error> conclude(const window_result& result) override;

 private:
  // What workers tell the supervisor: in shared memory, each its own.
  struct notice {
    std::optional<std::uint64_t> bytes;
    std::array<int, 8> segments;
    std::array<int, 8> semaphores;
    std::size_t segment_count;
    std::size_t semaphore_count;
    std::array<short_text, external_worker::counters_max> counter_names;
  };
  struct board {
    futex_word first_is_ready;  // for so many windows; `given_up`: for none any more, for a reason
    error why_given_up;
    std::array<notice, crew_size_max> notices;
  };
  static constexpr std::uint32_t given_up = UINT32_MAX;

  external_work(external_command how, parameters what, anonymous_segment memory) noexcept;
  static std::expected<std::unique_ptr<external_work>, error> start(const run& owner,
                                                                    const external_command& how,
                                                                    const parameters& what);
  [[nodiscard]] board& all() const noexcept;
  std::expected<void, error> prepare_in_turn(int index, unsigned time_every, std::uint32_t window);
  std::expected<void, error> prepare(int index, unsigned time_every);
  std::expected<void, error> note(const readiness& what, notice& in) const;
  [[nodiscard]] std::expected<void, error> wait_for_first(std::uint32_t window) const noexcept;
  void let_others_prepare(std::uint32_t window) noexcept;

  external_command how_;
  parameters what_;
  anonymous_segment memory_;
  std::vector<external_worker> workers_;
};

// The operations that a command offers. Errors: no_space; those of external_worker::greet().
[[nodiscard]] std::expected<std::vector<std::string>, error> operations_of(
    const external_command& how);

}  // namespace shmark
