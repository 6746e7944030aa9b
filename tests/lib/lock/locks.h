// Which of the locks of lib/subject/locks.h take part in which suite: those that promise what it
// asks for, by their lock_traits, and for what traits cannot say by the two variables below.
//
// With SHMARK_TEST_CONTROL the suites are of the lock instead that bugs are planted in (see
// stress/mutants): without one it has to keep what all others do.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

#include "lib/lock/lock.h"
#include "lib/lock/pthread_robust.h"
#include "lib/subject/boost_lock.h"
#include "lib/subject/locks.h"
#include "lib/subject/posix_semaphore.h"
#include "lib/subject/pthread_mutex.h"
#include "lib/subject/pthread_rwlock.h"
#include "lib/subject/type_list.h"

#if defined(SHMARK_TEST_CONTROL)
#include "stress/mutants/mutant_lock.h"
#endif

namespace shmark {

#if defined(SHMARK_TEST_CONTROL)
// The second because no suite can be empty, and the first is held by processes only.
using tested_locks = type_list<mutants::mutant_lock<mutants::lock_bug::none>, pthread_robust>;
#else
using tested_locks = all_locks;
#endif

// Whether a holder that asks again for what it holds gets would_deadlock, and does not wait for
// itself.
template <lock L>
inline constexpr bool notices_relocking = true;
template <>
inline constexpr bool notices_relocking<pthread_mutex> = false;
template <>
inline constexpr bool notices_relocking<pthread_rwlock> = false;
template <>
inline constexpr bool notices_relocking<posix_semaphore> = false;
template <class Kind>
inline constexpr bool notices_relocking<boost_lock<Kind>> = false;

// Whether releasing what one does not hold stops the program.
template <lock L>
inline constexpr bool notices_misuse = true;
template <>
inline constexpr bool notices_misuse<pthread_mutex> = false;
template <>
inline constexpr bool notices_misuse<pthread_rwlock> = false;
template <>
inline constexpr bool notices_misuse<posix_semaphore> = false;
template <class Kind>
inline constexpr bool notices_misuse<boost_lock<Kind>> = false;

namespace detail {

// The members of a type_list that are wanted, as the list that GoogleTest takes.
template <class List, template <class> class Wanted, class... Chosen>
struct chosen;
template <template <class> class Wanted, class... Chosen>
struct chosen<type_list<>, Wanted, Chosen...> {
  using types = ::testing::Types<Chosen...>;
};
template <lock L, class... Ls, template <class> class Wanted, class... Chosen>
struct chosen<type_list<L, Ls...>, Wanted, Chosen...>
    : std::conditional_t<Wanted<L>::value, chosen<type_list<Ls...>, Wanted, Chosen..., L>,
                         chosen<type_list<Ls...>, Wanted, Chosen...>> {};

template <bool lock_traits::*... Promised>
struct promises {
  template <class L>
  using all = std::bool_constant<((L::can.*Promised) && ...)>;
};
template <class L>
using noticing_relocking = std::bool_constant<notices_relocking<L>>;
template <class L>
using noticing_misuse = std::bool_constant<notices_misuse<L>>;
template <class L>
using noticing_misuse_of_conversion = std::bool_constant<notices_misuse<L> && L::can.convertible>;

}  // namespace detail

// Those that promise all of the named traits: locks_with<&lock_traits::timed>.
template <bool lock_traits::*... Promised>
using locks_with =
    typename detail::chosen<tested_locks, detail::promises<Promised...>::template all>::types;

using locks_that_exclude = locks_with<&lock_traits::excludes>;
using locks_that_notice_relocking = detail::chosen<tested_locks, detail::noticing_relocking>::types;
using locks_that_notice_misuse = detail::chosen<tested_locks, detail::noticing_misuse>::types;
using convertible_locks_that_notice_misuse =
    detail::chosen<tested_locks, detail::noticing_misuse_of_conversion>::types;

// Names the instances of a suite: LockConformance/robust_rw.
struct name_of_lock {
  template <class L>
  static std::string GetName(int) {
    return std::string(L::name);
  }
};

}  // namespace shmark
