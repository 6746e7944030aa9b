#include "tests/support/another_user.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "tests/support/child.h"

namespace shmark::support {
namespace {

bool try_to_become_another_user() {
  const bool done = setgroups(0, nullptr) == 0 &&
                    setresgid(another_user, another_user, another_user) == 0 &&
                    setresuid(another_user, another_user, another_user) == 0;
  // The kernel has forgotten it with the change of user.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return done;
}

}  // namespace

bool can_become_another_user() {
  if (geteuid() == another_user) return false;
  return child::start([] { _exit(try_to_become_another_user() ? 0 : 1); }).wait() == exited(0);
}

void become_another_user() {
  SHMARK_CHECK(try_to_become_another_user(), "cannot become another user");
}

}  // namespace shmark::support
