/* SPDX-License-Identifier: MIT
 *
 * The one list of errors. Functions return 0 (GR_OK) or one of these negative codes; codes
 * keep their values for ever. Each function's comment lists exactly the codes it returns.
 */
#ifndef GR_ERROR_H
#define GR_ERROR_H

#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(code, name, class, text) */
#define GR_ERROR_LIST(X)                                                                 \
  X(-1, INVALID, USAGE, "an argument or option is out of range")                         \
  X(-2, STATE, USAGE, "the call is not allowed in this state")                           \
  X(-3, REENTRANT, USAGE, "the call is not allowed from inside a callback")              \
  X(-4, VERSION, USAGE, "a structure is newer than this library")                        \
  X(-5, TOO_LARGE, USAGE, "the message exceeds message_bytes_max")                       \
  X(-20, FULL, RETRY, "too much is unordered already; wait for writable")                \
  X(-21, NOT_LEADER, RETRY, "only the leader can do this, and this member is not it")    \
  X(-22, UNREACHABLE, RETRY, "the member has not been heard from lately")                \
  X(-23, NO_QUORUM, RETRY, "a majority of the members cannot be reached")                 \
  X(-24, BUSY, RETRY, "another change of the membership is under way")                    \
  X(-25, NOT_ONLINE, RETRY, "this member is not ONLINE: it joins, recovers, or has left") \
  X(-26, OVERTAKEN, RETRY, "what was being read had to make room; begin again")          \
  X(-40, MALFORMED, INPUT, "the frame or record could not be decoded")                             \
  X(-41, CORRUPT, INPUT, "the checksum of the frame or record does not match")                          \
  X(-42, FOREIGN, INPUT, "it is of a group with another id, founders, limits or durability") \
  X(-43, PROTOCOL, INPUT, "the frame or record is of another version")                    \
  X(-44, STALE, INPUT, "the frame is from a process of a member that is not known")          \
  X(-60, NO_MEMORY, FATAL, "an allocation failed")                                       \
  X(-61, HOST, FATAL, "a callback of the host reported failure")                         \
  X(-62, INVARIANT, FATAL, "an internal invariant did not hold")                         \
  X(-63, BEHIND, FATAL, "the others no longer keep what this member lacks")              \
  X(-64, REPLACED, FATAL, "this member's former process took part in the group")         \
  X(-65, HALTED, FATAL, "the member has halted")                                         \
  X(-66, SYSTEM, FATAL, "the operating system refused a call")                           \
  X(-67, STORAGE, FATAL, "storage failed, or what it holds is damaged")                  \
  X(-68, OUTDATED, FATAL, "the host has applied less than its storage begins with")       \
  X(-80, WRONG_GROUP, FATAL, "the members found are of another group")                     \
  X(-81, UUID_PRESENT, FATAL, "a live member has this uuid")                               \
  X(-82, VERSION_TOO_LOW, FATAL, "the group's members have a newer version")               \
  X(-83, GROUP_IS_FULL, FATAL, "the group has members_max members")                        \
  X(-84, LIMITS_DIFFER, FATAL, "an option that must be equal at all members differs")      \
  X(-85, NOT_AUTHORIZED, FATAL, "a member's host does not let this one in")                \
  X(-86, DIVERGED, FATAL, "this member's history differs from the group's")                \
  X(-87, REMOVED, FATAL, "the group has removed this member")                              \
  X(-88, TIMEOUT, FATAL, "nobody answered in time")

enum gr_error {
  GR_OK = 0,
#define GR_ERROR_ENUM(code, name, class_, text) GR_ERR_##name = code,
  GR_ERROR_LIST(GR_ERROR_ENUM)
#undef GR_ERROR_ENUM
};

/* What a caller can do about an error. */
enum gr_error_class {
  GR_CLASS_OK = 0,
  GR_CLASS_USAGE, /* the caller's mistake; nothing changed */
  GR_CLASS_RETRY, /* try again later; nothing changed */
  GR_CLASS_INPUT, /* a peer's bytes; dropped and counted, nothing else changed */
  GR_CLASS_FATAL  /* the object has stopped, or was never made */
};

/* A sentence for the code; "unknown error" for a code that is not in the list. Static. */
GR_API const char *gr_error_text(int error);

/* The code's name, for example "GR_ERR_FULL"; "GR_ERR_UNKNOWN" if not in the list. Static. */
GR_API const char *gr_error_name(int error);

/* The code's class; GR_CLASS_FATAL for a code that is not in the list. */
GR_API enum gr_error_class gr_error_classify(int error);

#ifdef __cplusplus
}
#endif
#endif
