/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Bytes of one BMS and their meaning. No state besides the areas; single-threaded.
 */
#include "sim/sim-registers.h"

#include <string.h>

static const SimRegister table[] = {
#define R FALSE
#define W TRUE
#define SIM_REGISTER(id, reg, type, count, divisor, write, name)                                   \
  { name, reg, SIM_TYPE_##type, count, divisor, write },
#include "sim/sim-registers.def"
#undef SIM_REGISTER
#undef R
#undef W
};

G_STATIC_ASSERT (G_N_ELEMENTS (table) < 255);

static guint
type_size (guint type)
{
  static const guint8 sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1 };

  return sizes[type];
}

const SimRegister *
sim_register_table (gsize *n_rows)
{
  *n_rows = G_N_ELEMENTS (table);
  return table;
}

/* Row number + 1 of every byte from 0x1000 on; 0: none. Asked many times per frame. */
static const guint8 *
row_index (void)
{
  static guint8 index[SIM_N_AREAS * 0x200];

  if (index[0] == 0)
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
      memset (&index[table[i].reg - 0x1000], i + 1, table[i].count * type_size (table[i].type));
  return index;
}

const SimRegister *
sim_register_find (guint16 reg)
{
  guint row = reg < 0x1000 || reg >= 0x1000 + SIM_N_AREAS * 0x200 ? 0 : row_index ()[reg - 0x1000];

  return row > 0 ? &table[row - 1] : NULL;
}

const SimRegister *
sim_register_find_name (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (g_str_equal (table[i].name, name))
      return &table[i];
  return NULL;
}

/* Where the byte of register @reg is kept; NULL outside the three areas. */
static guint8 *
locate (SimRegisters *self, guint16 reg)
{
  guint area = (reg - 0x1000u) / 0x200u;
  guint offset = (reg - 0x1000u) % 0x200u;

  if (reg < 0x1000 || area >= SIM_N_AREAS || offset >= SIM_AREA_SIZE)
    return NULL;
  return &self->area[area][offset];
}

gint64
sim_registers_get (const SimRegisters *self, guint16 reg)
{
  const SimRegister *row = sim_register_find (reg);
  const guint8 *bytes = locate ((SimRegisters *) self, reg);
  guint32 raw = 0;
  gfloat real;

  g_return_val_if_fail (row != NULL && bytes != NULL, 0);
  for (guint i = 0; i < type_size (row->type); i++)
    raw |= (guint32) bytes[i] << (8 * i);
  switch (row->type)
    {
    case SIM_TYPE_I8:
      return (gint8) raw;
    case SIM_TYPE_I16:
      return (gint16) raw;
    case SIM_TYPE_I32:
      return (gint32) raw;
    case SIM_TYPE_F32:
      memcpy (&real, &raw, 4);
      return (gint64) (real * row->divisor);
    default:
      return raw;
    }
}

static gint64
clamp_to_type (guint type, gint64 raw)
{
  switch (type)
    {
    case SIM_TYPE_I8:
      return CLAMP (raw, G_MININT8, G_MAXINT8);
    case SIM_TYPE_U16:
      return CLAMP (raw, 0, G_MAXUINT16);
    case SIM_TYPE_I16:
      return CLAMP (raw, G_MININT16, G_MAXINT16);
    case SIM_TYPE_U32:
      return CLAMP (raw, 0, (gint64) G_MAXUINT32);
    case SIM_TYPE_I32:
      return CLAMP (raw, G_MININT32, G_MAXINT32);
    default:
      return CLAMP (raw, 0, G_MAXUINT8);
    }
}

void
sim_registers_put (SimRegisters *self, guint16 reg, gint64 raw)
{
  const SimRegister *row = sim_register_find (reg);
  guint8 *bytes = locate (self, reg);
  guint32 bits;

  g_return_if_fail (row != NULL && bytes != NULL);
  if (row->type == SIM_TYPE_F32)
    {
      gfloat real = (gfloat) raw / row->divisor;

      memcpy (&bits, &real, 4);
    }
  else
    bits = (guint32) clamp_to_type (row->type, raw);
  for (guint i = 0; i < type_size (row->type); i++)
    bytes[i] = bits >> (8 * i);
}

void
sim_registers_put_text (SimRegisters *self, guint16 reg, const char *text)
{
  const SimRegister *row = sim_register_find (reg);
  guint8 *bytes = locate (self, reg);

  g_return_if_fail (row != NULL && row->type == SIM_TYPE_TEXT);
  memset (bytes, 0, row->count);
  memcpy (bytes, text, MIN (strlen (text), row->count));
}

/* Index inside the frame of the byte that Modbus sends at byte address @reg: numbers are turned
 * round, texts and the single bytes of a pair are not. */
static guint16
swapped (guint16 reg, const SimRegister *row)
{
  guint size = type_size (row->type);
  guint within = (reg - row->reg) % size;

  return reg - within + (size - 1 - within);
}

SimModbusCode
sim_registers_read (const SimRegisters *self, guint16 reg, guint n_registers, GByteArray *out)
{
  if (n_registers == 0 || n_registers > 125)
    return SIM_MODBUS_VALUE;
  if (locate ((SimRegisters *) self, reg) == NULL)
    return SIM_MODBUS_ADDRESS;
  for (guint i = 0; i < n_registers * 2; i++)
    {
      guint16 at = reg + i;
      const SimRegister *row = sim_register_find (at);
      const guint8 *byte = locate ((SimRegisters *) self, row ? swapped (at, row) : at);
      guint8 value = byte ? *byte : 0;

      if (row != NULL && row->reg == SIM_ENABLE_FLAGS)
        value = 0; /* only the frame shows them */
      g_byte_array_append (out, &value, 1);
    }
  return SIM_MODBUS_OK;
}

/* The device keeps volts and amperes as floats and cuts when it turns them back. */
static gint64
device_rounding (const SimRegister *row, gint64 raw)
{
  volatile gfloat real = (gfloat) raw * 0.001f;

  if (row->type != SIM_TYPE_U32 || row->divisor != 1000 || row->count != 1)
    return raw;
  return (gint64) (real * 1000.0f);
}

static SimModbusCode
write_value (SimRegisters *self, guint16 reg, const SimRegister *row, const guint8 *data)
{
  guint size = type_size (row->type);
  guint32 bits = 0;
  gint64 raw;

  for (guint i = 0; i < size; i++)
    bits = bits << 8 | data[i];
  raw = row->type == SIM_TYPE_I32 ? (gint32) bits
        : row->type == SIM_TYPE_I16 ? (gint16) bits
        : row->type == SIM_TYPE_I8  ? (gint8) bits
                                    : (gint64) bits;
  sim_registers_put (self, reg, device_rounding (row, raw));
  return SIM_MODBUS_OK;
}

SimModbusCode
sim_registers_write (SimRegisters *self, guint16 reg, guint n_registers, const guint8 *data)
{
  SimRegisters copy = *self;
  guint n_bytes = n_registers * 2;

  for (guint at = 0; at < n_bytes;)
    {
      const SimRegister *row = sim_register_find (reg + at);
      guint size;

      if (row == NULL || !row->writable)
        return SIM_MODBUS_ADDRESS;
      size = type_size (row->type);
      if ((reg + at - row->reg) % size != 0 || at + size > n_bytes)
        return SIM_MODBUS_VALUE;
      if (row->type == SIM_TYPE_TEXT)
        *locate (&copy, reg + at) = data[at];
      else
        write_value (&copy, reg + at, row, data + at);
      at += size;
    }
  *self = copy;
  return SIM_MODBUS_OK;
}
