/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Commands for the bus, from the field table. Pure: any thread.
 */
#include "poll/jkb-encode.h"

#include "wire/jkb-crc.h"

#define SETTINGS_AREA 0x1000

static const guint16 trigger_of_group[JKB_N_GROUPS] = { 0x1620, 0x161E, 0x161C };

static void
put_be16 (guint8 *at, guint16 value)
{
  at[0] = value >> 8;
  at[1] = value & 0xff;
}

void
jkb_encode_write (JkbCommand *command, guint address, guint16 reg, guint count, guint32 value)
{
  guint8 *b = command->bytes;
  guint n = 7 + 2 * count;
  guint16 crc;

  command->address = address;
  command->reg = reg;
  command->count = count;
  b[0] = address;
  b[1] = 0x10;
  put_be16 (b + 2, reg);
  put_be16 (b + 4, count);
  b[6] = 2 * count;
  if (count == 2)
    put_be16 (b + 7, value >> 16);
  put_be16 (b + n - 2, value & 0xffff);
  crc = jkb_crc16 (b, n);
  b[n] = crc & 0xff;
  b[n + 1] = crc >> 8;
  command->n_bytes = n + 2;
}

void
jkb_encode_trigger (JkbCommand *command, guint address, JkbGroup group)
{
  jkb_encode_write (command, address, trigger_of_group[group], 1, 0);
}

/* Registers of one byte come in pairs, the lower offset in the high byte; the neighbour keeps what
 * the frame says (protocol §6.3). */
static guint32
pair_value (const JkbField *field, gint64 raw, const guint8 *settings)
{
  guint even = (field->offset - JKB_FRAME_PAYLOAD) % 2 == 0;
  guint8 neighbour = settings[even ? field->offset + 1 : field->offset - 1];

  return even ? (guint32) (guint8) raw << 8 | neighbour : (guint32) neighbour << 8 | (guint8) raw;
}

gboolean
jkb_encode_setting (JkbCommand *command, guint address, JkbFieldId id, gint64 raw,
                    const guint8 *settings)
{
  const JkbField *field = &jkb_fields[id];
  guint16 reg = jkb_field_register (field);

  if (field->write_class == JKB_CLASS_NONE || field->write_class == JKB_CLASS_X)
    return FALSE;
  if (field->bit != 0)
    {
      guint16 mask = settings[field->offset] | settings[field->offset + 1] << 8;
      guint16 bit = 1u << (field->bit - 1);

      jkb_encode_write (command, address, reg, 1, raw != 0 ? mask | bit : mask & ~bit);
    }
  else if (jkb_field_width (field) == 1)
    jkb_encode_write (command, address, reg & ~1u, 1, pair_value (field, raw, settings));
  else
    jkb_encode_write (command, address, reg, 2, (guint32) raw);
  return TRUE;
}

gboolean
jkb_encode_restore (JkbCommand *command, guint address, JkbFieldId id, const guint8 *settings)
{
  const JkbField *field = &jkb_fields[id];
  const guint8 *at = settings + field->offset;
  guint16 reg = jkb_field_register (field);

  if (field->write_class == JKB_CLASS_NONE
      || (field->write_class == JKB_CLASS_X && field->bit == 0))
    return FALSE;
  if (field->bit != 0)
    jkb_encode_write (command, address, reg, 1, at[0] | at[1] << 8);
  else if (jkb_field_width (field) == 1)
    jkb_encode_write (command, address, reg & ~1u, 1, pair_value (field, at[0], settings));
  else
    jkb_encode_write (command, address, reg, 2,
                      at[0] | at[1] << 8 | at[2] << 16 | (guint32) at[3] << 24);
  return TRUE;
}

void
jkb_encode_apply (const JkbCommand *command, guint8 *settings)
{
  guint offset = command->reg - SETTINGS_AREA + JKB_FRAME_PAYLOAD;
  const guint8 *data = command->bytes + 7;
  gboolean is_mask = command->reg == jkb_field_register (&jkb_fields[JKB_FIELD_HEATING_SWITCH]);

  if (command->count == 2)
    for (guint i = 0; i < 4; i++)
      settings[offset + i] = data[3 - i];
  else if (is_mask)
    {
      settings[offset] = data[1];
      settings[offset + 1] = data[0];
    }
  else
    {
      settings[offset] = data[0];
      settings[offset + 1] = data[1];
    }
}
