// The locks that tests, benchmarks and stress runs put side by side: ours, the peers that a user
// would pick instead, and the baseline that shows what measuring itself costs.
#pragma once

#include "lib/lock/pthread_robust.h"
#include "lib/lock/robust_rw.h"
#include "lib/lock/sysv_semaphore.h"
#include "lib/subject/boost_lock.h"
#include "lib/subject/file_lock.h"
#include "lib/subject/no_lock.h"
#include "lib/subject/posix_semaphore.h"
#include "lib/subject/pthread_mutex.h"
#include "lib/subject/pthread_rwlock.h"
#include "lib/subject/type_list.h"

namespace shmark {

using all_locks = type_list<robust_rw, sysv_semaphore, ofd_lock, flock_lock, pthread_robust,
                            pthread_mutex, pthread_rwlock, posix_semaphore, boost_mutex,
                            boost_sharable_mutex, boost_upgradable_mutex>;

}  // namespace shmark
