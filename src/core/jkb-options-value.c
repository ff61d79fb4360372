/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Options: text to value and back, and whole sections by way of the table. Any thread.
 */
#include "core/jkb-options.h"

#include <math.h>
#include <string.h>

#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"
#include "core/jkb-suggest.h"

/* ---- text to value -------------------------------------------------------------------------- */

static gboolean fail (GError **error, JkbError code, const JkbOption *option, const char *text,
                      const char *format, ...) G_GNUC_PRINTF (5, 6);

/* "KEY=VALUE " and what is wrong with it. */
static gboolean
fail (GError **error, JkbError code, const JkbOption *option, const char *text,
      const char *format, ...)
{
  g_autofree char *shown = jkb_form_show (text);
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, JKB_ERROR, code, "%s=%s %s", option->key, shown, what);
  return FALSE;
}

static gboolean
fail_range (GError **error, JkbError code, const JkbOption *option, const char *text,
            const char *what)
{
  g_autofree char *range = jkb_option_describe_range (option);

  return fail (error, code, option, text, "%s %s; the default is %s", what, range,
               jkb_option_describe_default (option));
}

static gboolean
set_bool (const JkbOption *option, gboolean *value, const char *text, GError **error)
{
  gboolean yes = g_str_equal (text, "true") || g_str_equal (text, "1");

  if (!yes && !g_str_equal (text, "false") && !g_str_equal (text, "0"))
    return fail (error, JKB_ERROR_INVALID_ARGUMENT, option, text,
                 "is neither true nor false (1 and 0 mean the same); the default is %s",
                 jkb_option_describe_default (option));
  if (value != NULL)
    *value = yes;
  return TRUE;
}

/* Why a text is not the number that was asked for. */
static gboolean
fail_number (const JkbOption *option, const char *text, GError **error)
{
  gsize digits = strspn (text, "0123456789");
  const char *unit = option->type == JKB_OPTION_SECONDS ? "seconds" : option->unit;

  if (digits > 0 && text[digits] == ',')
    return fail (error, JKB_ERROR_INVALID_ARGUMENT, option, text,
                 "has a comma; write a point before the decimals");
  if (digits > 0 && strchr (text, '#') != NULL)
    return fail (error, JKB_ERROR_INVALID_ARGUMENT, option, text,
                 "has a comment behind the number; give the comment a line of its own");
  if (digits > 0 && g_ascii_isalpha (text[strspn (text, "0123456789. ")]))
    return fail (error, JKB_ERROR_INVALID_ARGUMENT, option, text,
                 "has a unit behind the number; write the number of %s alone", unit);
  return fail_range (error, JKB_ERROR_INVALID_ARGUMENT, option, text, "is not a number; write");
}

static gboolean
parse_number (const JkbOption *option, const char *text, double *number, GError **error)
{
  g_autofree char *plain = g_strdup (text[0] == '-' || text[0] == '+' ? text + 1 : text);

  if (!jkb_form_is_decimal (plain))
    return fail_number (option, text, error);
  if (option->type == JKB_OPTION_UINT && strchr (text, '.') != NULL)
    return fail_range (error, JKB_ERROR_INVALID_ARGUMENT, option, text,
                       "is not a whole number; write");
  *number = g_ascii_strtod (text, NULL);
  if (*number < option->min || *number > option->max)
    return fail_range (error, JKB_ERROR_OUT_OF_RANGE, option, text, "is outside");
  return TRUE;
}

static gboolean
set_number (const JkbOption *option, gpointer value, const char *text, GError **error)
{
  double number = JKB_AUTO_SECONDS;

  if (!((option->flags & JKB_OPTION_AUTO) && g_str_equal (text, "auto"))
      && !parse_number (option, text, &number, error))
    return FALSE;
  if (value != NULL && option->type == JKB_OPTION_UINT)
    *(guint *) value = (guint) number;
  else if (value != NULL)
    *(double *) value = number;
  return TRUE;
}

static gboolean
find_name (const JkbOption *option, const char *text, guint *index, GError **error)
{
  g_autofree char *hint = NULL;
  g_autofree char *range = NULL;

  for (guint i = 0; option->names[i] != NULL; i++)
    if (g_str_equal (text, option->names[i]))
      {
        *index = i;
        return TRUE;
      }
  hint = jkb_suggest_text (text, option->names);
  range = jkb_option_describe_range (option);
  return fail (error, JKB_ERROR_INVALID_ARGUMENT, option, text, "is not %s%s", range, hint);
}

static gboolean
check_form (const JkbOption *option, const char *text, GError **error)
{
  g_autoptr(GError) reason = NULL;

  if (text[0] == '\0' || option->check == NULL || option->check (text, &reason))
    return TRUE;
  return fail (error, (JkbError) reason->code, option, text, "%s", reason->message);
}

static char **
split_members (const char *text)
{
  g_auto(GStrv) parts = NULL;
  g_autoptr(GPtrArray) ids = g_ptr_array_new ();

  if (g_str_equal (text, "auto"))
    return NULL;
  parts = g_strsplit (text, ";", -1);
  for (char **part = parts; *part != NULL; part++)
    if (*g_strstrip (*part) != '\0')
      g_ptr_array_add (ids, g_strdup (*part));
  g_ptr_array_add (ids, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&ids), FALSE);
}

static void
store_text (const JkbOption *option, guint8 *section, const char *text)
{
  gpointer value = section + option->offset;

  if (option->type == JKB_OPTION_MEMBERS)
    {
      g_strfreev (*(char ***) value);
      *(char ***) value = split_members (text);
      return;
    }
  if (option->type == JKB_OPTION_ADDRESSES)
    jkb_addresses_parse (text, (guint16 *) (section + option->mask_offset), NULL);
  g_free (*(char **) value);
  *(char **) value = g_strdup (text);
}

static gboolean
is_empty_allowed (const JkbOption *option)
{
  return option->fallback != NULL && option->fallback[0] == '\0';
}

gboolean
jkb_option_set (const JkbOption *option, gpointer section, const char *text, GError **error)
{
  gpointer value = section != NULL ? (guint8 *) section + option->offset : NULL;
  guint index = 0;

  if (text[0] == '\0' && !is_empty_allowed (option))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                   "%s has no value; write one, or remove the line for the default: %s",
                   option->key, jkb_option_describe_default (option));
      return FALSE;
    }
  switch (option->type)
    {
    case JKB_OPTION_BOOL:
      return set_bool (option, value, text, error);
    case JKB_OPTION_UINT:
    case JKB_OPTION_SECONDS:
      return set_number (option, value, text, error);
    case JKB_OPTION_CHOICE:
      if (!find_name (option, text, &index, error))
        return FALSE;
      if (value != NULL)
        *(guint *) value = index;
      return TRUE;
    case JKB_OPTION_WORD:
      if (!find_name (option, text, &index, error))
        return FALSE;
      break;
    default:
      if (!check_form (option, text, error))
        return FALSE;
    }
  if (section != NULL)
    store_text (option, section, text);
  return TRUE;
}

/* ---- value to text -------------------------------------------------------------------------- */

char *
jkb_option_get (const JkbOption *option, gconstpointer section)
{
  gconstpointer value = (const guint8 *) section + option->offset;
  char **members;

  switch (option->type)
    {
    case JKB_OPTION_BOOL:
      return g_strdup (*(const gboolean *) value ? "true" : "false");
    case JKB_OPTION_UINT:
      return g_strdup_printf ("%u", *(const guint *) value);
    case JKB_OPTION_SECONDS:
      return *(const double *) value < 0 ? g_strdup ("auto")
                                         : jkb_form_number (*(const double *) value);
    case JKB_OPTION_CHOICE:
      return g_strdup (option->names[*(const guint *) value]);
    case JKB_OPTION_MEMBERS:
      members = *(char **const *) value;
      return members == NULL ? g_strdup ("auto") : g_strjoinv (";", members);
    default:
      return g_strdup (*(char *const *) value);
    }
}

GVariant *
jkb_option_to_variant (const JkbOption *option, gconstpointer section)
{
  gconstpointer value = (const guint8 *) section + option->offset;

  switch (option->type)
    {
    case JKB_OPTION_BOOL:
      return g_variant_new_boolean (*(const gboolean *) value);
    case JKB_OPTION_UINT:
      return g_variant_new_uint32 (*(const guint *) value);
    case JKB_OPTION_SECONDS:
      return g_variant_new_double (MAX (*(const double *) value, 0));
    default:
      return g_variant_new_take_string (jkb_option_get (option, section));
    }
}

/* With a point and without an exponent, as the files have it. */
static char *
format_plain (double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  char *end;

  /* Beyond every range. */
  g_ascii_formatd (buffer, sizeof buffer, "%.9f", CLAMP (number, -1e12, 1e12));
  for (end = buffer + strlen (buffer); end[-1] == '0'; end--)
    ;
  if (end[-1] == '.')
    end--;
  return g_strndup (buffer, (gsize) (end - buffer));
}

static char *
number_text (const JkbOption *option, double number)
{
  if ((option->flags & JKB_OPTION_AUTO) && (number == 0 || number == JKB_AUTO_SECONDS))
    return g_strdup ("auto");
  if (option->type == JKB_OPTION_BOOL)
    return g_strdup (number == 1 ? "true" : number == 0 ? "false" : "a number");
  return format_plain (number);
}

char *
jkb_option_text_from_variant (const JkbOption *option, GVariant *value, GError **error)
{
  g_autoptr (GVariant) inner = NULL;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_VARIANT:
      inner = g_variant_get_variant (value);
      return jkb_option_text_from_variant (option, inner, error);
    case G_VARIANT_CLASS_STRING:
      return g_variant_dup_string (value, NULL);
    case G_VARIANT_CLASS_BOOLEAN:
      return g_strdup (g_variant_get_boolean (value) ? "true" : "false");
    case G_VARIANT_CLASS_INT32:
      return number_text (option, g_variant_get_int32 (value));
    case G_VARIANT_CLASS_UINT32:
      return number_text (option, g_variant_get_uint32 (value));
    case G_VARIANT_CLASS_DOUBLE:
      if (isfinite (g_variant_get_double (value)))
        return number_text (option, g_variant_get_double (value));
      break;
    default:
      break;
    }
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
               "%s takes a string, a finite number or a boolean; give one of those", option->key);
  return NULL;
}

/* ---- whole sections ------------------------------------------------------------------------- */

void
jkb_section_init (JkbSection section, gpointer values)
{
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    if (options[i].section == section && options[i].fallback != NULL)
      jkb_option_set (&options[i], values, options[i].fallback, NULL);
}

void
jkb_section_copy (JkbSection section, gpointer values, gconstpointer from)
{
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    if (options[i].section == section)
      {
        g_autofree char *text = jkb_option_get (&options[i], from);

        jkb_option_set (&options[i], values, text, NULL);
      }
}

gboolean
jkb_section_equal (JkbSection section, gconstpointer a, gconstpointer b)
{
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    if (options[i].section == section)
      {
        g_autofree char *text_a = jkb_option_get (&options[i], a);
        g_autofree char *text_b = jkb_option_get (&options[i], b);

        if (g_strcmp0 (text_a, text_b) != 0)
          return FALSE;
      }
  return TRUE;
}

void
jkb_section_clear (JkbSection section, gpointer values)
{
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    {
      gpointer value = (guint8 *) values + options[i].offset;

      if (options[i].section != section)
        continue;
      if (options[i].type == JKB_OPTION_MEMBERS)
        g_clear_pointer ((char ***) value, g_strfreev);
      else if (jkb_option_signature (&options[i])[0] == 's'
               && options[i].type != JKB_OPTION_CHOICE)
        g_clear_pointer ((char **) value, g_free);
    }
}
