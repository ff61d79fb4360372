/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The journal of src/history: the main thread pushes, the store thread sleeps, commits and releases,
 * kill -9 comes at any moment, and both begin again. README.md beside this file says what is proven
 * and what is not. BROKEN_n leaves out what the protocol rests on; each must be caught.
 */
#define RECORDS 3
#define KILLS 2

/* the journal, which outlives the process */
byte head, tail;
/* the database: how often each record is in it, and how far the journal was taken */
byte stored[RECORDS];
byte position;
/* of the process */
bool idle, event, due, alive = true;
byte kills;
bool main_gone, store_gone;

/* jkb_journal_publish(), then jkb_history_store_nudge() */
proctype Main ()
{
  do
  :: !alive -> break
  :: alive && head < RECORDS ->
       head++;
       if
       :: idle && alive -> idle = false; event = true
       :: else
       fi
  :: alive && head == RECORDS -> break
  od;
  main_gone = true
}

inline commit ()
{
  if
  :: alive ->
       from = read_from;
       to = head;
       /* one transaction: the samples, and where they end */
       d_step {
         i = from;
         do
         :: i < to -> stored[i]++; i++
         :: else -> break
         od;
#ifndef BROKEN_2
         position = to;
#endif
         i = 0
       }
       read_from = to;
       if
       :: alive -> tail = to      /* released; a kill may come in between */
       :: else
       fi
  :: else
  fi
}

proctype Store ()
{
  byte from, to, i, read_from;

  read_from = (position > tail -> position : tail);
  commit ();                      /* what an earlier run left */
  do
  :: !alive -> break
  :: else ->
       /* plan(): says that it sleeps, then looks */
       if
       :: !due ->
#ifdef BROKEN_1
            if
            :: head != tail -> due = true
            :: else -> idle = true
            fi
#else
            idle = true;
            if
            :: head != tail -> idle = false; due = true
            :: else
            fi
#endif
       :: else
       fi;
       /* sleep_until(): the time of a commit, or the main thread */
       if
       :: due -> due = false; commit ()
       :: !due ->
end:        if
            :: event -> event = false
            :: !alive
            fi
       fi
  od;
  store_gone = true
}

active proctype World ()
{
  do
  :: run Main (); run Store ();
     if
     :: kills < KILLS && alive -> alive = false; kills++   /* whenever it likes */
     :: true -> break                                      /* or never again */
     fi;
     main_gone && store_gone;
     d_step {
       main_gone = false; store_gone = false; idle = false; event = false; due = false;
       alive = true
     }
  od;
  /* When all is quiet, every record is in the database, once. */
  main_gone;
  timeout;
  d_step {
    assert (stored[0] == 1 && stored[1] == 1 && stored[2] == 1);
    assert (tail == RECORDS)
  }
}
