/* Loaded before the C library: calls that would change files below $FAILING_FOLDER fail while $FAILING_FLAG exists,
 * which holds "<errno> <percent of the calls>". What is only read goes on, as from a disk that has become read-only.
 * With $FAILING_READS it is what is only read that fails, and what writes goes on: a file is not opened, or if the error
 * is EIO opened and not read; if it is ESTALE there is no word of its size and time either.
 * $FAILING_COUNT is a file of three 64-bit numbers: the calls so far, the number of one that fails, and its errno. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int real_open(const char *path, int flags) {
    static int (*next)(const char *, int, ...);
    if (!next) next = dlsym(RTLD_NEXT, "open64");
    return next(path, flags | O_CLOEXEC);
}

static ssize_t real_read(int file, void *data, size_t n) {
    static ssize_t (*next)(int, void *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "read");
    return next(file, data, n);
}

static int below(const char *path) {
    const char *folder = getenv("FAILING_FOLDER");
    return folder && path && !strncmp(path, folder, strlen(folder));
}

static int fails_reads(void) { return getenv("FAILING_READS") != NULL; }

/* The error of a call that was chosen by its number, 0 of any other. */
static int error_of_chosen(void) {
    static int64_t *count;
    const char *path = getenv("FAILING_COUNT");
    int file, saved = errno;
    if (path && !count && (file = real_open(path, O_RDWR)) >= 0) {
        void *memory = mmap(NULL, 3 * sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory != MAP_FAILED) count = memory;
        close(file);
    }
    errno = saved;
    return count && __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST) == count[1] ? (int)count[2] : 0;
}

/* The error that this call fails with, 0 for none. */
static int error_now(void) {
    int chosen = error_of_chosen();
    if (chosen) return chosen;
    const char *flag = getenv("FAILING_FLAG");
    int number = 0, percent = 100, file, saved = errno;
    char text[32];
    ssize_t length;
    if (!flag || (file = real_open(flag, O_RDONLY)) < 0) { errno = saved; return 0; }
    length = real_read(file, text, sizeof text - 1);
    close(file);
    errno = saved;
    if (length <= 0) return 0;
    text[length] = 0;
    sscanf(text, "%d %d", &number, &percent);
    return random() % 100 < percent ? number : 0;
}

static int error_of_file(int file) {
    char link[64], path[PATH_MAX];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path) ? error_now() : 0;
}

static int error_of_path(const char *path) {
    char whole[PATH_MAX];
    if (path && path[0] != '/' && getcwd(whole, sizeof whole / 2)) {
        size_t used = strlen(whole);
        snprintf(whole + used, sizeof whole - used, "/%s", path);
        path = whole;
    }
    return below(path) ? error_now() : 0;
}

/* Of calls that write. */
static int of_file(int file) { return fails_reads() ? 0 : error_of_file(file); }
static int of_path(const char *path) { return fails_reads() ? 0 : error_of_path(path); }

/* Of calls that read: data of a file that is open, its name, or what is known about it. */
static int of_data(int file) { return fails_reads() ? error_of_file(file) : 0; }
static int of_name(const char *path) {
    int error = fails_reads() ? error_of_path(path) : 0;
    return error == EIO ? 0 : error;
}
static int of_facts(const char *path) { return of_name(path) == ESTALE ? ESTALE : 0; }

#define FAIL(error) do { int e_ = (error); if (e_) { errno = e_; return -1; } } while (0)
#define NEXT(type, name, ...) \
    static type (*next)(__VA_ARGS__); \
    if (!next) next = dlsym(RTLD_NEXT, #name)
#define ON_FILE(type, name, declared, passed, ...) \
    type name declared { NEXT(type, name, __VA_ARGS__); FAIL(of_file(file)); return next passed; }
#define ON_PATH(type, name, declared, passed, ...) \
    type name declared { NEXT(type, name, __VA_ARGS__); FAIL(of_path(path)); return next passed; }

ON_FILE(ssize_t, write, (int file, const void *data, size_t n), (file, data, n), int, const void *, size_t)
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t n, off_t at), (file, data, n, at), int, const void *, size_t, off_t)
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t n, off64_t at), (file, data, n, at), int, const void *, size_t, off64_t)
ON_FILE(ssize_t, writev, (int file, const struct iovec *data, int n), (file, data, n), int, const struct iovec *, int)
ON_FILE(int, fsync, (int file), (file), int)
ON_FILE(int, fdatasync, (int file), (file), int)
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size), int, off64_t)
ON_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
ON_PATH(int, unlink, (const char *path), (path), const char *)
ON_PATH(int, rename, (const char *path, const char *to), (path, to), const char *, const char *)
ON_PATH(int, link, (const char *path, const char *to), (path, to), const char *, const char *)

#define READS(type, name, declared, passed, ...) \
    type name declared { NEXT(type, name, __VA_ARGS__); FAIL(of_data(file)); return next passed; }
#define DESCRIBES(name, facts) \
    int name(const char *path, struct facts *about) { \
        NEXT(int, name, const char *, struct facts *); FAIL(of_facts(path)); return next(path, about); \
    }
READS(ssize_t, read, (int file, void *data, size_t n), (file, data, n), int, void *, size_t)
READS(ssize_t, pread64, (int file, void *data, size_t n, off64_t at), (file, data, n, at), int, void *, size_t, off64_t)
DESCRIBES(stat, stat)
DESCRIBES(stat64, stat64)

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        mode_t mode = 0; \
        va_list rest; \
        NEXT(int, name, const char *, int, ...); \
        va_start(rest, flags); \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT)) FAIL(of_path(path)); \
        else if (!(flags & O_DIRECTORY)) FAIL(of_name(path)); \
        return next(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
