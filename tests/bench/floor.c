/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The floor: what the machine asks for the job at the very least. One thread reads RS485 buses over
 * TCP, checks each live frame and its ACK and publishes it as one JSON text of the size of ours over a
 * raw socket. No reconnect, no D-Bus, no care. What the daemon costs is quoted as a multiple of this.
 *
 * Usage: bench-floor MQTT_PORT BUS_PORT...
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/jkb-crc.h"
#include "wire/jkb-frame.h"

#define MAX_BUSES 64
#define BUFFER (64 * 1024)

typedef struct
{
  int fd;
  gsize n;
  guint8 bytes[BUFFER];
} Bus;

static Bus *buses[MAX_BUSES];

static int
dial (const char *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons ((guint16) atoi (port)),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      perror (port);
      exit (1);
    }
  return fd;
}

static int
dial_broker (const char *port)
{
  static const guint8 connect_packet[]
      = { 0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 5, 'f', 'l', 'o', 'o', 'r' };
  guint8 answer[4];
  int fd = dial (port);

  if (send (fd, connect_packet, sizeof connect_packet, 0) < 0 || recv (fd, answer, 4, 0) != 4)
    exit (1);
  return fd;
}

static guint
le16 (const guint8 *at)
{
  return at[0] | at[1] << 8;
}

/* About 50 numbers: the size of a state text. */
static gsize
format_state (char *text, const guint8 *frame)
{
  char *end = text;

  *end++ = '{';
  for (guint i = 0; i < 48; i++)
    {
      guint raw = le16 (frame + 6 + 6 * i);

      memcpy (end, "\"value_of_register_", 19);
      end += 19;
      *end++ = 'a' + i / 26;
      *end++ = 'a' + i % 26;
      *end++ = '"';
      *end++ = ':';
      for (guint digit = 10000; digit > 0; digit /= 10)
        *end++ = '0' + raw / digit % 10;
      *end++ = ',';
    }
  end[-1] = '}';
  return (gsize) (end - text);
}

static gsize
format_publish (guint8 *packet, guint bus, guint address, const guint8 *frame)
{
  char topic[32];
  gsize n_topic = (gsize) snprintf (topic, sizeof topic, "floor/%u/%u/state", bus, address);
  gsize n_text = format_state ((char *) packet + 5 + n_topic, frame);
  gsize remaining = 2 + n_topic + n_text;

  packet[0] = 0x30;
  packet[1] = (remaining & 0x7f) | 0x80;
  packet[2] = remaining >> 7;
  packet[3] = 0;
  packet[4] = n_topic;
  memcpy (packet + 5, topic, n_topic);
  return 3 + remaining;
}

static void
serve (Bus *bus, guint index, int broker)
{
  static guint8 packet[2048];
  gsize at = 0;

  for (;;)
    {
      guint8 *frame = memmem (bus->bytes + at, bus->n - at, "\x55\xaa\xeb\x90", 4);
      guint8 *ack;

      if (frame == NULL || frame + JKB_FRAME_SIZE + JKB_ACK_SIZE > bus->bytes + bus->n)
        break;
      at = (gsize) (frame - bus->bytes) + 4;
      ack = frame + JKB_FRAME_SIZE;
      if (jkb_sum8 (frame, JKB_FRAME_SIZE - 1) != frame[JKB_FRAME_SIZE - 1]
          || !jkb_crc16_is_good (ack, JKB_ACK_SIZE))
        continue;
      at += JKB_FRAME_SIZE + JKB_ACK_SIZE - 4;
      if (frame[JKB_FRAME_TYPE] == JKB_FRAME_LIVE
          && send (broker, packet, format_publish (packet, index, ack[0], frame), MSG_NOSIGNAL) < 0)
        exit (1);
    }
  bus->n -= at;
  memmove (bus->bytes, bus->bytes + at, bus->n);
}

int
main (int argc, char **argv)
{
  struct pollfd fds[MAX_BUSES];
  int n_buses = argc - 2, broker;

  if (n_buses < 1 || n_buses > MAX_BUSES)
    return 2;
  broker = dial_broker (argv[1]);
  for (int i = 0; i < n_buses; i++)
    {
      buses[i] = g_new0 (Bus, 1);
      buses[i]->fd = dial (argv[i + 2]);
      fds[i] = (struct pollfd){ .fd = buses[i]->fd, .events = POLLIN };
    }
  while (poll (fds, (nfds_t) n_buses, -1) > 0)
    for (int i = 0; i < n_buses; i++)
      {
        Bus *bus = buses[i];
        gssize n = fds[i].revents == 0
                       ? 0
                       : recv (bus->fd, bus->bytes + bus->n, BUFFER - bus->n, MSG_DONTWAIT);

        if (fds[i].revents != 0 && n <= 0)
          return 0;
        bus->n += (gsize) n;
        serve (bus, (guint) i, broker);
      }
  return 0;
}
