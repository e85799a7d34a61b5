/* What ends a wait of another library, and what is left of an appliance that does not come up. */
#include "check.h"
#include "guest/session.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned calls;

static void count(void *arg)
{
    calls += *(unsigned *)arg;
}

static void test_hooks(void)
{
    unsigned one = 1, hundred = 100;
    struct vml_interrupt_hook a = { count, &one }, b = { count, &hundred }, many[16];

    CHECK(vml_interrupt_add(&a));
    CHECK(vml_interrupt_add(&b));
    vml_interrupt();
    CHECK_INT(calls, 101);
    CHECK(vml_interrupted());
    vml_interrupt_remove(&a);
    vml_interrupt_remove(&a);
    vml_interrupt();
    CHECK_INT(calls, 201);
    vml_interrupt_remove(&b);
    for (size_t i = 0; i < 16; i++) {
        many[i] = a;
        CHECK(vml_interrupt_add(&many[i]));
    }
    CHECK(!vml_interrupt_add(&b));
    vml_interrupt();
    CHECK_INT(calls, 217);
    for (size_t i = 0; i < 16; i++)
        vml_interrupt_remove(&many[i]);
    vml_interrupt();
    CHECK_INT(calls, 217);
}

static unsigned entries(const char *folder)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

/* nbdkit says no; its words come through, and the folder goes. */
static void test_failure(const char *folder)
{
    const char *const params[] = { "file=/nonexistent", NULL };
    const struct vml_appliance_disk disk = { .params = params };
    struct vml_appliance how = {
        .disks = &disk, .n_disks = 1, .plugin = "/nonexistent/plugin.so", .tmp = folder
    };
    struct vml_session *s = NULL;
    struct vml_error err = { 0 };

    CHECK(vml_session_open(&s, &how, &err) < 0);
    CHECK(s == NULL);
    CHECK_INT(entries(folder), 0);
    if (strcmp(err.slug, "guest/nbdkit") == 0)
        CHECK(strstr(err.text, "/nonexistent/plugin.so") != NULL);
    else if (strcmp(err.slug, "guest/no-nbdkit") != 0)
        CHECK_STR(err.slug, "guest/no-libguestfs");
    if (strcmp(err.slug, "guest/no-libguestfs") == 0)
        return;
    how.tmp =
        "/nonexistent/so/long/that/the/path/of/a/socket/would/not/fit/into/its/address/at/all";
    CHECK_FAILS(vml_session_open(&s, &how, &err), &err, "guest/tmp");
    how.tmp = "/nonexistent";
    CHECK_FAILS(vml_session_open(&s, &how, &err), &err, "io/not-found");
}

int main(void)
{
    char folder[] = "/tmp/vmlift-test.XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    test_failure(folder);
    CHECK_INT(rmdir(folder), 0);
    test_hooks(); /* last: an interruption stays */
    return 0;
}
