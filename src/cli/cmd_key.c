#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local.h"
#include "out.h"
#include "passphrase.h"
#include "table.h"
#include "vmlift/filter.h"

struct key {
    struct local local;
    const char *description, *to, *from, *fresh_file;
    bool ask;
};

static const struct opt opts[] = {
    OPT_STORE(key),
    OPT_WHERE(key),
    { 0 },
};
static const struct opt write_opts[] = {
    OPT_STORE(key),
    OPT_SHARED_FS(key),
    OPT_WHERE(key),
    { 0 },
};

/* As KMS's DescribeKey has it, as far as it goes. */
static json_t *key_json(const struct vml_key *k)
{
    json_t *grants = json_array();
    char when[32];

    for (size_t i = 0; i < k->n_grants; i++)
        json_array_append_new(grants, json_string(k->grants[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:I, s:o}", "KeyId", k->id, "OwnerId",
                     k->owner, "Region", k->region, "Description", json_text(k->description),
                     "CreationDate", vml_ec2_time(when, k->created), "Default", k->is_default,
                     "Passphrase", k->passphrase, "Versions", (json_int_t)k->versions, "Grants",
                     grants);
}

/* --- create --------------------------------------------------------------------------------- */

static const struct opt create_opts[] = {
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct key, description), "what it is for" },
    OPT_PASSPHRASE(key),
    { 0, "passphrase", NULL, OPT_FLAG, offsetof(struct key, ask),
      "ask for a new passphrase on the terminal" },
    OPT_STORE(key),
    OPT_SHARED_FS(key),
    OPT_WHERE(key),
    { 0 },
};

static const struct opt_verb create_verb = {
    "key create",
    "",
    0,
    0,
    "Makes a key of the account in the region, and prints its ID. It is the file keys/ID.key in "
    "the store: keep a copy of it elsewhere, since nothing encrypted with the key can be read "
    "without. With a passphrase that is needed as well, each time.",
    create_opts
};

static int key_create(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
    VML_AUTO(passphrase_clear) struct passphrase p = { .len = 0 };
    struct vml_where where;
    int rc = opt_parse(cli, &create_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    const char *file = local_passphrase_file(&how.local);
    if (local_where(&how.local, &where, err) < 0 ||
        (how.ask && passphrase_ask(&p, "passphrase of the new key: ", true, err) < 0) ||
        (!how.ask && file != NULL && passphrase_read(&p, file, err) < 0) ||
        local_store(&how.local, LOCAL_CREATE, &s, err) < 0)
        return -1;
    const struct vml_key_new what = {
        .owner = where.owner,
        .region = where.region,
        .description = how.description,
        .passphrase = p.len > 0 ? p.text : NULL,
        .passphrase_len = p.len,
    };
    if (vml_key_create(s, &what, &key, err) < 0)
        return -1;
    if (cli->json)
        return out_json(key_json(&key), err);
    out_line(stdout, "%s", key.id);
    return 0;
}

/* --- list ----------------------------------------------------------------------------------- */

struct list {
    const struct vml_where *where;
    struct table table;
    json_t *keys;
};

static void list_clear(struct list *l)
{
    table_clear(&l->table);
    json_decref(l->keys);
}

static bool usable(const struct vml_key *k, const struct vml_where *where)
{
    bool ours = strcmp(k->owner, where->owner) == 0;

    for (size_t i = 0; i < k->n_grants; i++)
        ours = ours || strcmp(k->grants[i], where->owner) == 0;
    return ours && strcmp(k->region, where->region) == 0;
}

static int list_one(void *arg, const struct vml_key *k, struct vml_error *err)
{
    struct list *l = arg;
    char versions[16], grants[16], when[32];

    if (!usable(k, l->where))
        return 0;
    snprintf(versions, sizeof versions, "%u", k->versions);
    snprintf(grants, sizeof grants, "%zu", k->n_grants);
    json_array_append_new(l->keys, key_json(k));
    return table_add(&l->table, err, k->id, k->owner, k->is_default ? "default" : "-",
                     k->passphrase ? "passphrase" : "file", versions, grants,
                     out_time(when, k->created), k->description, NULL);
}

static const struct opt_verb list_verb = {
    "key list",
    "",
    0,
    0,
    "Lists the keys in the region that the account may use, the oldest first: those it owns and "
    "those that it was granted.",
    opts
};

static int key_list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where = { 0 };
    VML_AUTO(list_clear) struct list list = { .where = &where, .keys = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_LIST, &where, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "OWNER", "USE", "OPENS WITH", "VERSIONS", "GRANTS",
                  "CREATED", "DESCRIPTION", NULL) < 0)
        return -1;
    rc = s != NULL ? vml_key_each(s, list_one, &list, err) : 0;
    if (cli->json)
        return rc < 0 ? -1 : out_json(json_pack("{s:O}", "Keys", list.keys), err);
    table_print(&list.table); /* also beside a damaged one */
    return rc;
}

/* --- show ----------------------------------------------------------------------------------- */

static void show_text(const struct vml_key *k)
{
    char when[32];

    out_line(stdout, "%-14s %s%s", "id:", k->id, k->is_default ? " (default)" : "");
    if (k->description[0] != '\0')
        out_line(stdout, "%-14s %s", "description:", k->description);
    out_line(stdout, "%-14s %s", "owner:", k->owner);
    out_line(stdout, "%-14s %s", "region:", k->region);
    out_line(stdout, "%-14s %s", "created:", out_time(when, k->created));
    out_line(stdout, "%-14s %s",
             "opens with:", k->passphrase ? "its file and a passphrase" : "its file");
    out_line(stdout, "%-14s %u", "versions:", k->versions);
    for (size_t i = 0; i < k->n_grants; i++)
        out_line(stdout, "%-14s %s", "granted to:", k->grants[i]);
}

static const struct opt_verb show_verb = {
    "key show", "KEY...", 1, -1, "Tells all that is recorded of each key; never its secrets.", opts
};

static int key_show(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where = { 0 };
    VML_AUTO(json_freep) json_t *keys = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &show_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_READ, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
        if (vml_key_get(s, cli->words[i], where.owner, where.region, &key, err) < 0)
            return -1;
        if (cli->json) {
            json_array_append_new(keys, key_json(&key));
            continue;
        }
        if (i > 0)
            out_line(stdout, "%s", "");
        show_text(&key);
    }
    return cli->json ? out_json(json_pack("{s:O}", "Keys", keys), err) : 0;
}

/* --- grant, revoke, rotate ------------------------------------------------------------------ */

/* The key as it is after a change. */
static int answer(struct cli *cli, struct vml_store *s, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };

    if (!cli->json)
        return 0;
    return vml_key_get(s, id, NULL, NULL, &key, err) < 0 ? -1 : out_json(key_json(&key), err);
}

static const struct opt grant_opts[] = {
    { 0, "to", "ACCOUNT", OPT_TEXT, offsetof(struct key, to), "who may use it, 12 digits" },
    OPT_STORE(key),
    OPT_SHARED_FS(key),
    OPT_WHERE(key),
    { 0 },
};
static const struct opt_verb grant_verb = {
    "key grant",
    "KEY",
    1,
    1,
    "Lets another account use the key: to encrypt snapshots of its own, and to read what is "
    "encrypted with it. The default key cannot be granted.",
    grant_opts
};
static const struct opt revoke_opts[] = {
    { 0, "from", "ACCOUNT", OPT_TEXT, offsetof(struct key, from), "who may no longer, 12 digits" },
    OPT_STORE(key),
    OPT_SHARED_FS(key),
    OPT_WHERE(key),
    { 0 },
};
static const struct opt_verb revoke_verb = {
    "key revoke",
    "KEY",
    1,
    1,
    "Takes the grant of a key back. What the account encrypted with it stays, and it cannot be "
    "read by it any more.",
    revoke_opts
};

typedef int change_fn(struct vml_store *s, const char *id, const char *owner, const char *account,
                      struct vml_error *err);

static int change(struct cli *cli, const struct opt_verb *v, const char *option, change_fn *fn,
                  int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where;
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, v, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    const char *account = how.to != NULL ? how.to : how.from;
    if (account == NULL)
        return vml_fail(err, VML_EUSAGE, "usage/key", "%s: name the account with %s", v->name,
                        option);
    if (local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0 ||
        fn(s, cli->words[0], where.owner, account, err) < 0)
        return -1;
    return answer(cli, s, cli->words[0], err);
}

static int key_grant(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return change(cli, &grant_verb, "--to", vml_key_grant, argc, argv, err);
}

static int key_revoke(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return change(cli, &revoke_verb, "--from", vml_key_revoke, argc, argv, err);
}

static const struct opt rotate_opts[] = {
    OPT_PASSPHRASE(key),
    { 0, "new-passphrase-file", "FILE", OPT_TEXT, offsetof(struct key, fresh_file),
      "its first line is the passphrase from now on; otherwise it stays as it is" },
    OPT_STORE(key),
    OPT_SHARED_FS(key),
    OPT_WHERE(key),
    { 0 },
};
static const struct opt_verb rotate_verb = {
    "key rotate",
    "KEY",
    1,
    1,
    "Gives the key new secrets: what is written from now on is encrypted with another data key. "
    "What is stored stays as it is, and readable; an older copy of the key's file still opens "
    "that, and no more.",
    rotate_opts
};

static int key_rotate(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where;
    VML_AUTO(passphrase_clear) struct passphrase p = { .len = 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &rotate_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_where(&how.local, &where, err) < 0 ||
        (how.fresh_file != NULL && passphrase_read(&p, how.fresh_file, err) < 0) ||
        local_store(&how.local, LOCAL_WRITE, &s, err) < 0 ||
        vml_key_rotate(s, cli->words[0], where.owner, p.len > 0 ? p.text : NULL, p.len, err) < 0)
        return -1;
    return answer(cli, s, cli->words[0], err);
}

/* --- delete --------------------------------------------------------------------------------- */

static const struct opt_verb delete_verb = {
    "key delete",
    "KEY...",
    1,
    -1,
    "Deletes each key, unless a snapshot is encrypted with it. Waits for imports that are under "
    "way.",
    write_opts
};

static int key_delete(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where;
    VML_AUTO(json_freep) json_t *ids = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &delete_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        if (vml_key_delete(s, cli->words[i], where.owner, err) < 0)
            return -1;
        json_array_append_new(ids, json_text(cli->words[i]));
    }
    return cli->json ? out_json(json_pack("{s:O}", "KeyIds", ids), err) : 0;
}

static const struct verb verbs[] = {
    { "create", key_create, "make a key" },
    { "list", key_list, "list the keys that the account may use" },
    { "show", key_show, "tell all about some keys" },
    { "grant", key_grant, "let another account use a key" },
    { "revoke", key_revoke, "take a grant back" },
    { "rotate", key_rotate, "give a key new secrets" },
    { "delete", key_delete, "delete keys that no snapshot is encrypted with" },
    { 0 },
};

int cmd_key(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "key", argc, argv, err);
}
