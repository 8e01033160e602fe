/* region_heartbeat.pml - when the other Region's claim may be superseded (core/leases.py judge_lease,
 * protocol/regions.py region_fingerprint).
 *
 * East watches a claim that a worker in West holds. What East compares at every look: the claim's heartbeat in East's
 * replica of the table, and West's region heartbeat in the control buckets of both Regions. Only when all of it has
 * looked the same for `takeover_after` does East claim. One round of the model is one sweep interval (60 s): TIMEOUT 4
 * rounds is takeover_after_ms, a living sweep beats at least every second round, TTL 2 rounds stands for lease_ttl_ms.
 *
 * Nothing here is needed for safety: in s3fence.pml anybody may suspect anybody at any time. This model shows what the
 * region heartbeat is for: a Region that lives is not taken over merely because the table's replication stands still,
 * and one that is dead is taken over in bounded time. A value is not modelled, only whether it has moved since East
 * noted it.
 *
 * Environment: STALL replication of the table may stand still, for ever if it likes, and what waited may arrive late;
 *   FLAP West's storage answers East now and then; CUT West lives, but nothing of it reaches East any more.
 * Variants: HEARTBEAT_ONLY East looks at the lease's heartbeat alone. UNKNOWN_IS_MOVEMENT a region heartbeat that can't
 *   be read ("?") looks different from the same one read, so that every change of reachability counts as a sign of life.
 * REACH=1: East takes over. REACH=2: West's own sweep takes over from a worker that died alone.
 */
#define TIMEOUT 4
#define TTL 2
#define QUIET_MAX 1       /* rounds in a row that a living Region's sweep may miss */
#ifndef REACH
#define REACH 0
#endif
/* Rounds from a Region's death to its claims' takeover. A sign of life from before its death that could not be seen
 * then (a heartbeat in a stalled replication, a region heartbeat in storage that did not answer) may show up just before
 * the timeout ends, and begin it anew, once each. */
#ifdef STALL
#define LATE_BEAT 1
#else
#define LATE_BEAT 0
#endif
#ifdef FLAP
#define LATE_REGION_HEARTBEAT 1
#else
#define LATE_REGION_HEARTBEAT 0
#endif
#define BOUND ((1 + LATE_BEAT + LATE_REGION_HEARTBEAT) * (TIMEOUT + 1))

hidden byte NO_FALSE_TAKEOVER = 1, IN_TIME = 1, REACHED = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)
#define NOBODY 0
#define WEST 1
#define EAST 2

bool alive = true;        /* West's functions run */
bool worker = true;       /* the holder of the claim does: it beats in every round */
byte quiet = 0;           /* rounds since West's last region heartbeat */
bool waiting = false;     /* heartbeats that the replication has not brought to East yet */
bool beatMoved = false;   /* in East's replica, since East noted it */
bool homeMoved = false;   /* West's region heartbeat in West's control bucket, since East noted it */
bool awayMoved = false;   /* West's region heartbeat in East's control bucket */
bool reachable = true;    /* does West's storage answer East at this look? */
bool noted = true;        /* did it when East noted what it saw? */
byte still = 0;           /* rounds in which nothing moved, by East's clock */
byte stillAtHome = 0;     /* rounds without a heartbeat, by West's own sweep */
byte dead = 0;            /* rounds since West died */
byte taken = NOBODY;

#ifdef HEARTBEAT_ONLY
#define MOVED beatMoved
#elif defined(UNKNOWN_IS_MOVEMENT)
#define MOVED (beatMoved || awayMoved || (reachable && homeMoved) || reachable != noted)
#else
#define MOVED (beatMoved || awayMoved || (reachable && homeMoved))
#endif

active proctype rounds() {
  do
  :: taken == NOBODY -> atomic {
       /* West may die as a whole, or the worker alone; or neither */
       if :: alive -> alive = false; worker = false :: worker -> worker = false :: true -> skip fi;
       /* West's sweep: beats its heart in both control buckets, and watches its own workers */
       if
       :: alive -> quiet = 0; homeMoved = true;
#ifdef CUT
            if :: awayMoved = true :: skip fi
#else
            awayMoved = true
#endif
       :: alive && quiet < QUIET_MAX -> quiet++
       :: !alive -> if :: dead <= BOUND -> dead++ :: else -> skip fi
       fi;
       if
       :: worker -> waiting = true; stillAtHome = 0
       :: !worker && stillAtHome < TTL -> stillAtHome++
       :: else -> skip
       fi;
       if :: alive && !worker && stillAtHome == TTL -> taken = WEST; HOLDS(REACHED, REACH != 2) :: else -> skip fi;
       /* the table's replication */
       if
       :: waiting -> waiting = false; beatMoved = true
#if defined(STALL) || defined(CUT)
       :: waiting -> skip
#endif
       :: !waiting -> skip
       fi;
       /* East looks */
#ifdef FLAP
       if :: reachable = true :: reachable = false fi;
#endif
#ifdef CUT
       if :: reachable -> reachable = false :: skip fi;
#endif
       if
       :: taken == NOBODY && MOVED -> still = 0; beatMoved = false; awayMoved = false; noted = reachable;
            if :: reachable -> homeMoved = false :: else -> skip fi
       :: taken == NOBODY && !MOVED && still < TIMEOUT -> still++
       :: else -> skip
       fi;
       if
       :: taken == NOBODY && still == TIMEOUT ->
            HOLDS(NO_FALSE_TAKEOVER, !alive); HOLDS(REACHED, REACH != 1); taken = EAST
       :: else -> skip
       fi;
#ifndef CUT
       HOLDS(IN_TIME, taken != NOBODY || dead <= BOUND)
#endif
     }
  :: taken != NOBODY -> break
  od
}

/* A claim whose worker has died is taken over, by its own Region's sweep or by the other Region. */
#ifdef LIVE
ltl taken_over { [] (!worker -> <> (taken != NOBODY)) }
#endif
