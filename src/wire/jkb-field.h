/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The field table: one row describes one value that a BMS reports or accepts. Decoder,
 * plausibility, D-Bus, MQTT, Home Assistant discovery, command line and reference documents all
 * walk it. The table is constant: any thread may read it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_MAX_CELLS 32

/* The three kinds of frames whose fields are published. A D-Bus interface each. */
typedef enum
{
  JKB_GROUP_LIVE,     /* frame type 02, area 0x1200, io.github.jkbmsd1.Telemetry */
  JKB_GROUP_SETTINGS, /* frame type 01, area 0x1000, io.github.jkbmsd1.Settings */
  JKB_GROUP_INFO,     /* frame type 03, area 0x1400, io.github.jkbmsd1.Info */
  JKB_N_GROUPS
} JkbGroup;

typedef enum
{
  JKB_KIND_NUMBER, /* raw / scale, in .unit */
  JKB_KIND_BOOL,   /* raw != 0; one bit of the register where .bit is set */
  JKB_KIND_ENUM,   /* index into .names */
  JKB_KIND_FLAGS,  /* a bit mask shown as the list of the keys of its bits (jkb-alarm.h) */
  JKB_KIND_TEXT,   /* printable ASCII */
  JKB_KIND_LIST    /* one number per cell */
} JkbKind;

/* How a register lies in the frame (little-endian). JKB_WIRE_NONE: computed, not read. */
typedef enum
{
  JKB_WIRE_NONE,
  JKB_WIRE_U8,
  JKB_WIRE_I8,
  JKB_WIRE_U16,
  JKB_WIRE_I16,
  JKB_WIRE_U32,
  JKB_WIRE_I32,
  JKB_WIRE_TEXT
} JkbWireType;

/* Who may write a setting (protocol §6.4). */
typedef enum
{
  JKB_CLASS_NONE, /* not a setting */
  JKB_CLASS_A,    /* harmless */
  JKB_CLASS_B,    /* changes operation */
  JKB_CLASS_C,    /* a wrong value can stop the system or harm cells */
  JKB_CLASS_X     /* never written */
} JkbClass;

typedef enum
{
  JKB_HA_NONE, /* no entity */
  JKB_HA_SENSOR,
  JKB_HA_BINARY_SENSOR
} JkbHaPlatform;

/* The smallest [homeassistant] entities= profile that holds the entity. */
typedef enum
{
  JKB_HA_MINIMAL,
  JKB_HA_STANDARD,
  JKB_HA_FULL
} JkbHaProfile;

typedef enum
{
  JKB_HA_DIAGNOSTIC = 1 << 0, /* entity_category diagnostic */
  JKB_HA_DISABLED = 1 << 1,   /* enabled_by_default false */
  JKB_HA_UNNAMED = 1 << 2     /* the device class says the name: HA translates it */
} JkbHaFlags;

typedef struct
{
  JkbHaPlatform platform;
  JkbHaProfile profile;
  JkbHaFlags flags;
  const char *device_class; /* NULL: none */
  const char *state_class;  /* NULL: none */
  gint8 precision;          /* suggested_display_precision, -1: the field's decimals */
} JkbFieldHa;

typedef struct
{
  const char *key;   /* snake_case: JSON key, CLI column; CamelCase of it is the D-Bus property */
  const char *label; /* English, sentence case, marked for translation */
  const char *unit;  /* NULL: none */
  const char *dbus;  /* D-Bus signature: d u t b s as ad */
  JkbGroup group;
  JkbKind kind;
  JkbWireType wire;
  guint16 offset; /* of the first byte in the 300-byte frame */
  guint8 count;   /* cells of a list, bytes of a text, else 0 */
  guint8 slot;    /* lists and texts: index in JkbValues.list / .text */
  gint8 bit;      /* bit number + 1 inside the register, 0: the whole register */
  guint32 scale;  /* value = raw / scale; a power of ten */
  gint64 min, max; /* plausible raw range, inclusive; both 0: anything */
  const char *const *names; /* JKB_KIND_ENUM: NULL-terminated */
  JkbClass write_class;
  gint64 write_min, write_max, write_step; /* raw */
  JkbFieldHa ha;
} JkbField;

#define FIELD(id, ...) JKB_FIELD_##id,
typedef enum
{
#include "jkb-fields.def"
  JKB_N_FIELDS
} JkbFieldId;
#undef FIELD

#define JKB_FIRST_SETTING JKB_FIELD_SMART_SLEEP_VOLTAGE
#define JKB_FIRST_INFO JKB_FIELD_MODEL

extern const JkbField jkb_fields[JKB_N_FIELDS];

extern const guint16 jkb_first_of_group[JKB_N_GROUPS + 1];

/* Fields of @group are the ids first <= id < end. */
static inline JkbFieldId
jkb_group_first (JkbGroup group)
{
  return (JkbFieldId) jkb_first_of_group[group];
}

static inline JkbFieldId
jkb_group_end (JkbGroup group)
{
  return (JkbFieldId) jkb_first_of_group[group + 1];
}

/* "live", "settings", "info" */
const char *jkb_group_name (JkbGroup group);

/**
 * jkb_field_lookup:
 * Returns: (nullable): the row of @group with that key
 */
const JkbField *jkb_field_lookup (JkbGroup group, const char *key);

/* The id of a row of jkb_fields. */
static inline JkbFieldId
jkb_field_id (const JkbField *field)
{
  return (JkbFieldId) (field - jkb_fields);
}

/* Modbus byte address of the field's register, 0 when computed (protocol §5: area + offset - 6). */
guint16 jkb_field_register (const JkbField *field);

/* Bytes that one value takes on the wire, 0 when computed; for texts the whole text. */
guint jkb_field_width (const JkbField *field);

/* Decimals of the value, from the scale: 1000 -> 3. */
guint jkb_field_decimals (const JkbField *field);

/**
 * jkb_field_dbus_name:
 * Writes the D-Bus property name, CamelCase of the key, to @name.
 */
#define JKB_DBUS_NAME_MAX 64
void jkb_field_dbus_name (const JkbField *field, char name[JKB_DBUS_NAME_MAX]);

/* Key of one element of a list: "cell_voltages", 0 -> "cell_voltage_1"; @item counts from 0. */
void jkb_field_item_key (const JkbField *field, guint item, char *key, gsize size);

G_END_DECLS
