/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The field table as data, and look-ups in it. Constant: any thread.
 */
#include "wire/jkb-field.h"

#include <string.h>

#include "wire/jkb-frame.h"

#define N_(text) text

/* Column groups of jkb-fields.def. */
#define LIVE .group = JKB_GROUP_LIVE
#define SETTINGS .group = JKB_GROUP_SETTINGS
#define INFO .group = JKB_GROUP_INFO
#define NUMBER .kind = JKB_KIND_NUMBER, .dbus = "d"
#define COUNT .kind = JKB_KIND_NUMBER, .dbus = "u"
#define COUNTER .kind = JKB_KIND_NUMBER, .dbus = "t"
#define BOOL .kind = JKB_KIND_BOOL, .dbus = "b"
#define ENUM .kind = JKB_KIND_ENUM, .dbus = "s"
#define FLAGS .kind = JKB_KIND_FLAGS, .dbus = "as"
#define LIST(n) .kind = JKB_KIND_LIST, .dbus = "ad", .slot = (n), .count = JKB_MAX_CELLS
#define TEXT(n, off, len)                                                                          \
  .kind = JKB_KIND_TEXT, .dbus = "s", .slot = (n), .wire = JKB_WIRE_TEXT, .offset = (off),         \
  .count = (len)
#define COMPUTED .wire = JKB_WIRE_NONE
#define U8(off) .wire = JKB_WIRE_U8, .offset = (off)
#define I8(off) .wire = JKB_WIRE_I8, .offset = (off)
#define U16(off) .wire = JKB_WIRE_U16, .offset = (off)
#define I16(off) .wire = JKB_WIRE_I16, .offset = (off)
#define U32(off) .wire = JKB_WIRE_U32, .offset = (off)
#define I32(off) .wire = JKB_WIRE_I32, .offset = (off)
#define BIT(n) .bit = (n) + 1
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define WRITE(c, lo, hi, st)                                                                       \
  .write_class = JKB_CLASS_##c, .write_min = (lo), .write_max = (hi), .write_step = (st)
#define SENSOR(level, dc, sc, prec, fl)                                                            \
  .ha = { JKB_HA_SENSOR, JKB_HA_##level, (fl), (dc), (sc), (prec) }
#define BINARY(level, dc, fl) .ha = { JKB_HA_BINARY_SENSOR, JKB_HA_##level, (fl), (dc), NULL, -1 }
#define RELEASE_TIME                                                                               \
  SENSOR (FULL, "duration", "measurement", 0, JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED)
#define SETTING(dc)                                                                                \
  SENSOR (FULL, (dc), "measurement", -1, JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED)
#define SETTING_SWITCH BINARY (STANDARD, NULL, JKB_HA_DIAGNOSTIC)
#define SETTING_DETAIL(dc) BINARY (FULL, (dc), JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED)
#define OPTION SENSOR (FULL, NULL, NULL, -1, JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED)
#define OPTION_OF(dc)                                                                              \
  SENSOR (FULL, (dc), "measurement", -1, JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED)

static const char *const balancing_names[] = { "off", "charging", "discharging", NULL };
static const char *const charge_status_names[] = { "bulk", "absorption", "float", NULL };
static const char *const battery_type_names[] = { "lifepo4", "li_ion", "lto", NULL };
static const char *const port_mode_names[] = { "can", "rs485", NULL };

#define FIELD(id, ...) [JKB_FIELD_##id] = { __VA_ARGS__ },
const JkbField jkb_fields[JKB_N_FIELDS] = {
#include "jkb-fields.def"
};
#undef FIELD

const guint16 jkb_first_of_group[JKB_N_GROUPS + 1] = { 0, JKB_FIRST_SETTING, JKB_FIRST_INFO,
                                                       JKB_N_FIELDS };

static const char *const group_names[JKB_N_GROUPS] = { "live", "settings", "info" };

static const guint16 area_of_group[JKB_N_GROUPS] = { 0x1200, 0x1000, 0x1400 };

const char *
jkb_group_name (JkbGroup group)
{
  return group_names[group];
}

const JkbField *
jkb_field_lookup (JkbGroup group, const char *key)
{
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (strcmp (jkb_fields[id].key, key) == 0)
      return &jkb_fields[id];
  return NULL;
}

guint16
jkb_field_register (const JkbField *field)
{
  if (field->wire == JKB_WIRE_NONE)
    return 0;
  return area_of_group[field->group] + field->offset - JKB_FRAME_PAYLOAD;
}

guint
jkb_field_width (const JkbField *field)
{
  static const guint8 widths[] = { [JKB_WIRE_NONE] = 0, [JKB_WIRE_U8] = 1,  [JKB_WIRE_I8] = 1,
                                   [JKB_WIRE_U16] = 2,  [JKB_WIRE_I16] = 2, [JKB_WIRE_U32] = 4,
                                   [JKB_WIRE_I32] = 4 };

  return field->wire == JKB_WIRE_TEXT ? field->count : widths[field->wire];
}

guint
jkb_field_decimals (const JkbField *field)
{
  guint decimals = 0;

  for (guint32 scale = field->scale; scale >= 10; scale /= 10)
    decimals++;
  return decimals;
}

void
jkb_field_dbus_name (const JkbField *field, char name[JKB_DBUS_NAME_MAX])
{
  gboolean upper = TRUE;
  gsize n = 0;

  for (const char *c = field->key; *c != '\0' && n < JKB_DBUS_NAME_MAX - 1; c++)
    {
      if (*c == '_')
        {
          upper = TRUE;
          continue;
        }
      name[n++] = upper ? g_ascii_toupper (*c) : *c;
      upper = FALSE;
    }
  name[n] = '\0';
}

void
jkb_field_item_key (const JkbField *field, guint item, char *key, gsize size)
{
  int stem = (int) strlen (field->key) - 1; /* without the plural s */

  g_snprintf (key, size, "%.*s_%u", stem, field->key, item + 1);
}
