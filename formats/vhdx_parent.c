/* VHDX: what a differencing disk says of its parent.
 *
 *   parent locator   0 type, a GUID | 18 pairs (2) | 20 pairs of 12 bytes:
 *                    key's offset (4) | 4 value's offset (4) | 8 key's length (2) | 10 value's (2)
 *
 * Offsets are from the locator's start, lengths in bytes; all text is UTF-16LE.  "parent_linkage"
 * is the GUID of the parent's data, in braces.  "relative_path" is the parent's place beside the
 * child; "volume_path" and "absolute_win32_path" tell where it was on the machine that made the
 * child: of these the file's name is taken. */
#include <ctype.h>
#include <stdlib.h>

#include "utf16.h"
#include "vhdx.h"

#define HEAD 20u
#define PAIR 12u

static const char locator_type[] = "b04aefb7-d19e-4a81-b789-25b8e9445913";

static bool in_locator(const struct vhdx_file *f, uint32_t off, uint32_t len)
{
    return len % 2 == 0 && off <= f->params.locator_len && len <= f->params.locator_len - off;
}

/* The value of `key` in *out, malloc'd; NULL where there is none. */
static int find_value(char **out, const struct vhdx_file *f, const uint8_t *locator,
                      const char *key, struct vml_error *err)
{
    *out = NULL;
    for (uint32_t i = 0; i < le16(locator + 18); i++) {
        const uint8_t *p = locator + HEAD + (size_t)i * PAIR;
        VML_AUTO(vml_freep) char *name = NULL;

        if (!in_locator(f, HEAD + (i + 1) * PAIR, 0) || !in_locator(f, le32(p), le16(p + 8)) ||
            !in_locator(f, le32(p + 4), le16(p + 10)))
            return vml_fail(err, VML_EDATA, "vhdx/parent-name",
                            "entry %u of the parent locator reaches beyond its %u bytes",
                            (unsigned)i, (unsigned)f->params.locator_len);
        if (utf16_decode(&name, locator + le32(p), le16(p + 8) / 2, false, "vhdx/parent-name",
                         err) < 0)
            return -1;
        if (strcmp(name, key) == 0)
            return utf16_decode(out, locator + le32(p + 4), le16(p + 10) / 2, false,
                                "vhdx/parent-name", err);
    }
    return 0;
}

static int find_name(struct vml_reader *r, const struct vhdx_file *f, const uint8_t *locator,
                     struct vml_error *err)
{
    static const char *const keys[] = { "relative_path", "absolute_win32_path", "volume_path" };

    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (find_value(&r->parent_name, f, locator, keys[i], err) < 0)
            return -1;
        if (r->parent_name != NULL && r->parent_name[0] != '\0') {
            if (i == 0)
                path_drop_dots(r->parent_name);
            else
                path_keep_last(r->parent_name);
            return 0;
        }
        free(r->parent_name);
    }
    r->parent_name = calloc(1, 1); /* it has one, and does not name it */
    return r->parent_name != NULL ? 0 : vml_fail_nomem(err);
}

/* Without it a child could be given any parent. */
static int find_linkage(struct vml_reader *r, const struct vhdx_file *f, const uint8_t *locator,
                        struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    size_t n = 0;

    if (find_value(&text, f, locator, "parent_linkage", err) < 0)
        return -1;
    for (const char *p = text; p != NULL && *p != '\0'; p++)
        if (*p != '{' && *p != '}' && n < 36)
            r->parent_id[n++] = (char)tolower((unsigned char)*p);
    r->parent_id[n] = '\0';
    if (n != 36)
        return vml_fail(err, VML_EDATA, "vhdx/parent-linkage",
                        "the parent locator does not tell the GUID of the parent's data "
                        "(parent_linkage)");
    return 0;
}

static int read_locator(struct vml_reader *r, const struct vhdx_file *f, uint8_t *locator,
                        struct vml_error *err)
{
    char type[40];

    if (vhdx_pread(f, locator, f->params.locator_len, f->params.locator_off, err) < 0)
        return -1;
    vhdx_guid_print(type, locator);
    if (strcmp(type, locator_type) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/parent-type",
                        "the parent locator is of type %s, and vmlift knows %s", type,
                        locator_type);
    return find_linkage(r, f, locator, err) < 0 ? -1 : find_name(r, f, locator, err);
}

int vhdx_parent(struct vml_reader *r, const struct vhdx_file *f, struct vml_error *err)
{
    uint8_t *locator;
    int rc;

    if (f->params.locator_len < HEAD)
        return vml_fail(err, VML_EDATA, "vhdx/parent-name",
                        "a parent locator of %u bytes; its head alone has %u",
                        (unsigned)f->params.locator_len, HEAD);
    locator = malloc(f->params.locator_len); /* the parser saw to it that it is 1 MiB at most */
    if (locator == NULL)
        return vml_fail_nomem(err);
    rc = read_locator(r, f, locator, err);
    free(locator);
    return rc;
}
