/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * inotify, on the reader thread. IN_ATTRIB is for udev, which makes the node first and gives it its
 * group afterwards.
 */
#include "bus/jkb-hotplug.h"

#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

int
jkb_hotplug_open (char *const *directories)
{
  int fd = directories == NULL ? -1 : inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);

  if (fd < 0)
    return -1;
  for (; *directories != NULL; directories++)
    inotify_add_watch (fd, *directories, EVENTS);
  return fd;
}

void
jkb_hotplug_clear (int fd)
{
  char events[4096];

  while (read (fd, events, sizeof events) > 0)
    continue;
}
