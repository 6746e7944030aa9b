// What variables stand on: a kind of segment, a lock and a codec. A choice at creation: everybody
// who opens a domain has to make the same one.
//
//     auto domain = shmark::domain<shmark::sysv_backend>::open();
#pragma once

#include "lib/codec/codec.h"
#include "lib/codec/direct.h"
#include "lib/lock/lock.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/segment/posix.h"
#include "lib/segment/segment.h"
#include "lib/segment/sysv.h"
#include "lib/store/store.h"

namespace shmark {

// Another backend is another struct like this one.
struct default_backend {
  using segment = posix_segment;
  using lock = robust_rw;
  using codec = direct;
};
// POSIX objects, with System V semaphores: can be shared between users.
struct posix_semaphore_backend {
  using segment = posix_segment;
  using lock = sysv_semaphore;
  using codec = direct;
};
// System V segments, with our lock.
struct sysv_backend {
  using segment = sysv_segment;
  using lock = robust_rw;
  using codec = direct;
};
// What IPC::Shm and IPC::Shareable stand on.
struct sysv_semaphore_backend {
  using segment = sysv_segment;
  using lock = sysv_semaphore;
  using codec = direct;
};

template <class Backend>
using store_on = store<typename Backend::segment, typename Backend::lock>;

#ifndef __OPTIMIZE__  // else to be inlined
// Compiled once, in backends.cc.
extern template class store<posix_segment, robust_rw>;
extern template class store<posix_segment, sysv_semaphore>;
extern template class store<sysv_segment, robust_rw>;
extern template class store<sysv_segment, sysv_semaphore>;
#endif

}  // namespace shmark
