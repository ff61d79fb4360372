/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The watchdog (src/core/jkb-watchdog.c, jkb_daemon_is_alive()): the main loop asks the MQTT thread
 * for a sign of life, a reader gives one at least each IDLE, and systemd is told as long as all are
 * recent. README.md beside this file says what is proven and what is not. BROKEN_n leaves out what it
 * rests on; each must be caught.
 */
#define PERIOD 3   /* of the main loop's look, half of WatchdogSec=; units of 5 s */
#define LIMIT 6    /* JKB_BEAT_LIMIT_US */
#define IDLE 2     /* JKB_READER_IDLE_US */
#define INTERVAL 6 /* WatchdogSec= */
#define END 30

byte now, ping;              /* ping: when systemd was told last */
byte reader_beat, mqtt_beat, asked;
bool reader_hangs, mqtt_hangs, main_hangs;
byte since = END;            /* the first of them hangs */
byte turn = 0;               /* readers are up to date at this moment, then the MQTT thread, main */

/* Any of them may stop at any moment, for ever. */
inline hang (flag)
{
  if
  :: !flag -> flag = true; since = (since < now -> since : now)
  :: true
  fi
}

inline look ()
{
  /* jkb_mqtt_link_get_beat() */
#ifdef BROKEN_1
  if
  :: true -> asked = now /* asks anew although an answer is owed */
  fi;
#else
  if
  :: mqtt_beat >= asked -> asked = now
  :: else
  fi;
#endif
#ifdef BROKEN_2
  oldest = asked; /* forgets the reader */
#else
  oldest = (reader_beat < asked -> reader_beat : asked);
#endif
  if
  :: now - oldest < LIMIT -> ping = now
  :: else -> assert (since < END) /* all are well: systemd is told */
  fi
}

active proctype Everything ()
{
  byte oldest, next_look = 0, next_beat = 0;

  do
  :: now < END ->
       hang (reader_hangs);
       hang (mqtt_hangs);
       hang (main_hangs);
       if /* the reader: after IDLE at the latest */
       :: !reader_hangs -> reader_beat = now; next_beat = now + IDLE
       :: !reader_hangs && now < next_beat
       :: reader_hangs
       fi;
       if /* answers before or after the look of this moment */
       :: !mqtt_hangs -> mqtt_beat = now
       :: true
       fi;
       if
       :: !main_hangs && now >= next_look -> look (); next_look = now + PERIOD
       :: else
       fi;
       if
       :: !mqtt_hangs && mqtt_beat < asked -> mqtt_beat = now
       :: else
       fi;
       now++;
       /* systemd kills what did not tell for INTERVAL; a hang is never overlooked for longer. */
       if
       :: now - ping > INTERVAL -> assert (since < END); break
       :: else -> assert (since == END || now <= since + LIMIT + PERIOD + INTERVAL)
       fi
  :: else -> break
  od
}
