#include "stress/explorer/scene.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>

#include "lib/base/process.h"

namespace shmark::explorer {
namespace {

constexpr std::int64_t slice_ns = 10'000'000;

}  // namespace

std::string_view name_of(finding what) noexcept {
  switch (what) {
    case finding::stuck:
      return "stuck";
    case finding::lost:
      return "lost";
    case finding::torn:
      return "torn";
    case finding::leaked:
      return "leaked";
    case finding::broken:
      return "broken";
  }
  return "nothing";
}

bool scene::must_be_told() const noexcept {
  if (board_->cleared.load() != 0) return false;
  const phase second = board_->recoverer.load();
  if (second == phase::exclusive) return true;
  return board_->settled.load() == 0 && board_->victim.load() == phase::exclusive &&
         (second == phase::outside || second == phase::taking);
}

bool scene::may_be_told() const noexcept {
  if (board_->cleared.load() != 0) return false;
  const auto may = [](phase at) {
    return at == phase::taking || at == phase::raising || at == phase::exclusive ||
           at == phase::giving || at == phase::lowering;
  };
  const phase second = board_->recoverer.load();
  if (second == phase::done) return false;
  return (board_->settled.load() == 0 && may(board_->victim.load())) || may(second);
}

bool scene::must_be_old() const noexcept {
  return board_->victim.load() == phase::outside || board_->wrote.load() == 0;
}

bool scene::must_be_new() const noexcept {
  const phase at = board_->victim.load();
  const bool is_in_doubt =
      at == phase::outside || at == phase::taking || at == phase::raising || at == phase::exclusive;
  return board_->wrote.load() != 0 && !is_in_doubt;
}

void scene::saw(sight what) const noexcept { ++board_->seen[static_cast<std::size_t>(what)]; }

void scene::fail(finding what, std::string_view sentence) const noexcept {
  ++board_->found[static_cast<std::size_t>(what)];
  if (board_->has_sentence.exchange(1) != 0) return;
  const auto length = std::min(sentence.size(), board_->sentence.size() - 1);
  std::ranges::copy(sentence.substr(0, length), board_->sentence.begin());
}

void scene::give_up(finding what, std::string_view sentence) const noexcept {
  fail(what, sentence);
  _exit(has_given_up);
}

void scene::give_up(std::string_view doing, const error& why) const noexcept {
  const bool waited = why.code == errc::timed_out || why.code == errc::would_block;
  const bool corrupt = why.code == errc::corrupt;
  give_up(waited ? finding::stuck : (corrupt ? finding::torn : finding::broken),
          std::string(doing) + ": " + why.message());
}

void scene::await_sleep() const noexcept {
  await(about_to_wait);
  while (process_state(board_->bystander.load()) != 'S') sched_yield();
}

void scene::raise(futex_word& number, std::uint32_t to) noexcept {
  std::uint32_t now = number.load();
  while (now < to && !number.compare_exchange_weak(now, to)) {
  }
  futex_wake(number, std::numeric_limits<int>::max());
}

void scene::wait(const futex_word& number, std::uint32_t to) noexcept {
  wait(number, to, deadline::never());
}

bool scene::wait(const futex_word& number, std::uint32_t to, deadline until) noexcept {
  for (std::uint32_t now = number.load(); now < to; now = number.load()) {
    if (until.passed()) return false;
    const futex_watch watched{&number, now};
    futex_wait({&watched, 1}, slice_ns);
  }
  return true;
}

}  // namespace shmark::explorer
