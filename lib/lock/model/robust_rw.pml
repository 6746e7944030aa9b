// A model of the protocol of robust_rw, for Spin: every interleaving of THREADS threads that take
// and give up one lock, die at any step, and are replaced by others in the same record.
// tests/lib/lock/model_test.cc runs it in several configurations, and with bugs planted (BUG_…),
// each of which must be found. CONTRIBUTING.md says how to run it by hand.
//
// Names are those of lib/lock/robust_rw.h and roster.h; numbers like (3) and R4 are theirs, too. A
// step of the model has behind it, as a comment, the function that it stands for.
//
// What is checked
//   exclusion    R1 to R3: who gets exclusive is the only live holder; who gets shared meets no
//                writer (get_exclusive, get_shared). Holding counts from the step that acquires to
//                the step that gives up. An upgrade that let a writer in between would fail here,
//                for the one who upgrades counts as a reader until it is the writer.
//   owner_died   R4: it is told exactly while an exclusive holder's death is unrepaired.
//   refusals     who is refused an upgrade has its mark still.
//   not lost     R5, R7. With SLEEPS=UNTIL_WOKEN, each sleep ends by a wake or a death alone: that
//                nobody sleeps for ever is Spin's check for invalid end states. With
//                SLEEPS=UNTIL_QUIET, a sleep times out when nothing else can happen, but not twice
//                until the word has a new owner: one time-out of each must be enough. With
//                SLEEPS=ANY_TIME, Spin's check for non-progress cycles under weak fairness:
//                somebody always gets the lock again, or nobody wants it.
//
// What is abstracted
//   memory       sequentially consistent: of the memory orders that (1) and (5) relax, nothing is
//                shown here. Each step reads or writes the shared state once, but that a look at
//                the word and at whether its owner is alive is one step, and so is a look at one
//                record. A load and the compare-exchange of what was loaded, with nothing in
//                between, is one step.
//   time         none. The 50 ms of (7), and an offer's, are over at any moment, or as SLEEPS says.
//                A deadline (GIVES_UP) passes at any moment.
//   order        any of those who wait may be the longest waiter, and any release may be the one
//                that hands over (`patience`): the queue's fairness, R6, is not shown. Tickets tell
//                one wait of a thread from another, and no more than TICKETS of them.
//   turn         a bit, "another one than the last that was answered". Who sleeps sees it set;
//                `asleep`, which only saves a system call, is left out.
//   death        at any step. The kernel marks the proof of life at any time after it, or never
//                (UNMARKED, as after execve); then, or instead, the record is swept, and taken by
//                another thread. A mark wakes all that watch it, where the kernel wakes one.
//   spins        looking again is what one who wakes early does.
//   left out     several locks in one roster, several handles of one thread, the growing of the
//                table, and a stopped thread, other than as one that takes its time.
//
// Configuration, by -D (what is not given is none; THREADS is 3)
//   THREADS, DOES_0 to DOES_2   2 or 3, and what each may do: a sum of WRITES, READS, UPGRADES and
//                               DOWNGRADES, or ALL, which is the default
//   TIMES      how often each thread asks for the lock; 0: without end. ONCE: a bit for each that
//              asks no more than once
//   CRASHES    deaths, at most. VICTIMS: a bit for each thread that may die (7), since one of those
//              that do the same stands for all. UNMARKED: the kernel may leave one unmarked
//   REUSES     how often a record is taken anew; LEAVES: threads that hold nothing may give theirs
//              back
//   GIVES_UP   a bit for each thread that has a deadline
//   SLEEPS     see above; ANY_TIME, if it is not given
//   TICKETS    how many tickets there are; 1, if it is not given
//
// What a planted bug looks like: BUG_MARK_AFTER_LOOK, the shortest trace, of two threads
//   t1   holds shared; upgrade:              word 0 + biased -> t1 + biased + pending
//   t0   acquire, the look that came before: word was 0 + biased: t0 need only mark
//   t1   drain: t0 has no mark; it drops its own
//   t0   acquire: its mark, and no second look: t0 reads
//   t1   become_writer:                      word -> t1: it writes, and `others_hold` says no

#ifndef THREADS
#define THREADS 3
#endif
#define WRITES 1
#define READS 2
#define UPGRADES 4
#define DOWNGRADES 8
#define ALL 15
#ifndef DOES_0
#define DOES_0 ALL
#endif
#ifndef DOES_1
#define DOES_1 ALL
#endif
#ifndef DOES_2
#define DOES_2 ALL
#endif
#ifndef TIMES
#define TIMES 0
#endif
#ifndef ONCE
#define ONCE 0
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef VICTIMS
#define VICTIMS 7
#endif
#ifndef REUSES
#define REUSES 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef UNMARKED
#define UNMARKED 0
#endif
#ifndef TICKETS
#define TICKETS 1
#endif
#ifndef GIVES_UP
#define GIVES_UP 0
#endif
#define UNTIL_WOKEN 0
#define UNTIL_QUIET 1
#define ANY_TIME 2
#ifndef SLEEPS
#define SLEEPS ANY_TIME
#endif

#define does ((me == 0) * (DOES_0) + (me == 1) * (DOES_1) + (me == 2) * (DOES_2))
#define may(what) ((does & what) != 0)

// The lock's word: a seat, which is an index + 1 and an incarnation, and the flags.
#define index_bits 3
#define seat_bits 31
#define waiting 32
#define woken 64
#define biased 128
#define damaged 256
#define pending 512
#define entering 1024
#define offered 2048
#define lasting (waiting | woken | biased | damaged)
short word;

// The roster.
bool proof[THREADS];  // its owner lives, as far as the kernel has marked it
byte incarnation[THREADS];
bool mark[THREADS];
bool turn[THREADS];
bool awaits[THREADS];
byte ticket[THREADS];  // of the record's last wait, modulo TICKETS

#ifdef BUG_NO_INCARNATION
#define seat_at(i) (4 | (i + 1))
#else
#define seat_at(i) ((incarnation[i] << 2) | (i + 1))
#endif
#define owner_of(w) (w & seat_bits)
#define index_of(s) ((s & index_bits) - 1)
#define self seat_at(me)
/* roster::is_alive */
#define is_alive(s) (s == seat_at(index_of(s)) && proof[index_of(s)])

// What is true, and the code does not know.
#define NOTHING 0
#define SHARED 1
#define EXCLUSIVE 2
byte holds[THREADS];   // of a live thread
bool unrepaired;       // an exclusive holder died, and nobody who was told has released since
byte reuses_left = REUSES;
byte timed_out;        // whose sleeps have, a bit for each, since the word got an owner
chan death = [0] of { byte };

#define others_hold(what)                                    \
  ((me != 0 && holds[0] >= what) || (me != 1 && holds[1] >= what) || \
   (THREADS > 2 && me != 2 && holds[THREADS - 1] >= what))

inline get_exclusive(is_told) {
  assert(!others_hold(SHARED));      // R1, R2, R3
  assert((is_told) == unrepaired);   // R4
  holds[me] = EXCLUSIVE;
  timed_out = 0
}
inline get_shared(is_told) {
  assert(!others_hold(EXCLUSIVE));   // R2
  assert((is_told) == unrepaired);   // R4
  assert(mark[me]);
  holds[me] = SHARED;
  timed_out = 0
}

#define WRITING 1
#define READING 2
#define UPGRADING 3

// What giving up the word is for.
#define RELEASE 1
#define DOWNGRADE 2
#define LET_READERS_IN 3
#define PASS_ON 4

#define NOBODY THREADS
#define has_deadline ((GIVES_UP >> me) & 1)

// After an acquisition and all that followed it.
inline let_go() {
#if TIMES > 0
  times++;
  if
  :: times == TIMES || ((ONCE >> me) & 1) -> goto retired
  :: else -> goto idle
  fi
#else
  goto idle
#endif
}

// After a word was given up, or the attempt to own it.
inline gave_up() {
#ifdef BUG_DOWNGRADE_MARKS_LATE
  if
  :: goal == DOWNGRADE -> mark[me] = 1
  :: else
  fi;
#endif
  if
  :: goal == RELEASE || (goal == PASS_ON && why != UPGRADING) -> goal = 0; why = 0; let_go()
  :: goal == LET_READERS_IN || goal == DOWNGRADE -> goal = 0; why = 0; goto reading
  :: goal == PASS_ON && why == UPGRADING -> goal = 0; assert(mark[me]); goto reading
  fi
}

inline own_what_for() {
  if
  :: why == READING -> goto let_readers_in
  :: next & pending -> goto drain
  :: else -> next = 0; why = 0; goto writing
  fi
}

#define choose(who) chosen = who; its_ticket = ticket[who]
#define forget_chosen chosen = NOBODY; its_ticket = 0
#ifdef BUG_TICKET_IGNORED
#define chosen_waits awaits[chosen]
#else
#define chosen_waits (awaits[chosen] && ticket[chosen] == its_ticket)
#endif

// longest_waiter: one step for each record. Of two that wait, either may have the lower ticket.
#define longest_waiter(if_somebody, if_nobody)                                                    \
  do                                                                                              \
  :: atomic {                                                                                     \
       if                                                                                         \
       :: awaits[at] && is_alive(seat_at(at)) ->                                                  \
            if                                                                                    \
            :: choose(at)                                                                         \
            :: chosen != NOBODY                                                                   \
            fi                                                                                    \
       :: else                                                                                    \
       fi;                                                                                        \
       at++;                                                                                      \
       if                                                                                         \
       :: at < THREADS                                                                            \
       :: at == THREADS && chosen != NOBODY -> at = 0; goto if_somebody                           \
       :: at == THREADS && chosen == NOBODY -> at = 0; goto if_nobody                             \
       fi                                                                                         \
     }                                                                                            \
  od

proctype thread(byte me) {
  short seen, next;
#if TIMES > 0
  byte times;
#endif
  byte why, goal, at, chosen = NOBODY, its_ticket;
  bool is_registered, was_woken;

idle:
  {
    if
    :: atomic { /* acquire: the one compare-exchange of (1); or overtake */
         may(WRITES) ->
         if
         :: (word & ~(waiting | woken)) == 0 ->
              word = word | self; get_exclusive(false); goto writing
         :: else -> why = WRITING; turn[me] = 0; goto own
         fi
       }
    :: atomic { /* acquire: (2), the first look */
         may(READS) ->
         if
         :: word == biased
         :: else -> why = READING; turn[me] = 0; goto own
         fi
       }
#if LEAVES
    :: reuses_left > 0 -> goto leave
#endif
#if SLEEPS != ANY_TIME && TIMES == 0
    :: goto retired
#endif
    fi;
#ifdef BUG_MARK_AFTER_LOOK
    atomic { mark[me] = 1; get_shared(unrepaired); goto reading }
#else
    mark[me] = 1; /* acquire: (2), the mark */
    atomic { /* acquire: (2), the second look */
      if
      :: word == biased -> get_shared(false); goto reading
      :: else
      fi
    }
    atomic { mark[me] = 0; why = READING; turn[me] = 0; goto own } /* unmark */
#endif

    // (3)
own:
    atomic { /* contender::successor */
      seen = word;
      next = seen & lasting;
      if
      :: owner_of(seen) == self -> assert(seen & offered)
      :: owner_of(seen) == 0
      :: owner_of(seen) != 0 && owner_of(seen) != self ->
           if
           :: !is_alive(owner_of(seen)) ->
                if
#ifndef BUG_STEAL_WITHOUT_DAMAGED
#ifdef BUG_DEATH_WHILE_PENDING_DAMAGES
                :: (seen & (entering | offered)) == 0 -> next = next | damaged
#else
                :: (seen & (pending | entering | offered)) == 0 -> next = next | damaged
#endif
#endif
                :: else
                fi
#ifndef BUG_UPGRADES_WAIT_FOR_EACH_OTHER
           :: is_alive(owner_of(seen)) && why == UPGRADING && (seen & pending) -> goto refuse
           :: is_alive(owner_of(seen)) && !(why == UPGRADING && (seen & pending)) ->
#else
           :: is_alive(owner_of(seen)) ->
#endif
                if /* contender::has_not_come */
#ifdef BUG_OFFER_STANDS_FOR_EVER
                :: goto sleep
#else
                :: (seen & offered) && !awaits[index_of(owner_of(seen))]
                :: (seen & offered) && SLEEPS == ANY_TIME  // 50 ms are over, or it is stopped
                :: !(seen & offered) || awaits[index_of(owner_of(seen))] -> goto sleep
#endif
                :: has_deadline -> goto refuse
                fi
           fi
      fi;
      if
      :: is_registered -> next = next & ~woken
      :: else
      fi;
      if
      :: why == READING -> next = next | entering
#ifdef BUG_WRITER_IGNORES_MARKS
      :: why == UPGRADING -> next = next | pending
#else
      :: why == UPGRADING || (why == WRITING && (seen & biased)) -> next = next | pending
#endif
      :: else
      fi;
      next = next | self
    }
    atomic { /* contender::own: the compare-exchange */
      if
      :: word == seen ->
           word = next; seen = 0; timed_out = 0;
           if
           :: why == WRITING && !(next & pending) -> get_exclusive((next & damaged) != 0)
           :: else
           fi
      :: else -> seen = 0; next = 0; goto own
      fi;
      if
      :: is_registered
      :: else -> own_what_for()
      fi
    }
    atomic { awaits[me] = 0; is_registered = 0; turn[me] = 0; own_what_for() } /* taken */

    // (4)
drain:
    do
    :: atomic { /* drain */
         at == me || !mark[at] || !proof[at] ->
         at++;
         if
         :: at < THREADS
         :: at == THREADS && why == UPGRADING -> at = 0; break
         :: at == THREADS && why != UPGRADING -> at = 0; goto drained
         fi
       }
#ifndef BUG_UPGRADE_IS_LEFT_ASLEEP
    :: atomic { /* drain: wakes one who waits for an upgrade, to be refused it */
         !(at == me || !mark[at] || !proof[at]) && awaits[at] && !turn[at] -> turn[at] = 1
       }
#endif
#if GIVES_UP
    :: atomic { /* become_writer: not drained in time */
         has_deadline && !(at == me || !mark[at] || !proof[at]) ->
         at = 0; next = 0; goal = PASS_ON; goto give_up
       }
#endif
    od;
    mark[me] = 0; /* become_writer: the mark that it had */
drained:
    atomic { /* become_writer: pending and biased */
      word = word & ~(pending | biased);
      get_exclusive((next & damaged) != 0);
      next = 0; why = 0; goto writing
    }

let_readers_in:
    atomic { mark[me] = 1; next = 0; goal = LET_READERS_IN; goto give_up } /* mark */

    // (7)
sleep:
#ifdef BUG_WAKE_SWALLOWED
    was_woken = is_registered && turn[me];
#endif
    atomic { /* contender::sleep: turn_, and says in the record that it waits */
      seen = 0; next = 0;
      if
      :: is_registered ->
#ifndef BUG_WAKE_SWALLOWED
           was_woken = turn[me]
#endif
      :: else -> ticket[me] = (ticket[me] + 1) % (TICKETS); awaits[me] = 1; is_registered = 1
      fi;
      turn[me] = 0
    }
    atomic { /* contender::sleep: looks at the word */
      seen = word;
      if
      :: owner_of(seen) == 0 || owner_of(seen) == self ->
           turn[me] = turn[me] | was_woken; was_woken = 0; seen = 0; goto own
      :: else
      fi;
      next = seen | waiting;
      if
      :: was_woken -> next = next & ~woken
      :: else
      fi;
      if
      :: next == seen -> next = 0; was_woken = 0; goto asleep
      :: else
      fi
    }
    atomic { /* contender::sleep: says in the word that it waits */
      if
      :: word == seen -> word = next; next = 0; was_woken = 0
      :: else -> turn[me] = turn[me] | was_woken; was_woken = 0; seen = 0; next = 0; goto own
      fi
    }
asleep:
    atomic { /* contender::sleep: roster::watch and futex_wait */
      if
#if SLEEPS == ANY_TIME
      :: true
#else
      :: turn[me] || !is_alive(owner_of(seen))
#endif
#if GIVES_UP
      :: has_deadline -> goto refuse
#endif
#if SLEEPS == UNTIL_QUIET
      :: timeout && !(timed_out & (1 << me)) -> timed_out = timed_out | (1 << me)  // R5
#endif
      fi;
      seen = 0; goto own
    }

refuse:
    atomic { /* contender::refuse */
      seen = 0; next = 0; goal = PASS_ON;
      if
      :: is_registered -> awaits[me] = 0; is_registered = 0
      :: else -> gave_up()
      fi
    }
    atomic { /* contender::refuse: offered just now? */
      if
      :: owner_of(word) == self && (word & offered) ->
#ifdef BUG_REFUSED_OFFER_STAYS_WOKEN
           word = (word & (lasting | seat_bits)) | entering; goto give_up
#else
           word = (word & (lasting | seat_bits) & ~woken) | entering; goto give_up
#endif
      :: else
      fi
    }
    atomic { /* contender::refuse: woken just now? */
      if
      :: turn[me] -> turn[me] = 0
      :: else -> gave_up()
      fi
    }
    atomic { word = word & ~woken; goto see_to_the_next } /* contender::refuse */

writing:
progress_writing:
    if
    :: atomic { /* release: (6), the one compare-exchange */
         true ->
         if
         :: word == self -> word = 0; holds[me] = NOTHING; unrepaired = 0; let_go()
         :: else -> goal = RELEASE; goto give_up
         fi
       }
    :: atomic { /* downgrade: mark */
         may(DOWNGRADES) ->
#ifndef BUG_DOWNGRADE_MARKS_LATE
         mark[me] = 1;
#endif
         goal = DOWNGRADE; goto give_up
       }
    fi;

reading:
progress_reading:
    if
    :: atomic { true -> mark[me] = 0; holds[me] = NOTHING; why = 0; let_go() } /* unmark */
    :: atomic { /* upgrade; whoever was refused it lets go, lest it ask for ever */
         may(UPGRADES) && why != UPGRADING -> why = UPGRADING; turn[me] = 0; goto own
       }
    fi;

    // (6) and (8)
give_up:
    atomic { /* give_up: looks; and is_time_to_serve, perhaps */
      seen = word;
      assert(owner_of(seen) == self);  // R1
      next = seen & lasting;
      if
      :: goal == RELEASE || goal == DOWNGRADE -> next = next & ~damaged
      :: else
      fi;
      if
      :: goal == LET_READERS_IN || goal == DOWNGRADE -> next = next | biased
      :: else
      fi;
#ifdef BUG_RELEASE_KEEPS_NOTHING
      next = next & ~waiting;
#endif
      if
      :: seen & waiting
      :: goto give_up_the_word
      fi
    }
    longest_waiter(serve, serve_nobody);
serve:
    atomic { next = next | offered | seat_at(chosen); goto give_up_the_word } /* give_up */
serve_nobody:
    next = next & ~woken; /* give_up */
give_up_the_word:
    atomic { /* give_up: the compare-exchange */
      if
      :: word == seen ->
           word = next;
           if
           :: goal == RELEASE -> holds[me] = NOTHING; unrepaired = 0
           :: goal == DOWNGRADE -> unrepaired = 0; holds[me] = SHARED
           :: goal == LET_READERS_IN -> get_shared((next & damaged) != 0)
           :: else
           fi
      :: else -> seen = 0; next = 0; forget_chosen; goto give_up
      fi;
      seen = 0;
      if
      :: next & offered -> goto rouse_chosen
      :: (next & (offered | waiting | woken)) == waiting -> next = 0
      :: else -> next = 0; gave_up()
      fi
    }
see_to_the_next:
    atomic { /* see_to_the_next: claims to wake somebody */
      if
      :: owner_of(word) != 0 || (word & (waiting | woken)) != waiting -> gave_up()
      :: else -> word = word | woken
      fi
    }
    longest_waiter(rouse, nobody_waits);
nobody_waits:
    word = word & ~(waiting | woken); /* see_to_the_next */
#ifdef BUG_NO_SECOND_LOOK
    atomic { true -> gave_up() }
#endif
    longest_waiter(somebody_does, nobody_does);
somebody_does:
    atomic { word = word | waiting; forget_chosen; goto see_to_the_next } /* see_to_the_next */
nobody_does:
    atomic { true -> gave_up() }
rouse:
    turn[chosen] = 1; /* rouse, in see_to_the_next */
#ifdef BUG_NO_LOOK_AT_THE_WOKEN
    atomic { true -> forget_chosen; gave_up() }
#endif
    atomic { /* see_to_the_next: is the woken one there? */
      if
      :: chosen_waits -> forget_chosen; gave_up()
      :: else -> forget_chosen
      fi
    }
    atomic { word = word & ~woken; goto see_to_the_next } /* see_to_the_next */
rouse_chosen:
    turn[chosen] = 1; /* rouse, in give_up */
#ifdef BUG_NO_LOOK_AT_THE_CHOSEN
    atomic { true -> next = 0; forget_chosen; gave_up() }
#endif
    atomic { /* give_up: is the chosen one there? */
      if
      :: chosen_waits -> next = 0; forget_chosen; gave_up()
      :: else -> forget_chosen
      fi
    }
    atomic { /* give_up: takes the offer back, and sees to the next */
      if
#ifdef BUG_OFFER_TAKEN_BACK_ONLY_UNCHANGED
      :: word == next ->
#else
      :: (word & (offered | seat_bits)) == (next & (offered | seat_bits)) ->
#endif
           word = word & lasting; next = 0;
           if
           :: (word & (waiting | woken)) == waiting -> goto see_to_the_next
           :: else -> gave_up()
           fi
      :: else -> next = 0; gave_up()
      fi
    }
#if LEAVES
leave:
    proof[me] = 0; /* roster::leave: unlocks the proof */
    atomic { incarnation[me]++; goto claim } /* roster::leave */
#endif
  } unless { atomic { death?eval(me) ->
    if
    :: holds[me] == EXCLUSIVE -> unrepaired = 1
    :: else
    fi;
    holds[me] = NOTHING; seen = 0; next = 0; why = 0; goal = 0; at = 0; forget_chosen;
    is_registered = 0; was_woken = 0
#if TIMES > 0
    ; times = 0
#endif
  } }

  // Dead. What follows is done by the kernel, and by whoever sweeps or joins.
  if
  :: proof[me] = 0 /* the kernel, when the thread has ended */
#if UNMARKED
  :: skip /* nobody, after an execve by another thread than the first */
#endif
  fi;
#if REUSES > 0 || UNMARKED
  if
#if SLEEPS != ANY_TIME
  :: !proof[me] -> goto retired
#endif
  :: mark[me] = 0 /* roster::bury, in claim or bury_if_gone */
  fi;
  awaits[me] = 0; /* roster::bury */
  incarnation[me]++; /* roster::bury */
claim:
  atomic { /* roster::claim: the proof */
    if
    :: reuses_left > 0 -> reuses_left--; proof[me] = 1
    :: goto retired
    fi
  }
  incarnation[me]++; /* roster::claim */
  goto idle;
#endif
retired:
  skip
}

inline may_kill() {
  if
#if (VICTIMS) & 1
  :: death!0
#endif
#if (VICTIMS) & 2
  :: death!1
#endif
#if THREADS > 2 && ((VICTIMS) & 4)
  :: death!2
#endif
  :: goto mercy
  fi
}

proctype fate() {
  may_kill();
#if CRASHES > 1
  may_kill();
#endif
mercy:
  skip
}

init {
  byte i;
  atomic {
    for (i : 0 .. THREADS - 1) {
      proof[i] = 1;
      incarnation[i] = 1;
      run thread(i)
    }
#if CRASHES > 0
    run fate()
#endif
  }
}
