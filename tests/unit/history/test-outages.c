/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What was missed, as rows of operations: "b10 e20" begins at 10 and ends at 20, "c12-14" confirms,
 * "m5" misses
 * a sample; "B", "E" and "M" are undated, "d100" dates them by adding 100, "x" drops what is not dated.
 */
#include "history/jkb-outages.h"

#include <stdlib.h>
#include <string.h>

typedef struct
{
  const char *name;
  const char *operations;
  gint64 after_us;
  const char *missed;
} Case;

static const Case cases[] = {
  { "/outages/none", "", 0, "" },
  { "/outages/one", "b10 e20", 0, "10-20" },
  { "/outages/open-is-not-read", "b10", 0, "" },
  { "/outages/begin-again-goes-on", "b10 b15 e20", 0, "10-20" },
  { "/outages/begin-earlier-becomes-longer", "b10 b5 e20", 0, "5-20" },
  { "/outages/end-without-begin", "e20", 0, "" },
  { "/outages/end-before-begin-is-a-moment", "b10 e5", 0, "10-10" },
  { "/outages/two", "b10 e20 b30 e40", 0, "10-20 30-40" },
  { "/outages/overlap-is-told-once", "b10 e20 b15 e40", 0, "10-40" },
  { "/outages/touching-is-one", "b10 e20 b21 e40", 0, "10-40" },
  { "/outages/closed-beside-open", "b10 e20 b30", 0, "10-20" },
  { "/outages/after", "b10 e20 b30 e40", 15, "16-20 30-40" },
  { "/outages/after-an-end", "b10 e20 b30 e40", 20, "30-40" },
  { "/outages/after-all", "b10 e20", 20, "" },
  { "/outages/confirm-front", "b10 e20 c10-12", 0, "13-20" },
  { "/outages/confirm-middle", "b10 e20 c12-14", 0, "10-11 15-20" },
  { "/outages/confirm-end", "b10 e20 c18-25", 0, "10-17" },
  { "/outages/confirm-all", "b10 e20 c10-20", 0, "" },
  { "/outages/confirm-over-two", "b10 e20 b30 e40 c15-35", 0, "10-14 36-40" },
  { "/outages/confirm-elsewhere", "b10 e20 c21-30", 0, "10-20" },
  { "/outages/confirm-leaves-open-open", "b10 e20 b30 c10-20 e40", 0, "30-40" },
  { "/outages/undated-is-not-read", "B10 E20", 0, "" },
  { "/outages/dated-later", "B10 E20 d100", 0, "110-120" },
  { "/outages/dated-while-open", "B10 d100 e130", 0, "110-130" },
  { "/outages/dated-end-of-undated-is-a-moment", "B10 e130 d100", 0, "110-110" },
  { "/outages/dated-end-of-undated", "B10 M30 e130 d100", 0, "110-130" },
  { "/outages/undated-beside-dated", "b10 m20 B30 E40 d100", 0, "10-20 130-140" },
  { "/outages/clock-back-a-little", "b100 m110 m50 m60 e65", 0, "50-110" },
  { "/outages/clock-back", "b9000000000 m9000000009 m50 m60 e65", 0, "50-65 9000000000-9000000009" },
  { "/outages/clock-ahead-and-back", "b10 m20 m9000000000 m9000000009 m30 e40", 0,
    "10-20 30-40 9000000000-9000000009" },
  { "/outages/clock-ahead-at-the-end", "b10 m20 e9000000000", 0, "10-3600000020" },
  { "/outages/miss-without-one", "m20 b30 e40 m50", 0, "30-40" },
  { "/outages/undated-dropped", "B10 E20 x d100 b200 e210", 0, "200-210" },
};

static void
run (GArray *outages, const char *operation)
{
  const char *dash = strchr (operation, '-');
  gint64 at_us = strtoll (operation + 1, NULL, 10);

  switch (operation[0])
    {
    case 'b':
    case 'B':
      jkb_outages_begin (outages, at_us, operation[0] == 'b');
      break;
    case 'e':
    case 'E':
      jkb_outages_end (outages, at_us, operation[0] == 'e');
      break;
    case 'm':
    case 'M':
      jkb_outages_miss (outages, at_us, operation[0] == 'm');
      break;
    case 'c':
      jkb_outages_confirm (outages, at_us, strtoll (dash + 1, NULL, 10));
      break;
    case 'd':
      jkb_outages_date (outages, at_us);
      break;
    case 'x':
      jkb_outages_drop_undated (outages);
      break;
    default:
      g_assert_not_reached ();
    }
}

static char *
to_text (const GArray *missed)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < missed->len; i++)
    {
      const JkbOutage *outage = &g_array_index (missed, JkbOutage, i);

      g_string_append_printf (text, "%s%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, i > 0 ? " " : "",
                              outage->begin_us, outage->end_us);
    }
  return g_string_free (text, FALSE);
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GArray) outages = jkb_outages_new ();
  g_auto (GStrv) operations = g_strsplit (c->operations, " ", -1);
  g_autoptr (GArray) missed = NULL;
  g_autofree char *text = NULL;

  for (guint i = 0; operations[i] != NULL; i++)
    run (outages, operations[i]);
  missed = jkb_outages_missed (outages, c->after_us);
  text = to_text (missed);
  g_assert_cmpstr (text, ==, c->missed);
}

/* However many there are, the list stays short, and no time that was missed gets lost. */
static void
test_bounded (void)
{
  g_autoptr (GArray) outages = jkb_outages_new ();
  g_autoptr (GArray) missed = NULL;

  for (gint64 i = 0; i < 1000; i++)
    {
      jkb_outages_begin (outages, i * 100, TRUE);
      jkb_outages_end (outages, i * 100 + 1 + i % 50, TRUE);
      g_assert_cmpuint (outages->len, <=, JKB_OUTAGES_MAX);
    }
  missed = jkb_outages_missed (outages, 0);
  for (gint64 i = 0; i < 1000; i++)
    {
      gboolean inside = FALSE;

      for (guint j = 0; j < missed->len; j++)
        inside = inside
                 || (g_array_index (missed, JkbOutage, j).begin_us <= MAX (i * 100, 1)
                     && g_array_index (missed, JkbOutage, j).end_us >= i * 100 + 1 + i % 50);
      g_assert_true (inside);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].name, &cases[i], test_case);
  g_test_add_func ("/outages/bounded", test_bounded);
  return g_test_run ();
}
