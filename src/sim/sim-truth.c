/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Reads the values back out of the record that was sent, through the simulator's table.
 */
#include "config.h"

#include "sim/sim-truth.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>

#include "sim/sim-registers.h"

struct _SimTruth
{
  FILE *file;
  GString *line;
};

SimTruth *
sim_truth_new (const char *path, GError **error)
{
  FILE *file = fopen (path, "we");
  SimTruth *self;

  if (file == NULL)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   _("The truth file %s cannot be written: %s."), path, g_strerror (errno));
      return NULL;
    }
  self = g_new0 (SimTruth, 1);
  self->file = file;
  self->line = g_string_new (NULL);
  return self;
}

void
sim_truth_free (SimTruth *self)
{
  fclose (self->file);
  g_string_free (self->line, TRUE);
  g_free (self);
}

void
sim_truth_flush (SimTruth *self)
{
  fflush (self->file);
}

static void
append_number (GString *line, gint64 raw, guint divisor)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (divisor == 1)
    g_string_append_printf (line, "%" G_GINT64_FORMAT, raw);
  else
    g_string_append (line, g_ascii_formatd (text, sizeof text,
                                            divisor == 10    ? "%.1f"
                                            : divisor == 100 ? "%.2f"
                                                             : "%.3f",
                                            (gdouble) raw / divisor));
}

/* As many elements as there are cells up to the highest. */
static guint
list_length (const SimRegisters *registers, const SimRegister *row)
{
  guint32 mask = sim_registers_get (registers, SIM_CELL_MASK);

  if (row->reg != SIM_CELL_VOLTAGES && row->reg != SIM_CELL_RESISTANCES)
    return row->count;
  return mask == 0 ? 0 : g_bit_storage (mask);
}

static void
append_list (GString *line, const SimRegisters *registers, const SimRegister *row)
{
  guint size = row->type == SIM_TYPE_U32 ? 4 : row->type == SIM_TYPE_U16 ? 2 : 1;
  guint n = list_length (registers, row);

  g_string_append_c (line, '[');
  for (guint i = 0; i < n; i++)
    {
      if (i > 0)
        g_string_append_c (line, ',');
      append_number (line, sim_registers_get (registers, row->reg + i * size), row->divisor);
    }
  g_string_append_c (line, ']');
}

static void
append_values (GString *line, const SimRecord *record)
{
  guint16 base = 0x1000 + 0x200 * (record->type - 1);
  SimRegisters registers = { 0 };
  gsize n_rows;
  const SimRegister *table = sim_register_table (&n_rows);

  memcpy (registers.area[record->type - 1], record->bytes + 6, SIM_AREA_SIZE);
  for (gsize i = 0; i < n_rows; i++)
    {
      const SimRegister *row = &table[i];

      if (row->reg < base || row->reg >= base + 0x200 || row->type == SIM_TYPE_TEXT)
        continue;
      g_string_append_printf (line, ",\"%s\":", row->name);
      if (row->count > 1)
        append_list (line, &registers, row);
      else
        append_number (line, sim_registers_get (&registers, row->reg), row->divisor);
    }
}

void
sim_truth_append (GString *line, guint64 offset, const SimRecord *record, SimFate fate,
                  guint32 faults)
{
  static const char *const fates[] = { "good", "damaged", "dropped" };
  static const char *const types[] = { "none", "settings", "live", "info" };

  g_string_append_printf (line,
                          "{\"offset\":%" G_GUINT64_FORMAT
                          ",\"length\":%u,\"record\":\"%s\",\"address\":%u,\"type\":\"%s\","
                          "\"fate\":\"%s\",\"faults\":[",
                          offset, record->n_bytes, sim_record_kind_name (record->kind),
                          record->address, types[record->type < 4 ? record->type : 0],
                          fates[fate]);
  for (guint i = 0, n = 0; i < SIM_N_FAULTS; i++)
    if (faults & 1u << i)
      g_string_append_printf (line, "%s\"%s\"", n++ > 0 ? "," : "", sim_fault_name (i));
  g_string_append_c (line, ']');
  if (record->kind == SIM_RECORD_FRAME)
    append_values (line, record);
  g_string_append (line, "}\n");
}

void
sim_truth_note (SimTruth *self, guint64 offset, const SimRecord *record, SimFate fate,
                guint32 faults)
{
  g_string_truncate (self->line, 0);
  sim_truth_append (self->line, offset, record, fate, faults);
  fwrite (self->line->str, 1, self->line->len, self->file);
}
