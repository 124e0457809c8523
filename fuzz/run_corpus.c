/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files of a folder, without libFuzzer: the corpus as an
 * ordinary test, with any compiler. The name of the file that runs is the last line of
 * the output when the target breaks.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define PATH_BYTES_MAX 4096

/* Reads a whole file. */
static uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  FUZZ_CHECK(file, "the file can be read");
  size_t capacity = 4096;
  uint8_t *bytes = fuzz_allocate(capacity);
  size_t got;
  *size = 0;
  while ((got = fread(bytes + *size, 1, capacity - *size, file)) > 0) {
    *size += got;
    if (*size < capacity) continue;
    capacity *= 2;
    bytes = realloc(bytes, capacity);
    FUZZ_CHECK(bytes, "there is memory");
  }
  FUZZ_CHECK(!ferror(file), "the file can be read to its end");
  fclose(file);
  return bytes;
}

static void run_file(const char *path) {
  size_t size;
  uint8_t *read = read_file(path, &size);
  uint8_t *input = fuzz_allocate(size);
  memcpy(input, read, size);
  free(read);
  printf("%s\n", path);
  fflush(stdout);
  LLVMFuzzerTestOneInput(input, size);
  free(input);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  DIR *folder = opendir(argv[1]);
  if (!folder) {
    fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
    return 1;
  }
  size_t count = 0;
  const struct dirent *entry;
  while ((entry = readdir(folder)) != NULL) {
    char path[PATH_BYTES_MAX];
    if (entry->d_name[0] == '.') continue;
    int length = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
    FUZZ_CHECK(length > 0 && (size_t)length < sizeof(path), "the path is not too long");
    run_file(path);
    count++;
  }
  closedir(folder);
  printf("%zu inputs\n", count);
  if (count == 0) fprintf(stderr, "%s: no input in this folder\n", argv[1]);
  return count == 0;
}
