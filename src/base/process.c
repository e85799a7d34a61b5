/* What belongs to the process and not to any object: its interruption, its clock, its randomness.
 */
#include "vmlift/base.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static atomic_bool interrupted;
static atomic_bool clock_set;
static _Atomic int64_t clock_value;

/* Pointers that are read by a signal handler: no lock can guard them. */
static _Atomic(struct vml_interrupt_hook *) hooks[16];

#define N_HOOKS (sizeof hooks / sizeof hooks[0])

void vml_interrupt(void)
{
    atomic_store_explicit(&interrupted, true, memory_order_relaxed);
    for (size_t i = 0; i < N_HOOKS; i++) {
        const struct vml_interrupt_hook *hook = atomic_load(&hooks[i]);

        if (hook != NULL)
            hook->fn(hook->arg);
    }
}

bool vml_interrupt_add(struct vml_interrupt_hook *hook)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct vml_interrupt_hook *none = NULL;

        if (atomic_compare_exchange_strong(&hooks[i], &none, hook))
            return true;
    }
    return false;
}

void vml_interrupt_remove(struct vml_interrupt_hook *hook)
{
    for (size_t i = 0; i < N_HOOKS; i++) {
        struct vml_interrupt_hook *it = hook;

        (void)atomic_compare_exchange_strong(&hooks[i], &it, NULL);
    }
}

bool vml_interrupted(void)
{
    return atomic_load_explicit(&interrupted, memory_order_relaxed);
}

int(vml_fail_interrupted)(struct vml_error *err)
{
    return vml_fail(err, VML_EINTERRUPTED, "interrupted", "interrupted");
}

void vml_set_clock(int64_t epoch)
{
    atomic_store(&clock_value, epoch);
    atomic_store(&clock_set, true);
}

int64_t vml_now(void)
{
    return atomic_load(&clock_set) ? atomic_load(&clock_value) : (int64_t)time(NULL);
}

bool vml_reproducible(void)
{
    return atomic_load(&clock_set);
}

int vml_random(void *buf, size_t n, struct vml_error *err)
{
    uint8_t *p = buf;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vml_fail_errno(err, "random bytes");
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

int vml_new_id(char out[32], const char *prefix, struct vml_error *err)
{
    uint8_t raw[9];
    int used = snprintf(out, 32, "%s", prefix);

    if (vml_random(raw, sizeof raw, err) < 0)
        return -1;
    for (int i = 0; i < 17; i++) {
        int nibble = raw[i / 2] >> (i % 2 ? 0 : 4) & 15;

        out[used++] = "0123456789abcdef"[nibble];
    }
    out[used] = '\0';
    return 0;
}

bool vml_is_id(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(text, prefix, len) != 0)
        return false;
    size_t digits = strspn(text + len, "0123456789abcdef");
    return text[len + digits] == '\0' && (digits == 17 || digits == 8);
}

void vml_uuid_print(char text[37], const uint8_t raw[16])
{
    for (unsigned i = 0; i < 16; i++)
        text += sprintf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", raw[i]);
}

int vml_uuid_new(uint8_t raw[16], char text[37], struct vml_error *err)
{
    if (vml_random(raw, 16, err) < 0)
        return -1;
    raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
    raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
    vml_uuid_print(text, raw);
    return 0;
}
