/* SPDX-License-Identifier: MIT */
#include "membership/profile.h"

void gr_attributes_encode(struct gr_writer *writer, const gr_attributes *attributes) {
  gr_write_bytes(writer, attributes->uuid.bytes, sizeof(attributes->uuid.bytes));
  gr_write_u64(writer, attributes->version);
  gr_write_u8(writer, (uint8_t)attributes->weight);
  gr_write_u16(writer, (uint16_t)attributes->address.size);
  gr_write_bytes(writer, attributes->address.data, attributes->address.size);
  gr_write_u16(writer, (uint16_t)attributes->user_data.size);
  gr_write_bytes(writer, attributes->user_data.data, attributes->user_data.size);
}

static bool blob_decode(struct gr_reader *reader, size_t most, gr_slice *blob) {
  blob->size = gr_read_u16(reader);
  if (reader->bad || blob->size > most) return false;
  blob->data = gr_read_bytes(reader, blob->size);
  return !reader->bad;
}

bool gr_attributes_decode(struct gr_reader *reader, gr_attributes *attributes) {
  const uint8_t *uuid = gr_read_bytes(reader, sizeof(attributes->uuid.bytes));
  if (!uuid) return false;
  memcpy(attributes->uuid.bytes, uuid, sizeof(attributes->uuid.bytes));
  attributes->version = gr_read_u64(reader);
  attributes->weight = gr_read_u8(reader);
  return attributes->weight <= 100 &&
         blob_decode(reader, GR_ADDRESS_BYTES_MAX, &attributes->address) &&
         blob_decode(reader, GR_USER_DATA_BYTES_MAX, &attributes->user_data);
}

void gr_attributes_of(gr_slice profile, gr_attributes *attributes) {
  struct gr_reader reader = gr_reader_of(profile.data, profile.size);
  if (!gr_attributes_decode(&reader, attributes)) *attributes = (gr_attributes){0};
}
