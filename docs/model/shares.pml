/* shares.pml - the parts of ONE registered upload are copied by its owner, by helpers and by a superseded owner at once
 * (docs/adr/0006-shares-of-parts.md; protocol/multipart.py help, _copy_together, _await_helpers, _complete).
 *
 * Nobody but an owner completes; helpers hold no claim. Any of them may be a zombie that goes on with a list of missing
 * parts from long ago. Copying a part again gives the same bytes, but under SSE-KMS perhaps another ETag, and Complete
 * names the ETags that its owner has seen: S3 answers InvalidPart if one has changed. Only this upload is modelled; how
 * an upload is registered, adopted and replaced is in s3fence.pml.
 *
 * Bounds: 4 parts in 2 shares; OWNERS 1 or 2 (two: the second supersedes the first, which lives on); two helpers, each
 *   sent at most TASKS tasks, and any of them may die or never come; parts are sent again at most RECOPIES times.
 * Environment: SRCOW the source is overwritten meanwhile; ABORTED the upload is aborted (a cancel, or the sweep after
 *   the receipt); FOREIGN somebody else overwrites the destination.
 * Broken variants: NOSRCMATCH INVALID_FAILS TRUST_HELPERS WAIT_FOR_HELPERS; each is explained where it is used.
 * REACH=1: a row is COPIED although a part was sent again; REACH=2: an owner meets InvalidPart.
 */
#define ALL 15
#ifndef TASKS
#define TASKS 1
#endif
#ifndef OWNERS
#define OWNERS 2
#endif

#define OPEN 1
#define GONE 2
#define OLD 1
#define OURS 2
#define ALIEN 3

hidden byte I1_WHOLE = 1, I2_ONCE = 1, I4_PINNED = 1, TRUE_REPORT = 1, REACHED = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)
#ifndef REACH
#define REACH 0
#endif

mtype = { ASLEEP, LIST, COPY, AWAIT, COMPLETE, LOOK, REFUSED, SOURCE, LOOK_AGAIN, OUT };
#define UNDECIDED 0
#define COPIED 1
#define SOURCE_CHANGED 2
#define CONFLICT 3
#define UPLOAD_GONE 4
#define INVALID 5

byte ust = OPEN;
byte there = 0;           /* parts that have arrived, a bit each */
byte etag = 0;            /* which ETag each part has now: copying a part again may change its bit */
bool bad = false;         /* some part holds bytes that are not the pinned ones */
byte dest = OLD;
byte nver = 0;
bool changed = false;
bool foreign = false;
byte outcome[OWNERS];
byte copies = 0;          /* parts that were copied again although they were there: bounds the zombies */
#ifndef RECOPIES
#define RECOPIES 1
#endif

/* UploadPartCopy of part `x` (a bit), with CopySourceIfMatch. */
inline copy_part(x) {
  if
  :: (there & x) != 0 -> copies++; if :: etag = etag ^ x :: skip fi
  :: (there & x) == 0 -> there = there | x
  fi;
  bad = bad || changed
}
#ifdef NOSRCMATCH
#define REFUSES false
#else
#define REFUSES changed
#endif
#define AGAIN_ALLOWED(x) ((there & (x)) == 0 || copies < RECOPIES)
#define LOWEST(m) ((m) & (16 - (m)))       /* the lowest bit of a mask of 4 */

inline decide(what) { outcome[w] = what; todo = 0; seen = 0; pc = OUT }

/* The holder of the partition. Number 1 has adopted the upload from number 0, which doesn't know it. */
proctype owner(byte w) {
  mtype pc = LIST;
  byte todo = 0;          /* parts it means to copy now */
  byte seen = 0;          /* ETags of the parts as it last saw them */
  byte missing = 0;
end:
  do
  :: atomic { pc == LIST ->                                            /* ListParts, HEAD first (LOOK) */
       if
       :: ust == GONE -> decide(UPLOAD_GONE)                           /* the next generation: s3fence.pml */
       :: else -> missing = ALL & ~there; seen = etag;
            todo = missing & 5; pc = COPY                              /* its own share: every other part */
       fi }
  :: atomic { pc == COPY && todo != 0 ->
       if
       :: ust == GONE -> pc = LOOK; todo = 0; missing = 0; seen = 0
       :: ust == OPEN && REFUSES -> pc = REFUSED; todo = 0; missing = 0; seen = 0
       :: ust == OPEN && !REFUSES && AGAIN_ALLOWED(LOWEST(todo)) -> copy_part(LOWEST(todo)); todo = todo & (todo - 1)
       :: ust == OPEN && !REFUSES && !AGAIN_ALLOWED(LOWEST(todo)) -> todo = todo & (todo - 1)
       fi }
  :: atomic { pc == COPY && todo == 0 -> pc = AWAIT }
  /* ListParts until all are there or none has come for a while; then it copies what is missing itself */
  :: atomic { pc == AWAIT ->
       if
       :: ust == GONE -> pc = LOOK; missing = 0
       :: ust == OPEN && there == ALL -> seen = etag; missing = 0; pc = COMPLETE
#ifdef TRUST_HELPERS      /* what was shared out is taken to have arrived */
       :: ust == OPEN && there != ALL -> seen = etag; missing = 0; pc = COMPLETE
#elif !defined(WAIT_FOR_HELPERS) /* or else: waits for them for ever */
       :: ust == OPEN && there != ALL -> todo = ALL & ~there; pc = COPY
#endif
       fi }
  :: atomic { pc == COMPLETE ->
       if
       :: ust == GONE -> seen = 0; pc = LOOK
#ifndef TRUST_HELPERS
       :: ust == OPEN && seen != etag ->                               /* InvalidPart: somebody has sent a part again */
#ifdef INVALID_FAILS      /* a refusal like any other: the row fails */
            decide(INVALID)
#else
            if :: REACH == 2 -> HOLDS(REACHED, false) :: else -> skip fi;
            seen = 0; pc = LOOK
#endif
       :: ust == OPEN && seen == etag && dest == OLD ->
#else
       :: ust == OPEN && dest == OLD ->
#endif
            HOLDS(I1_WHOLE, there == ALL); HOLDS(I4_PINNED, !bad);
            ust = GONE; dest = OURS; nver++; HOLDS(I2_ONCE, nver == 1);
            if :: decide(COPIED) :: seen = 0; pc = LOOK fi             /* answered, or the answer is lost */
       :: ust == OPEN && dest != OLD -> seen = 0; pc = REFUSED
       fi }
  :: atomic { pc == LOOK ->
       if :: dest == OURS -> decide(COPIED) :: dest == ALIEN -> decide(CONFLICT) :: else -> pc = LIST fi }
  :: atomic { pc == REFUSED ->
       if :: dest == OURS -> decide(COPIED) :: dest == ALIEN -> decide(CONFLICT) :: else -> pc = SOURCE fi }
  :: atomic { pc == SOURCE -> if :: changed -> pc = LOOK_AGAIN :: else -> pc = LOOK fi }
  :: atomic { pc == LOOK_AGAIN ->
       if :: dest == OURS -> decide(COPIED) :: dest == ALIEN -> decide(CONFLICT) :: else -> decide(SOURCE_CHANGED) fi }
  :: atomic { pc == OUT ->
       HOLDS(TRUE_REPORT, outcome[w] != INVALID);
       HOLDS(TRUE_REPORT, outcome[w] != SOURCE_CHANGED || changed);
       HOLDS(TRUE_REPORT, outcome[w] != CONFLICT || foreign);
       HOLDS(TRUE_REPORT, outcome[w] != COPIED || nver == 1);
       if :: REACH == 1 -> HOLDS(REACHED, !(outcome[w] == COPIED && copies > 0)) :: else -> skip fi;
       break }
  od
}

/* Sent a task for the share of even parts, at any time: lists once, then copies what was missing then. May die anywhere. */
proctype helper() {
  byte tasks = TASKS, todo = 0; bool awake = false;
end:
  do
  :: atomic { !awake && tasks > 0 -> tasks--;
       if :: ust == OPEN -> todo = (ALL & ~there) & 10; awake = (todo != 0) :: else -> skip fi }
  :: atomic { awake && ust == OPEN && !REFUSES && AGAIN_ALLOWED(LOWEST(todo)) ->
       copy_part(LOWEST(todo)); todo = todo & (todo - 1); awake = (todo != 0) }
  :: atomic { awake -> awake = false; todo = 0 }                       /* dies, or is refused, or out of time */
  :: !awake -> break                                                   /* never comes (again) */
  od
}

proctype world() {
  do
#ifdef SRCOW
  :: !changed -> changed = true
#endif
#ifdef ABORTED
  :: ust == OPEN -> ust = GONE
#endif
#ifdef FOREIGN
  :: atomic { !foreign -> foreign = true; dest = ALIEN }
#endif
  :: true -> break
  od
}

init { atomic {
  run owner(0);
#if OWNERS == 2
  run owner(1);
#endif
  run helper(); run helper(); run world() } }

/* Whatever helpers do or don't, every owner decides. */
#if OWNERS == 2
#define DECIDED (outcome[0] != UNDECIDED && outcome[1] != UNDECIDED)
#else
#define DECIDED (outcome[0] != UNDECIDED)
#endif
#ifdef LIVE
ltl ends { <> DECIDED }
#endif
