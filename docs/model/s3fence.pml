/* s3fence.pml - one partition, from its claim to its job's terminal record, under the protocol as it is coded (but for
 * CLOSED_NO_ABORT, see README.md). What S3 holds is in s3fence_state.pml, the copy step in s3fence_worker.pml; verify,
 * sweep and the world outside are here.
 *
 * The table is not modelled: it may say anything, so any worker may suspect any owner at any time. Everything below
 * must be safe by S3's atomic conditional requests alone. Every step of a process is ONE request to S3 (with what its
 * caller makes of the answer), and steps of all processes interleave freely: who is not scheduled for a while is a
 * zombie, and a crash forgets everything but what S3 holds.
 *
 * Rows of the manifest: row 0 is small (CopyObject, nothing at the destination: If-None-Match:*), row 1 is large
 * (multipart copy in two parts, replaces an object: If-Match). Both are pinned when the partition is planned.
 *
 * Which part of the program a step stands for is said where the step is; names in capitals are steps or flags.
 *
 * Bounds (how much happens in one history):
 *   SUSP       wrong suspicions: claims that supersede a living worker                            default 1
 *   CRASHES    workers that die                                                                   default 1
 *   LATE       requests that publish, whose answer is lost and that land later, or never          default 0
 *   CONFLICTS  times that Complete answers 409 ConditionalRequestConflict: the upload is spent     default 0
 *   TOMBSTONES      how often the sweep fences an upload whose creator still lives                      default 0
 *   STOPS      how often the sweep ends, or its abort fails, between its TOMBSTONE and the abort        default 0
 *   JOBS       1: two workers of one job. 2: one worker of each of two jobs with the same row 1    default 1
 *   A history that needs more than MAXU uploads or MAXG register generations is an error, not cut off.
 *   ONLY0 ONLY1  the partition has only that row
 * Environment (each may happen once, or not):
 *   SRCOW      the source is overwritten after planning        FOREIGN  somebody else overwrites the destination
 *   VANISH     the object to be replaced is deleted            FDEL     somebody else deletes our copy
 *   CANCEL     the job (job 0 of two) is cancelled
 * Broken variants: BLIND FRESH NOIDENT NOSRCMATCH NOREHEAD GC_NAIVE GC_AGE GC_ANY_RECEIPT GC_ANY_TOMBSTONE TOMBSTONE_SUPERSEDES TWO_LISTS
 *   ADOPT_OTHER CLOSED_FOR_ALL SPENT_GOES_ON NOVERIFY NOCLOSE CLOSED_NO_ABORT; each is explained where it is used.
 * CUT_OFF (with broken variants) ends histories that exceed the bounds, instead of calling that an error.
 * REACH=n asserts that something never happens, to show that it does (the values are at `reach`).
 */
#ifndef SUSP
#define SUSP 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef CONFLICTS
#define CONFLICTS 0
#endif
#ifndef TOMBSTONES
#define TOMBSTONES 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef JOBS
#define JOBS 1
#endif
#define MAXU 10
#define MAXG 12
#ifndef REACH
#define REACH 0
#endif
#ifdef ONLY1
#define FIRST_ROW 1
#else
#define FIRST_ROW 0
#endif
#ifdef ONLY0
#define LAST_ROW 0
#else
#define LAST_ROW 1
#endif

#include "s3fence_state.pml"
#include "s3fence_worker.pml"

/* steps/verify.py, then protocol/settling.py. Receipt and terminal record are create-only: of any number of verifiers
 * and settlers only the first to write counts, and it may be delayed anywhere; so one of each stands for all. */
inline check_receipt() {
  /* COPIED was published, once, and was still there when copy had said so */
  HOLDS(I3_SEEN, r0 != COPIED || (nver[0] == 1 && (d[0] == OURS || foreign)));
  HOLDS(I3_SEEN, r1 != COPIED || (nver[1 + j] == 1 && (d[1] == MINE(j) || foreign || JOBS == 2)));
  HOLDS(I3_SEEN, !(SUCCEEDED(r0, r1) && spoilt[j]));
  /* nothing is reported that did not happen */
  HOLDS(TRUE_REPORT, (r0 != SOURCE_CHANGED || changed[0]) && (r1 != SOURCE_CHANGED || (changed[1] && j == 0)));
  HOLDS(TRUE_REPORT, (r0 != CONFLICT && r1 != CONFLICT) || foreign || (JOBS == 2 && nver[1 + OTHER(j)] > 0));
  HOLDS(TRUE_REPORT, (r0 != CANCELLED && r1 != CANCELLED) || (cancel && j == 0));
  /* row 0: no copy can be made of a source that has changed, so none is there. (A multipart upload that holds all of
     its parts may still be completed: residual of I4) */
  HOLDS(TRUE_REPORT, r0 != SOURCE_CHANGED || nver[0] == 0)
}
inline reach_receipt() {
  reach((SUCCEEDED(r0, r1) -> 1 : 0));
  reach((r1 == CANCELLED -> 4 : 0));
  reach((r0 == CONFLICT || r1 == CONFLICT -> 7 : 0))
}

proctype verifier(byte j) {
  mtype pc = READ;
  byte r0 = 0, r1 = 0;
  do
  :: atomic { pc == READ && rec[j] != 0 -> r0 = ROW0(rec[j]); r1 = ROW1(rec[j]);
#ifdef NOVERIFY           /* the receipt repeats what copy believed */
       pc = RECEIPT
#else
       pc = (r0 == COPIED -> CHECK_SMALL : (r1 == COPIED -> CHECK_LARGE : RECEIPT))
#endif
     }
  /* rows called COPIED are looked at again; the others' outcomes stand */
  :: atomic { pc == CHECK_SMALL -> if :: d[0] != OURS -> r0 = CONFLICT :: else -> skip fi;
       pc = (r1 == COPIED -> CHECK_LARGE : RECEIPT) }
  :: atomic { pc == CHECK_LARGE -> if :: d[1] != MINE(j) -> r1 = CONFLICT :: else -> skip fi; pc = RECEIPT }
  :: atomic { pc == RECEIPT -> check_receipt(); reach_receipt(); receipt[j] = OUTCOMES(r0, r1); pc = LEFTOVERS }
  :: atomic { pc == LEFTOVERS ->                                       /* _abort_leftovers */
       if :: r1 != COPIED -> abort_own_registered(j) :: else -> skip fi; pc = SETTLE }
  :: atomic { pc == SETTLE -> HOLDS(I6_ONE_END, terminal[j] == 0);
       terminal[j] = receipt[j]; r0 = 0; r1 = 0; pc = SETTLED; break }
  od
}

#ifdef GC_ANY_TOMBSTONE        /* another upload's tombstone will do */
#define FENCED(u) (fenced != 0)
#else
#define FENCED(u) ((fenced >> (u)) & 1)    /* a tombstone that names it is in the register */
#endif
/* steps/sweep.py _collect, core/registers.py judge_upload. An upload is old enough whenever this process says so. */
inline judge() {          /* one LIST of the register, then whether its own row has a receipt */
  read_register(uown[u], c, n);
  if
#ifdef GC_AGE             /* by age alone */
  :: true -> pc = ABORT
#else
#ifdef GC_NAIVE           /* without a fence: what is not the current upload is stale */
  :: !REGISTERED(u) -> pc = ABORT
#else
  :: !REGISTERED(u) && pc == PICK && !FENCED(u) -> pc = FENCE
  :: !REGISTERED(u) && (pc == JUDGE_AGAIN || FENCED(u)) -> pc = ABORT
#endif
#ifdef GC_ANY_RECEIPT     /* any job's receipt will do */
  :: REGISTERED(u) && (IS_DEAD(u) || receipt[0] != 0 || receipt[JOBS - 1] != 0 || c != u) -> pc = ABORT
  :: REGISTERED(u) && !(IS_DEAD(u) || receipt[0] != 0 || receipt[JOBS - 1] != 0 || c != u) -> pc = PICK; u = 0
#else
  :: REGISTERED(u) && (IS_DEAD(u) || receipt[uown[u]] != 0 || c != u) -> pc = ABORT
  :: REGISTERED(u) && !(IS_DEAD(u) || receipt[uown[u]] != 0 || c != u) -> pc = PICK; u = 0
#endif
#endif
  fi;
  c = 0;
  if :: pc != FENCE -> n = 0 :: else -> skip fi
}
#define USES(w, u) (cur[w] == (u) && my[w] == top[(w) % JOBS])
#define ORPHAN(u) (THERE(u) && !REGISTERED(u) && making[0] != (u) && making[1] != (u))
#define OPEN_UPLOADS (THERE(1) || THERE(2) || THERE(3) || THERE(4) || \
                      THERE(5) || THERE(6) || THERE(7) || THERE(8) || THERE(9) || THERE(10))

proctype collector() {
  mtype pc = PICK;
  byte u = 0, c = 0, n = 0;
end:
  do
  :: atomic { pc == PICK && OPEN_UPLOADS ->                            /* ListMultipartUploads: one of them */
       if :: THERE(1) -> u = 1 :: THERE(2) -> u = 2 :: THERE(3) -> u = 3 :: THERE(4) -> u = 4
          :: THERE(5) -> u = 5 :: THERE(6) -> u = 6 :: THERE(7) -> u = 7 :: THERE(8) -> u = 8
          :: THERE(9) -> u = 9 :: THERE(10) -> u = 10 fi;
       judge() }
  /* not registered: its creator may be asleep between CreateMultipartUpload and registration. Fill its generation */
  :: atomic { pc == FENCE ->
       if
       :: !ORPHAN(u) && tombstones == 0 -> u = 0; pc = PICK                  /* bound: its creator lives, so it is young */
       :: ORPHAN(u) || tombstones > 0 -> WITHIN(n <= MAXG);
            if :: !ORPHAN(u) -> tombstones--; reach(6) :: else -> skip fi;
            if :: reg[n] == 0 -> reg[n] = TOMBSTONE; fenced = fenced | (1 << u) :: else -> skip fi;
            pc = JUDGE_AGAIN
       fi;
       n = 0 }
  :: atomic { pc == JUDGE_AGAIN -> judge() }
  /* the sweep's time is up, or the abort fails: the next sweep begins anew, and finds its own TOMBSTONE */
  :: atomic { (pc == JUDGE_AGAIN || pc == ABORT) && stops > 0 -> stops--; u = 0; pc = PICK }
  :: atomic { pc == ABORT ->
       HOLDS(I5_IN_USE, receipt[uown[u]] != 0 || ust[u] != OPEN || !(USES(0, u) || USES(1, u)));
       ust[u] = GONE; u = 0; pc = PICK }
  od
}

/* A request to publish whose answer was lost lands: now, later or never. Its conditions are judged when it lands. */
proctype network() {
end:
  do
  :: atomic { flight == COPY_FLIES ->
       if :: !changed[0] && d[0] == ABSENT -> publish(0, 0, true); reach(5) :: else -> skip fi; flight = 0 }
  :: atomic { flight != 0 && flight != COPY_FLIES ->
       if
       :: ust[flight] == OPEN && d[1] == OLD ->
            publish(1, uown[flight], !ubad[flight]); ust[flight] = GONE; reach(5)
       :: else -> skip
       fi;
       flight = 0 }
  :: flight != 0 -> flight = 0
  od
}

/* The world outside. Each may happen once, at any time, or not at all. */
proctype world() {
  do
#ifdef SRCOW
#ifndef ONLY1
  :: !changed[0] -> changed[0] = true
#endif
#ifndef ONLY0
  :: !changed[1] -> changed[1] = true
#endif
#endif
#ifdef FOREIGN
#ifndef ONLY1
  :: atomic { !foreign -> foreign = true; d[0] = ALIEN }
#endif
#ifndef ONLY0
  :: atomic { !foreign -> foreign = true; d[1] = ALIEN }
#endif
#endif
#ifdef VANISH
  :: atomic { !foreign && d[1] == OLD -> foreign = true; d[1] = ABSENT }
#endif
#ifdef FDEL               /* residual: who deletes our copy makes the pinned condition true again */
  :: atomic { !foreign && d[0] == OURS -> foreign = true; d[0] = ABSENT }
#endif
#ifdef CANCEL
  :: !cancel -> cancel = true
#endif
  :: true -> break
  od
}

#define ALL_SETTLED (terminal[0] != 0 && terminal[JOBS - 1] != 0)
init {
  atomic {
    d[0] = ABSENT; d[1] = OLD;
    run worker(0); run worker(1); run verifier(0);
#if JOBS == 2
    run verifier(1);
#endif
    run collector(); run network(); run world()
  }
}

/* I8 and the second half of I5: the job ends, and its uploads with it. Checked under weak fairness (pan -f). */
#ifdef LIVE
ltl ends { <> [] (ALL_SETTLED && !OPEN_UPLOADS) }
#endif
