/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Runs while building: copies a manual page from the file that is named first, with each line
 * "@INTERFACE Bus@" replaced by the methods, signals and properties of that interface from the XML
 * files that are named behind it, and "@ERRORS@" by the names of the errors.
 */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/jkb-error.h"

#define DOC "org.gtk.GDBus.DocString"
#define EMITS "org.freedesktop.DBus.Property.EmitsChangedSignal"

static const char *const errors[] = {
  [JKB_ERROR_INVALID_ARGUMENT] = "A value of the wrong type or form, an unknown key.",
  [JKB_ERROR_NOT_FOUND] = "There is no such bus, BMS, group or snapshot.",
  [JKB_ERROR_EXISTS] = "There is a bus of that name already.",
  [JKB_ERROR_NOT_AUTHORIZED] = "polkit, or the rule of the same user, says no.",
  [JKB_ERROR_READ_ONLY] = ("It is set in the configuration files only, is never written, or cannot be "
                           "written now."),
  [JKB_ERROR_OUT_OF_RANGE] = "Outside the range that the message names.",
  [JKB_ERROR_INTERLOCK] = "Does not go together with another setting, which the message names.",
  [JKB_ERROR_BUSY] = "Another write or capture is under way; nothing was sent.",
  [JKB_ERROR_TIMEOUT] = "Not confirmed in time: what the BMS holds is unknown until it is read again.",
  [JKB_ERROR_VERIFY_FAILED] = "The BMS held something else when it was read back.",
  [JKB_ERROR_OFFLINE] = "The bus is down, or the BMS does not answer.",
  [JKB_ERROR_IO] = "A file, a port or the broker failed; the message says which.",
};
G_STATIC_ASSERT (G_N_ELEMENTS (errors) == JKB_N_ERRORS);

/* mdoc takes a backslash for an escape, and a dot at the beginning of a line for a request. */
static void
print_word (const char *word, gboolean first)
{
  if (first && (*word == '.' || *word == '\''))
    fputs ("\\&", stdout);
  for (; *word != '\0'; word++)
    if (*word == '\\')
      fputs ("\\e", stdout);
    else
      putchar (*word);
}

/* In lines of 78 bytes; mdoc wants a new one for each sentence. */
static void
print_text (const char *text)
{
  g_auto(GStrv) words = g_strsplit (text, " ", -1);
  gsize column = 0;

  for (gsize i = 0; words[i] != NULL; i++)
    {
      gboolean sentence = i > 0 && g_str_has_suffix (words[i - 1], ".")
                          && g_ascii_isupper (words[i][0]);

      if (column > 0)
        putchar (sentence || column + strlen (words[i]) > 77 ? '\n' : ' ');
      if (sentence || column + strlen (words[i]) > 77)
        column = 0;
      print_word (words[i], column == 0);
      column += strlen (words[i]) + 1;
    }
  putchar ('\n');
}

static void
print_doc (GDBusAnnotationInfo **annotations)
{
  const char *doc = g_dbus_annotation_info_lookup (annotations, DOC);

  if (doc != NULL)
    print_text (doc);
}

static void
print_arguments (GDBusArgInfo **args)
{
  for (gsize i = 0; args != NULL && args[i] != NULL; i++)
    printf (" \"%s%s%s\"", args[i]->signature,
            args[i]->name != NULL ? " " : "", args[i]->name != NULL ? args[i]->name : "");
}

static void
print_argument_docs (GDBusArgInfo **args)
{
  for (gsize i = 0; args != NULL && args[i] != NULL; i++)
    {
      const char *doc = g_dbus_annotation_info_lookup (args[i]->annotations, DOC);

      if (doc != NULL && args[i]->name != NULL)
        {
          printf (".Pp\n.Fa %s :\n", args[i]->name);
          print_text (doc);
        }
    }
}

static void
print_methods (const GDBusInterfaceInfo *info)
{
  for (gsize i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    {
      const GDBusMethodInfo *method = info->methods[i];

      printf (".It Fn %s", method->name);
      print_arguments (method->in_args);
      if (method->out_args != NULL && method->out_args[0] != NULL)
        {
          printf (" No \\(->");
          print_arguments (method->out_args);
        }
      putchar ('\n');
      print_doc (method->annotations);
      print_argument_docs (method->in_args);
      print_argument_docs (method->out_args);
    }
}

static void
print_signals (const GDBusInterfaceInfo *info)
{
  for (gsize i = 0; info->signals != NULL && info->signals[i] != NULL; i++)
    {
      printf (".It Fn %s", info->signals[i]->name);
      print_arguments (info->signals[i]->args);
      printf (" No (signal)\n");
      print_doc (info->signals[i]->annotations);
      print_argument_docs (info->signals[i]->args);
    }
}

static void
print_properties (const GDBusInterfaceInfo *info)
{
  for (gsize i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      const GDBusPropertyInfo *property = info->properties[i];
      const char *emits = g_dbus_annotation_info_lookup (property->annotations, EMITS);

      printf (".It Va %s No \\&(%s", property->name, property->signature);
      if ((property->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) != 0)
        printf (", writable");
      if (g_strcmp0 (emits, "const") == 0)
        printf (", constant");
      else if (g_strcmp0 (emits, "false") == 0)
        printf (", not announced");
      printf (")\n");
      print_doc (property->annotations);
    }
}

static void
print_interface (const GDBusInterfaceInfo *info)
{
  print_doc (info->annotations);
  printf (".Bl -tag -width Ds\n");
  print_methods (info);
  print_signals (info);
  print_properties (info);
  printf (".El\n");
}

static void
print_errors (void)
{
  printf (".Bl -tag -width Ds\n");
  for (guint code = 0; code < JKB_N_ERRORS; code++)
    {
      printf (".It Er %s\n", strrchr (jkb_error_dbus_name ((JkbError) code), '.') + 1);
      print_text (errors[code]);
    }
  printf (".El\n");
}

/* Returns: (transfer full): the only interface of the file */
static GDBusInterfaceInfo *
load_interface (const char *file)
{
  g_autofree char *text = NULL;
  g_autoptr(GDBusNodeInfo) node = NULL;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return NULL;
  node = g_dbus_node_info_new_for_xml (text, NULL);
  return node != NULL && node->interfaces[0] != NULL
           ? g_dbus_interface_info_ref (node->interfaces[0])
           : NULL;
}

static const GDBusInterfaceInfo *
find_interface (const GPtrArray *interfaces, const char *name)
{
  for (guint i = 0; i < interfaces->len; i++)
    {
      const GDBusInterfaceInfo *info = interfaces->pdata[i];

      if (strcmp (strrchr (info->name, '.') + 1, name) == 0)
        return info;
    }
  return NULL;
}

static gboolean
print_page (FILE *file, const GPtrArray *interfaces)
{
  char line[1000], name[32];

  while (fgets (line, sizeof line, file) != NULL)
    if (sscanf (line, "@INTERFACE %31[A-Za-z]@", name) == 1)
      {
        const GDBusInterfaceInfo *info = find_interface (interfaces, name);

        if (info == NULL)
          return FALSE;
        print_interface (info);
      }
    else if (strcmp (line, "@ERRORS@\n") == 0)
      print_errors ();
    else
      fputs (line, stdout);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr(GPtrArray) interfaces
    = g_ptr_array_new_with_free_func ((GDestroyNotify) g_dbus_interface_info_unref);
  FILE *file;
  gboolean good;

  for (int i = 2; i < argc; i++)
    {
      GDBusInterfaceInfo *info = load_interface (argv[i]);

      if (info == NULL)
        {
          fprintf (stderr, "%s: no interface in %s\n", argv[0], argv[i]);
          return EXIT_FAILURE;
        }
      g_ptr_array_add (interfaces, info);
    }
  file = argc > 1 ? fopen (argv[1], "r") : NULL;
  if (file == NULL)
    {
      fprintf (stderr, "usage: %s FILE XML…\n", argv[0]);
      return EXIT_FAILURE;
    }
  good = print_page (file, interfaces);
  fclose (file);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
