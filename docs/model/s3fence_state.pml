/* s3fence_state.pml - what S3 and the control bucket hold, and what is asked of them; part of s3fence.pml. */
/* What lies at a destination key, from the point of view of this partition. */
#define ABSENT 0
#define OLD 1             /* what was there at planning */
#define ALIEN 2           /* somebody else's, newer than planning */
#define BAD 3             /* torn, partial or of bytes that were never pinned: must never be seen */
#define OURS 4            /* a complete copy of the pinned source; OURS + 1 is the second job's */

/* Outcomes of a row (core/rows.py Outcome). */
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
#define TOMBSTONE 29
#define UPLOAD(r) ((r) != 0 && (r) < DEAD)

mtype = { IDLE, LOOK, COPY, REG_LIST, LIST_PARTS, LOOK_AFTER_GONE, CREATE, REGISTER, ABORT_OWN, PART, COMPLETE, ABANDON,
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
byte top[JOBS];           /* highest claim/<partition>/<epoch> */
byte rec[JOBS];           /* the copy record that records.copied() returns, as o[0] + 8 * o[1]; 0 = none */
byte recEpoch[JOBS];
byte receipt[JOBS];       /* done/<partition>: o[0] + 8 * o[1] */
byte terminal[JOBS];
byte reg[MAXG + 1];       /* reg/<object>/<generation>, from 1 */
bool cancel = false;

/* Budgets, and what only properties look at. */
byte susp = SUSP; byte crashes = CRASHES; byte late = LATE; byte conflicts = CONFLICTS; byte tombstones = TOMBSTONES;
byte stops = STOPS;       /* how often a sweep ends between its TOMBSTONE and its abort */
short fenced = 0;         /* bits: the uploads that a TOMBSTONE names */
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
                             replaced, 4 CANCELLED, 5 a late request lands, 6 a TOMBSTONE is put, 7 CONFLICT */
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
#ifdef TOMBSTONE_SUPERSEDES    /* a tombstone ends the upload below it */
  :: found > 0 && reg[found] == TOMBSTONE -> found = 0; break
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
