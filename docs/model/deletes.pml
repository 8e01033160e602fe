/* deletes.pml - one row of a job's second chain: an object of the target that has no counterpart at the source
 * (docs/adr/0014-deletions.md; protocol/deletions.py, steps/split.py _conclude_deletions, steps/copy.py run).
 *
 * The chain is planned first; its last link says whether any of it may be carried out. Then any number of workers may
 * believe that they hold the row's partition: one of them is a zombie, and a request may land long after its answer was
 * lost. Steps, claims and crashes are as in s3fence.pml; a copy record is the first epoch's, as there.
 *
 * Bounds: SUSP wrong suspicions (default 1), CRASHES (default 1), LATE (default 1) requests that land late or never.
 * Environment: FOREIGN somebody else overwrites the object, or writes a new one when it is gone; a job that copies does
 *   the same. APPEARS an object appears at the source. SAME somebody writes the very bytes that were deleted once more.
 * Broken variants: UNCONDITIONAL FRESH NO_GATE; each is explained where it is used.
 * REACH=1: it is deleted; 2: kept, over the cap; 3: a late request lands; 4: kept, since it appeared at the source.
 */
#ifndef SUSP
#define SUSP 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LATE
#define LATE 1
#endif
#ifndef REACH
#define REACH 0
#endif

/* What lies at the target key. OLD and AGAIN have one ETag, which is what the row pins. */
#define ABSENT 0
#define OLD 1
#define ALIEN 2
#define AGAIN 3
#define MATCHES (d == OLD || d == AGAIN)

/* The chain's last link. */
#define MORE 0
#define MAY 1
#define MUST_NOT 2

#define DELETED 1
#define KEPT 2
#define CONFLICT 3

hidden byte PINNED_ONLY = 1, PLANNED_FIRST = 1, KEPT_STAYS = 1, I2_ONCE = 1, TRUE_REPORT = 1, REACHED = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)
inline reach(n) {
#if REACH > 0
  HOLDS(REACHED, (n) != REACH)
#else
  skip
#endif
}

mtype = { IDLE, LOOK, SOURCE, DELETE, REFUSED, RECORD };

byte d = OLD;
bool source = false;      /* there is an object of that key at the source */
byte chain = MORE;
bool over = false;        /* more than the cap; nobody knows before the chain is planned */
byte flight = 0;          /* a DeleteObject whose answer was lost and that has not landed yet */
byte top = 0;             /* highest claim/<partition>/<epoch> */
bool topDead = false;
byte rec = 0;
byte recEpoch = 0;
byte receipt = 0;
byte ndel = 0;
bool foreign = false;
byte my[2];
byte susp = SUSP; byte crashes = CRASHES; byte late = LATE;

/* DeleteObject takes effect. */
inline remove() {
  HOLDS(PINNED_ONLY, d == OLD);                        /* never anything but what was listed */
  HOLDS(PLANNED_FIRST, chain == MAY && !over);         /* never before the whole chain is known, nor over the cap */
  HOLDS(KEPT_STAYS, receipt != KEPT);
  d = ABSENT; ndel++;
  HOLDS(I2_ONCE, ndel <= 1)
}
#ifdef UNCONDITIONAL      /* without If-Match */
#define MAY_REMOVE (d != ABSENT)
#elif defined(FRESH)      /* the condition comes from a HEAD just before, not from the manifest */
#define MAY_REMOVE (d == seen)
#else
#define MAY_REMOVE MATCHES
#endif
#ifdef NO_GATE            /* a worker that gets a task goes to work, whether or not all is planned */
#define GATE (chain != MUST_NOT)
#else
#define GATE (chain == MAY)
#endif

/* steps/split.py: the last link; where nothing may be deleted, the receipts at once, without any claim. */
proctype splitter() {
  if :: over = true :: over = false fi;
  atomic { chain = (over -> MUST_NOT : MAY) };
  atomic { if :: over && receipt == 0 -> receipt = KEPT; reach(2) :: else -> skip fi }
}

#define decide(outcome) o = outcome; pc = RECORD
inline look_or_go(next) {
  if :: d == ABSENT -> decide(DELETED) :: d == ALIEN -> decide(CONFLICT) :: MATCHES -> pc = next fi
}
inline forget() { pc = IDLE; o = 0; my[w] = 0 }

proctype worker(byte w) {
  mtype pc = IDLE;
  byte o = 0;
#ifdef FRESH
  byte seen = 0;
#endif
end:
  do
  :: atomic { pc == IDLE && GATE && receipt == 0 && (top == 0 || topDead || susp > 0) ->
       if :: top == 0 || topDead -> skip :: else -> susp-- fi;
       top++; topDead = false; my[w] = top; pc = (top > 1 -> LOOK : SOURCE) }
  :: atomic { pc != IDLE && crashes > 0 -> crashes--;
       if :: my[w] == top -> topDead = true :: else -> skip fi;
       forget() }
  /* check(), between requests: may notice a successor or a receipt, or not */
  :: atomic { (pc == LOOK || pc == SOURCE) && (receipt != 0 || top > my[w]) -> forget() }
  :: atomic { pc == LOOK -> look_or_go(SOURCE) }
  :: atomic { pc == SOURCE ->
#ifdef FRESH
       seen = d;
#endif
       if :: source -> decide(KEPT) :: else -> pc = DELETE fi }
  :: atomic { pc == DELETE ->
       if
       :: MAY_REMOVE -> remove(); if :: decide(DELETED) :: pc = LOOK fi     /* answered, or the answer is lost */
       :: late > 0 && flight == 0 -> late--;
#ifdef FRESH
            flight = seen;
#else
            flight = OLD;
#endif
            pc = LOOK
       :: d == ABSENT -> decide(DELETED)                                    /* 404 */
       :: d != ABSENT && !MAY_REMOVE -> pc = REFUSED                        /* 412 */
       fi }
  :: atomic { pc == REFUSED -> look_or_go(LOOK) }
  :: atomic { pc == RECORD ->
       if
       :: my[w] == 1 || (recEpoch != 1 && my[w] > recEpoch) -> rec = o; recEpoch = my[w]
       :: else -> skip
       fi;
       forget() }
  od
}

/* steps/verify.py: rows called DELETED or KEPT are looked at again. */
proctype verifier() {
  byte r = 0;
end:
  do
  :: atomic { receipt == 0 && rec != 0 -> r = rec;
       if
       :: r == DELETED && MATCHES -> r = CONFLICT
       :: r == KEPT && d == ABSENT -> r = DELETED
       :: else -> skip
       fi;
       HOLDS(TRUE_REPORT, r != DELETED || ndel == 1 || foreign);
       HOLDS(TRUE_REPORT, r != CONFLICT || foreign);
       HOLDS(TRUE_REPORT, r != KEPT || source);
       if :: r == DELETED -> reach(1) :: r == KEPT -> reach(4) :: else -> skip fi;
       receipt = r }
  od
}

proctype network() {
end:
  do
  :: atomic { flight != 0 ->
       if
#ifdef UNCONDITIONAL
       :: d != ABSENT -> remove(); reach(3)
#elif defined(FRESH)
       :: d == flight && d != ABSENT -> remove(); reach(3)
#else
       :: MATCHES -> remove(); reach(3)
#endif
       :: else -> skip
       fi;
       flight = 0 }
  :: flight != 0 -> flight = 0
  od
}

proctype world() {
  do
#ifdef FOREIGN
  :: atomic { !foreign -> foreign = true; d = ALIEN }
#endif
#ifdef SAME               /* residual: an ETag doesn't tell the same bytes written twice apart */
  :: atomic { !foreign && d == ABSENT -> foreign = true; d = AGAIN }
#endif
#ifdef APPEARS
  :: !source -> source = true
#endif
  :: true -> break
  od
}

init { atomic { run splitter(); run worker(0); run worker(1); run verifier(); run network(); run world() } }

#ifdef LIVE
ltl ends { <> [] (receipt != 0) }
#endif
