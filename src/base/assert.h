/* SPDX-License-Identifier: MIT
 *
 * Assertions. A broken invariant halts the member, never the process: a member that is
 * silent is the crash that the protocol tolerates, while a member that goes on may break
 * agreement.
 *
 *  GR_ENSURE  a named safety invariant; live in every build; latches the halt, and is
 *             false, if it does not hold
 *
 *  GR_CHECK   an internal fact; traps in debug builds, and is nothing in release builds
 *
 * Neither is for input: a peer's bytes and a host's options get errors.
 */
#ifndef GR_BASE_ASSERT_H
#define GR_BASE_ASSERT_H

#include <gr/error.h>

/* Why a member stopped. The first cause is kept. */
struct gr_halt {
  int error;          /* GR_OK while it runs */
  const char *reason; /* static text */
  const char *file;   /* where it was found out */
  int line;
};

static inline void gr_halt_latch(struct gr_halt *halt, int error, const char *reason,
                                 const char *file, int line) {
  if (halt->error != GR_OK) return;
  halt->error = error;
  halt->reason = reason;
  halt->file = file;
  halt->line = line;
}

#define GR_HALT(halt, error, reason)                                                     \
  gr_halt_latch((halt), (error), (reason), __FILE__, __LINE__)

/* `invariant` names it as doc/protocol.md does, for example "I-LOG-1: ...". */
#define GR_ENSURE(halt, condition, invariant)                                            \
  ((condition) ? true : (GR_HALT((halt), GR_ERR_INVARIANT, (invariant)), false))

#ifdef NDEBUG
#define GR_CHECK(condition) ((void)sizeof(condition))
#else
#define GR_CHECK(condition) ((condition) ? (void)0 : __builtin_trap())
#endif

#endif
