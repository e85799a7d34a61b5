#include "local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "out.h"
#include "passphrase.h"

#define DEFAULT_ACCOUNT "000000000000"

static const char *environment(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && v[0] != '\0' ? v : NULL;
}

static const char *first(const char *a, const char *b, const char *c, const char *d)
{
    return a != NULL ? a : b != NULL ? b : c != NULL ? c : d;
}

int local_where(struct local *l, struct vml_where *where, struct vml_error *err)
{
    l->account = first(l->account, environment("VMLIFT_ACCOUNT"), NULL, DEFAULT_ACCOUNT);
    l->region =
        first(l->region, environment("AWS_REGION"), environment("AWS_DEFAULT_REGION"), "us-east-1");
    if (strlen(l->account) != 12 || strspn(l->account, "0123456789") != 12)
        return vml_fail(err, VML_EUSAGE, "usage/account", "account %s is not 12 digits",
                        l->account);
    if (strlen(l->region) > 31 ||
        strspn(l->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(l->region))
        return vml_fail(err, VML_EUSAGE, "usage/region",
                        "region %s is not 1 to 31 of a-z, 0-9 and -", l->region);
    *where = (struct vml_where){ l->account, l->region };
    return 0;
}

int local_dir(const struct local *l, char **out, struct vml_error *err)
{
    const char *named = first(l->store, environment("VMLIFT_STORE"), NULL, NULL);
    const char *data = environment("XDG_DATA_HOME"), *home = environment("HOME");
    int n = 0;

    if (named != NULL)
        n = asprintf(out, "%s", named);
    else if (data != NULL && data[0] == '/') /* the specification says to ignore a relative one */
        n = asprintf(out, "%s/vmlift", data);
    else if (home != NULL)
        n = asprintf(out, "%s/.local/share/vmlift", home);
    else
        return vml_fail(err, VML_EUSAGE, "usage/store",
                        "no HOME to find the store in: name it with --store");
    return n < 0 ? vml_fail_nomem(err) : 0;
}

/* The folders above path, which the specification wants made, for the user alone. */
static int make_parents(const char *path, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *p = strdup(path);

    if (p == NULL)
        return vml_fail_nomem(err);
    for (char *slash = strchr(p + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        struct stat st;
        *slash = '\0';
        if (stat(p, &st) < 0 && mkdir(p, 0700) < 0)
            return vml_fail_errno(err, "%s", p);
        *slash = '/';
    }
    return 0;
}

const char *local_passphrase_file(const struct local *l)
{
    return first(l->passphrase_file, environment("VMLIFT_PASSPHRASE_FILE"), NULL, NULL);
}

/* In memory, and inherited: whoever opens the path reads it from its start. */
static int keep_asked(struct local *l, const struct passphrase *p, struct vml_error *err)
{
    int fd = memfd_create("passphrase", 0);

    if (fd < 0)
        return vml_fail_errno(err, "memfd_create");
    if (write(fd, p->text, p->len) != (ssize_t)p->len) {
        vml_fail_errno(err, "memfd");
        close(fd);
        return -1;
    }
    snprintf(l->asked, sizeof l->asked, "/proc/self/fd/%d", fd);
    return 0;
}

static int give_passphrase(void *local, const char *key_id, char *buf, size_t cap, size_t *len,
                           struct vml_error *err)
{
    struct local *l = local;
    const char *file = local_passphrase_file(l);
    VML_AUTO(passphrase_clear) struct passphrase p = { .len = 0 };
    char prompt[80];

    snprintf(prompt, sizeof prompt, "passphrase of key %s: ", key_id);
    if (file == NULL && l->quiet)
        return vml_fail(err, VML_EREFUSED, "key/passphrase", "key %s: needs its passphrase",
                        key_id);
    if ((file != NULL ? passphrase_read(&p, file, err) : passphrase_ask(&p, prompt, false, err)) <
        0)
        return -1;
    if (file == NULL && l->keep && l->asked[0] == '\0' && keep_asked(l, &p, err) < 0)
        return -1;
    *len = p.len < cap ? p.len : cap;
    memcpy(buf, p.text, *len);
    return 0;
}

static void note_shared(const char *dir, const char *type)
{
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };

    vml_note(&notes, "store/shared-fs",
             "it is on a %s file system: what another machine writes meanwhile may not be seen",
             type);
    out_notes(dir, &notes);
}

int local_store(struct local *l, enum local_open how, struct vml_store **out, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *dir = NULL;
    bool named = l->store != NULL || environment("VMLIFT_STORE") != NULL;
    struct stat st;

    *out = NULL;
    if (local_dir(l, &dir, err) < 0)
        return -1;
    if (how == LOCAL_LIST && !named && stat(dir, &st) < 0)
        return 0;
    if (how == LOCAL_CREATE && !named && make_parents(dir, err) < 0)
        return -1;
    if (vml_store_open(out, dir,
                       (how == LOCAL_CREATE ? VML_STORE_CREATE : 0) |
                           (l->shared_fs ? VML_STORE_SHARED_FS : 0),
                       err) < 0)
        return -1;
    if ((how == LOCAL_READ || how == LOCAL_LIST) && vml_store_shared_fs(*out) != NULL)
        note_shared(dir, vml_store_shared_fs(*out));
    vml_store_set_user(*out, &(struct vml_key_user){
                                 .account = first(l->account, environment("VMLIFT_ACCOUNT"), NULL,
                                                  DEFAULT_ACCOUNT),
                                 .passphrase = give_passphrase,
                                 .arg = l,
                             });
    return 0;
}

int local_open(struct local *l, enum local_open how, struct vml_where *where,
               struct vml_store **out, struct vml_error *err)
{
    *out = NULL;
    return local_where(l, where, err) < 0 ? -1 : local_store(l, how, out, err);
}

uint64_t local_size(struct vml_store *s, const struct vml_where *where, const char *id)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snapshot = { 0 };
    struct vml_error ignored = { 0 };
    uint64_t total = 0;

    if (vml_snapshot_get(s, id, &snapshot, &ignored) == 0)
        return snapshot.size;
    if (vml_registry_get(s, where, id, &image, &ignored) < 0)
        return VML_SIZE_UNKNOWN;
    for (size_t i = 0; i < image.n_mappings; i++)
        total += image.mappings[i].size_gib * VML_GIB;
    return total;
}
