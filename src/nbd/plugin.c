/* nbdkit-vmlift-plugin: any disk that vmlift reads, served read-only over NBD by nbdkit.
 *
 *     nbdkit vmlift web.ova disk=2
 *     nbdkit vmlift store=/srv/vmlift image=web-01
 *
 * The protocol, its sockets and its threads are nbdkit's; here a request is vml_pread, and the
 * extents of the disk are the reader's.  A disk is opened once to see that it can be, while errors
 * still reach the terminal, and again behind the fork, since SQLite must not be carried over one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbd/source.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct source_config config;
static struct source source;

static int failed(const struct vml_error *err)
{
    nbdkit_error("%s [%s]", err->text, err->slug);
    nbdkit_set_error(err->code == VML_ENOMEM ? ENOMEM : EIO);
    return -1;
}

/* --- configuration -------------------------------------------------------------------------- */

static int set_text(char **to, const char *key, char *value)
{
    if (value == NULL) /* which was said */
        return -1;
    if (*to != NULL) {
        nbdkit_error("%s is given twice", key);
        free(value);
        return -1;
    }
    *to = value;
    return 0;
}

/* nbdkit changes its folder to / when it goes into the background. */
static int set_path(char **to, const char *key, const char *value)
{
    return set_text(to, key, nbdkit_realpath(value));
}

static int set_copy(char **to, const char *key, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL)
        nbdkit_error("strdup: %m");
    return set_text(to, key, copy);
}

static int add_parent(const char *value)
{
    if (config.n_parents == SOURCE_PARENTS_MAX) {
        nbdkit_error("more than %u parents", SOURCE_PARENTS_MAX);
        return -1;
    }
    if (set_path(&config.parents[config.n_parents], "parent", value) < 0)
        return -1;
    config.n_parents++;
    return 0;
}

static int set_flag(bool *to, const char *value)
{
    int yes = nbdkit_parse_bool(value);

    *to = yes == 1;
    return yes < 0 ? -1 : 0;
}

static int set_passphrase(const char *value)
{
    char *text = NULL;

    return nbdkit_read_password(value, &text) < 0
               ? -1
               : set_text(&config.passphrase, "passphrase", text);
}

static int plugin_config(const char *key, const char *value)
{
    static const struct {
        const char *key;
        char **to;
        int (*set)(char **to, const char *key, const char *value);
    } words[] = {
        { "file", &config.file, set_path },         { "store", &config.store, set_path },
        { "format", &config.format, set_copy },     { "vm", &config.vm, set_copy },
        { "snapshot", &config.snapshot, set_copy }, { "image", &config.image, set_copy },
        { "account", &config.account, set_copy },   { "region", &config.region, set_copy },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(key, words[i].key) == 0)
            return words[i].set(words[i].to, key, value);
    if (strcmp(key, "parent") == 0)
        return add_parent(value);
    if (strcmp(key, "follow-parents") == 0)
        return set_flag(&config.follow, value);
    if (strcmp(key, "no-manifest") == 0)
        return set_flag(&config.no_manifest, value);
    if (strcmp(key, "passphrase") == 0)
        return set_passphrase(value);
    if (strcmp(key, "disk") == 0)
        return nbdkit_parse_unsigned("disk", value, &config.disk);
    nbdkit_error("unknown parameter '%s'", key);
    return -1;
}

static int plugin_config_complete(void)
{
    struct vml_error err;

    return source_check(&config, &err) < 0 ? failed(&err) : 0;
}

#define CONFIG_HELP                                                                      \
    "[file=]PATH            an OVA, VMDK, VHD or raw disk, or a folder with an .ovf\n"   \
    "format=FMT             its format; otherwise its content says it\n"                 \
    "vm=NAME                of several machines in it\n"                                 \
    "no-manifest=true       looking neither at its manifest nor at its certificate\n"    \
    "parent=PATH            the parent of a child disk; repeated, the parent's parent\n" \
    "follow-parents=true    the parents that it names, beneath its own folder\n"         \
    "store=FOLDER           a store, and of it:\n"                                       \
    "snapshot=ID            a snapshot, or\n"                                            \
    "image=ID|NAME          a machine image\n"                                           \
    "account=N region=R     who reads it, and where (000000000000, us-east-1)\n"         \
    "passphrase=+FILE       of the key of an encrypted snapshot; - asks\n"               \
    "disk=N                 of several disks, counted from 1"

/* --- opening -------------------------------------------------------------------------------- */

static int plugin_get_ready(void)
{
    struct vml_error err;
    int rc = source_open(&source, &config, &err) < 0 ? failed(&err) : 0;

    source_close(&source);
    return rc;
}

static int plugin_after_fork(void)
{
    struct vml_error err;

    return source_open(&source, &config, &err) < 0 ? failed(&err) : 0;
}

static void plugin_cleanup(void)
{
    source_close(&source);
}

static void plugin_unload(void)
{
    char *const words[] = { config.file,     config.format, config.vm,      config.store,
                            config.snapshot, config.image,  config.account, config.region };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        free(words[i]);
    for (size_t i = 0; i < config.n_parents; i++)
        free(config.parents[i]);
    if (config.passphrase != NULL)
        explicit_bzero(config.passphrase, strlen(config.passphrase));
    free(config.passphrase);
}

/* --- serving -------------------------------------------------------------------------------- */

static void *plugin_open(int readonly)
{
    (void)readonly; /* there is no pwrite: nbdkit serves nothing else */
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t plugin_get_size(void *handle)
{
    (void)handle;
    return (int64_t)source.reader->size;
}

/* Every connection sees the same bytes, which do not change. */
static int plugin_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

/* A unit is decoded whole, whatever part of it is asked for. */
static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    uint32_t unit = source.reader->unit;

    (void)handle;
    *minimum = 1;
    *preferred = unit < 4096 ? 4096 : unit > 1u << 25 ? 1u << 25 : unit;
    *maximum = UINT32_MAX;
    return 0;
}

static int plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct vml_error err;

    (void)handle;
    (void)flags;
    return vml_pread(source.reader, buf, count, offset, &err) < 0 ? failed(&err) : 0;
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    struct vml_reader *r = source.reader;
    uint64_t end = offset + count;
    struct vml_error err;

    (void)handle;
    /* A unit's extent is found at its start; nbdkit drops what lies in front of offset. */
    for (uint64_t off = vml_round_down(offset, r->unit); off < end;) {
        struct vml_extent x;
        uint32_t type;

        if (vml_extent_at(r, off, &x, &err) < 0)
            return failed(&err);
        off += x.len;
        type = x.kind == VML_DATA   ? 0
               : x.kind == VML_ZERO ? NBDKIT_EXTENT_ZERO
                                    : NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
        if (nbdkit_add_extent(extents, x.off, x.len, type) < 0)
            return -1;
        if ((flags & NBDKIT_FLAG_REQ_ONE) != 0 && off > offset)
            break;
    }
    return 0;
}

static struct nbdkit_plugin plugin = {
    .name = "vmlift",
    .longname = "vmlift's disks and snapshots",
    .version = VMLIFT_VERSION,
    .description = "serves, read-only, any disk that vmlift reads",
    .unload = plugin_unload,
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = CONFIG_HELP,
    .magic_config_key = "file",
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .cleanup = plugin_cleanup,
    .open = plugin_open,
    .get_size = plugin_get_size,
    .can_multi_conn = plugin_can_multi_conn,
    .block_size = plugin_block_size,
    .pread = plugin_pread,
    .extents = plugin_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
