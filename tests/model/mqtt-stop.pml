/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How the MQTT thread starts and ends (src/mqtt/jkb-mqtt.c, jkb-mqtt-link.c, jkb-mqtt-thread.c), with
 * a library whose calls may never return. README.md beside this file says what is proven and what is
 * not. BROKEN_n leaves out what the protocol rests on; each must be caught.
 */
#define REPORTS 4 /* of paho's threads */

mtype = { WAITING, CONNECTING, CONNECTED, DISCONNECTING, NOTHING, UP, DOWN };

bool stop, wake, done; /* the link: flag and eventfds */
#ifdef BROKEN_2
byte references = 1;   /* the main thread's only */
#else
byte references = 2;
#endif
bool running = true;   /* the thread */
bool handle;           /* paho's: its threads call back */
bool calling_back;
bool stuck;            /* paho holds its mutex, in a name that does not resolve, for ever */
mtype report = NOTHING;

inline use_link () { assert (references > 0) }

/* Blocks for ever if paho is stuck. */
inline call_paho () { end_stuck: !stuck }

proctype Mqtt ()
{
  mtype state = WAITING;
  bool stopping, late;

  handle = true;
  do
  :: use_link ();
#ifndef BROKEN_1
     wake = false; /* clears first, */
#endif
     atomic { /* drains second */
       if
       :: report == UP && state == CONNECTING -> state = CONNECTED
       :: report == DOWN -> state = WAITING
       :: else
       fi;
       report = NOTHING
     };
     stopping = stop;
     if
     :: state == WAITING && !stopping -> end_connect: !stuck; state = CONNECTING
     :: state == CONNECTED && stopping -> /* everything was answered, or is waited for */
          if
          :: end_disconnect: !stuck; state = DISCONNECTING
          :: skip
          fi
     :: else
     fi;
     if
     :: stopping && (late || state == WAITING || state == CONNECTING) -> break
     :: else
     fi;
#ifdef BROKEN_1
     wake = false;
#endif
     if /* sleeps */
     :: wake
     :: stopping -> late = true             /* STOP_US are over */
     :: state == DISCONNECTING -> state = WAITING /* DISCONNECT_US are over */
     :: state == CONNECTING -> state = WAITING    /* CONNECT_GUARD_US are over */
     fi
  od;
#ifndef BROKEN_3
end_close:
  atomic { !stuck && !calling_back -> handle = false }; /* MQTTAsync_destroy() */
#endif
  use_link ();
  done = true;
  references--;
  running = false
}

/* Threads of paho: each callback reports and wakes. */
proctype Paho ()
{
  byte left = REPORTS;

end:
  do
  :: atomic { handle && left > 0 && report == NOTHING -> left--; calling_back = true };
     use_link ();
     if
     :: report = UP
     :: report = DOWN
     fi;
     use_link ();
     wake = true;
     calling_back = false
  :: atomic { handle && !calling_back -> stuck = true }; break
  od
}

proctype Main ()
{
  /* At any moment: the program ends, or the broker of the configuration is another now. */
  stop = true;
  wake = true;
  if
  :: done -> !running           /* g_thread_join() */
  :: timeout -> assert (stuck)  /* the time limit is needed for nothing else; the thread is left */
  fi;
  use_link ();
  references--
}

init { atomic { run Mqtt (); run Paho (); run Main () } }
