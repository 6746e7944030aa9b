// An operation that can be explored: what is done to a lock or store in shared memory, and how one
// tells afterwards whether it has kept its promises.
//
// Each body runs in a forked process of its own, in this order:
//
//     prepare     makes the lock or store, with known contents; ends. What it leaves is copied, for
//                 every trial to begin with
//     witness     if any: uses it and stays; comes again when the check lets it, before or after
//                 other peers. Not when recovery is explored: it is with what is left that every
//                 recovery begins, and nobody's memory is a part of that
//     bystander   if any: holds, or waits for, what the victim is about to ask for or give up
//     victim      warms up, begin_mark(), the operation, end_mark(). Between the marks it is killed
//                 or stopped
//     recoverers  if recovery is explored, in each trial one of these: a peer between marks of its
//                 own, killed as well
//     check       by `variant`: a peer that must get on, and says what it saw
//     worker      if any, two at once: peers that change what is guarded. One of them is the
//                 process that has checked
//     finish      if any: removes all; nothing may be left then
//     prober      when the victim is stopped: what a peer can get meanwhile
//
// Bystander and victim meet by steps: the victim reaches `warm` before the bystander may hold, one
// of them `ready` when it holds, and the bystander `about_to_wait` before a call that sleeps; it
// gives back what it holds at `event`, which the explorer raises before the victim's first wait in
// the kernel, and answers by `answered`. When the victim is dead, `over` is raised, and the
// bystander must come to its end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stress/explorer/scene.h"

namespace shmark::explorer {

using body = std::function<void(const scene&)>;

struct operation {
  std::string name;
  std::string what;  // one line for --list
  body prepare;
  body victim;
  body check;
  int variants = 1;
  body witness = {};
  body bystander = {};
  std::vector<body> recoverers = {};
  body worker = {};
  body finish = {};
  body prober = {};
  bool has_event = false;
  // Its objects hold what differs from run to run, such as bytes that nobody has set: a victim is
  // where it is wanted if it is at that instruction for that many a time.
  bool is_noisy = false;
  // The victim is the first to use it: no prober may come before, and a newcomer may have to wait
  // for as long as the victim is stopped.
  bool is_first = false;
};

}  // namespace shmark::explorer
