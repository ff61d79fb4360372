/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How the main thread starts, orders about and stops a reader thread (src/bus/jkb-reader*.c).
 * README.md beside this file says what is proven and what is not. BROKEN_n leaves out what the
 * protocol rests on; each must be caught.
 *
 * Nobody is helped by time here: a wait ends by the command fd or by what comes from outside, and
 * from outside nothing needs to come. So whoever would in truth sleep until a deadline stands still,
 * and that is found.
 */
#define ORDERS 3  /* orders and reconnections that the main thread gives */
#define OUTSIDE 3 /* bytes, hang-ups, ports that come back */
#define RUNS 2    /* starts */

bool stop, reconnect, order; /* the flags of both threads */
bool fd;                     /* command_fd is readable */
bool running;                /* the thread */
bool freed;                  /* the inbox, into which the reader pushes */
byte outside = OUTSIDE;

/* jkb_reader_has_command() */
inline has_command (answer)
{
  answer = stop;
  if
  :: !answer -> answer = reconnect
  :: else
  fi
}

/* jkb_reader_take_orders() */
inline take_orders ()
{
  taken = false;
  if
  :: called ->
       called = false;
       fd = false;
#ifndef BROKEN_1
       has_command (commanded);
       if
       :: commanded -> fd = true /* is not ours to take: put back */
       :: else
       fi
#endif
  :: else
  fi;
  if
  :: atomic { order -> order = false; taken = true }
  :: else
  fi
}

proctype Reader ()
{
  bool called, commanded, taken;

top: /* jkb_reader_take_stop() */
#ifdef BROKEN_2
  if
  :: stop -> goto leave /* looks first, clears second */
  :: else
  fi;
#endif
  fd = false;
  reconnect = false;
#ifndef BROKEN_2
  if
  :: stop -> goto leave
  :: else
  fi;
#endif
  take_orders ();
  assert (!freed);
  if /* opens */
  :: outside > 0 -> outside--; goto serve
  :: fd -> goto lost /* given up */
  :: outside > 0 -> outside--; goto lost
  fi;

serve:
  take_orders ();
  has_command (commanded);
  if
  :: commanded || taken -> goto ended
  :: else
  fi;
  assert (!freed);
  if /* waits for bytes */
  :: fd -> called = true
  :: outside > 0 -> outside--;
       if
       :: skip
       :: goto lost
       fi
  fi;
  goto serve;

lost:
  has_command (commanded);
  if
  :: commanded -> goto top
  :: else
  fi;
retry: /* wait_for_retry() */
  has_command (commanded);
  if
  :: commanded -> goto top
  :: else
  fi;
  take_orders ();
  if
  :: taken -> goto top
  :: else
  fi;
  if
  :: fd -> called = true
  :: outside > 0 -> outside--; goto top
  fi;
  goto retry;

ended: /* by a command: no pause */
  goto top;

leave:
  assert (!freed);
  running = false
}

proctype Main ()
{
  byte given = 0, runs = 0;

start:
  runs++;
  stop = false; /* jkb_reader_start() */
  running = true;
  run Reader ();
  do
  :: given < ORDERS -> given++; reconnect = true; fd = true
  :: given < ORDERS -> given++; order = true; fd = true; /* a change, or the end of a capture: */
       if
       :: !order /* waits for its effect, */
       :: skip   /* or does not */
       fi
  :: break
  od;
  stop = true; /* jkb_reader_stop(), at any moment */
  fd = true;
#ifdef BROKEN_3
  freed = true; /* before it has ended */
#endif
  !running; /* g_thread_join() */
  if
  :: runs < RUNS -> goto start
  :: freed = true
  fi
}

init { run Main () }
