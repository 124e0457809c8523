/* SPDX-License-Identifier: MIT
 *
 * Certification: which of the transactions that ran at the same time may commit. Usable
 * alone, above any total order; doc/certification.md says what it promises and why.
 *
 * At the origin, when a transaction is about to commit:
 *
 *   gr_writeset_clear(), gr_writeset_snapshot(), gr_writeset_add() or
 *   gr_writeset_change() for each row, gr_writeset_encode(): the bytes go into the total
 *   order, beside the effects.
 *
 * At every member, for each transaction in the order, one after another:
 *
 *   gr_certifier_certify(): the verdict, and which transactions must be applied before.
 *
 * Now and then a message of the order says how far all members have applied:
 * gr_certifier_stable().
 *
 * Members that make the same calls in the same order get the same verdicts: a certifier
 * looks at nothing else. Options, too, must be equal at all members. A transaction whose
 * write set cannot be decoded is the same at all members, too: it changes nothing, and
 * must not be applied.
 *
 * Threads: each object belongs to one thread at a time. There is no global state. All
 * memory is allocated when an object is made.
 */
#ifndef GR_CERTIFY_H
#define GR_CERTIFY_H

#include <gr/error.h>
#include <gr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- write sets ---- */

/* What a transaction did to the row, or the name, that a key stands for. */
enum gr_key_kind {
  GR_KEY_SHARED = 0,    /* read it: only for hosts that want serializable histories */
  GR_KEY_REFERENCE = 1, /* relies on its existence, as a foreign key does on its parent */
  GR_KEY_EXCLUSIVE = 2  /* wrote it */
};

/* As snapshot: nothing was read that the transaction depends on. It is as of its own
 * place in the order, so it never conflicts. Its keys count for those behind it. */
#define GR_SNAPSHOT_NONE UINT64_MAX

/* Flags of a write set. */
#define GR_WRITESET_SERIALIZABLE 1u /* ran at isolation level SERIALIZABLE */
#define GR_WRITESET_CASCADING 2u    /* foreign keys cascaded to rows without keys here */
#define GR_WRITESET_BARRIER 4u      /* DDL: after all before it, before all behind it */
#define GR_WRITESET_READ_ONLY 8u    /* wrote nothing: has SHARED keys only, or none */

/* Sequence numbers are at most this. */
#define GR_CERTIFY_SEQNO_MAX (UINT64_MAX / 4)

/* The size of an encoded write set: that of its header, and of each key. */
#define GR_WRITESET_HEADER_BYTES 16
#define GR_WRITESET_KEY_BYTES 9

/* A write set that is being made. */
typedef struct gr_writeset gr_writeset;

/* Makes a builder for write sets of up to `bytes_max` bytes, encoded: 16 to 2^30. It
 * takes not quite thrice as much memory. `allocator` NULL: malloc and free.
 *
 * GR_OK             `*writeset` is the caller's, to be released with gr_writeset_free()
 * GR_ERR_INVALID    an argument is NULL or out of range
 * GR_ERR_NO_MEMORY  the allocator answered NULL
 * On any error `*writeset` is NULL, if `writeset` is not.
 */
GR_API int gr_writeset_new(gr_writeset **writeset, size_t bytes_max,
                           const gr_allocator *allocator);
GR_API void gr_writeset_free(gr_writeset *writeset);

/* As new: no keys, no flags, GR_SNAPSHOT_NONE. Does nothing for NULL. */
GR_API void gr_writeset_clear(gr_writeset *writeset);

/* What the transaction has seen: the effects of all up to this seqno, and none behind it.
 * To be taken before its first read. GR_OK, GR_ERR_INVALID. */
GR_API int gr_writeset_snapshot(gr_writeset *writeset, gr_seqno snapshot);

/* Adds flags. GR_OK, GR_ERR_INVALID (a flag that is not known). */
GR_API int gr_writeset_flag(gr_writeset *writeset, uint32_t flags);

/* Adds a key, of one part or more: its table, its index, the values of its columns. What
 * the host deems equal must be equal bytes: collated texts go in as sort keys. Keys are
 * numbered as they come; `index`, which may be NULL, gets the key's number, for one that
 * is there already of the same kind the number it has.
 *
 * GR_OK             it is among the keys
 * GR_ERR_INVALID    an argument is NULL, or there is no part, or no such kind
 * GR_ERR_TOO_LARGE  beyond bytes_max; nothing changed
 */
GR_API int gr_writeset_add(gr_writeset *writeset, enum gr_key_kind kind,
                           const gr_slice *parts, size_t part_count, uint32_t *index);

/* Adds the images of a unique key before and after a change, as EXCLUSIVE keys; one, if
 * they are equal. Insertions have no parts before, deletions none after. Both are added,
 * or none. As gr_writeset_add(). */
GR_API int gr_writeset_change(gr_writeset *writeset, const gr_slice *before,
                              size_t before_count, const gr_slice *after,
                              size_t after_count);

/* Keys so far: also the mark that a savepoint sets. 0 for NULL. */
GR_API size_t gr_writeset_count(const gr_writeset *writeset);

/* Forgets the keys behind a mark. Flags and snapshot stay: what was read was read.
 * GR_OK, GR_ERR_INVALID (there are not so many keys). */
GR_API int gr_writeset_rollback(gr_writeset *writeset, size_t mark);

/* The write set as bytes, valid until the next call on it.
 *
 * GR_OK           done
 * GR_ERR_INVALID  an argument is NULL
 * GR_ERR_STATE    flagged READ_ONLY, and has keys that are not SHARED
 */
GR_API int gr_writeset_encode(gr_writeset *writeset, gr_slice *encoded);

/* What an encoded write set says of itself. */
typedef struct gr_writeset_info {
  size_t size; /* sizeof(gr_writeset_info), set by the caller */
  gr_seqno snapshot;
  uint32_t flags;
  uint32_t key_count;
} gr_writeset_info;

/* A key as it travels. */
typedef struct gr_key {
  uint64_t hash; /* gr_key_hash() of its parts */
  enum gr_key_kind kind;
} gr_key;

/* Reads bytes that may be anybody's.
 *
 * GR_OK             it is a write set
 * GR_ERR_INVALID    an argument is NULL, or the struct has no size
 * GR_ERR_MALFORMED  it is none
 * GR_ERR_PROTOCOL   of a version that is not known
 */
GR_API int gr_writeset_read(gr_slice encoded, gr_writeset_info *info);

/* One of its keys. As gr_writeset_read(); GR_ERR_INVALID also if it has no such key. */
GR_API int gr_writeset_key(gr_slice encoded, uint32_t index, gr_key *key);

/* The XXH64 of the parts, each behind its length as eight bytes, little-endian. No two
 * lists of parts give the same bytes: a reader that takes a length, then so many bytes,
 * and so on, finds the list again. Different keys with the same hash conflict though they
 * need not; that aborts a transaction in vain, and never lets one pass. 0 if `parts` is
 * NULL. */
GR_API uint64_t gr_key_hash(const gr_slice *parts, size_t part_count);

/* ---- the certifier ---- */

typedef struct gr_certifier gr_certifier;

/* Modes, to be changed only at a point of the order. */
#define GR_CERTIFIER_STRICT 1u            /* several write: refuse what no key covers */
#define GR_CERTIFIER_DEPENDENCIES_ONLY 2u /* one writes: no conflicts, none too old */

#define GR_CERTIFIER_BYTES_MIN 4304
#define GR_CERTIFIER_BYTES_MAX (UINT64_C(1) << 32)

/* Equal at all members. */
typedef struct gr_certifier_options {
  size_t size;               /* sizeof(gr_certifier_options) */
  uint64_t memory_bytes_max; /* all memory; 0: 64 MiB. Room for rows_max: 9 rows for
                                each whole 208 bytes beyond 4096 */
  uint64_t window_max;       /* a snapshot this many seqnos behind its transaction's
                                predecessor is the oldest to be judged; 0: memory is the
                                only limit */
  uint32_t mode;             /* GR_CERTIFIER_..., to begin with */
} gr_certifier_options;

/* Makes a certifier that has seen nothing yet. `allocator` NULL: malloc and free.
 *
 * GR_OK             `*certifier` is the caller's, to be released with gr_certifier_free()
 * GR_ERR_INVALID    an argument is NULL, an option out of range
 * GR_ERR_VERSION    the options are newer than this library
 * GR_ERR_NO_MEMORY  the allocator answered NULL
 * On any error `*certifier` is NULL, if `certifier` is not.
 */
GR_API int gr_certifier_new(gr_certifier **certifier, const gr_certifier_options *options,
                            const gr_allocator *allocator);
GR_API void gr_certifier_free(gr_certifier *certifier);

enum gr_certifier_verdict_kind {
  GR_VERDICT_COMMIT = 0,
  GR_VERDICT_CONFLICT, /* somebody was first */
  GR_VERDICT_TOO_OLD,  /* its snapshot lies below the floor: nobody knows any more */
  GR_VERDICT_REFUSED_SERIALIZABLE, /* in strict mode */
  GR_VERDICT_REFUSED_CASCADING,    /* in strict mode */
  GR_VERDICT_TOO_LARGE             /* more keys, besides SHARED ones, than rows_max */
};

typedef struct gr_certifier_verdict {
  size_t size; /* sizeof(gr_certifier_verdict), set by the caller */
  enum gr_certifier_verdict_kind kind;
  uint32_t key;    /* CONFLICT: the number of the first key that conflicts */
  gr_seqno winner; /* CONFLICT: the last that committed what conflicts with that key */
  gr_seqno depends_on; /* COMMIT: all that committed up to this one must be applied before
                          it */
} gr_certifier_verdict;

/* Judges the transaction at `seqno`; seqnos ascend, and may have gaps.
 *
 * GR_OK             the verdict holds
 * GR_ERR_INVALID    an argument is NULL, the verdict has no size, or `seqno` does not
 *                   ascend or is above GR_CERTIFY_SEQNO_MAX
 * GR_ERR_MALFORMED  no write set, or one whose snapshot is not before `seqno`
 * GR_ERR_PROTOCOL   of a version that is not known
 * GR_ERR_STATE      importing
 *
 * On any error nothing changed.
 */
GR_API int gr_certifier_certify(gr_certifier *certifier, gr_seqno seqno,
                                gr_slice write_set, gr_certifier_verdict *verdict);

/* That this write set will be certified soon. Only a hint, which lets memory come while
 * others are certified: best given for each, in order, some 32 keys ahead. */
GR_API void gr_certifier_prefetch(gr_certifier *certifier, gr_slice write_set);

/* A mark that travels in the order: all members have applied everything up to it. A lower
 * one than before is ignored. Seqnos certified from now on are above it. GR_OK,
 * GR_ERR_INVALID (NULL, or out of range), GR_ERR_STATE (importing). */
GR_API int gr_certifier_stable(gr_certifier *certifier, gr_seqno watermark);

/* Changes the mode at this point of the order. What commits is remembered in every mode,
 * so nothing is lost: transactions begun before the change are judged as ever. GR_OK,
 * GR_ERR_INVALID (NULL, or no such mode), GR_ERR_STATE (importing). */
GR_API int gr_certifier_mode(gr_certifier *certifier, uint32_t mode);

/* ---- coming back, with verdicts that are known ---- */

/* Forgets everything and begins anew behind `floor`: the position, in the order, from
 * which on all is given again. Ends an export and an import. The mode stays.
 *
 * To come to exactly the state that the certifier had behind `position`, with its
 * options: begin with the floor and watermark that gr_certifier_status() told there, set
 * the mode of there, and record each transaction of (floor, position], committed or not,
 * in order. All that comes behind it is certified.
 *
 * GR_OK, GR_ERR_INVALID (NULL, out of range, or the watermark above the floor).
 */
GR_API int gr_certifier_begin_at(gr_certifier *certifier, gr_seqno floor,
                                 gr_seqno watermark);

/* Takes the transaction at `seqno` with the verdict that it got before. `depends_on`,
 * which may be NULL, as in gr_certifier_verdict. One that did not commit may come without
 * its write set, empty.
 *
 * GR_OK             done
 * GR_ERR_TOO_LARGE  it cannot have committed with these options
 * others            as gr_certifier_certify()
 * On any error nothing changed.
 */
GR_API int gr_certifier_record(gr_certifier *certifier, gr_seqno seqno,
                               gr_slice write_set, bool committed, gr_seqno *depends_on);

/* ---- handing the state to another member ---- */

/* Begins to read the present state; certifying may go on. One at a time.
 * GR_OK, GR_ERR_INVALID, GR_ERR_STATE (one is open, or importing). */
GR_API int gr_certifier_export_begin(gr_certifier *certifier);

/* The next bytes of it, up to `capacity`; `*size` 0: that was all.
 *
 * GR_OK             done
 * GR_ERR_INVALID    an argument is NULL, or no room
 * GR_ERR_STATE      none is open
 * GR_ERR_OVERTAKEN  certifying needed the room of what was not read: end it, begin again
 */
GR_API int gr_certifier_export_read(gr_certifier *certifier, void *buffer,
                                    size_t capacity, size_t *size);

/* Ends it, read or not. Does nothing if none is open. */
GR_API void gr_certifier_export_end(gr_certifier *certifier);

/* Forgets everything, and begins to take the state of another one. Ends an export.
 * GR_OK, GR_ERR_INVALID. */
GR_API int gr_certifier_import_begin(gr_certifier *certifier);

/* The next bytes, cut anyhow.
 *
 * GR_OK                 taken
 * GR_ERR_INVALID        an argument is NULL
 * GR_ERR_STATE          not importing
 * GR_ERR_MALFORMED, GR_ERR_PROTOCOL
 *                       it cannot be the state of a certifier
 * GR_ERR_CORRUPT        it was damaged on the way
 * GR_ERR_LIMITS_DIFFER  of one with other options
 * On any error but the first two the import has ended, and the certifier is as new.
 */
GR_API int gr_certifier_import_write(gr_certifier *certifier, gr_slice bytes);

/* That was all. From now on this certifier does what the other would.
 * GR_OK, GR_ERR_INVALID, GR_ERR_STATE; GR_ERR_MALFORMED (there should be more: it is as
 * new) */
GR_API int gr_certifier_import_end(gr_certifier *certifier);

/* ---- looking inside ---- */

/* Hash of all that sways what follows: equal at members that are equal. Takes time for
 * every row. 0 for NULL, or while importing. */
GR_API uint64_t gr_certifier_digest(const gr_certifier *certifier);

typedef struct gr_certifier_status {
  size_t size;        /* sizeof(gr_certifier_status), set by the caller */
  gr_seqno last;      /* nothing up to this one can be certified any more */
  gr_seqno floor;     /* snapshots below are too old */
  gr_seqno watermark; /* of gr_certifier_stable(); the floor is above it where memory or
                         the window raised it */
  gr_seqno barrier;   /* the last one; 0 if none is above the floor */
  uint64_t mode;
  uint64_t rows;      /* above the floor */
  uint64_t rows_held; /* of these and of those that wait to be purged */
  uint64_t rows_max;
  uint64_t bytes;     /* allocated */
  uint64_t committed; /* verdicts since it was made, by kind */
  uint64_t conflicts;
  uint64_t too_old;
  uint64_t refused_serializable;
  uint64_t refused_cascading;
  uint64_t too_large;
  uint64_t purged; /* rows */
} gr_certifier_status;

/* GR_OK, GR_ERR_INVALID. */
GR_API int gr_certifier_inspect(const gr_certifier *certifier,
                                gr_certifier_status *status);

#ifdef __cplusplus
}
#endif
#endif
