/* SPDX-License-Identifier: MIT
 *
 * A cut: the value of a slot. It names lanes and says up to which batch each is ordered;
 * the lanes that it does not name stay where they are. Lanes are kept by the index of
 * their member in the view, which is the order in which a cut delivers them.
 *
 * Each mark also names the boot of the lane's member that it means. A member that comes
 * back from storage may have sent batches that its own storage lost, so it begins a new
 * boot of its lane, and none of the former batches may be ordered any more from some slot
 * on: the one with a CLOSE, a mark of the new boot that names no batch (R14).
 */
#ifndef GR_PAXOS_CUT_H
#define GR_PAXOS_CUT_H

#include "base/memberset.h"

/* Lanes of groups without storage have only this boot. */
#define GR_BOOT_VOLATILE 0

/* With storage a lane begins with this one, which needs no CLOSE before it. */
#define GR_BOOT_FIRST 1

struct gr_mark {
  uint64_t boot;
  uint64_t upto; /* the last batch; 0 in a cut: CLOSE */
};

struct gr_cut {
  gr_memberset lanes;
  struct gr_mark
      marks[GR_MEMBERS_MAX]; /* by member index; meaningless for lanes not named */
};

static inline bool gr_mark_is_close(struct gr_mark mark) {
  return mark.upto == 0;
}

#endif
