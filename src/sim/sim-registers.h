/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The registers of one simulated BMS: three areas of bytes as they stand in its frames, and the
 * table that says what is where (protocol §5). Values go in and out raw.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define SIM_AREA_SIZE 293 /* payload of a frame */
#define SIM_N_AREAS 3

typedef enum
{
  SIM_TYPE_U8,
  SIM_TYPE_I8,
  SIM_TYPE_U16,
  SIM_TYPE_I16,
  SIM_TYPE_U32,
  SIM_TYPE_I32,
  SIM_TYPE_F32,
  SIM_TYPE_TEXT
} SimType;

enum
{
#define SIM_REGISTER(id, reg, type, count, divisor, write, name) SIM_##id = reg,
#include "sim/sim-registers.def"
#undef SIM_REGISTER
};

typedef struct
{
  const char *name;
  guint16 reg;
  guint8 type;     /* SimType */
  guint8 count;    /* elements, or characters */
  guint16 divisor; /* value = raw / divisor */
  gboolean writable;
} SimRegister;

/* What a Modbus request ends with. */
typedef enum
{
  SIM_MODBUS_OK = 0,
  SIM_MODBUS_ADDRESS = 2, /* no such register */
  SIM_MODBUS_VALUE = 3
} SimModbusCode;

typedef struct
{
  guint8 area[SIM_N_AREAS][SIM_AREA_SIZE]; /* settings, live, info: 0x1000, 0x1200, 0x1400 */
} SimRegisters;

/* The table, and the row that covers the byte at @reg (NULL: none). */
const SimRegister *sim_register_table (gsize *n_rows);
const SimRegister *sim_register_find (guint16 reg);
const SimRegister *sim_register_find_name (const char *name);

/* @reg: first byte of the value, of an element in a list too. Out of the type's range: clamped. */
gint64 sim_registers_get (const SimRegisters *self, guint16 reg);
void sim_registers_put (SimRegisters *self, guint16 reg, gint64 raw);
void sim_registers_put_text (SimRegisters *self, guint16 reg, const char *text);

/* FC 0x03: @n_registers * 2 bytes from the byte address @reg, big-endian, appended to @out. */
SimModbusCode sim_registers_read (const SimRegisters *self, guint16 reg, guint n_registers,
                                  GByteArray *out);

/* FC 0x10: @data (big-endian, 2 * @n_registers bytes) from @reg on; all of it or nothing. */
SimModbusCode sim_registers_write (SimRegisters *self, guint16 reg, guint n_registers,
                                   const guint8 *data);

G_END_DECLS
