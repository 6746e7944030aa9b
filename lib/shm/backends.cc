// What each program that uses these backends would otherwise compile again: a quarter of its time.

#include "lib/shm/backend.h"
#include "lib/shm/variable.h"

namespace shmark {

template class store<posix_segment, robust_rw>;
template class store<posix_segment, sysv_semaphore>;
template class store<sysv_segment, robust_rw>;
template class store<sysv_segment, sysv_semaphore>;

namespace detail {

template class registry<default_backend>;
template class registry<posix_semaphore_backend>;
template class registry<sysv_backend>;
template class registry<sysv_semaphore_backend>;

}  // namespace detail
}  // namespace shmark
