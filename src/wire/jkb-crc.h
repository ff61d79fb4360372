/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The two checks of the wire: the 8-bit sum of data frames and the CRC-16 of Modbus records.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* CRC-16/MODBUS: start 0xFFFF, polynomial 0xA001 reflected. */
guint16 jkb_crc16 (const guint8 *bytes, gsize n_bytes);

/* Whether the last two of @n_bytes are the CRC of those before them, low byte first. */
gboolean jkb_crc16_is_good (const guint8 *record, gsize n_bytes);

/* Writes the CRC of the other bytes to the last two of @n_bytes. */
void jkb_crc16_store (guint8 *record, gsize n_bytes);

/* Sum modulo 256 of less than 1024 bytes. */
guint8 jkb_sum8 (const guint8 *bytes, gsize n_bytes);

G_END_DECLS
