// The locks that tests, benchmarks and stress runs put side by side: ours, the peers that a user
// would pick instead, and the baseline that shows what measuring itself costs.
#pragma once

#include "lib/lock/pthread_robust.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/subject/boost_mutex.h"
#include "lib/subject/no_lock.h"
#include "lib/subject/ofd_lock.h"
#include "lib/subject/pthread_mutex.h"
#include "lib/subject/pthread_rwlock.h"
#include "lib/subject/type_list.h"

namespace shmark {

using all_locks = type_list<robust_rw, sysv_semaphore, ofd_lock, pthread_robust, pthread_mutex,
                            pthread_rwlock, boost_mutex>;

}  // namespace shmark
