/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The history of the live values, main-thread half: every believed live frame is copied into the
 * journal, a mapped file in the runtime directory that survives kill -9; a thread of its own takes
 * them from there into the database in the state directory, about once a minute, and answers
 * questions (jkb-history-store.h). Nothing here waits for a disk, but the start, for a moment. Main
 * thread only.
 *
 * Stamps are µs since 1970, as good as the wall clock that is set by now: what was recorded before
 * it was set is told by the clock of later, and kept back until then.
 */
#pragma once

#include <gio/gio.h>

#include "core/jkb-config.h"
#include "wire/jkb-frame.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

#define JKB_TYPE_HISTORY (jkb_history_get_type ())
G_DECLARE_FINAL_TYPE (JkbHistory, jkb_history, JKB, HISTORY, GObject)

/* Signals:
 *   "changed"             the error or the recording state is other than before
 *   "forgotten" (char *)  what jkb_history_forget() was told is in the journal, or nothing is there
 */

/* Longest id of a BMS, the NUL included: "abcdefghijklmnop_247". */
#define JKB_HISTORY_ID_SIZE 24

typedef struct
{
  guint64 recorded; /* samples that went into the journal since the start */
  guint64 dropped;  /* samples that did not, because it was full, and what cannot be dated */
  guint64 commits;  /* transactions since the start: about one a minute */
  guint64 early;    /* those of them that came before the minute because the journal filled up */
  guint64 bytes;    /* size of the database */
  guint64 waiting;  /* samples that were missed and are not confirmed, about, at the last commit */
} JkbHistoryCounters;

/**
 * jkb_history_new:
 * @state_dir: (nullable): where the database lies; %NULL: no history
 * @runtime_dir: (nullable): where the journal lies; %NULL: in @state_dir
 */
JkbHistory *jkb_history_new (const char *state_dir, const char *runtime_dir);

/* The runtime directory is there for the journal alone: a stop that leaves nothing in the journal
 * removes both. */
void jkb_history_own_runtime_dir (JkbHistory *self);

/* Starts the thread, which opens the journal; what an earlier run left in the journal is taken
 * first. Waits for that, a second at most, since the main loop does not run yet. Nothing when not
 * enabled. A failure is logged once, shown by jkb_history_get_error(), and tried again each
 * minute. */
void jkb_history_start (JkbHistory *self, const JkbHistoryConfig *config);

/* Follows a changed [history] at once, without waiting for a disk: samples that come until the
 * journal is open are dropped and counted. What is kept stays until it is too old or too much. */
void jkb_history_configure (JkbHistory *self, const JkbHistoryConfig *config);

/* Asks for the last commit without waiting for it: samples are no longer taken, what was asked and
 * not answered fails with %JKB_ERROR_BUSY; what was missed and confirmed still counts. */
void jkb_history_begin_stop (JkbHistory *self);

/* Waits for it, until 1.8 s after it began: the journal keeps the rest for the next start. */
void jkb_history_stop (JkbHistory *self);

/* Whether samples are being taken: enabled, started, and the journal can be had. */
gboolean jkb_history_is_recording (JkbHistory *self);

/* "" when all is well, else a sentence: "the history is not written: database or disk is full". */
const char *jkb_history_get_error (JkbHistory *self);

void jkb_history_get_counters (JkbHistory *self, JkbHistoryCounters *counters);

/**
 * jkb_history_add:
 * @id: of the BMS, shorter than JKB_HISTORY_ID_SIZE
 * @frame: a live frame that the registry believed; others are ignored
 *
 * A copy and a store: hardly ever a system call, no allocation. A full journal drops it and
 * counts that.
 */
void jkb_history_add (JkbHistory *self, const char *id, const JkbFrame *frame);

/* The samples of that BMS are to go: it was forgotten. Told no more from now on, deleted with the
 * next commit; also while the history is off. Until "forgotten", only this process knows of it. */
void jkb_history_forget (JkbHistory *self, const char *id);

/* ---- questions ---- */

/* Most points of one answer. */
#define JKB_HISTORY_MAX_POINTS 50000

/* Samples that one question may read, about: more than a year of a BMS. On a slow processor it is
 * some seconds, for which commits and other questions wait. */
#define JKB_HISTORY_MAX_SAMPLES 600000u

typedef struct
{
  gint64 stamp_us;
  double value;
} JkbHistoryPoint;

/**
 * jkb_history_query_async:
 * @uid: of the user who asks, who gets a quarter of all places at most
 * @key: a live key whose value is a number or a switch (0, 1), or one of a cell: "cell_voltage_3"
 * @from_us: first stamp that counts
 * @to_us: last stamp that counts
 * @points: at most so many; 0: all, up to JKB_HISTORY_MAX_POINTS
 *
 * Where there are more samples than @points, the time is cut into equal stretches and the smallest
 * and the largest value of each are told. Unknown values are left out. Samples that are not
 * committed yet are found, too.
 *
 * Errors: %JKB_ERROR_INVALID_ARGUMENT for times, those that hold more than JKB_HISTORY_MAX_SAMPLES
 * included, and for keys without a number, %JKB_ERROR_NOT_FOUND
 * for unknown keys, %JKB_ERROR_BUSY when too many questions wait or the daemon stops, %JKB_ERROR_IO
 * when nothing is kept.
 */
void jkb_history_query_async (JkbHistory *self, guint32 uid, const char *id, const char *key,
                              gint64 from_us, gint64 to_us, guint points,
                              GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (element-type JkbHistoryPoint) (transfer full): in order of time; %NULL with @error */
GArray *jkb_history_query_finish (JkbHistory *self, GAsyncResult *result, GError **error);

/* ---- what a receiver missed ---- */

/**
 * jkb_history_begin_outage:
 * @since_monotonic_us: the last moment at which the receiver certainly heard
 *
 * Samples from that moment on are missed, until jkb_history_end_outage(). An outage that goes on
 * already, even one of an earlier run, becomes longer at most. Outages survive kill -9.
 */
void jkb_history_begin_outage (JkbHistory *self, gint64 since_monotonic_us);

/* The receiver hears again: what was up to @until_monotonic_us was missed. */
void jkb_history_end_outage (JkbHistory *self, gint64 until_monotonic_us);

/* Nobody wants the samples that were missed any more: MQTT was switched off. The samples stay. */
void jkb_history_drop_outages (JkbHistory *self);

typedef struct
{
  char id[JKB_HISTORY_ID_SIZE];
  gint64 stamp_us;
  guint8 frame[JKB_FRAME_SIZE];
} JkbHistorySample;

/* The missed samples of a stretch of time: all that are kept of it, in the order of time. */
typedef struct
{
  gint64 from_us, to_us; /* the stretch, both ends included */
  GArray *samples;       /* (element-type JkbHistorySample) */
} JkbHistoryBatch;

void jkb_history_batch_free (JkbHistoryBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbHistoryBatch, jkb_history_batch_free)

/**
 * jkb_history_read_missed_async:
 * @after_us: only samples that are younger; 0: the oldest that are not confirmed
 * @max: about so many samples, 1..1000; those of one µs are never parted
 *
 * Reads samples of outages that are over, oldest first over all BMS, those in the journal included.
 * To read on before a batch is confirmed, give its to_us as @after_us. One call at a time:
 * %JKB_ERROR_BUSY. %JKB_ERROR_IO when nothing is kept or it cannot be read: try again in a minute.
 * When there is no more, the batch has no samples.
 */
void jkb_history_read_missed_async (JkbHistory *self, gint64 after_us, guint max,
                                    GAsyncReadyCallback callback, gpointer user_data);
JkbHistoryBatch *jkb_history_read_missed_finish (JkbHistory *self, GAsyncResult *result,
                                                 GError **error);

/**
 * jkb_history_confirm:
 * @from_us: of the batch
 * @to_us: of the batch
 *
 * The receiver has all samples of that stretch: they are not read again, not even after a kill -9.
 * A batch without samples is confirmed as well: it ends the outages that had none left.
 */
void jkb_history_confirm (JkbHistory *self, gint64 from_us, gint64 to_us);

/* The values of a sample, impossible ones unknown, as JkbBms has them. Any thread. */
gboolean jkb_history_sample_decode (const JkbHistorySample *sample, JkbValues *values);

G_END_DECLS
