/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The wake-up protocol of src/queue/jkb-inbox.c: one reader, one main loop. README.md beside this
 * file says what is proven and what is not. BROKEN_n leaves out what the protocol rests on; each
 * must be caught.
 */
#define RECORDS 4
#define RING 2
#define LATEST 3 /* moments of time: 0..LATEST */

byte ring;             /* records in the ring */
bool slot;             /* a record in a newest-wins slot */
bool event;            /* the eventfd is readable */
byte due;              /* when the main loop wants to act */
byte now;
byte pushed, taken;    /* records; one that a newer one replaced counts as taken */
bool owed;             /* reader: a wake-up is owed */

/* Time goes on as it likes, but never past the moment that the reader sleeps until. */
byte alarm = LATEST + 1;
bool asleep;           /* the reader, owing a wake-up */
bool busy;             /* the main loop, between a change and its signal */

inline wake () { owed = false; event = true }

proctype Reader ()
{
  byte seen;
  bool crowded;

  do
  :: pushed < RECORDS ->
#ifdef BROKEN_1
       seen = due;               /* looks at due before it publishes */
#endif
       crowded = false;
       atomic {
         if
         :: ring < RING -> ring++; pushed++
         :: else -> crowded = true
         fi
       }
       if
       :: crowded ->
            atomic {
              if
              :: slot -> taken++ /* overwritten, counted */
              :: else
              fi;
              slot = true; pushed++
            }
            wake ()
       :: else ->
            if
            :: wake ()           /* urgent */
            :: owed = true       /* when it is due */
            fi
       fi
  :: owed ->                     /* looks, by a read-modify-write, and sleeps until then */
#ifndef BROKEN_1
       seen = due;
#endif
       if
       :: seen > now ->
            atomic { alarm = seen; asleep = true };
            if
            :: atomic { now >= alarm -> asleep = false; alarm = LATEST + 1 }
            :: atomic { pushed < RECORDS -> asleep = false; alarm = LATEST + 1 } /* bytes come */
            fi
       :: else
       fi;
       seen = due;
       if
       :: now >= seen -> wake ()
       :: else
       fi
  :: pushed == RECORDS && !owed -> break
  od
}

proctype Clock ()
{
  do
  :: atomic { now < LATEST && now < alarm -> now++ }
  :: now == LATEST -> break
  od
}

/* jkb_inbox_set_due(): an exchange, and a signal when due moved earlier */
inline set_due (moment)
{
  atomic { before = due; due = moment };
  if
#ifndef BROKEN_3
  :: moment < before -> event = true
#endif
  :: else
  fi
}

proctype Main ()
{
  byte before, next;

end:
  do
  :: atomic { event -> busy = true };
#ifndef BROKEN_2
     event = false;              /* clears first, */
#endif
     atomic { taken = taken + ring; ring = 0 };
     atomic {                    /* drains second */
       if
       :: slot -> slot = false; taken++
       :: else
       fi
     };
#ifdef BROKEN_2
     event = false;
#endif
     if
     :: next = now
     :: next = (now < LATEST -> now + 1 : LATEST)
     :: next = LATEST
     fi;
     set_due (next);
     busy = false
  :: atomic { !event && due > now -> busy = true; next = now }; /* the configuration changed */
     set_due (next);
     busy = false
  od
}

/* At the end nothing is left behind. */
proctype Judge ()
{
  timeout;
  assert (pushed == RECORDS);
  assert (taken == pushed);
  assert (ring == 0 && !slot)
}

/* At no moment do both sleep, a record waits, and the reader's alarm is later than due. */
proctype Watch ()
{
end:
  atomic { asleep && !busy && !event && ring > 0 && alarm > due -> assert (false) }
}

init { atomic { due = 1; run Reader (); run Clock (); run Main (); run Judge (); run Watch () } }
