// The locks that the suites run over, and the choice of those that promise something.
//
// A further lock is one more line in `all_locks`. What its lock_traits promise decides which suites
// it takes part in; what traits cannot say is said in the two variables below.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

#include "lib/lock/lock.h"
#include "lib/lock/pthread_robust.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"

namespace shmark {

template <lock... Ls>
struct lock_list {
  using types = ::testing::Types<Ls...>;
};

using all_locks = lock_list<  //
    robust_rw,                //
    pthread_robust,           //
    sysv_semaphore>;

// Whether a holder that asks again for what it holds gets would_deadlock, and does not wait for
// itself.
template <lock L>
inline constexpr bool notices_relocking = true;

// Whether releasing what one does not hold stops the program.
template <lock L>
inline constexpr bool notices_misuse = true;

namespace detail {

template <class List, class Last>
struct appended;
template <lock... Ls, lock Last>
struct appended<lock_list<Ls...>, Last> {
  using type = lock_list<Ls..., Last>;
};

template <class List, template <class> class Wanted, class Chosen = lock_list<>>
struct chosen;
template <template <class> class Wanted, class Chosen>
struct chosen<lock_list<>, Wanted, Chosen> {
  using type = Chosen;
};
template <lock L, lock... Ls, template <class> class Wanted, class Chosen>
struct chosen<lock_list<L, Ls...>, Wanted, Chosen> {
  using next = typename std::conditional_t<Wanted<L>::value, appended<Chosen, L>,
                                           std::type_identity<Chosen>>::type;
  using type = typename chosen<lock_list<Ls...>, Wanted, next>::type;
};

template <bool lock_traits::*... Promised>
struct promises {
  template <class L>
  using all = std::bool_constant<((L::can.*Promised) && ...)>;
};
template <class L>
using noticing_relocking = std::bool_constant<notices_relocking<L>>;
template <class L>
using noticing_misuse = std::bool_constant<notices_misuse<L>>;

}  // namespace detail

// Those that promise all of the named traits: locks_with<&lock_traits::timed>.
template <bool lock_traits::*... Promised>
using locks_with =
    typename detail::chosen<all_locks, detail::promises<Promised...>::template all>::type::types;

using locks_that_exclude = locks_with<&lock_traits::excludes>;
using locks_that_notice_relocking =
    detail::chosen<all_locks, detail::noticing_relocking>::type::types;
using locks_that_notice_misuse = detail::chosen<all_locks, detail::noticing_misuse>::type::types;

// Names the instances of a suite: LockConformance/robust_rw.
struct name_of_lock {
  template <class L>
  static std::string GetName(int) {
    return std::string(L::name);
  }
};

}  // namespace shmark
