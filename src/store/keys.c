/* Keys: made, found, shared, rotated. */
#include "store/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 128 MiB and a third of a second for each try, as OWASP asks for. */
#define SCRYPT_LOG_N 17
#define SCRYPT_R     8
#define SCRYPT_P     1

struct phrase {
    char text[VML_PASSPHRASE_MAX];
    size_t len;
};

static void phrase_wipe(struct phrase *p)
{
    vml_wipe(p, sizeof *p);
}

/* --- the wrapping key ----------------------------------------------------------------------- */

static int check_passphrase(size_t len, struct vml_error *err)
{
    if (len > 0 && len <= VML_PASSPHRASE_MAX)
        return 0;
    return vml_fail(err, VML_EUSAGE, "key/passphrase",
                    "a passphrase of %zu bytes, and it must have 1 to %u", len, VML_PASSPHRASE_MAX);
}

static int ask(const struct vml_key_file *f, const struct vml_key_user *user, struct phrase *p,
               struct vml_error *err)
{
    if (user->passphrase == NULL)
        return vml_fail(err, VML_EREFUSED, "key/passphrase", "key %s: needs its passphrase",
                        f->key.id);
    return user->passphrase(user->arg, f->key.id, p->text, sizeof p->text, &p->len, err);
}

static int open_with(const struct vml_key_file *f, const char *passphrase, size_t len,
                     uint8_t wrapping[VML_SECRET], struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret by = { { 0 } };

    if (vml_scrypt(&f->scrypt, passphrase, len, by.bytes, err) < 0)
        return -1;
    if (vml_unwrap(by.bytes, f->raw_id, VML_WRAP_WRAPPING, f->generation, &f->wrapping, wrapping,
                   err) == 0)
        return 0;
    return err->code == VML_EDATA ? vml_fail(err, VML_EREFUSED, "key/passphrase",
                                             "key %s: that is not its passphrase", f->key.id)
                                  : -1;
}

int vml_key_wrapping(const struct vml_key_file *f, const struct vml_key_user *user,
                     uint8_t wrapping[VML_SECRET], struct vml_error *err)
{
    VML_AUTO(phrase_wipe) struct phrase p = { .len = 0 };

    if (f->key.passphrase)
        return ask(f, user, &p, err) < 0 ? -1 : open_with(f, p.text, p.len, wrapping, err);
    memcpy(wrapping, f->wrapping.secret, VML_SECRET);
    return 0;
}

/* passphrase NULL: the secret stands in the file as it is. */
static int close_with(struct vml_key_file *f, const char *passphrase, size_t len,
                      const uint8_t wrapping[VML_SECRET], struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret by = { { 0 } };

    f->key.passphrase = passphrase != NULL;
    f->scrypt = (struct vml_scrypt){ .log_n = 0 };
    f->wrapping = (struct vml_wrapped){ .nonce = { 0 } };
    if (passphrase == NULL) {
        memcpy(f->wrapping.secret, wrapping, VML_SECRET);
        return 0;
    }
    f->scrypt = (struct vml_scrypt){ SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, { 0 } };
    if (check_passphrase(len, err) < 0 ||
        vml_random(f->scrypt.salt, sizeof f->scrypt.salt, err) < 0 ||
        vml_scrypt(&f->scrypt, passphrase, len, by.bytes, err) < 0)
        return -1;
    return vml_wrap(by.bytes, f->raw_id, VML_WRAP_WRAPPING, f->generation, wrapping, &f->wrapping,
                    err);
}

/* --- making --------------------------------------------------------------------------------- */

static bool is_account(const char *text)
{
    return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

static int check_account(const char *text, struct vml_error *err)
{
    return is_account(text)
               ? 0
               : vml_fail(err, VML_EUSAGE, "key/account", "account %.64s is not 12 digits", text);
}

static int check_new(const struct vml_key_new *what, struct vml_error *err)
{
    if (check_account(what->owner, err) < 0)
        return -1;
    if (strlen(what->region) < 1 || strlen(what->region) > 31 ||
        strspn(what->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(what->region))
        return vml_fail(err, VML_EUSAGE, "key/region", "region %.64s is not 1 to 31 of a-z, 0-9, -",
                        what->region);
    if (what->description != NULL && strlen(what->description) > VML_KEY_TEXT_MAX)
        return vml_fail(err, VML_EUSAGE, "key/description",
                        "a description of %zu bytes, and %u are allowed", strlen(what->description),
                        VML_KEY_TEXT_MAX);
    return 0;
}

/* A random secret of that kind, wrapped. */
static int new_secret(const struct vml_key_file *f, const uint8_t wrapping[VML_SECRET],
                      enum vml_wrap what, uint32_t number, struct vml_wrapped *out,
                      struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret secret = { { 0 } };

    if (vml_random(secret.bytes, sizeof secret.bytes, err) < 0)
        return -1;
    return vml_wrap(wrapping, f->raw_id, what, number, secret.bytes, out, err);
}

static int make(struct vml_key_file *f, const struct vml_key_new *what, bool is_default,
                struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret wrapping = { { 0 } };
    struct vml_key *k = &f->key;

    if (check_new(what, err) < 0 || vml_uuid_new(f->raw_id, k->id, err) < 0)
        return -1;
    snprintf(k->owner, sizeof k->owner, "%s", what->owner);
    snprintf(k->region, sizeof k->region, "%s", what->region);
    k->created = vml_now();
    k->is_default = is_default;
    k->versions = 1;
    f->generation = 1;
    k->description = strdup(what->description != NULL ? what->description : "");
    f->data = calloc(1, sizeof *f->data);
    if (k->description == NULL || f->data == NULL)
        return vml_fail_nomem(err);
    if (vml_random(wrapping.bytes, sizeof wrapping.bytes, err) < 0 ||
        close_with(f, what->passphrase, what->passphrase_len, wrapping.bytes, err) < 0 ||
        new_secret(f, wrapping.bytes, VML_WRAP_ADDRESS, 0, &f->address, err) < 0)
        return -1;
    return new_secret(f, wrapping.bytes, VML_WRAP_DATA, 1, &f->data[0], err);
}

/* What may be seen of a key leaves the file. */
static void take(struct vml_key_file *f, struct vml_key *out)
{
    *out = f->key;
    f->key = (struct vml_key){ .description = NULL };
}

static int create(struct vml_store *s, const struct vml_key_new *what, bool is_default,
                  struct vml_key *out, struct vml_error *err)
{
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    if (make(&f, what, is_default, err) < 0 || vml_key_save(s, &f, false, err) < 0)
        return -1;
    take(&f, out);
    return 0;
}

int vml_key_create(struct vml_store *s, const struct vml_key_new *what, struct vml_key *out,
                   struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;

    *out = (struct vml_key){ .description = NULL };
    return vml_key_lock(s, true, &lock, err) < 0 ? -1 : create(s, what, false, out, err);
}

/* --- finding -------------------------------------------------------------------------------- */

static bool granted(const struct vml_key *k, const char *account)
{
    for (size_t i = 0; i < k->n_grants; i++)
        if (strcmp(k->grants[i], account) == 0)
            return true;
    return false;
}

int vml_key_check_use(const struct vml_key *k, const char *account, const char *region,
                      struct vml_error *err)
{
    if (account == NULL)
        return vml_fail(err, VML_EREFUSED, "key/denied", "key %s: nobody uses it", k->id);
    if (strcmp(k->owner, account) != 0 && !granted(k, account))
        return vml_fail(err, VML_EREFUSED, "key/denied",
                        "key %s: account %s neither owns it nor was granted it", k->id, account);
    if (strcmp(k->region, region) != 0)
        return vml_fail(err, VML_ENOTFOUND, "key/missing", "key %s: is not in %s", k->id, region);
    return 0;
}

int vml_key_get(struct vml_store *s, const char *id, const char *account, const char *region,
                struct vml_key *out, struct vml_error *err)
{
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    *out = (struct vml_key){ .description = NULL };
    if (vml_key_load(s, id, &f, err) < 0 ||
        (account != NULL && vml_key_check_use(&f.key, account, region, err) < 0))
        return -1;
    take(&f, out);
    return 0;
}

struct list {
    const struct vml_store *store;
    struct vml_key *keys;
    size_t n;
    bool damaged;
    struct vml_error why; /* of the first that is */
};

static void list_clear(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        vml_key_clear(&l->keys[i]);
    free(l->keys);
}

static int list_one(void *arg, const char *id, struct vml_error *err)
{
    struct list *l = arg;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };
    struct vml_key *more = realloc(l->keys, (l->n + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    l->keys = more;
    if (vml_key_load(l->store, id, &f, err) == 0) {
        take(&f, &l->keys[l->n++]);
        return 0;
    }
    if (err->code == VML_ENOTFOUND) /* deleted meanwhile */
        return 0;
    if (err->code != VML_EDATA && err->code != VML_EUNSUPPORTED)
        return -1;
    if (!l->damaged)
        l->why = *err;
    l->damaged = true;
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct vml_key *x = a, *y = b;

    return x->created != y->created ? (x->created < y->created ? -1 : 1) : strcmp(x->id, y->id);
}

int vml_key_each(struct vml_store *s, vml_key_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(list_clear) struct list l = { .store = s };

    if (vml_key_names(s, list_one, &l, err) < 0)
        return -1;
    if (l.n > 0)
        qsort(l.keys, l.n, sizeof *l.keys, by_age);
    for (size_t i = 0; i < l.n; i++)
        if (fn(arg, &l.keys[i], err) < 0)
            return -1;
    if (!l.damaged)
        return 0;
    *err = l.why;
    return -1;
}

struct find {
    const struct vml_key_new *what;
    char id[37];
};

static int find_default(void *arg, const struct vml_key *k, struct vml_error *err)
{
    struct find *find = arg;

    (void)err;
    if (k->is_default && strcmp(k->owner, find->what->owner) == 0 &&
        strcmp(k->region, find->what->region) == 0 && find->id[0] == '\0')
        memcpy(find->id, k->id, sizeof find->id);
    return 0;
}

/* A damaged file might be the default key: then none is made. */
int vml_key_default(struct vml_store *s, const struct vml_key_new *what, struct vml_key *out,
                    bool *made, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    struct find find = { .what = what };

    *out = (struct vml_key){ .description = NULL };
    *made = false;
    if (vml_key_lock(s, true, &lock, err) < 0)
        return -1;
    if (vml_key_each(s, find_default, &find, err) < 0 && find.id[0] == '\0')
        return -1;
    if (find.id[0] != '\0')
        return vml_key_get(s, find.id, what->owner, what->region, out, err);
    *made = true;
    return create(s, what, true, out, err);
}

/* --- changing ------------------------------------------------------------------------------- */

static int load_own(const struct vml_store *s, const char *id, const char *owner,
                    struct vml_key_file *f, struct vml_error *err)
{
    if (vml_key_load(s, id, f, err) < 0)
        return -1;
    if (strcmp(f->key.owner, owner) != 0)
        return vml_fail(err, VML_EREFUSED, "key/denied", "key %s: account %s does not own it", id,
                        owner);
    return 0;
}

/* The folder's lock, and the key of its owner. */
static int begin(struct vml_store *s, const char *id, const char *owner, int *lock,
                 struct vml_key_file *f, struct vml_error *err)
{
    if (vml_key_lock(s, false, lock, err) < 0)
        return err->code == VML_ENOTFOUND ? vml_key_missing(id, err) : -1;
    return load_own(s, id, owner, f, err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add_grant(struct vml_key *k, const char *to, struct vml_error *err)
{
    char(*more)[16];

    if (k->n_grants == VML_KEY_GRANTS_MAX)
        return vml_fail(err, VML_EREFUSED, "key/limit", "key %s: has %u grants already", k->id,
                        VML_KEY_GRANTS_MAX);
    more = realloc(k->grants, (k->n_grants + 1) * sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    k->grants = more;
    memset(more[k->n_grants], 0, sizeof *more);
    snprintf(more[k->n_grants++], sizeof *more, "%s", to);
    qsort(more, k->n_grants, sizeof *more, by_text);
    return 0;
}

int vml_key_grant(struct vml_store *s, const char *id, const char *owner, const char *to,
                  struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    if (check_account(to, err) < 0 || begin(s, id, owner, &lock, &f, err) < 0)
        return -1;
    if (f.key.is_default)
        return vml_fail(err, VML_EREFUSED, "key/default",
                        "key %s: is the default key and its account's alone; share another one",
                        id);
    if (granted(&f.key, to) || strcmp(f.key.owner, to) == 0)
        return 0;
    return add_grant(&f.key, to, err) < 0 ? -1 : vml_key_save(s, &f, true, err);
}

int vml_key_revoke(struct vml_store *s, const char *id, const char *owner, const char *from,
                   struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };
    struct vml_key *k = &f.key;
    size_t kept = 0;

    if (check_account(from, err) < 0 || begin(s, id, owner, &lock, &f, err) < 0)
        return -1;
    if (!granted(k, from))
        return 0;
    for (size_t i = 0; i < k->n_grants; i++)
        if (strcmp(k->grants[i], from) != 0)
            memmove(k->grants[kept++], k->grants[i], sizeof *k->grants);
    k->n_grants = kept;
    return vml_key_save(s, &f, true, err);
}

/* From under one wrapping key to under another. */
static int rewrap(const struct vml_key_file *f, const struct vml_secret *from,
                  const struct vml_secret *to, enum vml_wrap what, uint32_t number,
                  struct vml_wrapped *w, struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret secret = { { 0 } };

    if (vml_unwrap(from->bytes, f->raw_id, what, number, w, secret.bytes, err) < 0) {
        vml_error_prefix(err, "key %s", f->key.id);
        return -1;
    }
    return vml_wrap(to->bytes, f->raw_id, what, number, secret.bytes, w, err);
}

static int rewrap_all(struct vml_key_file *f, const struct vml_secret *from,
                      const struct vml_secret *to, struct vml_error *err)
{
    struct vml_wrapped *more = realloc(f->data, (f->key.versions + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    f->data = more;
    if (rewrap(f, from, to, VML_WRAP_ADDRESS, 0, &f->address, err) < 0)
        return -1;
    for (uint32_t i = 0; i < f->key.versions; i++)
        if (rewrap(f, from, to, VML_WRAP_DATA, i + 1, &f->data[i], err) < 0)
            return -1;
    f->key.versions++;
    return new_secret(f, to->bytes, VML_WRAP_DATA, f->key.versions, &f->data[f->key.versions - 1],
                      err);
}

static int rotate(struct vml_key_file *f, const struct vml_key_user *user, const char *passphrase,
                  size_t len, struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret from = { { 0 } };
    VML_AUTO(vml_secret_wipe) struct vml_secret to = { { 0 } };
    VML_AUTO(phrase_wipe) struct phrase old = { .len = 0 };

    if (f->key.versions == VML_KEY_DATA_MAX)
        return vml_fail(err, VML_EREFUSED, "key/limit", "key %s: has %u data keys already",
                        f->key.id, VML_KEY_DATA_MAX);
    if (f->key.passphrase) {
        if (ask(f, user, &old, err) < 0 || open_with(f, old.text, old.len, from.bytes, err) < 0)
            return -1;
        if (passphrase == NULL) {
            passphrase = old.text;
            len = old.len;
        }
    } else {
        memcpy(from.bytes, f->wrapping.secret, VML_SECRET);
    }
    if (vml_random(to.bytes, sizeof to.bytes, err) < 0 || rewrap_all(f, &from, &to, err) < 0)
        return -1;
    f->generation++;
    return close_with(f, passphrase, len, to.bytes, err);
}

int vml_key_rotate(struct vml_store *s, const char *id, const char *owner, const char *passphrase,
                   size_t len, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    if (begin(s, id, owner, &lock, &f, err) < 0 ||
        rotate(&f, &s->keys.user, passphrase, len, err) < 0)
        return -1;
    return vml_key_save(s, &f, true, err);
}

/* --- deleting ------------------------------------------------------------------------------- */

/* A snapshot whose row is damaged, or lost, might be one of its own. */
static int check_unused(struct vml_store *s, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_table_check(s->db, "snapshots", err) < 0 ||
        vml_db_query(s->db, &st, err, "SELECT id FROM snapshots WHERE key = ? LIMIT 1", "t", id) <
            0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    return rc == 0 ? 0
                   : vml_fail(err, VML_EREFUSED, "key/in-use",
                              "key %s: snapshot %s is encrypted with it", id, vml_stmt_text(st, 0));
}

/* Writers unlock their keys while they hold the store's lock. */
int vml_key_delete(struct vml_store *s, const char *id, const char *owner, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_close_fdp) int keys = -1;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    if (vml_store_lock(s, true, &lock, err) < 0 || begin(s, id, owner, &keys, &f, err) < 0 ||
        check_unused(s, id, err) < 0)
        return -1;
    return vml_key_remove(s, id, keys, err);
}
