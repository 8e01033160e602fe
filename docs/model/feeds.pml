/* feeds.pml - one key of a feed: which version lies at the target in the end, and how often each was put there
 * (docs/adr/0023-feed-deliveries.md; steps/intake.py, protocol/object_events.py, protocol/deliveries.py,
 * protocol/publish.py, steps/verify.py).
 *
 * The source is written three times, with contents A, B and A again: ETags tell contents, never versions. Each write
 * leaves a hint in the queues of both Regions, which names its ETag. West's worker takes West's; East's takes those that
 * are forwarded to it only while West's region heartbeat stands still. Both do the same: HEAD the target, HEAD the
 * source, ask for the delivery record of that version (or, where the same contents lie there, look once more whether
 * they still do), copy (CopySourceIfMatch without a VersionId; If-Match or
 * If-None-Match at the target), create the record, acknowledge. Whoever verifies looks at the target, then at the source,
 * and sends the key back, naming the older version that lies there: then, and only then, a record doesn't count.
 * The table is not modelled but where it decides (TABLE): nothing rests on it.
 *
 * Bounds: CRASHES (default 1) deaths of single workers, DUPS (default 1) hints that come again, TAKES (default 1) times
 *   that the receiver takes away what lies at the target.
 * Environment: DEATH West dies as a whole. HANG it stands still and goes on later. SLEEP a worker may be asleep between
 *   its last look and its copy, and between the copy and the record. LATE (number) CopyObjects whose source S3 has looked at
 *   may land later, or never, its sender having given up or died. QUICK the receiver takes a file before its delivery is
 *   recorded. DIES death may also come between the copy and the record. WEST2 both workers are West's. DEAF the target
 *   says nothing of what is created there.
 * BACK: NEVER_BACK is looked at under LATE, too: a residual, which the look after the copy makes up for.
 * REPEATS: a version may be put there twice. It must not without SLEEP, without LATE, without DIES under QUICK, and
 *   without two workers at once under QUICK (WEST2, HANG): these are residuals.
 * Broken variants: PINNED NO_RECORD TABLE HINT_ANY NO_LOOK NO_OLDER RECORD_FIRST NO_NOTE STALE_LOOK; each
 *   is explained where it is used.
 * REACH=1: East delivers; 2: a version is delivered again in an older one's place; 3: a record keeps one from coming
 * back; 4: a copy lands after its sender gave up; 5: the newest finds its contents in place.
 */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DUPS
#define DUPS 1
#endif
#ifndef TAKES
#define TAKES 1
#endif
#ifndef REACH
#define REACH 0
#endif
#define NEWEST_VERSION 3
/* Contents, which are bits: 0 nothing, 1 A, 2 B. */
#define E(v) ((v) == 0 -> 0 : ((v) == 2 -> 2 : 1))

hidden byte NEWEST = 1, NOTHING_LOST = 1, ONCE = 1, NEVER_BACK = 1, REACHED = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)
inline reach(n) {
#if REACH > 0
  HOLDS(REACHED, (n) != REACH)
#else
  skip
#endif
}

mtype = { IDLE, DEST, SRC, ASK, COPY, FLY, RECORD };

byte src = 0;             /* the version that is newest at the source */
byte dst = 0;             /* the version whose bytes lie at the target */
byte dpin = 0;            /* for which version they were put there */
byte last = 0;            /* the last version that was put there */
byte q[2];                /* hints: the contents that they name */
bool alive = true;        /* West runs */
bool still = false;       /* its region heartbeat stands still */
bool rec[4];              /* delivery records, create-only */
bool pub[4];
bool look = false;        /* somebody is to verify what lies at the target */
mtype pc[2] = IDLE;
byte hint[2]; byte expect[2]; byte pin[2];
/* A CopyObject that is under way, past its look at the source. */
byte flyTook = 0; byte flyPin = 0; byte flyExpect = 0; byte flyBy = 2; bool flying = false;
byte crashes = CRASHES; byte dups = DUPS; byte takes = TAKES;
#ifdef LATE
byte late = LATE;
#endif

#ifdef WEST2
#define QUEUE(w) (still -> w : 0)
#else
#define QUEUE(w) w
#endif
#ifdef HINT_ANY           /* a forwarded hint counts, whether the other Region lives or not */
#define MAY_WORK(w) (w == 0 -> alive : true)
#elif defined(WEST2)
#define MAY_WORK(w) (alive || (w == 1 && still))
#else
#define MAY_WORK(w) (w == 0 -> alive : still)
#endif
#ifdef DIES
#define IN_GAP(w) false
#else
#define IN_GAP(w) (pc[w] == RECORD)
#endif

inline tell(contents) {
  if :: alive -> q[0] = q[0] | (contents) :: else -> skip fi;
  q[1] = q[1] | (contents)
}
/* The destination's side of a CopyObject. */
inline land(w, took, p, x) {
#ifndef REPEATS
  HOLDS(ONCE, !pub[p] || x != 0);        /* over an older version of ours the newest is put again, on purpose */
#endif
#if !defined(LATE) || defined(BACK)
  HOLDS(NEVER_BACK, (took) >= last);     /* nothing older is put there after something newer */
#endif
  if :: pub[p] -> reach(2) :: else -> skip fi;
  if :: w == 1 -> reach(1) :: else -> skip fi;
  dst = took; dpin = p; pub[p] = true; last = took;
#ifndef DEAF
  look = true                            /* the target's own event */
#endif
}
inline done(w) { pc[w] = IDLE; hint[w] = 0; expect[w] = 0; pin[w] = 0 }
inline again(w) { q[QUEUE(w)] = q[QUEUE(w)] | hint[w]; done(w) }
inline recorded(w) {
  rec[pin[w]] = true;
#ifndef NO_LOOK           /* nobody looks at the source after a copy */
  look = true;
#endif
  done(w)
}
/* Is this version known to be delivered? */
#ifdef NO_RECORD          /* nothing says what was delivered but the target itself */
#define KNOWN(w) false
#else
#define KNOWN(w) rec[pin[w]]
#endif
#ifdef NO_OLDER           /* the hint of whoever verifies doesn't say that an older version lies there */
#define OLDER_THERE(w) false
#else
#define OLDER_THERE(w) (expect[w] != 0 && (expect[w] & hint[w]) && expect[w] != E(pin[w]))
#endif

inline copy(w) {
  if
#ifdef PINNED             /* CopySourceIfMatch with a VersionId: an older version is copied as long as it exists */
  :: true ->
#else
  :: E(src) != E(pin[w]) -> pc[w] = DEST /* 412: a newer version; planned anew */
  :: E(src) == E(pin[w]) ->
#endif
       if
       :: E(dst) == expect[w] ->
#ifdef PINNED
            land(w, pin[w], pin[w], expect[w]);
#else
            land(w, src, pin[w], expect[w]);
#endif
#ifdef SLEEP
            pc[w] = RECORD
#elif defined(DIES) || defined(QUICK)
            pc[w] = RECORD
#else
            recorded(w)
#endif
       :: E(dst) != expect[w] -> pc[w] = DEST                                          /* 412: another target */
#ifdef LATE
       :: late > 0 -> late--; flying = true; flyTook = src; flyPin = pin[w]; flyExpect = expect[w]; flyBy = w; pc[w] = FLY
#endif
       fi
  fi
}

proctype worker(byte w) {
end:
  do
  :: atomic { pc[w] == IDLE && MAY_WORK(w) && q[QUEUE(w)] != 0 ->
       if
       :: q[QUEUE(w)] & 1 -> hint[w] = 1
       :: q[QUEUE(w)] & 2 -> hint[w] = 2
       fi;
       q[QUEUE(w)] = q[QUEUE(w)] & ~hint[w]; pc[w] = DEST }
  :: atomic { pc[w] != IDLE && !IN_GAP(w) && crashes > 0 && (w == 1 || alive) -> crashes--;
       if :: flyBy == w -> flyBy = 2 :: else -> skip fi;
       again(w) }
  :: atomic { pc[w] == DEST && (w == 1 || alive) -> expect[w] = E(dst); pc[w] = SRC }
  :: atomic { pc[w] == SRC && (w == 1 || alive) -> pin[w] = src; pc[w] = ASK }
  :: atomic { pc[w] == ASK && (w == 1 || alive) ->
       if
#ifdef STALE_LOOK         /* what was seen before the look at the source will do */
       :: E(pin[w]) == expect[w] -> reach(5);
#else
       :: E(pin[w]) == expect[w] && E(dst) != expect[w] -> pc[w] = DEST
       :: E(pin[w]) == expect[w] && E(dst) == expect[w] -> reach(5);
#endif
#ifdef NO_NOTE            /* what is found in place is no delivery */
            done(w)
#else
            rec[pin[w]] = true; done(w)
#endif
#ifdef TABLE              /* the table decides; the other Region's word may not be there yet */
       :: E(pin[w]) != expect[w] && (w == 0 && KNOWN(w)) && !OLDER_THERE(w) -> done(w)
       :: E(pin[w]) != expect[w] && (w == 1 && KNOWN(w)) && !OLDER_THERE(w) -> done(w)
       :: E(pin[w]) != expect[w] && (w == 1 || !KNOWN(w) || OLDER_THERE(w)) ->
#else
       :: E(pin[w]) != expect[w] && KNOWN(w) && !OLDER_THERE(w) -> reach(3); done(w)
       :: E(pin[w]) != expect[w] && (!KNOWN(w) || OLDER_THERE(w)) ->
#endif
#ifdef RECORD_FIRST       /* the record is written before the copy */
            rec[pin[w]] = true; pc[w] = COPY
#elif defined(SLEEP)
            pc[w] = COPY
#else
            copy(w)
#endif
       fi }
  :: atomic { pc[w] == COPY && (w == 1 || alive) -> copy(w) }
  :: atomic { pc[w] == FLY && (w == 1 || alive) && flyBy == w -> flyBy = 2; again(w) }   /* gave up waiting */
  :: atomic { pc[w] == RECORD && (w == 1 || alive) -> recorded(w) }
  od
}

/* steps/verify.py: the target first, and then the source. */
proctype verifier() {
  byte there = 0;
end:
  do
  :: atomic { look && there == 0 ->
       look = false;
       there = dst
     }
  :: atomic { there != 0 ->
       if :: E(src) != E(there) -> tell(E(there)) :: else -> skip fi; there = 0 }
  od
}
#define VERIFIER_RESTS (verifier:there == 0)

proctype network() {
end:
  do
  :: atomic { flying ->
       if
       :: E(dst) == flyExpect -> land(flyBy, flyTook, flyPin, flyExpect);
            if :: flyBy < 2 -> pc[flyBy] = RECORD :: else -> reach(4) fi
       :: E(dst) != flyExpect -> if :: flyBy < 2 -> pc[flyBy] = DEST :: else -> skip fi
       fi;
       flying = false; flyTook = 0; flyPin = 0; flyExpect = 0; flyBy = 2 }
  :: atomic { flying && flyBy == 2 -> flying = false; flyTook = 0; flyPin = 0; flyExpect = 0 }
  od
}

#ifdef QUICK
#define MAY_TAKE (dst != 0)
#else
#define MAY_TAKE (dst != 0 && rec[dpin])
#endif
proctype world() {
end:
  do
  :: atomic { src < NEWEST_VERSION -> src++; tell(E(src)) }
  :: atomic { dups > 0 && src > 0 -> dups--; if :: tell(1) :: src > 1 -> tell(2) fi }
  :: atomic { takes > 0 && MAY_TAKE -> takes--; dst = 0; dpin = 0 }
#ifdef DEATH
  :: atomic { alive && !IN_GAP(0) -> alive = false; still = true; q[0] = 0;
       if :: flyBy == 0 -> flyBy = 2 :: else -> skip fi;
       pc[0] = IDLE; hint[0] = 0; expect[0] = 0; pin[0] = 0 }
#endif
#ifdef HANG
  :: atomic { alive && !still && (IN_GAP(0) -> false : true) -> still = true }
#endif
  od
}

#define QUIET (src == NEWEST_VERSION && q[0] == 0 && (q[1] == 0 || !still) && pc[0] == IDLE && pc[1] == IDLE \
  && !flying && !look && VERIFIER_RESTS)

/* Whenever nothing is left to be done. */
proctype judge() {
end:
  do
  :: atomic { QUIET ->
       HOLDS(NEWEST, dst == 0 || E(dst) == E(src));           /* an older version never stays */
       HOLDS(NOTHING_LOST, rec[src] || E(dst) == E(src));     /* the newest was delivered, or lies there */
       HOLDS(NOTHING_LOST, dst != 0 || takes < TAKES);
       break }
  od
}

init { atomic { run worker(0); run worker(1); run verifier(); run network(); run world(); run judge() } }

#ifdef LIVE
ltl ends { <> [] (QUIET) }
#endif
