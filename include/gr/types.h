/* SPDX-License-Identifier: MIT
 *
 * Types that all other headers share.
 */
#ifndef GR_TYPES_H
#define GR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GR_API __attribute__((visibility("default")))
#else
#define GR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds of the host's monotonic clock. Never compared between members. */
typedef uint64_t gr_time;
#define GR_TIME_NEVER UINT64_MAX

/* A member of the group. 0 is nobody. Founders' ids are chosen by the host; those of members
 * that join later by the group, which never uses one twice: a server that leaves and joins
 * again is a new member. So is the process of a volatile group's member that was started
 * again. Ids with the top bit set are no members': see gr_host.link. */
typedef uint64_t gr_member_id;
#define GR_MEMBER_ID_MAX (UINT64_C(1) << 62)

/* The place of a message in the one total order: 1, 2, 3, ... */
typedef uint64_t gr_seqno;

/* A position in the log of decisions: 1, 2, 3, ... One slot orders any number of messages. */
typedef uint64_t gr_slot;

/* A record's place in a member's storage: 1, 2, 3, ..., over all starts of its process. */
typedef uint64_t gr_ticket;

/* Bytes that somebody else owns. `data` may be NULL when `size` is 0. */
typedef struct gr_slice {
  const void *data;
  size_t size;
} gr_slice;

/* The name of a group, so that members of different groups never mix. */
typedef struct gr_uuid {
  uint8_t bytes[16];
} gr_uuid;

/* Leadership and order of attempts: compared by view, then round, then member. */
typedef struct gr_ballot {
  uint64_t view;
  uint64_t round;
  gr_member_id member; /* who leads in this ballot; 0 in the ballot below all others */
} gr_ballot;

/* Members at most in one group; what a group really admits is members_max of its options. */
#define GR_MEMBERS_MAX 31

#define GR_ADDRESS_BYTES_MAX 128
#define GR_USER_DATA_BYTES_MAX 128

/* What a member tells the group of itself. Every member knows it of all, from the view that
 * admits the member on. */
typedef struct gr_attributes {
  gr_uuid uuid;       /* of the server: the same over all of its lives. A founder's may be all
                         zero: then it is made of the founder's id */
  uint64_t version;   /* of the host's engine, newer being greater */
  uint64_t weight;    /* 0 to 100: who is preferred when a primary is elected */
  gr_slice address;   /* where the others' transports reach it; opaque; up to
                         GR_ADDRESS_BYTES_MAX */
  gr_slice user_data; /* anything; up to GR_USER_DATA_BYTES_MAX */
} gr_attributes;

/* Where the library's memory comes from. `allocate` returns memory aligned to at least
 * `alignment` (a power of two, 64 at most) or NULL; `release` gets the same size back. The
 * library allocates only while it creates a handle, and releases only in the matching free. */
typedef struct gr_allocator {
  void *context;
  void *(*allocate)(void *context, size_t size, size_t alignment);
  void (*release)(void *context, void *memory, size_t size);
} gr_allocator;

#ifdef __cplusplus
}
#endif
#endif
