/* SPDX-License-Identifier: MIT */
#include "membership/retry.h"

/* After so many attempts. */
static gr_time wait_after(const struct gr_retry_settings *settings, uint64_t attempts) {
  gr_time wait = settings->first_ns;
  for (; attempts > 0 && wait <= settings->longest_ns / 2; attempts--) wait *= 2;
  return attempts > 0 || wait > settings->longest_ns ? settings->longest_ns : wait;
}

static void wait_or_give_up(struct gr_retry *retry,
                            const struct gr_retry_settings *settings, gr_time now) {
  if (retry->attempts >= settings->tries) {
    retry->state = GR_RETRY_EXHAUSTED;
    return;
  }
  retry->state = GR_RETRY_WAITING;
  retry->due = now + wait_after(settings, retry->attempts);
}

void gr_retry_start(struct gr_retry *retry, const struct gr_retry_settings *settings,
                    gr_time now) {
  retry->attempts = 0;
  wait_or_give_up(retry, settings, now);
}

bool gr_retry_next(struct gr_retry *retry, gr_time now) {
  if (now < gr_retry_deadline(retry)) return false;
  retry->state = GR_RETRY_TRYING;
  retry->attempts++;
  return true;
}

void gr_retry_failed(struct gr_retry *retry, const struct gr_retry_settings *settings,
                     gr_time now) {
  if (retry->state == GR_RETRY_TRYING) wait_or_give_up(retry, settings, now);
}

void gr_retry_stop(struct gr_retry *retry) {
  *retry = (struct gr_retry){.state = GR_RETRY_IDLE};
}

gr_time gr_retry_deadline(const struct gr_retry *retry) {
  return retry->state == GR_RETRY_WAITING ? retry->due : GR_TIME_NEVER;
}
