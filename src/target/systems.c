/* The systems that VM Import lists ("Requirements for resources that you import", "Operating
 * systems"), of the copy of 2023; newer ones have rows more, and take none away. */
#include <string.h>

#include "rules.h"

/* Kernels by the numbers that a version begins with. */
static const struct row {
    const char *distro;  /* as libguestfs calls it */
    int major, from, to; /* minor versions; to -1: any */
    const char *kernels; /* ", " between them; "" where the table names none */
} rows[] = {
    { "amazonlinux", 2, 0, -1, "4.14, 4.19, 5.4, 5.10" },
    { "centos", 5, 1, 11, "2.6.18" },
    { "centos", 6, 1, 8, "2.6.32" },
    { "centos", 7, 0, 9, "3.10.0" },
    { "centos", 8, 0, 2, "4.18.0" },
    { "debian", 6, 0, 0, "2.6.32" },
    { "debian", 7, 0, 8, "3.2" },
    { "debian", 10, 0, -1, "4.19" },
    { "debian", 11, 0, -1, "5.10" },
    { "fedora", 18, 0, -1, "3.2.5" },
    { "fedora", 19, 0, -1, "3.9.5" },
    { "fedora", 20, 0, -1, "3.11.10" },
    { "oraclelinux", 5, 10, 11, "" }, /* "el5uek kernel suffixes" */
    { "oraclelinux", 6, 1, 10, "2.6.32, 2.6.39, 3.8.13, 4.1.12" },
    { "oraclelinux", 7, 0, 6, "3.10.0, 3.8.13, 4.1.12, 4.14.35, 4.15, 5.4.17" },
    { "rhel", 5, 0, -1, "2.6.18" },
    { "rhel", 6, 0, -1, "2.6.32" },
    { "rhel", 7, 0, -1, "3.10.0" },
    { "rhel", 8, 0, 6, "4.18.0" },
    { "sles", 11, 0, 4, "2.6.32.12, 3.0" },
    { "sles", 12, 0, 5, "3.12, 4.4, 4.12" },
    { "sles", 15, 0, 3, "4.12, 5.3" },
    { "ubuntu", 12, 0, -1, "3.2, 3.5" },
    { "ubuntu", 13, 0, -1, "3.8, 3.11" },
    { "ubuntu", 14, 0, -1, "" },
    { "ubuntu", 15, 0, -1, "" },
    { "ubuntu", 16, 0, -1, "" },
    { "ubuntu", 17, 0, -1, "" },
    { "ubuntu", 18, 0, -1, "" },
    { "ubuntu", 20, 0, -1, "" },
};

static const struct {
    int major, minor;
} windows[] = {
    { 5, 2 },  /* Server 2003 */
    { 6, 0 },  /* Server 2008 */
    { 6, 1 },  /* 7, Server 2008 R2 */
    { 6, 2 },  /* 8, Server 2012 */
    { 6, 3 },  /* 8.1, Server 2012 R2 */
    { 10, 0 }, /* 10, 11, Server 2016 and later */
};

static const struct row *find(const struct vml_inspect *s)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].distro, s->distro) == 0 && rows[i].major == s->major &&
            s->minor >= rows[i].from && (rows[i].to < 0 || s->minor <= rows[i].to))
            return &rows[i];
    return NULL;
}

enum system_known target_system_known(const struct vml_inspect *s)
{
    if (s->os == VML_OS_WINDOWS) {
        for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
            if (windows[i].major == s->major && windows[i].minor == s->minor)
                return SYSTEM_LISTED;
        return SYSTEM_OTHER_VERSION;
    }
    if (find(s) != NULL)
        return SYSTEM_LISTED;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].distro, s->distro) == 0)
            return SYSTEM_OTHER_VERSION;
    return SYSTEM_NOT_LISTED;
}

const char *target_kernels(const struct vml_inspect *s, const char *version, bool *listed)
{
    const struct row *r = find(s);

    *listed = false;
    if (r == NULL || r->kernels[0] == '\0')
        return NULL;
    for (const char *p = r->kernels;; p += 2) {
        size_t n = strcspn(p, ",");

        /* 3.2 is not 3.20 */
        if (strncmp(p, version, n) == 0 && (version[n] < '0' || version[n] > '9'))
            *listed = true;
        p += n;
        if (*p == '\0')
            return r->kernels;
    }
}
