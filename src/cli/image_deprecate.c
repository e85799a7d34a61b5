#include <stdlib.h>
#include <string.h>

#include "image.h"

struct image {
    struct local local;
    const char *at;
    bool cancel;
};

static const struct opt opts[] = {
    { 0, "at", "WHEN", OPT_TEXT, offsetof(struct image, at),
      "a day (2030-12-31) or minute (2030-12-31T18:00Z), in UTC, or +DAYS from now" },
    { 0, "cancel", NULL, OPT_FLAG, offsetof(struct image, cancel), "never" },
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb deprecate_verb = {
    "image deprecate",
    "AMI... --at WHEN",
    1,
    -1,
    "Says from when on each AMI should not be used any more: it can be used then as before, but "
    "others no longer see it in lists. Not in the past and within 10 years; of a public AMI within "
    "2 years of its creation.",
    opts
};

#define DAYS_MAX 100000 /* the rules say less; this keeps the sum in range */

static int read_when(const char *text, int64_t *at, struct vml_error *err)
{
    char *end = NULL;

    if (text[0] == '+' && text[1] >= '0' && text[1] <= '9') {
        long days = strtol(text + 1, &end, 10);
        if (*end == '\0' && days <= DAYS_MAX) {
            *at = vml_now() + days * INT64_C(86400);
            return 0;
        }
    } else if (vml_ec2_time_parse(text, at)) {
        return 0;
    }
    return vml_fail(
        err, VML_EUSAGE, "usage/when",
        "--at: %s is not a day like 2030-12-31, a time like 2030-12-31T18:00Z, or +DAYS", text);
}

static int deprecate(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                     struct vml_image *out, struct vml_error *err)
{
    return vml_registry_deprecate(s, where, ami, *(const int64_t *)arg, out, err);
}

int image_deprecate(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    int64_t at = 0;
    int rc = opt_parse(cli, &deprecate_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.cancel == (how.at != NULL))
        return vml_fail(err, VML_EUSAGE, "usage/when", "image deprecate: --at WHEN or --cancel");
    if (how.at != NULL && read_when(how.at, &at, err) < 0)
        return -1;
    return image_each(cli, &how.local, deprecate, &at, err);
}
