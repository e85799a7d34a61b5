/* The descriptor's text, for writing; vmdk_desc.c draws and reads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmdk.h"
#include "vmlift/codec.h"

struct adapter {
    const char *name;
    unsigned heads, sectors;
    uint64_t max_cylinders;
};
static const struct adapter adapters[] = {
    { "lsilogic", 255, 63, UINT32_MAX }, /* what ESX wants for any SCSI */
    { "buslogic", 255, 63, UINT32_MAX },
    { "ide", 16, 63, 16383 },
    { "legacyESX", 255, 63, UINT32_MAX },
};

static int find_adapter(const struct adapter **out, const struct vml_create *c,
                        struct vml_error *err)
{
    char buf[64];
    const char *name = vml_create_option(c, "adapter", "lsilogic", buf);

    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++)
        if (strcasecmp(adapters[i].name, name) == 0) {
            *out = &adapters[i];
            return 0;
        }
    return vml_fail(err, VML_EUSAGE, "image/option",
                    "option 'adapter': %s is not lsilogic, buslogic, ide or legacyESX", name);
}

static int find_hardware(unsigned *version, const struct vml_create *c, struct vml_error *err)
{
    char buf[64];
    const char *text = vml_create_option(c, "hwversion", "10", buf);
    size_t len = strlen(text);

    *version = (unsigned)strtoul(text, NULL, 10);
    if (len == 0 || len > 2 || strspn(text, "0123456789") != len || *version < 3)
        return vml_fail(err, VML_EUSAGE, "image/option",
                        "option 'hwversion': %s is not a number from 3 to 99", text);
    return 0;
}

/* Sixteen bytes of identity, of which the last four are the CID.  The descriptor stands in front of
 * the data, so reproducible output takes them from what is known there: the subformat and the size.
 */
static int content_id(uint8_t id[16], const struct vml_create *c, struct vml_error *err)
{
    uint8_t digest[32];
    char seed[96];
    int n;

    if (!vml_reproducible())
        return vml_random(id, 16, err);
    n = snprintf(seed, sizeof seed, "vmlift vmdk %s %llu", c->subformat,
                 (unsigned long long)c->size);
    vml_sha256(seed, (size_t)n, digest);
    memcpy(id, digest, 16);
    return 0;
}

int vmdk_desc_name(const char *name, bool opened, struct vml_error *err)
{
    const unsigned char *p = (const unsigned char *)name;
    size_t n;

    for (; *p != '\0'; p += n) {
        n = vml_utf8_char((const char *)p);
        if (n == 0)
            return vml_fail(err, VML_EUNSUPPORTED, "vmdk/name",
                            "byte 0x%02x at %td of the file's name is no UTF-8, which is what the "
                            "descriptor is in",
                            *p, (const char *)p - name);
        if (*p == '"' || *p < 0x20 || *p == 0x7f)
            return vml_fail(err, VML_EUNSUPPORTED, "vmdk/name",
                            "byte 0x%02x at %td of the file's name: a descriptor cannot name it",
                            *p, (const char *)p - name);
        if (opened && strchr("\\%:", *p) != NULL)
            return vml_fail(err, VML_EUNSUPPORTED, "vmdk/name",
                            "'%c' at %td of the file's name: a descriptor's name with it would not "
                            "be opened again",
                            *p, (const char *)p - name);
    }
    return 0;
}

int vmdk_desc_text(char **text, const struct vml_create *c, const char *encoding,
                   const char *extents, struct vml_error *err)
{
    const struct adapter *adapter = NULL;
    uint64_t cylinders;
    unsigned hardware;
    uint8_t id[16];
    char hex[33];

    if (find_adapter(&adapter, c, err) < 0 || find_hardware(&hardware, c, err) < 0 ||
        content_id(id, c, err) < 0)
        return -1;
    id[12] &= 0x7f; /* a CID of ffffffff or fffffffe has meanings of its own */
    vml_hex(hex, id, sizeof id);
    cylinders = c->size / VMDK_SECTOR / (adapter->heads * adapter->sectors);
    cylinders = vml_max_u64(1, vml_min_u64(cylinders, adapter->max_cylinders));
    /* libvmdk takes what follows the extents for another extent where the comment in front of #DDB
     * is missing. */
    if (asprintf(text,
                 "# Disk DescriptorFile\n"
                 "version=1\n"
                 "%s"
                 "CID=%s\n"
                 "parentCID=ffffffff\n"
                 "createType=\"%s\"\n"
                 "\n"
                 "# Extent description\n"
                 "%s"
                 "\n"
                 "# The Disk Data Base\n"
                 "#DDB\n"
                 "\n"
                 "ddb.adapterType = \"%s\"\n"
                 "ddb.geometry.cylinders = \"%llu\"\n"
                 "ddb.geometry.heads = \"%u\"\n"
                 "ddb.geometry.sectors = \"%u\"\n"
                 "ddb.longContentID = \"%s\"\n"
                 "ddb.virtualHWVersion = \"%u\"\n",
                 encoding, hex + 24, c->subformat, extents, adapter->name,
                 (unsigned long long)cylinders, adapter->heads, adapter->sectors, hex,
                 hardware) < 0) {
        *text = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

int vmdk_desc_print(char out[VMDK_DESC_SECTORS * VMDK_SECTOR], const struct vml_create *c,
                    const char *extent, struct vml_error *err)
{
    const char *access = strcmp(c->subformat, "streamOptimized") == 0 ? "RDONLY" : "RW";
    VML_AUTO(vml_freep) char *text = NULL;
    char line[400];

    if (vmdk_desc_name(extent, false, err) < 0)
        return -1;
    snprintf(line, sizeof line, "%s %llu SPARSE \"%s\"\n", access,
             (unsigned long long)(c->size / VMDK_SECTOR), extent);
    if (vmdk_desc_text(&text, c, "", line, err) < 0)
        return -1;
    memcpy(out, text, strlen(text)); /* a line of 400 bytes, and less than 500 around it */
    return 0;
}
