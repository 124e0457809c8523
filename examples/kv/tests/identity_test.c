/* SPDX-License-Identifier: MIT
 *
 * identity.h: what is written is read again, by whom it is kept it is kept, and a
 * founder's name does not depend on chance.
 */
#include "../identity.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT "6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8d"

static bool are_equal(const gr_uuid *one, const gr_uuid *other) {
  return memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0;
}

Test(identity, a_text_is_read_and_written) {
  gr_uuid uuid;
  char text[KV_UUID_TEXT_BYTES];
  cr_assert(kv_uuid_parse(TEXT, &uuid));
  cr_assert_eq(uuid.bytes[0], 0x6c);
  cr_assert_eq(uuid.bytes[15], 0x8d);
  kv_uuid_format(&uuid, text);
  cr_assert_str_eq(text, TEXT);
  cr_assert(kv_uuid_parse("6C0F5A3E-6D9E-4F53-9A5E-3F1F5B6A7C8D", &uuid));
  kv_uuid_format(&uuid, text);
  cr_assert_str_eq(text, TEXT);
}

Test(identity, what_is_no_uuid_is_refused) {
  gr_uuid uuid;
  const char *const texts[] = {"",
                               "6c0f5a3e",
                               TEXT "0",
                               "6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8",
                               "6c0f5a3e-6d9e-4f53-9a5e-3f1f5b6a7c8g",
                               "6c0f5a3e06d9e-4f53-9a5e-3f1f5b6a7c8d"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    cr_assert_not(kv_uuid_parse(texts[i], &uuid), "'%s'", texts[i]);
}

Test(identity, founders_have_names_of_their_own_and_always_the_same) {
  gr_uuid group;
  cr_assert(kv_uuid_parse(TEXT, &group));
  gr_uuid first = kv_uuid_of_founder(&group, 1);
  gr_uuid again = kv_uuid_of_founder(&group, 1);
  gr_uuid second = kv_uuid_of_founder(&group, 2);
  cr_assert(are_equal(&first, &again));
  cr_assert_not(are_equal(&first, &second));
  cr_assert_not(are_equal(&first, &group));
}

Test(identity, one_that_was_drawn_is_kept) {
  char folder[] = "/tmp/gr-kv-identity-XXXXXX";
  cr_assert(mkdtemp(folder));
  int directory = open(folder, O_RDONLY | O_DIRECTORY);
  gr_uuid first, again, other;
  cr_assert(kv_uuid_keep(directory, "uuid", &first));
  cr_assert(kv_uuid_keep(directory, "uuid", &again));
  cr_assert(are_equal(&first, &again));
  cr_assert(kv_uuid_keep(directory, "other", &other));
  cr_assert_not(are_equal(&first, &other));
  int fd = openat(directory, "other", O_WRONLY | O_TRUNC);
  cr_assert_eq(write(fd, "nonsense\n", 9), 9);
  close(fd);
  cr_assert_not(kv_uuid_keep(directory, "other", &again));
  cr_assert_eq(errno, EINVAL);
  cr_assert_eq(unlinkat(directory, "uuid", 0), 0);
  cr_assert_eq(unlinkat(directory, "other", 0), 0);
  close(directory);
  cr_assert_eq(rmdir(folder), 0);
}
