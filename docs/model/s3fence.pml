/* s3fence.pml - one partition, from its claim to its job's terminal record, under the protocol as it is coded.
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
 *   TOMBS      how often the sweep fences an upload whose creator still lives                      default 0
 *   JOBS       1: two workers of one job. 2: one worker of each of two jobs with the same row 1    default 1
 *   A history that needs more than MAXU uploads or MAXG register generations is an error, not cut off.
 *   ONLY0 ONLY1  the partition has only that row
 * Environment (each may happen once, or not):
 *   SRCOW      the source is overwritten after planning        FOREIGN  somebody else overwrites the destination
 *   VANISH     the object to be replaced is deleted            FDEL     somebody else deletes our copy
 *   CANCEL     the job (job 0 of two) is cancelled
 * Broken variants: BLIND FRESH NOIDENT NOSRCMATCH NOREHEAD GC_NAIVE GC_AGE GC_ANY_RECEIPT TOMB_SUPERSEDES TWO_LISTS
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
#ifndef TOMBS
#define TOMBS 0
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

/* What lies at a destination key, from the point of view of this partition. */
#define ABSENT 0
#define OLD 1             /* what was there at planning */
#define ALIEN 2           /* somebody else's, newer than planning */
#define BAD 3             /* torn, partial or of bytes that were never pinned: must never be seen */
#define OURS 4            /* a complete copy of the pinned source; OURS + 1 is the second job's */

/* Outcomes of a row (core/model.py Outcome). */
#define UNDECIDED 0
#define COPIED 1
#define SOURCE_CHANGED 2
#define CONFLICT 3
#define CANCELLED 4

/* A multipart upload. Completed and aborted look the same: S3 answers NoSuchUpload to both. */
#define OPEN 1
#define SPENT 2           /* Complete has answered 409 and will do so again; ListParts still shows it */
#define GONE 3
#define ALL_PARTS 3       /* both parts: a bit each */

/* A generation in the register: 0 = free, 1..MAXU = that upload (core/registers.py Mark). */
#define DEAD 16           /* DEAD + u */
#define CLOSED 30         /* CLOSED + job */
#define TOMB 29
#define UPLOAD(r) ((r) != 0 && (r) < DEAD)

mtype = { IDLE, LOOK, COPY, REG_LIST, LIST_PARTS, LOOK_AFTER_GONE, CREATE, REGISTER, ABORT_OWN, PART, COMPLETE,
          DEAD_LIST, DEAD_MARK, DEAD_ABORT, REFUSED_LOOK, REFUSED_SOURCE, REFUSED_LOOK_AGAIN, FOUND_CLOSED,
          CLOSE_LIST, CLOSE, CLOSE_ABORT, CANCEL_LOOK, RECORD,
          READ, CHECK_SMALL, CHECK_LARGE, RECEIPT, LEFTOVERS, SETTLE, SETTLED,
          PICK, FENCE, JUDGE_AGAIN, ABORT };

/* S3: destinations, sources, uploads. */
byte d[2];
bool changed[2];          /* the source is not what was pinned any more (job 0's) */
byte ust[MAXU + 1];       /* uploads are numbered from 1 */
byte upart[MAXU + 1];
bool ubad[MAXU + 1];      /* holds a part whose bytes are not the pinned ones */
byte uown[MAXU + 1];      /* the job whose upload it is: its registration says so */
byte nup = 0;
byte flight = 0;          /* a publish whose answer was lost and that has not landed yet: an upload, or COPY_FLIES */
#define COPY_FLIES 15

/* The control bucket. */
byte top[JOBS];           /* highest claim/<part>/<epoch> */
byte rec[JOBS];           /* the copy record that records.copied() returns, as o[0] + 8 * o[1]; 0 = none */
byte recEpoch[JOBS];
byte receipt[JOBS];       /* done/<part>: o[0] + 8 * o[1] */
byte terminal[JOBS];
byte reg[MAXG + 1];       /* reg/<object>/<generation>, from 1 */
bool cancel = false;

/* Budgets, and what only properties look at. */
byte susp = SUSP; byte crashes = CRASHES; byte late = LATE; byte conflicts = CONFLICTS; byte tombs = TOMBS;
byte my[2];               /* the epoch that a living worker believes to hold */
byte cur[2];              /* the upload that it works on */
byte making[2];           /* the upload that it has created and not yet registered */
bool topDead[JOBS];       /* the worker of the highest claim is dead: its heartbeat stands still */
byte nver[3];             /* versions we have published: of row 0, of row 1 by either job */
bool foreign = false;     /* somebody else has touched a destination */
bool spoilt[JOBS];        /* when the copy record was written, a row that it calls COPIED was gone already */

#define MINE(j) (OURS + (j))
#define EXPECT(row) ((row) == 0 -> ABSENT : OLD)
/* core/verdict.py: decide by HEAD of the destination. */
#define VERDICT(row, j) (d[row] == MINE(j) -> COPIED : (d[row] == EXPECT(row) -> UNDECIDED : CONFLICT))
#define ROW0(r) ((r) & 7)
#define ROW1(r) ((r) >> 3)
#define OUTCOMES(a, b) ((a) + 8 * (b))
#define SUCCEEDED(a, b) ((FIRST_ROW == 1 || (a) == COPIED) && (LAST_ROW == 0 || (b) == COPIED))
#define OTHER(j) (JOBS - 1 - (j))
#define REGISTERED(x) (reg[1] == (x) || reg[2] == (x) || reg[3] == (x) || reg[4] == (x) || \
                       reg[5] == (x) || reg[6] == (x) || reg[7] == (x) || reg[8] == (x) || \
                       reg[9] == (x) || reg[10] == (x) || reg[11] == (x) || reg[12] == (x))
#define IS_DEAD(u) REGISTERED(DEAD + (u))
#define THERE(u) (ust[u] == OPEN || ust[u] == SPENT)

/* Properties. pan prints the expression that failed; the name in it says which property that is. */
hidden byte I1_WHOLE = 1, I2_ONCE = 1, I3_SEEN = 1, I4_PINNED = 1, I5_IN_USE = 1, I6_ONE_END = 1;
hidden byte OTHERS_KEPT = 1, CANCEL_REVOKES = 1, TRUE_REPORT = 1, BOUNDS = 1, REACHED = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)
#ifdef CUT_OFF            /* broken variants only: a history that exceeds the bounds is not looked at any further */
#define WITHIN(condition) (condition)
#else
#define WITHIN(condition) HOLDS(BOUNDS, condition)
#endif

inline reach(n) {         /* -DREACH=n expects a violation. n: 1 SUCCEEDED, 2 an upload is adopted, 3 a dead upload is
                             replaced, 4 CANCELLED, 5 a late request lands, 6 a TOMB is put, 7 CONFLICT */
#if REACH > 0
  HOLDS(REACHED, (n) != REACH)
#else
  skip
#endif
}

/* core/registers.py read_register: this job's upload of the highest generation that is not dead, the next generation,
 * and whether the register is closed for this job. One LIST, so all of it is of one moment. */
inline next_generation(next) {
  d_step { next = MAXG; do :: next > 0 && reg[next] == 0 -> next-- :: else -> break od; next++ }
}
inline read_register(j, found, next) {
  next_generation(next);
  d_step {
  found = next - 1;
  do
#ifdef TOMB_SUPERSEDES    /* a tombstone ends the upload below it */
  :: found > 0 && reg[found] == TOMB -> found = 0; break
  :: found > 0 && UPLOAD(reg[found]) && uown[reg[found]] == j -> found = reg[found]; break
#elif defined(ADOPT_OTHER) /* any job's upload is adopted */
  :: found > 0 && UPLOAD(reg[found]) && !IS_DEAD(reg[found]) -> found = reg[found]; break
#else
  :: found > 0 && UPLOAD(reg[found]) && uown[reg[found]] == j && !IS_DEAD(reg[found]) -> found = reg[found]; break
#endif
  :: found == 0 -> break
  :: else -> found--
  od
  }
}
inline abort_if(u, j) { if :: uown[u] == j && REGISTERED(u) -> ust[u] = GONE :: else -> skip fi }
inline abort_own_registered(j) {
  abort_if(1, j); abort_if(2, j); abort_if(3, j); abort_if(4, j);
  abort_if(5, j); abort_if(6, j); abort_if(7, j); abort_if(8, j);
  abort_if(9, j); abort_if(10, j)
}
#ifdef CLOSED_FOR_ALL     /* another job's cancel closes the object for everybody */
#define IS_CLOSED(j) (REGISTERED(CLOSED) || REGISTERED(CLOSED + 1))
#else
#define IS_CLOSED(j) REGISTERED(CLOSED + (j))
#endif

/* S3 publishes: one atomic request. `good`: the bytes are the pinned ones. */
inline publish(row, j, good) {
  HOLDS(OTHERS_KEPT, d[row] != ALIEN);                 /* what others wrote since planning is never overwritten */
  d[row] = (good -> MINE(j) : BAD);
  nver[row + j]++;
  HOLDS(I4_PINNED, good);
  HOLDS(I2_ONCE, nver[row + j] <= 1);
  HOLDS(CANCEL_REVOKES, receipt[j] == 0 || (row == 0 -> ROW0(receipt[j]) : ROW1(receipt[j])) != CANCELLED)
}
#ifdef BLIND              /* no precondition at all */
#define MAY_PUBLISH(row) true
#elif defined(FRESH)      /* the precondition comes from a HEAD just before, not from the manifest */
#define MAY_PUBLISH(row) (d[row] == seen)
#else
#define MAY_PUBLISH(row) (d[row] == EXPECT(row))
#endif

/* steps/copy.py, protocol/lease.py, protocol/publish.py, protocol/multipart.py */
#define J (w % JOBS)         /* worker w's job */
inline begin_row() {      /* the first try of epoch 1 does not look first: nobody can have tried this row before */
  u = 0; g = 0; have = 0; cur[w] = 0;
  if
  :: row > LAST_ROW -> pc = RECORD
  :: row <= LAST_ROW && cancelling -> pc = (row == 0 -> CANCEL_LOOK : CLOSE_LIST)
  :: row <= LAST_ROW && !cancelling && my[w] > 1 -> pc = LOOK
  :: row <= LAST_ROW && !cancelling && my[w] == 1 -> pc = (row == 0 -> COPY : REG_LIST)
  fi
}
inline decide(outcome) { o[row] = outcome; row++; begin_row() }
/* HEAD of the destination: decided, or else on to a step, or else an outcome after all */
inline look_or_go(next) { if :: VERDICT(row, J) != UNDECIDED -> decide(VERDICT(row, J)) :: else -> pc = next fi }
inline look_or_say(outcome) {
  if :: VERDICT(row, J) != UNDECIDED -> decide(VERDICT(row, J)) :: else -> decide(outcome) fi
}
inline again() { u = 0; g = 0; have = 0; cur[w] = 0; pc = LOOK }
inline forget() {
  pc = IDLE; row = 0; u = 0; g = 0; have = 0; o[0] = 0; o[1] = 0; cancelling = false;
  my[w] = 0; cur[w] = 0; making[w] = 0
}
#define AT_CHECK (pc == LOOK || pc == COPY || pc == PART || pc == COMPLETE)

proctype worker(byte w) {
  mtype pc = IDLE;
  byte row = 0, u = 0, g = 0, have = 0, o[2]; bool cancelling = false;
#ifdef FRESH
  byte seen = 0;
#endif
end:
  do
  /* acquire: the claim is create-only, so it is the arbiter of epochs; suspicion is free */
  :: atomic { pc == IDLE && receipt[J] == 0 && (top[J] == 0 || topDead[J] || susp > 0) ->
       if :: top[J] == 0 || topDead[J] -> skip :: else -> susp-- fi;
       top[J]++; topDead[J] = false; my[w] = top[J]; cancelling = cancel && J == 0; row = FIRST_ROW; begin_row() }

  /* dies anywhere: what it had asked of S3 stays */
  :: atomic { pc != IDLE && crashes > 0 -> crashes--;
       if :: my[w] == top[J] -> topDead[J] = true :: else -> skip fi;
       forget() }

  /* check(), between requests: may notice a successor or a receipt and stop, or a cancel. Or not: only efficiency */
  :: atomic { AT_CHECK && (receipt[J] != 0 || top[J] > my[w]) -> forget() }
#ifdef CANCEL
  :: atomic { AT_CHECK && cancel && J == 0 && !cancelling -> cancelling = true; begin_row() }
#endif

  /* --- both rows: HEAD decides ----------------------------------------------------------------------------------- */
  :: atomic { pc == LOOK ->
#ifdef FRESH
       seen = d[row];
       if
#ifndef NOIDENT           /* our own copy is not recognised at the destination (an opaque ETag, no checksum) */
       :: d[row] == MINE(J) -> decide(COPIED)
       :: d[row] != MINE(J) -> pc = (row == 0 -> COPY : REG_LIST)
#else
       :: pc = (row == 0 -> COPY : REG_LIST)
#endif
       fi
#else
       look_or_go((row == 0 -> COPY : REG_LIST))
#endif
     }
  /* refusal(): 412 or 404, and S3 does not say which side failed. The verdict first, then the source, then again */
  :: atomic { pc == REFUSED_LOOK -> look_or_go(REFUSED_SOURCE) }
  :: atomic { pc == REFUSED_SOURCE -> if :: changed[row] && J == 0 -> pc = REFUSED_LOOK_AGAIN :: else -> again() fi }
  :: atomic { pc == REFUSED_LOOK_AGAIN -> look_or_say(SOURCE_CHANGED) }

  /* --- row 0: CopyObject ------------------------------------------------------------------------------------------ */
  :: atomic { pc == COPY ->
       if
#ifndef NOSRCMATCH        /* without CopySourceIfMatch S3 copies whatever the source is now */
       :: changed[0] -> pc = REFUSED_LOOK
       :: !changed[0] && MAY_PUBLISH(0) -> publish(0, 0, true);
#else
       :: MAY_PUBLISH(0) -> publish(0, 0, !changed[0]);
#endif
            if :: decide(COPIED) :: again() fi                         /* answered, or the answer is lost */
       :: late > 0 && flight == 0 -> late--; flight = COPY_FLIES; again()
       :: !MAY_PUBLISH(0) -> pc = REFUSED_LOOK
       fi }

  /* --- row 1: multipart copy -------------------------------------------------------------------------------------- */
  :: atomic { pc == REG_LIST -> read_register(J, u, g);
#ifdef TWO_LISTS          /* upload from this LIST, generation from a later one */
       g = 0;
#endif
       if
       :: IS_CLOSED(J) -> u = 0; g = 0;
#ifdef CLOSED_NO_ABORT    /* who finds the register closed looks, and aborts nothing: the upload may still complete */
            pc = FOUND_CLOSED
#else
            pc = CLOSE_LIST
#endif
       :: !IS_CLOSED(J) && u != 0 -> pc = LIST_PARTS
       :: !IS_CLOSED(J) && u == 0 -> pc = CREATE
       fi }
  :: atomic { pc == FOUND_CLOSED -> look_or_say(CANCELLED) }
  :: atomic { pc == LIST_PARTS ->
       if
       :: THERE(u) -> reach(2); cur[w] = u; g = 0; have = upart[u]; pc = (have == ALL_PARTS -> COMPLETE : PART)
#ifdef NOREHEAD           /* NoSuchUpload is taken for "aborted": on to a new generation */
       :: !THERE(u) -> u = 0; pc = CREATE
#else
       :: !THERE(u) -> u = 0; pc = LOOK_AFTER_GONE
#endif
       fi }
  :: atomic { pc == LOOK_AFTER_GONE -> look_or_go(CREATE) }
  :: atomic { pc == CREATE ->                                          /* HEAD of the source, CreateMultipartUpload */
       if
#ifndef NOSRCMATCH
       :: changed[1] && J == 0 -> g = 0; pc = REFUSED_LOOK
       :: else ->
#else
       :: true ->
#endif
#ifdef TWO_LISTS
            read_register(J, u, g);
#endif
            WITHIN(nup < MAXU && g <= MAXG);
            nup++; u = nup; ust[u] = OPEN; uown[u] = J; making[w] = u; pc = REGISTER
       fi }
  :: atomic { pc == REGISTER ->                                        /* the generation was fixed BEFORE the upload */
       if
       :: reg[g] == 0 -> reg[g] = u; g = 0; making[w] = 0; cur[w] = u; pc = PART;
            if :: nup > 1 && ust[1] != OPEN && IS_DEAD(1) -> reach(3) :: else -> skip fi
       :: reg[g] != 0 -> g = 0; pc = ABORT_OWN
       fi }
  :: atomic { pc == ABORT_OWN -> ust[u] = GONE; making[w] = 0; again() }
  :: atomic { pc == PART ->                                            /* UploadPartCopy of the first missing part */
       if
       :: !THERE(u) -> again()
#ifndef NOSRCMATCH
       :: THERE(u) && changed[1] && J == 0 -> u = 0; have = 0; cur[w] = 0; pc = REFUSED_LOOK
       :: THERE(u) && !(changed[1] && J == 0) ->
#else
       :: THERE(u) -> if :: changed[1] -> ubad[u] = true :: else -> skip fi;
#endif
            if :: uown[u] != J -> ubad[u] = true :: else -> skip fi;
            if :: (have & 1) == 0 -> have = have | 1 :: else -> have = have | 2 fi;
            upart[u] = upart[u] | have;
            if :: have == ALL_PARTS -> pc = COMPLETE :: else -> skip fi
       fi }
  :: atomic { pc == COMPLETE ->
       if
       :: ust[u] == GONE -> again()                                    /* completed by another, or aborted: look */
       :: ust[u] == OPEN && MAY_PUBLISH(1) -> HOLDS(I1_WHOLE, upart[u] == ALL_PARTS);
            ust[u] = GONE; publish(1, J, !ubad[u] && uown[u] == J);
            if :: decide(COPIED) :: again() fi
       :: ust[u] == OPEN && late > 0 && flight == 0 -> late--; flight = u; again()
       :: ust[u] == OPEN && !MAY_PUBLISH(1) ->                         /* 412, or 404 if nothing is there any more */
            u = 0; have = 0; cur[w] = 0; pc = REFUSED_LOOK
       :: ust[u] == OPEN && conflicts > 0 -> conflicts--; ust[u] = SPENT; pc = DEAD_LIST        /* 409 */
       :: ust[u] == SPENT -> pc = DEAD_LIST
       fi }
  /* 409: the upload is spent. Say so, abort it, begin the next generation */
  :: atomic { pc == DEAD_LIST -> cur[w] = 0; have = 0;
#ifdef SPENT_GOES_ON      /* a 409 is retried like any other, with the upload that is registered */
       again()
#else
       next_generation(g); pc = DEAD_MARK
#endif
     }
  :: atomic { pc == DEAD_MARK -> if :: reg[g] == 0 -> reg[g] = DEAD + u :: else -> skip fi; g = 0; pc = DEAD_ABORT }
  :: atomic { pc == DEAD_ABORT -> ust[u] = GONE; again() }

  /* --- cancel: close the register, abort, look -------------------------------------------------------------------- */
  :: atomic { pc == CLOSE_LIST -> read_register(J, u, g); u = 0;
#ifdef NOCLOSE            /* abort what is registered, without closing the register first */
       g = 0; pc = CLOSE_ABORT
#else
       if :: REGISTERED(CLOSED + J) -> g = 0; pc = CLOSE_ABORT :: else -> WITHIN(g <= MAXG); pc = CLOSE fi
#endif
     }
  :: atomic { pc == CLOSE ->                                           /* lost: somebody registered, read again */
       if :: reg[g] == 0 -> reg[g] = CLOSED + J; pc = CLOSE_ABORT :: else -> pc = CLOSE_LIST fi; g = 0 }
  :: atomic { pc == CLOSE_ABORT -> abort_own_registered(J); pc = CANCEL_LOOK }
  :: atomic { pc == CANCEL_LOOK -> look_or_say(CANCELLED) }

  /* --- every row is decided --------------------------------------------------------------------------------------- */
  :: atomic { pc == RECORD ->
       if
       :: recEpoch[J] == 0 ->
            spoilt[J] = (o[0] == COPIED && d[0] != OURS) || (o[1] == COPIED && d[1] != MINE(J))
       :: else -> skip
       fi;
       if                                                              /* copied(): the first epoch's, else the last */
       :: my[w] == 1 || (recEpoch[J] != 1 && my[w] > recEpoch[J]) -> rec[J] = OUTCOMES(o[0], o[1]); recEpoch[J] = my[w]
       :: else -> skip
       fi;
       forget() }
  od
}

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
  :: !REGISTERED(u) && pc == PICK -> pc = FENCE
  :: !REGISTERED(u) && pc == JUDGE_AGAIN -> pc = ABORT
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
       :: !ORPHAN(u) && tombs == 0 -> u = 0; pc = PICK                  /* bound: its creator lives, so it is young */
       :: ORPHAN(u) || tombs > 0 -> WITHIN(n <= MAXG);
            if :: !ORPHAN(u) -> tombs--; reach(6) :: else -> skip fi;
            if :: reg[n] == 0 -> reg[n] = TOMB :: else -> skip fi;
            pc = JUDGE_AGAIN
       fi;
       n = 0 }
  :: atomic { pc == JUDGE_AGAIN -> judge() }
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
