/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * When a listening reader expects the next live frame to be complete.
 */
#include "bus/jkb-rhythm.h"

#define REQUEST 11
#define ANSWER (JKB_FRAME_SIZE + 2 + JKB_ACK_SIZE)
#define RECORD (REQUEST + ANSWER)

typedef struct
{
  JkbRhythm rhythm;
  guint64 position;
} Line;

static gsize
foretell (const Line *line)
{
  return jkb_rhythm_foretell (&line->rhythm, line->position);
}

static void
note (Line *line, JkbEventKind kind, gint16 address, guint8 type, guint64 offset, gsize n_bytes)
{
  JkbEvent event = { .kind = kind, .address = address, .type = type, .offset = offset,
                     .n_bytes = n_bytes };

  jkb_rhythm_note_event (&line->rhythm, &event);
}

/* The master itself, address 0, asks nobody for its own frames. */
static void
answer (Line *line, gint16 address, guint8 type)
{
  guint64 frame = line->position + (address == 0 ? 0 : REQUEST);

  line->position = frame + ANSWER;
  note (line, JKB_EVENT_FRAME, address, type, frame, JKB_FRAME_SIZE);
  note (line, JKB_EVENT_ACK, address, 0, line->position - JKB_ACK_SIZE, JKB_ACK_SIZE);
}

static void
full_round (Line *line)
{
  for (gint16 address = 0; address < 3; address++)
    {
      answer (line, address, JKB_FRAME_LIVE);
      answer (line, address, JKB_FRAME_SETTINGS);
    }
}

static void
test_round (void)
{
  Line line = { 0 };

  answer (&line, 0, JKB_FRAME_LIVE);
  g_assert_cmpuint (foretell (&line), ==, 0);
  answer (&line, 0, JKB_FRAME_SETTINGS);
  for (gint16 address = 1; address < 3; address++)
    {
      answer (&line, address, JKB_FRAME_LIVE);
      answer (&line, address, JKB_FRAME_SETTINGS);
      g_assert_cmpuint (foretell (&line), ==, 0);
    }

  /* Of the second round each length is known but the one behind the end of the first. */
  answer (&line, 0, JKB_FRAME_LIVE);
  g_assert_cmpuint (foretell (&line), ==, ANSWER + RECORD);
  answer (&line, 0, JKB_FRAME_SETTINGS);
  g_assert_cmpuint (foretell (&line), ==, RECORD);
  answer (&line, 1, JKB_FRAME_LIVE);
  g_assert_cmpuint (foretell (&line), ==, 2 * RECORD);
  answer (&line, 1, JKB_FRAME_SETTINGS);
  answer (&line, 2, JKB_FRAME_LIVE);
  g_assert_cmpuint (foretell (&line), ==, RECORD + ANSWER);
  answer (&line, 2, JKB_FRAME_SETTINGS);
  g_assert_cmpuint (foretell (&line), ==, ANSWER);
}

/* Bytes that are there already do not come again. */
static void
test_position (void)
{
  Line line = { 0 };

  full_round (&line);
  full_round (&line);
  line.position += REQUEST;
  g_assert_cmpuint (foretell (&line), ==, ANSWER - REQUEST);
  line.position += ANSWER;
  g_assert_cmpuint (foretell (&line), ==, 0);
}

/* Where the master pauses, nobody knows when the next record comes; elsewhere it is still known. */
static void
test_pause (void)
{
  Line line = { 0 };

  full_round (&line);
  jkb_rhythm_note_pause (&line.rhythm);
  g_assert_cmpuint (foretell (&line), ==, 0);
  full_round (&line);
  g_assert_cmpuint (foretell (&line), ==, 0);
  answer (&line, 0, JKB_FRAME_LIVE);
  g_assert_cmpuint (foretell (&line), ==, ANSWER + RECORD);

  /* A pause in a place that had none ends the waiting there, until the next round has none again. */
  jkb_rhythm_note_pause (&line.rhythm);
  g_assert_cmpuint (foretell (&line), ==, 0);
  answer (&line, 0, JKB_FRAME_SETTINGS);
  g_assert_cmpuint (foretell (&line), ==, RECORD);
}

/* One that is absent is asked in vain: the next is further away, from the second time on. */
static void
test_absent (void)
{
  Line line = { 0 };

  full_round (&line);
  for (guint i = 0; i < 2; i++)
    {
      answer (&line, 0, JKB_FRAME_LIVE);
      answer (&line, 0, JKB_FRAME_SETTINGS);
      g_assert_cmpuint (foretell (&line), ==, RECORD + i * 2 * REQUEST);
      line.position += 2 * REQUEST;
      answer (&line, 2, JKB_FRAME_LIVE);
      answer (&line, 2, JKB_FRAME_SETTINGS);
    }
}

static void
test_damage (void)
{
  Line line = { 0 };

  full_round (&line);
  full_round (&line);
  note (&line, JKB_EVENT_BAD_FRAME, -1, JKB_FRAME_LIVE, line.position, JKB_FRAME_SIZE);
  g_assert_cmpuint (foretell (&line), ==, 0);
  line.position += ANSWER;
  answer (&line, 0, JKB_FRAME_SETTINGS);
  g_assert_cmpuint (foretell (&line), ==, RECORD);

  /* A frame without an ACK has no end that is known. */
  note (&line, JKB_EVENT_FRAME, 1, JKB_FRAME_LIVE, line.position + REQUEST, JKB_FRAME_SIZE);
  line.position += RECORD + 200;
  note (&line, JKB_EVENT_ACK, 1, 0, line.position - JKB_ACK_SIZE, JKB_ACK_SIZE);
  g_assert_cmpuint (foretell (&line), ==, 0);

  /* Nor one whose sender is not. */
  note (&line, JKB_EVENT_FRAME, -1, JKB_FRAME_LIVE, line.position, JKB_FRAME_SIZE);
  g_assert_cmpuint (foretell (&line), ==, 0);
  jkb_rhythm_reset (&line.rhythm);
  g_assert_cmpuint (foretell (&line), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/rhythm/round", test_round);
  g_test_add_func ("/bus/rhythm/position", test_position);
  g_test_add_func ("/bus/rhythm/pause", test_pause);
  g_test_add_func ("/bus/rhythm/absent", test_absent);
  g_test_add_func ("/bus/rhythm/damage", test_damage);
  return g_test_run ();
}
