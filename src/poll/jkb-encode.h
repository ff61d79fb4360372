/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What may be sent: triggers (protocol §2.4) and writes of settings (protocol §6.2, §6.3). Pure
 * functions. Nothing else in the program makes bytes for the bus.
 */
#pragma once

#include "wire/jkb-frame.h"

G_BEGIN_DECLS

#define JKB_COMMAND_MAX 13

/* A request as it goes on the wire, and what its answer must say. */
typedef struct
{
  guint8 bytes[JKB_COMMAND_MAX];
  guint8 n_bytes;
  guint8 address;
  guint16 reg;
  guint16 count; /* registers */
} JkbCommand;

/* Asks @address for the frame of @group. */
void jkb_encode_trigger (JkbCommand *command, guint address, JkbGroup group);

/* Writes @value to the @count (1 or 2) registers at @reg, high half first. */
void jkb_encode_write (JkbCommand *command, guint address, guint16 reg, guint count, guint32 value);

/**
 * jkb_encode_setting:
 * @settings: the BMS's newest settings frame: bits and bytes that share a register with the setting
 *   are taken from it
 * @raw: the new value in the register's own unit
 *
 * Returns: %FALSE when the field is no setting that is ever written (class X)
 */
gboolean jkb_encode_setting (JkbCommand *command, guint address, JkbFieldId id, gint64 raw,
                             const guint8 *settings);

/* The same for the whole register as @settings hold it: every bit of the control switches, both bytes
 * of a pair. To put back what was there. */
gboolean jkb_encode_restore (JkbCommand *command, guint address, JkbFieldId id,
                             const guint8 *settings);

/* Puts what the command writes into a copy of a settings frame: what the BMS is expected to tell. */
void jkb_encode_apply (const JkbCommand *command, guint8 *settings);

G_END_DECLS
