/* SPDX-License-Identifier: MIT
 *
 * What a member tells others in its frames it must keep, whatever becomes of its process:
 * read from the bytes that leave (doc/protocol.md, "Wire format"), not from the library's
 * own account.
 */
#include "simulation.h"

#include "base/bytes.h"
#include "membership/message.h"

enum {
  FRAME_TYPE_AT = 7,
  FRAME_BODY_AT = 40,
  BALLOT_BYTES = 24,
  CONFIG = 2, /* a value's kind */
  MARK_BYTES = 24,
  FOUNDING = 4, /* a flag of heartbeats */
  HEARTBEAT_MEMBERS_AT = 1 + BALLOT_BYTES + 7 * 8,
  HEARTBEAT_MEMBER_BYTES = 40,
  HEARTBEAT = 1,
  ACCEPT = 3,
  ACCEPTED = 4,
  PREPARE = 7,
  PROMISE = 8,
  MEMBERSHIP = 32 /* and all above: frames of who asks to be let in, or recovers */
};

static gr_ballot ballot_at(const uint8_t *bytes) {
  return (gr_ballot){.view = gr_load_u64(bytes),
                     .round = gr_load_u64(bytes + 8),
                     .member = gr_load_u64(bytes + 16)};
}

/* Until its first record, which says that it is another process, is durable, a process is
 * silent. */
static void check_first(struct sim_process *process) {
  struct simulation *sim = process->sim;
  struct sim_storage *storage = &sim->storages[process->index];
  if (!process->resumed || storage->durable < process->first_ticket)
    sim_oracle_fail(&sim->oracle, "TOLD",
                    "member %u sends a frame before its new boot is durable",
                    process->index + 1);
  process->speaks = true;
  sim_oracle_speaks(&sim->oracle, sim_process_member(process));
}

static void read_promise(struct sim_process *process, const uint8_t *body) {
  struct sim_oracle *oracle = &process->sim->oracle;
  gr_slot slot = gr_load_u64(body + 40);
  uint32_t count = gr_load_u32(body + 56);
  const uint8_t *value = body + 60;
  sim_oracle_told(oracle, sim_process_member(process), ballot_at(body), 0);
  gr_slot end = gr_load_u64(body + 48);
  bool change = false; /* of the view; nothing follows it in a frame */
  for (; count > 0; count--, slot++) {
    sim_oracle_reports_value(oracle, sim_process_member(process), slot, ballot_at(value));
    change = value[BALLOT_BYTES] == CONFIG;
    value += BALLOT_BYTES + 2 + MARK_BYTES * value[BALLOT_BYTES + 1];
  }
  /* R3: what it accepted behind a change in a lower ballot is void. */
  if (slot == end && !change)
    sim_oracle_reports(oracle, sim_process_member(process), ballot_at(body).view, end);
}

void sim_told_suspects(struct sim_process *process, const gr_slice *parts) {
  const uint8_t *frame = parts[0].data;
  const uint8_t *body = frame + FRAME_BODY_AT;
  if (!sim_process_counts(process) || frame[FRAME_TYPE_AT] != HEARTBEAT) return;
  if ((body[0] & FOUNDING) != 0) return; /* its profile, for those who have not met it */
  struct gr_reader reader = gr_reader_of(body, parts[0].size - FRAME_BODY_AT);
  gr_read_bytes(&reader, HEARTBEAT_MEMBERS_AT);
  gr_read_bytes(&reader, HEARTBEAT_MEMBER_BYTES * (size_t)gr_read_u8(&reader));
  gr_read_u16(&reader);
  struct gr_note note;
  if (!gr_note_decode(&reader, &note)) return;
  for (uint32_t i = 0; i < note.suspect_count; i++)
    sim_oracle_suspects(&process->sim->oracle, sim_process_member(process),
                        note.suspects[i]);
}

void sim_told(struct sim_process *process, const gr_slice *parts) {
  if (!sim_process_counts(process)) return;
  struct sim_oracle *oracle = &process->sim->oracle;
  const uint8_t *frame = parts[0].data;
  const uint8_t *body = frame + FRAME_BODY_AT;
  const uint8_t *behind = body + BALLOT_BYTES; /* the ballot */
  if (frame[FRAME_TYPE_AT] >= MEMBERSHIP) return;
  if (!process->speaks) check_first(process);
  switch (frame[FRAME_TYPE_AT]) {
  case HEARTBEAT:
    sim_oracle_told(oracle, sim_process_member(process), ballot_at(body + 1),
                    gr_load_u64(behind + 1));
    sim_oracle_told_settled(oracle, sim_process_member(process),
                            gr_load_u64(behind + 17));
    break;
  case ACCEPT:
    sim_oracle_told(oracle, sim_process_member(process), ballot_at(body),
                    gr_load_u64(behind + 40));
    sim_oracle_told_settled(oracle, sim_process_member(process),
                            gr_load_u64(behind + 24));
    break;
  case ACCEPTED:
    sim_oracle_told(oracle, sim_process_member(process), ballot_at(body),
                    gr_load_u64(behind));
    sim_oracle_told_settled(oracle, sim_process_member(process),
                            gr_load_u64(behind + 16));
    break;
  case PROMISE:
    read_promise(process, body);
    break;
  case PREPARE:
    sim_oracle_told(oracle, sim_process_member(process), ballot_at(body), 0);
    break;
  default:
    break;
  }
}
