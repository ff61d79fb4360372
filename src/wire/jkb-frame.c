/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Names of frame types and evidence. Constant: any thread.
 */
#include "wire/jkb-frame.h"

const char *
jkb_evidence_name (JkbEvidence evidence)
{
  static const char *const names[] = { [JKB_EVIDENCE_NONE] = "none",
                                       [JKB_EVIDENCE_NEIGHBOUR] = "neighbour",
                                       [JKB_EVIDENCE_UNSOLICITED] = "unsolicited",
                                       [JKB_EVIDENCE_REQUEST] = "request",
                                       [JKB_EVIDENCE_SETTINGS] = "settings",
                                       [JKB_EVIDENCE_ACK] = "ack" };

  return names[evidence];
}

const char *
jkb_frame_type_name (guint8 type)
{
  switch (type)
    {
    case JKB_FRAME_SETTINGS:
      return "settings";
    case JKB_FRAME_LIVE:
      return "live";
    case JKB_FRAME_INFO:
      return "info";
    case JKB_FRAME_LOG:
      return "log";
    case JKB_FRAME_DETAIL_LOG:
      return "detail_log";
    default:
      return "unknown";
    }
}

JkbGroup
jkb_frame_group (guint8 type)
{
  switch (type)
    {
    case JKB_FRAME_SETTINGS:
      return JKB_GROUP_SETTINGS;
    case JKB_FRAME_LIVE:
      return JKB_GROUP_LIVE;
    case JKB_FRAME_INFO:
      return JKB_GROUP_INFO;
    default:
      return JKB_N_GROUPS;
    }
}
