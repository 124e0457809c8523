/* SPDX-License-Identifier: MIT */
#include "membership/detector.h"

void gr_detector_begin(struct gr_detector *detector, gr_time now) {
  *detector = (struct gr_detector){.heard = now, .learned = now};
}

/* Moves `value` by a fraction of its distance from `sample`. */
static gr_time smooth(gr_time value, gr_time sample, uint32_t fraction) {
  return sample > value ? value + (sample - value) / fraction
                        : value - (value - sample) / fraction;
}

/* RFC 6298, 2.2 and 2.3: the deviation first, from the mean as it was. */
static void learn(struct gr_detector *detector, gr_time sample) {
  if (detector->mean == 0) {
    detector->mean = sample;
    detector->deviation = sample / 2;
    return;
  }
  gr_time distance =
      sample > detector->mean ? sample - detector->mean : detector->mean - sample;
  detector->deviation = smooth(detector->deviation, distance, 4);
  detector->mean = smooth(detector->mean, sample, 8);
}

void gr_detector_heard(struct gr_detector *detector,
                       const struct gr_detector_settings *settings, gr_time now) {
  gr_time silence = now - detector->heard;
  detector->heard = now;
  detector->suspected = false;
  if (now - detector->learned < settings->heartbeat_interval_ns) return;
  detector->learned = now;
  gr_time sample = silence;
  if (sample < settings->heartbeat_interval_ns) sample = settings->heartbeat_interval_ns;
  /* An outage is no rhythm: one of an hour must not blind the detector for long. */
  if (sample > settings->ceiling_ns) sample = settings->ceiling_ns;
  learn(detector, sample);
}

gr_time gr_detector_limit(const struct gr_detector *detector,
                          const struct gr_detector_settings *settings) {
  /* One interval more: a heartbeat that was lost is not suspect. */
  gr_time limit =
      detector->mean + 4 * detector->deviation + settings->heartbeat_interval_ns;
  if (limit < settings->floor_ns) limit = settings->floor_ns;
  if (limit > settings->ceiling_ns || detector->mean == 0) limit = settings->ceiling_ns;
  if (limit < 2 * settings->heartbeat_interval_ns)
    limit = 2 * settings->heartbeat_interval_ns;
  return limit;
}

gr_time gr_detector_deadline(const struct gr_detector *detector,
                             const struct gr_detector_settings *settings) {
  if (detector->suspected) return GR_TIME_NEVER;
  return detector->heard + gr_detector_limit(detector, settings);
}

bool gr_detector_poll(struct gr_detector *detector,
                      const struct gr_detector_settings *settings, gr_time now) {
  if (now < gr_detector_deadline(detector, settings)) return detector->suspected;
  detector->suspected = true;
  detector->began[detector->suspicions++ % GR_DETECTOR_FLAPS_MAX] = now;
  return true;
}

uint32_t gr_detector_flaps(const struct gr_detector *detector, gr_time window_ns,
                           gr_time now) {
  uint32_t flaps = 0;
  for (uint64_t i = 0; i < GR_DETECTOR_FLAPS_MAX && i < detector->suspicions; i++)
    if (now - detector->began[i] < window_ns) flaps++;
  return flaps;
}

/* ---- this process's own pauses ---- */

void gr_awake_begin(struct gr_awake *awake, gr_time now) {
  awake->turn = now;
}

gr_time gr_awake_turn(struct gr_awake *awake, gr_time heartbeat_interval_ns,
                      gr_time now) {
  gr_time passed = now - awake->turn;
  awake->turn = now;
  return passed > 2 * heartbeat_interval_ns ? passed - heartbeat_interval_ns : 0;
}

void gr_detector_forgive(struct gr_detector *detector, gr_time pause) {
  detector->heard += pause;
}
