/* SPDX-License-Identifier: MIT
 *
 * The value of a slot: a cut, or a change of the view.
 *
 * A cut names lanes and says up to which batch each is ordered; the lanes that it does
 * not name stay where they are. Lanes are kept by the index of their member, which is the
 * order in which a cut delivers them.
 *
 * Each mark also names the boot of the lane's member that it means. A member that comes
 * back from storage may have sent batches that its own storage lost, so it begins a new
 * boot of its lane, and none of the former batches may be ordered any more from some slot
 * on: the one with a CLOSE, a mark of the new boot that names no batch (R14).
 */
#ifndef GR_PAXOS_CUT_H
#define GR_PAXOS_CUT_H

#include "base/memberset.h"

#include <gr/paxos.h>

/* Lanes of groups without storage have only this boot. */
#define GR_BOOT_VOLATILE 0

/* With storage a lane begins with this one, which needs no CLOSE before it. */
#define GR_BOOT_FIRST 1

struct gr_mark {
  uint64_t boot;
  uint64_t upto; /* the last batch; 0 in a cut: CLOSE */
};

/* A change of the view by one member. It names no lanes. The next view begins behind it.
 */
struct gr_config {
  enum gr_change_kind kind; /* 0: no change, but a cut */
  gr_member_id member;
  uint64_t incarnation; /* ADD */
  uint8_t reason;
  uint16_t profile_bytes; /* ADD */
  uint8_t profile[GR_PROFILE_BYTES_MAX];
};

struct gr_cut {
  gr_memberset lanes;
  struct gr_mark
      marks[GR_PLACES_MAX]; /* by member index; meaningless for lanes not named */
  struct gr_config config;
};

static inline bool gr_is_config(const struct gr_cut *cut) {
  return cut->config.kind != 0;
}

static inline bool gr_mark_is_close(struct gr_mark mark) {
  return mark.upto == 0;
}

#endif
