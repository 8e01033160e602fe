/* naive_mrec.pml - why a lease in a DynamoDB global table can't be the fence.
 *
 * One partition's lease is ONE item of a global table with multi-Region eventual consistency (MREC):
 *   - each Region writes its local replica; a condition is judged on the local replica alone;
 *   - replication is asynchronous and the last writer wins by timestamp (the Regions' clocks differ arbitrarily);
 *   - a holder may be paused anywhere: interleaving makes it a zombie.
 * Two workers, one in each Region, want to publish the same object once. What they do about it (variants):
 *   (none)     conditional put, then a copy without any precondition
 *   SETTLE     after the conditional put: wait, read again, and go on only if it is still the owner
 *   BOUNDED    replication really is faster than that wait (no stall, no partition): an assumption nobody promises
 *   EXPIRE     a lease may be taken over once it looks expired; without that, a dead holder's work is never done
 *   FRESHHEAD  the copy carries a precondition, taken from a HEAD made just before it
 *   PRECOND    the copy carries the precondition that was pinned when the work was planned
 *   MUTEX      also asserts that there are never two holders
 * Result: only PRECOND publishes at most once, and it does so although there are two holders.
 */
#define WEST 0
#define EAST 1
#define NOBODY 2
#define OLD 1
#define OURS 2

hidden byte I2_ONCE = 1, ONE_HOLDER = 1;
#define HOLDS(name, condition) assert((condition) || name == 0)

typedef Item { byte owner; byte ts };
Item replica[2];
chan net[2] = [3] of { byte, byte };      /* net[r]: writes on their way to Region r */
bool holds[2];
byte nver = 0;                            /* versions that we have created at the destination key */
byte etag = OLD;                          /* what is at the destination now */

/* Delivers at any time, in order; or, in a partition, never. A replicated write wins by timestamp, a tie by Region. */
proctype replicator(byte r) {
  byte owner, ts;
end:
  do
  :: atomic { net[r] ? owner, ts ->
       if
       :: ts > replica[r].ts || (ts == replica[r].ts && owner > replica[r].owner) ->
            replica[r].owner = owner; replica[r].ts = ts
       :: else -> skip
       fi }
  od
}

inline write_lease(r, ts) { replica[r].owner = r; replica[r].ts = ts; net[1 - r] ! r, ts }

proctype worker(byte r) {
  byte seen = 0, ts = 0; bool tried = false;
  /* acquire, by a conditional put on the local replica */
  if
  :: atomic { replica[r].owner == NOBODY ->
       if :: ts = 1 :: ts = 2 fi;         /* any skew between the Regions' clocks */
       if :: ts <= replica[r].ts -> ts = replica[r].ts + 1 :: else -> skip fi;
       write_lease(r, ts) }
#ifdef EXPIRE
  :: atomic { replica[r].owner == 1 - r && !tried -> tried = true; ts = replica[r].ts + 1; write_lease(r, ts) }
#endif
  :: replica[r].owner == 1 - r -> goto stop
  fi;
#ifdef SETTLE
#ifdef BOUNDED
  (empty(net[0]) && empty(net[1]));       /* everything that was written before now has arrived */
#else
  skip;                                   /* the wait is over; a stalled replication did not care */
#endif
  if
  :: replica[r].owner != r -> goto stop
  :: else -> skip
  fi;
#endif
  holds[r] = true;
#ifdef MUTEX
  HOLDS(ONE_HOLDER, !(holds[0] && holds[1]));
#endif
#if defined(FRESHHEAD)
  seen = etag;                            /* HEAD ... */
  atomic { if :: etag == seen -> etag = OURS; nver++ :: else -> skip fi };       /* ... and copy, if unchanged since */
#elif defined(PRECOND)
  atomic { if :: etag == OLD -> etag = OURS; nver++ :: else -> skip fi };        /* S3 answers 412 to the second */
#else
  atomic { etag = OURS; nver++ };
#endif
  HOLDS(I2_ONCE, nver <= 1);
  holds[r] = false;
stop:
  skip
}

init { atomic {
  replica[WEST].owner = NOBODY; replica[EAST].owner = NOBODY;
  run replicator(WEST); run replicator(EAST); run worker(WEST); run worker(EAST) } }
