/* s3fence_worker.pml - the copy step under a claim; part of s3fence.pml. */
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
/* a look has decided the row. If the object is there without this row's uploads, nobody needs them any more */
inline found(outcome) { if :: row == 1 && outcome == COPIED -> pc = ABANDON :: else -> decide(outcome) fi }
/* HEAD of the destination: decided, or else on to a step, or else an outcome after all */
inline look_or_go(next) { if :: VERDICT(row, J) != UNDECIDED -> found(VERDICT(row, J)) :: else -> pc = next fi }
inline look_or_end(outcome) {
  if :: VERDICT(row, J) != UNDECIDED -> found(VERDICT(row, J)) :: else -> decide(outcome) fi
}
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
  :: atomic { pc == REFUSED_LOOK_AGAIN -> look_or_end(SOURCE_CHANGED) }
  /* abandon(): abort what is registered for the row, whoever goes on with it. Or that fails, and nothing follows */
  :: atomic { pc == ABANDON -> if :: abort_own_registered(J) :: skip fi; decide(COPIED) }

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
