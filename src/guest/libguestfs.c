#include "guest/libguestfs.h"

#ifdef VMLIFT_GUESTFS

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct vml_guestfs vml_guestfs;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[200];

static void keep_failure(void)
{
    const char *said = dlerror();

    snprintf(failure, sizeof failure, "%s", said != NULL ? said : "it cannot be loaded");
}

static void load(void)
{
#define NAME_AND_PLACE(name) { "guestfs_" #name, (char *)&vml_guestfs.name },
    static const struct {
        const char *name;
        char *place;
    } functions[] = { VML_GUESTFS_FUNCTIONS(NAME_AND_PLACE) };
    void *library = dlopen("libguestfs.so.0", RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        keep_failure();
        return;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(library, functions[i].name);

        if (function == NULL) {
            keep_failure();
            return;
        }
        memcpy(functions[i].place, &function, sizeof(void *));
    }
}

int vml_guestfs_load(struct vml_error *err)
{
    pthread_once(&once, load);
    if (failure[0] == '\0')
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "guest/no-libguestfs",
                    "%s: libguestfs, which looks into disks, is not there (Debian: libguestfs0)",
                    failure);
}

#else

int vml_guestfs_load(struct vml_error *err)
{
    return vml_fail(err, VML_EUNSUPPORTED, "guest/no-libguestfs",
                    "this vmlift was built without libguestfs, which looks into disks (Debian: "
                    "libguestfs-dev, then build it again)");
}

#endif
