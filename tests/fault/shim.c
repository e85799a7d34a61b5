/* A library to preload: makes the k-th write-side call or allocation of a program go wrong.
 *
 *     FAULT        "calls K ACTION ERRNO HOW" or "memory K fail ERRNO HOW"; K counts from 1 at
 * main(), HOW is once or always (from K on), ERRNO a number FAULT_ONLY   ",fsync,fdatasync,": only
 * these calls are counted FAULT_TRACE  a file that is appended to: "K NAME PATH" for each call,
 * "memory N" at the end, and where the fault came from, as addr2line takes it FAULT_MOUNT  the
 * mount point that the action `cut` shuts down
 *
 * Actions: fail (the call does nothing and says ERRNO), short (half is written, and said so), tear
 * (half is written, then fail), tearkill (half is written, then SIGKILL), drop (success is said,
 * and nothing is done), kill (SIGKILL in place of the call), cut (the file system is shut down with
 * what is not on its disk yet lost, then SIGKILL).  What does not apply to a call lets it pass.
 *
 * SQLite and the C library's own users reach these names like the program does; only stores to
 * mapped memory (SQLite's -shm) and stdio's writes do not pass here. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { PASS, FAIL, SHORT, TEAR, TEARKILL, DROP, KILL, CUT };
static const char *const actions[] = { "pass",     "fail", "short", "tear",
                                       "tearkill", "drop", "kill",  "cut" };

static struct {
    bool memory, always;
    long at;
    enum action action;
    int error;
    const char *only;
    int trace, mount;
} plan = { .trace = -1, .mount = -1 };

static atomic_bool running; /* main has begun */
static atomic_long calls, allocations;

/* --- the plan ------------------------------------------------------------------------------- */

/* Not to be mistaken for a file of the program's: closing all from 3 up would be its own fault. */
static int out_of_the_way(int fd)
{
    int high = fd < 0 ? -1 : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);

    if (fd >= 0)
        syscall(SYS_close, fd);
    return high;
}

static void read_plan(void)
{
    const char *text = getenv("FAULT"), *trace = getenv("FAULT_TRACE"),
               *mount = getenv("FAULT_MOUNT");
    char what[16], action[16], how[16];
    void *frame;

    plan.only = getenv("FAULT_ONLY");
    if (trace != NULL)
        plan.trace = out_of_the_way((int)syscall(SYS_openat, AT_FDCWD, trace,
                                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (mount != NULL)
        plan.mount = out_of_the_way(
            (int)syscall(SYS_openat, AT_FDCWD, mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    if (backtrace(&frame, 1) < 1) /* it allocates the first time */
        plan.trace = -1;
    if (text == NULL)
        return;
    if (sscanf(text, "%15s %ld %15s %d %15s", what, &plan.at, action, &plan.error, how) != 5)
        abort();
    plan.memory = strcmp(what, "memory") == 0;
    plan.always = strcmp(how, "always") == 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(action, actions[i]) == 0)
            plan.action = (enum action)i;
}

static bool is_due(long number)
{
    return plan.always ? number >= plan.at : number == plan.at;
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static void cut_power(void)
{
    unsigned how = 2; /* no flush of the log: EXT4_GOING_FLAGS_NOLOGFLUSH, XFS_FSOP_... the same */

    /* EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number. */
    if (syscall(SYS_ioctl, plan.mount, _IOR('X', 125, unsigned), &how) != 0)
        abort();
    die();
}

/* --- telling -------------------------------------------------------------------------------- */

static void tell(const char *text)
{
    if (syscall(SYS_write, plan.trace, text, strlen(text)) < 0)
        plan.trace = -1;
}

static void tell_origin(void)
{
    void *frames[24];
    char line[64];
    int n = backtrace(frames, 24);

    for (int i = 2; i < n; i++) {
        Dl_info info;

        if (dladdr(frames[i], &info) == 0)
            continue;
        tell("from ");
        tell(info.dli_fname);
        snprintf(line, sizeof line, " %#lx\n",
                 (unsigned long)((char *)frames[i] - (char *)info.dli_fbase));
        tell(line);
    }
}

static void tell_call(long number, const char *name, int fd, const char *path)
{
    char line[4300], link[32], target[4096] = "";

    if (path == NULL) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1) < 0)
            target[0] = '\0';
        path = target;
    }
    snprintf(line, sizeof line, "%ld %s %s\n", number, name, path);
    tell(line);
}

/* A crash is some library's whose name the test may know: the innermost that is not the C library.
 */
static void on_crash(int number)
{
    void *frames[24];
    char line[320];
    int n = backtrace(frames, 24);
    const char *base = "nowhere";

    for (int i = 2; i < n; i++) { /* after this and the signal's own frame */
        Dl_info info;

        if (dladdr(frames[i], &info) == 0 || strstr(info.dli_fname, "/libc.so") != NULL)
            continue;
        base = strrchr(info.dli_fname, '/') != NULL ? strrchr(info.dli_fname, '/') + 1
                                                    : info.dli_fname;
        break;
    }
    snprintf(line, sizeof line, "shim: signal %d in %s\n", number, base);
    if (syscall(SYS_write, STDERR_FILENO, line, strlen(line)) < 0)
        plan.trace = -1;
    signal(number, SIG_DFL);
    raise(number);
}

/* What is to become of this call.  path NULL: the one of fd. */
static enum action enter(const char *name, int fd, const char *path)
{
    char word[32];
    int saved = errno;
    bool due;

    if (!atomic_load(&running))
        return PASS;
    snprintf(word, sizeof word, ",%s,", name);
    if (plan.only != NULL && strstr(plan.only, word) == NULL)
        return PASS;
    long number = atomic_fetch_add(&calls, 1) + 1;
    due = !plan.memory && plan.at > 0 && is_due(number);
    if (plan.trace >= 0)
        tell_call(number, name, fd, path);
    if (due && plan.trace >= 0)
        tell_origin();
    if (due && plan.action == KILL)
        die();
    if (due && plan.action == CUT)
        cut_power();
    errno = saved;
    return due ? plan.action : PASS;
}

static int failed(void)
{
    errno = plan.error;
    return -1;
}

/* --- allocations ---------------------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

static bool no_memory(void)
{
    static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

    if (!atomic_load(&running) || inside)
        return false;
    long number = atomic_fetch_add(&allocations, 1) + 1;
    if (!plan.memory || !is_due(number))
        return false;
    if (plan.trace >= 0) {
        inside = true;
        if (number == plan.at)
            tell_origin();
        inside = false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return no_memory() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t align, size_t size)
{
    return no_memory() ? NULL : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    return memalign(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    void *p = memalign(align, size);

    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

/* --- calls ---------------------------------------------------------------------------------- */

/* The next one of that name: the C library's. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call that is done or not done, and says 0. */
#define PLAIN(ret, name, args, pass, fd, path)                         \
    ret name args                                                      \
    {                                                                  \
        enum action a = enter(#name, fd, path);                        \
                                                                       \
        return a == FAIL ? failed() : a == DROP ? 0 : REAL(name) pass; \
    }

PLAIN(int, fsync, (int fd), (fd), fd, NULL)
PLAIN(int, fdatasync, (int fd), (fd), fd, NULL)
PLAIN(int, syncfs, (int fd), (fd), fd, NULL)
PLAIN(int, sync_file_range, (int fd, off64_t off, off64_t len, unsigned flags),
      (fd, off, len, flags), fd, NULL)
PLAIN(int, ftruncate, (int fd, off_t size), (fd, size), fd, NULL)
PLAIN(int, ftruncate64, (int fd, off64_t size), (fd, size), fd, NULL)
PLAIN(int, fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len), fd, NULL)
PLAIN(int, fallocate64, (int fd, int mode, off64_t off, off64_t len), (fd, mode, off, len), fd,
      NULL)
PLAIN(int, flock, (int fd, int how), (fd, how), fd, NULL)
PLAIN(int, link, (const char *from, const char *to), (from, to), -1, to)
PLAIN(int, linkat, (int fd, const char *from, int dir, const char *to, int flags),
      (fd, from, dir, to, flags), -1, to)
PLAIN(int, rename, (const char *from, const char *to), (from, to), -1, to)
PLAIN(int, renameat, (int fd, const char *from, int dir, const char *to), (fd, from, dir, to), -1,
      to)
PLAIN(int, renameat2, (int fd, const char *from, int dir, const char *to, unsigned flags),
      (fd, from, dir, to, flags), -1, to)
PLAIN(int, unlink, (const char *path), (path), -1, path)
PLAIN(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags), -1, path)
PLAIN(int, rmdir, (const char *path), (path), -1, path)
PLAIN(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, path)
PLAIN(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), -1, path)

/* Only of what was open for writing; a close that fails has closed all the same. */
int close(int fd)
{
    int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
    enum action a = PASS;

    if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
        a = enter("close", fd, NULL);
    int rc = REAL(close)(fd);
    return a == FAIL ? failed() : rc;
}

#define HALF(n) ((n) > 1 ? (n) / 2 : (n))

#define WRITE(name, args, n, part, whole, fd) \
    ssize_t name args                         \
    {                                         \
        switch (enter(#name, fd, NULL)) {     \
        case FAIL:                            \
            return failed();                  \
        case SHORT:                           \
            return REAL(name) part;           \
        case TEAR:                            \
            if (REAL(name) part < 0)          \
                return -1;                    \
            return failed();                  \
        case TEARKILL:                        \
            if (REAL(name) part < 0)          \
                return -1;                    \
            die();                            \
            return -1;                        \
        case DROP:                            \
            return (ssize_t)(n);              \
        case PASS:                            \
        case KILL:                            \
        case CUT:                             \
            break;                            \
        }                                     \
        return REAL(name) whole;              \
    }

WRITE(write, (int fd, const void *buf, size_t n), n, (fd, buf, HALF(n)), (fd, buf, n), fd)
WRITE(pwrite, (int fd, const void *buf, size_t n, off_t off), n, (fd, buf, HALF(n), off),
      (fd, buf, n, off), fd)
WRITE(pwrite64, (int fd, const void *buf, size_t n, off64_t off), n, (fd, buf, HALF(n), off),
      (fd, buf, n, off), fd)

static size_t total(const struct iovec *v, int n)
{
    size_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += v[i].iov_len;
    return sum;
}

WRITE(writev, (int fd, const struct iovec *v, int n), total(v, n), (fd, v, HALF(n)), (fd, v, n), fd)
WRITE(pwritev, (int fd, const struct iovec *v, int n, off_t off), total(v, n),
      (fd, v, HALF(n), off), (fd, v, n, off), fd)
WRITE(pwritev64, (int fd, const struct iovec *v, int n, off64_t off), total(v, n),
      (fd, v, HALF(n), off), (fd, v, n, off), fd)

int posix_fallocate(int fd, off_t off, off_t len)
{
    enum action a = enter("posix_fallocate", fd, NULL);

    return a == FAIL ? plan.error : a == DROP ? 0 : REAL(posix_fallocate)(fd, off, len);
}

int posix_fallocate64(int fd, off64_t off, off64_t len)
{
    enum action a = enter("posix_fallocate64", fd, NULL);

    return a == FAIL ? plan.error : a == DROP ? 0 : REAL(posix_fallocate64)(fd, off, len);
}

/* Only what makes a file or empties one. */
static bool makes(int flags)
{
    return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool open_fails(const char *path, int flags)
{
    enum action a = makes(flags) ? enter("open", -1, path) : PASS;

    return a == FAIL;
}

static mode_t mode_of(int flags, va_list ap)
{
    return makes(flags) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name, args, last, path, pass)                          \
    int name args                                                   \
    {                                                               \
        va_list ap;                                                 \
                                                                    \
        va_start(ap, last);                                         \
        mode_t mode = mode_of(last, ap);                            \
        va_end(ap);                                                 \
        return open_fails(path, last) ? failed() : REAL(name) pass; \
    }

OPEN(open, (const char *path, int flags, ...), flags, path, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), flags, path, (path, flags, mode))
OPEN(openat, (int dir, const char *path, int flags, ...), flags, path, (dir, path, flags, mode))
OPEN(openat64, (int dir, const char *path, int flags, ...), flags, path, (dir, path, flags, mode))

/* --- from the program's first line to its last ------------------------------------------------ */

typedef int main_fn(int argc, char **argv, char **envp);
static main_fn *real_main;

static int shim_main(int argc, char **argv, char **envp)
{
    read_plan();
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    atomic_store(&running, true);
    return real_main(argc, argv, envp);
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    real_main = main;
    return REAL(__libc_start_main)(shim_main, argc, argv, init, fini, rtld_fini, stack_end);
}

__attribute__((destructor)) static void tell_sums(void)
{
    char line[64];

    if (plan.trace < 0)
        return;
    snprintf(line, sizeof line, "memory %ld\n", atomic_load(&allocations));
    tell(line);
}
