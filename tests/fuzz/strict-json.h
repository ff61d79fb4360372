/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * JSON as RFC 8259 has it and nothing more: what json-glib forgives, other readers do not.
 */
#pragma once

#include <glib.h>

/* Whether @text is one JSON value of valid UTF-8, no key twice in an object. */
gboolean strict_json_is_good (const char *text, gsize length);
