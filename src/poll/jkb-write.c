/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The sequence of a write. Owned by the poller, reader thread; pure.
 *
 * Forward, one command after the other is sent in the planned order; after each, all settings are
 * read back and compared byte by byte with what the BMS told before plus the command, so that a side
 * effect on a neighbour is seen. When anything is not as it was meant, the direction turns: whatever
 * differs from the original is put back, again by single commands that the interlocks allow, until
 * the BMS tells the original or nothing more can be done. `current` is always what was read last.
 */
#include "poll/jkb-write.h"

#include <string.h>

#include "wire/jkb-decode.h"

#define SETTLE_US (300 * 1000)        /* the BMS is deaf after a write (protocol §6.2.4) */
#define SPACING_US G_USEC_PER_SEC     /* at most one write per second (§6.2.7) */
#define RETRY_US (200 * 1000)
#define FRESH_US (5 * G_USEC_PER_SEC) /* how old the settings may be that a decision rests on */
#define SNAPSHOT_TIMEOUT_US (3 * G_USEC_PER_SEC)
#define READ_TRIES 3
#define EXTRA_RESTORES 4 /* side effects that are put back, besides the items */

typedef enum
{
  PHASE_READ,     /* fresh settings before anything else */
  PHASE_SNAPSHOT, /* they are being kept */
  PHASE_COMMAND,  /* a command is to be sent */
  PHASE_VERIFY,   /* and its effect read back */
  PHASE_DONE
} Phase;

struct _JkbWrite
{
  guint address;
  JkbInterlockFacts facts;
  JkbWriteItem items[JKB_WRITE_MAX_ITEMS];
  guint n_items;
  guint order[JKB_WRITE_MAX_ITEMS];

  Phase phase;
  gboolean asked;       /* the step of this phase was handed out; its answer is awaited */
  gint64 not_before_us; /* deaf time, spacing, pause before asking again */
  gint64 asked_us;
  gint64 read_us; /* when `current` was read */
  gint64 sent_us; /* last command, of this write or of one before */
  guint reads_failed;

  gboolean backward;
  guint position; /* forward: in order[] */
  JkbCommand command;
  gboolean acked;
  guint attempts; /* of the present command */
  guint restores; /* commands sent backward */
  guint n_sent;

  guint8 original[JKB_FRAME_SIZE]; /* before anything was sent */
  guint8 current[JKB_FRAME_SIZE];  /* read last */
  GError *error;                   /* the first thing that went wrong */
};

JkbWrite *
jkb_write_new (guint address, const JkbWriteItem *items, guint n_items,
               const JkbInterlockFacts *facts)
{
  JkbWrite *self = g_new0 (JkbWrite, 1);

  self->address = address;
  self->facts = *facts;
  self->n_items = MIN (n_items, JKB_WRITE_MAX_ITEMS);
  memcpy (self->items, items, self->n_items * sizeof *items);
  for (guint i = 0; i < self->n_items; i++)
    {
      self->items[i].before = self->items[i].after = JKB_UNKNOWN;
      self->items[i].state = JKB_ITEM_PENDING;
    }
  self->sent_us = G_MININT64 / 2;
  return self;
}

void
jkb_write_set_last_sent (JkbWrite *self, gint64 sent_us)
{
  self->sent_us = sent_us;
}

void
jkb_write_free (JkbWrite *self)
{
  g_clear_error (&self->error);
  g_free (self);
}

static JkbWriteItem *
current_item (JkbWrite *self)
{
  return &self->items[self->order[self->position]];
}

static void
enter (JkbWrite *self, Phase phase)
{
  self->phase = phase;
  self->asked = FALSE;
  self->reads_failed = 0;
}

static void fail (JkbWrite *self, JkbError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Keeps the first reason: what follows from it says less. */
static void
fail (JkbWrite *self, JkbError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (self->error == NULL)
    self->error = g_error_new_valist (JKB_ERROR, code, format, args);
  va_end (args);
}

/* ---- registers in a settings frame ---- */

static guint
register_offset (const JkbCommand *command)
{
  return command->reg - 0x1000 + JKB_FRAME_PAYLOAD;
}

static gint64
read_number (const guint8 *at, const JkbField *field)
{
  guint32 bits = at[0] | at[1] << 8 | at[2] << 16 | (guint32) at[3] << 24;

  return field->wire == JKB_WIRE_I32 ? (gint64) (gint32) bits : (gint64) bits;
}

/* Everything but the measured wire resistances is a setting. */
static gboolean
is_setting_byte (guint offset)
{
  const JkbField *wires = &jkb_fields[JKB_FIELD_CONNECTION_WIRE_RESISTANCES];

  return offset < wires->offset || offset >= wires->offset + 4u * wires->count;
}

static const JkbField *
field_at (guint offset)
{
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    if (jkb_fields[id].kind != JKB_KIND_LIST && offset >= jkb_fields[id].offset
        && offset < jkb_fields[id].offset + jkb_field_width (&jkb_fields[id]))
      return &jkb_fields[id];
  return NULL;
}

/* The control switches share a register: the one that differs has the name. */
static const char *
name_of_change (const guint8 *before, const guint8 *after, guint offset)
{
  const JkbField *field = field_at (offset);
  guint32 changed;

  if (field == NULL)
    return "an undocumented setting";
  if (field->bit == 0)
    return field->key;
  before += field->offset;
  after += field->offset;
  changed = (before[0] ^ after[0]) | (guint32) (before[1] ^ after[1]) << 8;
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    if (jkb_fields[id].bit != 0 && (changed & 1u << (jkb_fields[id].bit - 1)) != 0)
      return jkb_fields[id].key;
  return "an undocumented control switch";
}

/* First setting outside the command's registers that the command changed; 0: none. */
static guint
find_side_effect (JkbWrite *self, const guint8 *frame)
{
  guint begin = register_offset (&self->command), end = begin + 2u * self->command.count;

  for (guint offset = JKB_FRAME_PAYLOAD; offset < JKB_FRAME_SIZE - 1; offset++)
    if (is_setting_byte (offset) && frame[offset] != self->current[offset]
        && (offset < begin || offset >= end))
      return offset;
  return 0;
}

static gboolean
had_no_effect (JkbWrite *self, const guint8 *frame)
{
  guint begin = register_offset (&self->command);

  return memcmp (frame + begin, self->current + begin, 2u * self->command.count) == 0;
}

/* Whether the command's registers hold what it wrote. The BMS rounds: one raw step is allowed, but
 * not for what was there before, which is no sign that anything arrived. */
static gboolean
has_landed (JkbWrite *self, const guint8 *frame)
{
  guint8 wanted[JKB_FRAME_SIZE];
  guint begin = register_offset (&self->command);
  const JkbField *field = field_at (begin);

  memcpy (wanted, self->current, sizeof wanted);
  jkb_encode_apply (&self->command, wanted);
  if (memcmp (frame + begin, wanted + begin, 2u * self->command.count) == 0)
    return TRUE;
  return self->command.count == 2 && field != NULL && field->kind == JKB_KIND_NUMBER
         && !had_no_effect (self, frame)
         && ABS (read_number (frame + begin, field) - read_number (wanted + begin, field)) <= 1;
}

/* ---- the end ---- */

static gboolean
is_item_byte (JkbWrite *self, guint offset)
{
  for (guint i = 0; i < self->n_items; i++)
    {
      const JkbField *field = &jkb_fields[self->items[i].id];

      if (offset >= field->offset && offset < field->offset + jkb_field_width (field))
        return TRUE;
    }
  return FALSE;
}

/* A side effect that could not be undone is told too; the items have states for that. */
static void
report_left_over (JkbWrite *self)
{
  for (guint offset = JKB_FRAME_PAYLOAD; offset < JKB_FRAME_SIZE - 1; offset++)
    if (is_setting_byte (offset) && self->current[offset] != self->original[offset]
        && !is_item_byte (self, offset))
      {
        char *message = g_strdup_printf (
            "%s; %s could not be put back", self->error->message,
            name_of_change (self->original, self->current, offset));

        g_free (self->error->message);
        self->error->message = message;
        return;
      }
}

/* What the items hold now, from what was read last. */
static void
finish (JkbWrite *self)
{
  JkbValues values;

  enter (self, PHASE_DONE);
  if (self->read_us == 0)
    return;
  if (self->backward)
    report_left_over (self);
  jkb_decode (self->current, &values);
  for (guint i = 0; i < self->n_items; i++)
    {
      JkbWriteItem *item = &self->items[i];

      if (item->state == JKB_ITEM_UNKNOWN)
        continue;
      item->after = jkb_values_get (&values, item->id);
      if (item->state == JKB_ITEM_WRITTEN && item->after == item->before && self->backward)
        item->state = JKB_ITEM_RESTORED;
    }
}

static void
lose_track (JkbWrite *self, JkbError code, const char *why)
{
  if (self->backward)
    {
      for (guint i = 0; i < self->n_items; i++)
        if (self->items[i].state == JKB_ITEM_WRITTEN)
          self->items[i].state = JKB_ITEM_UNKNOWN;
    }
  else
    {
      fail (self, code, "%s: whether the BMS took %s is unknown; its settings must be read again",
            why, jkb_fields[current_item (self)->id].key);
      current_item (self)->state = JKB_ITEM_UNKNOWN;
    }
  finish (self);
}

void
jkb_write_abort (JkbWrite *self, JkbError code, const char *message)
{
  if (self->phase == PHASE_DONE)
    return;
  if (self->phase == PHASE_VERIFY || (self->phase == PHASE_COMMAND && self->asked))
    lose_track (self, code, message);
  else
    {
      fail (self, code, "%s", message);
      finish (self);
    }
}

/* ---- forward ---- */

static void
next_item (JkbWrite *self)
{
  while (self->position < self->n_items
         && current_item (self)->state != JKB_ITEM_PENDING)
    self->position++;
  self->attempts = 0;
  if (self->position == self->n_items)
    finish (self);
  else
    enter (self, PHASE_COMMAND);
}

static void
start (JkbWrite *self)
{
  JkbValues values;
  gboolean any = FALSE;

  jkb_decode (self->current, &values);
  for (guint i = 0; i < self->n_items; i++)
    {
      JkbWriteItem *item = &self->items[i];

      item->before = jkb_values_get (&values, item->id);
      item->state = item->before == item->raw ? JKB_ITEM_UNCHANGED : JKB_ITEM_PENDING;
      any = any || item->state == JKB_ITEM_PENDING;
    }
  if (!jkb_write_plan (self->address, self->items, self->n_items, &self->facts, self->current,
                       self->order, &self->error)
      || !any)
    finish (self);
  else
    enter (self, PHASE_SNAPSHOT);
}

/* ---- backward ---- */

/* A command that puts one differing register back and that the interlocks allow now. */
static gboolean
find_restore (JkbWrite *self, JkbCommand *command)
{
  JkbValues now;

  jkb_decode (self->current, &now);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      guint8 next[JKB_FRAME_SIZE];
      guint begin;
      JkbValues after;

      if (!jkb_encode_restore (command, self->address, id, self->original))
        continue;
      begin = register_offset (command);
      if (memcmp (self->original + begin, self->current + begin, 2u * command->count) == 0)
        continue;
      memcpy (next, self->current, sizeof next);
      jkb_encode_apply (command, next);
      jkb_decode (next, &after);
      if (jkb_values_field_equal (&now, &after, id)
          || jkb_interlock_check (&now, &after, id, &self->facts, NULL))
        return TRUE;
    }
  return FALSE;
}

static void
turn_back (JkbWrite *self)
{
  self->backward = TRUE;
  if (self->restores >= self->n_items + EXTRA_RESTORES || !find_restore (self, &self->command))
    finish (self);
  else
    enter (self, PHASE_COMMAND);
}

/* ---- judging what was read back ---- */

static void
judge_forward (JkbWrite *self, const guint8 *frame)
{
  const char *key = jkb_fields[current_item (self)->id].key;
  guint side_effect = find_side_effect (self, frame);
  gboolean landed = has_landed (self, frame), untouched = had_no_effect (self, frame);

  if (!landed && untouched && side_effect == 0 && !self->acked && self->attempts < 2)
    {
      enter (self, PHASE_COMMAND); /* neither it nor its answer arrived: once more (§6.2.6) */
      return;
    }
  if (landed || !untouched)
    current_item (self)->state = JKB_ITEM_WRITTEN;
  if (side_effect != 0)
    fail (self, JKB_ERROR_VERIFY_FAILED, "Writing %s changed %s as well", key,
          name_of_change (self->current, frame, side_effect));
  else if (!landed)
    fail (self, self->acked ? JKB_ERROR_VERIFY_FAILED : JKB_ERROR_TIMEOUT,
          untouched ? "The BMS did not take %s" : "The BMS took another value for %s", key);
  memcpy (self->current, frame, JKB_FRAME_SIZE);
  if (self->error != NULL)
    turn_back (self);
  else
    next_item (self);
}

void
jkb_write_take_settings (JkbWrite *self, const guint8 *settings, gint64 now_us)
{
  self->asked = FALSE;
  if (settings == NULL)
    {
      self->not_before_us = now_us + RETRY_US;
      if (++self->reads_failed < READ_TRIES)
        return;
      if (self->phase == PHASE_VERIFY)
        lose_track (self, JKB_ERROR_TIMEOUT, "The BMS does not answer");
      else
        {
          fail (self, JKB_ERROR_OFFLINE, "BMS address %u does not tell its settings",
                self->address);
          finish (self);
        }
      return;
    }
  self->read_us = now_us;
  if (self->phase == PHASE_READ)
    {
      memcpy (self->original, settings, JKB_FRAME_SIZE);
      memcpy (self->current, settings, JKB_FRAME_SIZE);
      start (self);
    }
  else if (self->phase == PHASE_VERIFY && !self->backward)
    judge_forward (self, settings);
  else if (self->phase == PHASE_VERIFY)
    {
      memcpy (self->current, settings, JKB_FRAME_SIZE);
      turn_back (self);
    }
}

void
jkb_write_take_saved (JkbWrite *self, gboolean saved, gint64 now_us)
{
  if (self->phase != PHASE_SNAPSHOT)
    return;
  if (!saved)
    {
      fail (self, JKB_ERROR_IO, "The settings could not be saved before the write; nothing was sent");
      finish (self);
    }
  else if (now_us - self->read_us > FRESH_US)
    enter (self, PHASE_READ);
  else
    {
      self->position = 0;
      next_item (self);
    }
}

void
jkb_write_take_ack (JkbWrite *self, gboolean acked, gint64 now_us)
{
  self->acked = acked;
  enter (self, PHASE_VERIFY);
  self->not_before_us = now_us + SETTLE_US;
}

/* ---- the next step ---- */

static JkbWriteStep
step_command (JkbWrite *self, gint64 now_us, JkbCommand *command, gint64 *until_us)
{
  if (now_us < self->sent_us + SPACING_US)
    {
      *until_us = self->sent_us + SPACING_US;
      return JKB_STEP_PAUSE;
    }
  if (!self->backward)
    jkb_encode_setting (&self->command, self->address, current_item (self)->id,
                        current_item (self)->raw, self->current);
  else
    self->restores++;
  self->attempts++;
  self->n_sent++;
  self->sent_us = now_us;
  *command = self->command;
  return JKB_STEP_COMMAND;
}

JkbWriteStep
jkb_write_next (JkbWrite *self, gint64 now_us, JkbCommand *command, gint64 *until_us)
{
  if (self->phase == PHASE_DONE)
    return JKB_STEP_DONE;
  if (self->asked && self->phase == PHASE_SNAPSHOT)
    {
      *until_us = self->asked_us + SNAPSHOT_TIMEOUT_US;
      if (now_us < *until_us)
        return JKB_STEP_PAUSE;
      jkb_write_take_saved (self, FALSE, now_us);
      return JKB_STEP_DONE;
    }
  if (self->asked || now_us < self->not_before_us)
    {
      *until_us = self->asked ? G_MAXINT64 : self->not_before_us;
      return JKB_STEP_WAIT;
    }
  if (self->phase == PHASE_COMMAND)
    {
      JkbWriteStep step = step_command (self, now_us, command, until_us);

      self->asked = step == JKB_STEP_COMMAND;
      return step;
    }
  self->asked = TRUE;
  self->asked_us = now_us;
  return self->phase == PHASE_SNAPSHOT ? JKB_STEP_SNAPSHOT : JKB_STEP_READ;
}

/* ---- what others may ask ---- */

guint
jkb_write_get_address (JkbWrite *self)
{
  return self->address;
}

const guint8 *
jkb_write_peek_snapshot (JkbWrite *self)
{
  return self->original;
}

const JkbWriteItem *
jkb_write_peek_items (JkbWrite *self, guint *n_items)
{
  *n_items = self->n_items;
  return self->items;
}

guint
jkb_write_get_n_sent (JkbWrite *self)
{
  return self->n_sent;
}

guint
jkb_write_get_progress (JkbWrite *self)
{
  guint done = 0;

  for (guint i = 0; i < self->n_items; i++)
    done += self->items[i].state != JKB_ITEM_PENDING;
  return done;
}

const GError *
jkb_write_peek_error (JkbWrite *self)
{
  return self->error;
}
