// The stores that tests and benchmarks put side by side: ours, with and without its cache, and the
// peers that a user would pick instead.
#pragma once

#include "lib/subject/plain_store.h"
#include "lib/subject/type_list.h"
#include "lib/subject/variable_store.h"

#ifdef SHMARK_PEERS
#include "lib/subject/lmdb_store.h"
#include "lib/subject/redis_store.h"
#endif

namespace shmark {

#ifdef SHMARK_PEERS
using all_stores =
    type_list<variable_store<>, plain_store<>, unchecked_store, lmdb_store, redis_store>;
#else
using all_stores = type_list<variable_store<>, plain_store<>, unchecked_store>;
#endif

}  // namespace shmark
