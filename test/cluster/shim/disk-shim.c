/*
 * Preloaded below a server: makes its disk slow, failing or full, as words in a shared file say. Only files below
 * ZABRA_SHIM_ROOT are touched. The words are those of `disk-shim.ts`. Counts what it did, because a fault that met nothing did not bite.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_FAILURES, SYNC_ERROR, SYNC_DELAY_MS, WRITE_FAILURES, WRITE_ERROR, FILES, SYNCS, SYNCS_FAILED, SYNCS_DELAYED, WRITES, WRITES_FAILED, WORDS };
enum { LOG = 1, STORE = 2, OTHER = 4 };

static _Atomic int *words;
static char root[4096];

__attribute__((constructor)) static void begin(void) {
  const char *control = getenv("ZABRA_SHIM_CONTROL");
  const char *below = getenv("ZABRA_SHIM_ROOT");
  if (control == NULL || below == NULL || strlen(below) >= sizeof root) return;
  strcpy(root, below);
  int fd = open(control, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, WORDS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map != MAP_FAILED) words = map;
}

/* What kind of our files it is; 0: none of ours. */
static int kind_of(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strncmp(path, root, strlen(root)) != 0) return 0;
  if (strstr(path, "/log-") != NULL) return LOG;
  return strstr(path, "/store-") != NULL ? STORE : OTHER;
}

/* Takes one of a number of failures; below zero there is no end of them. */
static int take(int word) {
  int left = atomic_load(&words[word]);
  while (left > 0 && !atomic_compare_exchange_weak(&words[word], &left, left - 1)) {}
  return left != 0;
}

static int sync_fails(int fd) {
  if (words == NULL) return 0;
  int saved = errno, kind = kind_of(fd);
  errno = saved;
  if (kind == 0) return 0;
  atomic_fetch_add(&words[SYNCS], 1);
  if ((kind & atomic_load(&words[FILES])) == 0) return 0;
  int ms = atomic_load(&words[SYNC_DELAY_MS]);
  if (ms > 0) {
    struct timespec wait = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
    atomic_fetch_add(&words[SYNCS_DELAYED], 1);
  }
  if (!take(SYNC_FAILURES)) return 0;
  atomic_fetch_add(&words[SYNCS_FAILED], 1);
  errno = atomic_load(&words[SYNC_ERROR]);
  return 1;
}

static int write_fails(int fd) {
  if (words == NULL) return 0;
  int saved = errno, kind = kind_of(fd);
  errno = saved;
  if (kind == 0) return 0;
  atomic_fetch_add(&words[WRITES], 1);
  if ((kind & atomic_load(&words[FILES])) == 0 || !take(WRITE_FAILURES)) return 0;
  atomic_fetch_add(&words[WRITES_FAILED], 1);
  errno = atomic_load(&words[WRITE_ERROR]);
  return 1;
}

#define NEXT(type, name, ...) \
  static type (*next)(__VA_ARGS__); \
  if (next == NULL) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int fd) {
  NEXT(int, "fsync", int);
  return sync_fails(fd) ? -1 : next(fd);
}

int fdatasync(int fd) {
  NEXT(int, "fdatasync", int);
  return sync_fails(fd) ? -1 : next(fd);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  NEXT(ssize_t, "write", int, const void *, size_t);
  return write_fails(fd) ? -1 : next(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  NEXT(ssize_t, "writev", int, const struct iovec *, int);
  return write_fails(fd) ? -1 : next(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
  return write_fails(fd) ? -1 : next(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return write_fails(fd) ? -1 : next(fd, bytes, count, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  NEXT(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
  return write_fails(fd) ? -1 : next(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  NEXT(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
  return write_fails(fd) ? -1 : next(fd, parts, count, at);
}
