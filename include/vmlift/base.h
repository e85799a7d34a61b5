/* Errors, notes, ownership, interruption: the conventions everything else leans on.
 *
 * A fallible function returns 0, or -1 with *err filled in exactly once, where the fault was found.
 * Malformed input is an error; a broken promise between our own modules is an assert.
 * Nothing in this library prints, exits or reads the environment: src/cli does. */
#ifndef VMLIFT_BASE_H
#define VMLIFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of failure it is.  The program turns it into its exit status (vml_error_status). */
enum vml_code {
    VML_OK,
    VML_EUSAGE,       /* 2: the call's words are off */
    VML_EDATA,        /* 3: bad input data */
    VML_EUNSUPPORTED, /* 4: well-formed, but not something vmlift does */
    VML_EREFUSED,     /* 5: a rule or policy says no */
    VML_ENOTFOUND,    /* 6 */
    VML_EEXISTS,      /* 6 */
    VML_EIO,          /* 7: files, devices, remote ends */
    VML_ENOMEM,       /* 7 */
    VML_EINTERRUPTED, /* 130 */
};

/* Lives on the caller's stack and is never NULL.  text is one line without a final stop; slug is
 * the stable name of the fault ("vmdk/grain-range"), the first part of which is the module. */
struct vml_error {
    enum vml_code code;
    char slug[48];
    char text[640];
};

/* Each returns -1, so that a failing line reads: return vml_fail(err, ...).
 * Who names the object: a function that was given a name (a path, an ID) puts it in front of its
 * text; one that was given an object does not, since the core prefixes the object's name once. */
int vml_fail(struct vml_error *err, enum vml_code code, const char *slug, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same from errno, whose text is appended; code and slug follow from errno: ENOENT is
 * "io/not-found", EEXIST "io/exists", EACCES and EPERM "io/denied", ENOSPC, EDQUOT and EFBIG
 * "io/full", ENOMEM "no-memory", anything else "io/error". */
int vml_fail_errno(struct vml_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int vml_fail_nomem(struct vml_error *err);
/* "context: text", where the caller knows a name that the callee could not. */
void vml_error_prefix(struct vml_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int vml_error_status(const struct vml_error *err); /* the exit status for err->code */

/* Things worth saying that are no failure: a dirty flag, a manifest that is missing.  At most 32
 * are kept; {0} is an empty list.  One thread at a time. */
struct vml_notes {
    size_t n;
    struct vml_note {
        char slug[48];
        char *text; /* owned by the list */
    } * items;
};
void vml_note(struct vml_notes *notes, const char *slug, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void vml_notes_clear(struct vml_notes *notes);

/* Cleanup by scope: VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;  A freep takes the
 * address, frees what is there, and accepts NULL there. */
#define VML_AUTO(fn) __attribute__((cleanup(fn)))
void vml_freep(void *pp); /* free(*pp), for plain memory */
/* open_memstream, but for this: where memory was missing for any of the text, fclose fails, and
 * *text is NULL.  Text and length are there once fclose returned; the text is the caller's to free.
 */
FILE *vml_memstream(char **text, size_t *len);

/* Interruption.  vml_interrupt may be called from a signal handler; from then on every long wait
 * and loop of the library ends with VML_EINTERRUPTED within two seconds, leaving nothing behind. It
 * is one flag for the process, as the signal is. */
void vml_interrupt(void);
bool vml_interrupted(void);
int vml_fail_interrupted(struct vml_error *err); /* "interrupted" [interrupted], -1 */
/* Where the wait is another library's, which does not look at the flag, vml_interrupt also calls
 * fn(arg), which ends what is waited for: from a signal handler, so with what signal-safety(7)
 * allows.  The hook stays the caller's, and must be there until it is taken off again.  At most 16
 * at a time; false: there are as many. */
struct vml_interrupt_hook {
    void (*fn)(void *arg);
    void *arg;
};
bool vml_interrupt_add(struct vml_interrupt_hook *hook);
void vml_interrupt_remove(struct vml_interrupt_hook *hook); /* also one that was not added */

/* So that compilers and analyzers, which see one file at a time, know what these return. */
static inline int vml_failed(int rc)
{
    (void)rc;
    return -1;
}
#define vml_fail(...)           vml_failed(vml_fail(__VA_ARGS__))
#define vml_fail_errno(...)     vml_failed(vml_fail_errno(__VA_ARGS__))
#define vml_fail_nomem(err)     vml_failed(vml_fail_nomem(err))
#define vml_fail_interrupted(e) vml_failed(vml_fail_interrupted(e))

/* Sizes.  Parse takes bytes with an optional suffix k M G T P E (powers of 1024, either case, "iB"
 * or "B" allowed after it); fails with VML_EUSAGE "size/syntax" or "size/range".  Format writes
 * the nearest that has one decimal, or none where that is 0 ("8 GiB", "1.5 MiB"), into buf. */
int vml_size_parse(uint64_t *size, const char *text, struct vml_error *err);
const char *vml_size_format(char buf[32], uint64_t size);

/* The bytes of the UTF-8 character at p, which is not at the text's end; 0 where there is none. */
size_t vml_utf8_char(const char *p);
/* How many characters text has; false when it is not UTF-8. */
bool vml_utf8_count(const char *text, size_t *count);

/* n bytes from the kernel's generator (getrandom), good enough for keys. */
int vml_random(void *buf, size_t n, struct vml_error *err);
/* prefix and 17 lowercase hex digits, as EC2 makes IDs: "ami-0123456789abcdef0". */
int vml_new_id(char out[32], const char *prefix, struct vml_error *err);
/* The prefix and 17 such digits, or 8 as they were before 2016. */
bool vml_is_id(const char *text, const char *prefix);
/* A random UUID (version 4), as bytes in the order of its text, and as text. */
int vml_uuid_new(uint8_t raw[16], char text[37], struct vml_error *err);
void vml_uuid_print(char text[37], const uint8_t raw[16]);

/* The time to write into outputs: SOURCE_DATE_EPOCH's if the program set it (vml_set_clock), else
 * the clock's.  Seconds since 1970. */
void vml_set_clock(int64_t epoch);
int64_t vml_now(void);
/* True once vml_set_clock was called: IDs and UUIDs inside outputs then derive from content. */
bool vml_reproducible(void);

static inline uint64_t vml_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t vml_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
/* unit is a power of two. */
static inline uint64_t vml_round_up(uint64_t v, uint64_t unit)
{
    return (v + unit - 1) & ~(unit - 1);
}
static inline uint64_t vml_round_down(uint64_t v, uint64_t unit)
{
    return v & ~(unit - 1);
}
static inline uint64_t vml_div_up(uint64_t v, uint64_t by)
{
    return v / by + (v % by != 0);
}

#ifdef __cplusplus
}
#endif
#endif
