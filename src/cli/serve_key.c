#include <string.h>

#include "list.h"
#include "local.h"
#include "out.h"
#include "serve.h"
#include "vmlift/ami.h"
#include "vmlift/serve.h"

struct key {
    struct local local;
};

static const struct opt add_opts[] = {
    { 0, "account", "N", OPT_TEXT, offsetof(struct key, local.account),
      "the account, 12 digits (VMLIFT_ACCOUNT, else 000000000000)" },
    OPT_STORE(key),
    { 0 },
};
static const struct opt opts[] = {
    OPT_STORE(key),
    { 0 },
};

static const struct opt_verb add_verb = {
    "serve key add",
    "",
    0,
    0,
    "Makes an access key for an account and prints its ID and its secret, which is not told again, "
    "as two lines. Whoever has them is the account, in each region.",
    add_opts
};
static const struct opt_verb list_verb = {
    "serve key list",
    "",
    0,
    0,
    "Lists the access keys, the oldest first, without their secrets.",
    opts
};
static const struct opt_verb remove_verb = {
    "serve key remove",
    "KEY...",
    1,
    -1,
    "Takes access keys away, by their IDs: nothing more is answered that is signed with them.",
    opts
};

/* --- add -------------------------------------------------------------------------------------- */

static int print_key(const struct cli *cli, const struct vml_access_key *k, struct vml_error *err)
{
    if (cli->json) {
        char when[32];
        json_t *key =
            json_pack("{s:s, s:s, s:s, s:s}", "AccessKeyId", k->id, "SecretAccessKey", k->secret,
                      "Account", k->account, "CreateDate", vml_ec2_time(when, k->created));
        return out_json(key, err) < 0 ? -1 : out_flush(err);
    }
    out_line(stdout, "%s", k->id);
    out_line(stdout, "%s", k->secret);
    return out_flush(err);
}

/* A secret that could not be told is of no use. */
static int add(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    struct vml_where where;
    VML_AUTO(vml_freep) char *dir = NULL;
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_access_key_clear) struct vml_access_key k = { .id = "" };
    struct vml_error ignored;
    int rc = opt_parse(cli, &add_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_where(&how.local, &where, err) < 0 || local_dir(&how.local, &dir, err) < 0 ||
        local_store(&how.local, LOCAL_CREATE, &s, err) < 0 ||
        vml_access_key_add(dir, where.owner, &k, err) < 0)
        return -1;
    rc = print_key(cli, &k, err);
    if (rc < 0)
        (void)vml_access_key_remove(dir, k.id, &ignored);
    return rc;
}

/* --- list ------------------------------------------------------------------------------------- */

static int list_one(void *arg, const struct vml_access_key *k, struct vml_error *err)
{
    struct list *l = arg;
    char when[32];

    if (!l->json)
        return table_add(&l->table, err, k->id, k->account, out_time(when, k->created), NULL);
    json_array_append_new(l->items,
                          json_pack("{s:s, s:s, s:s}", "AccessKeyId", k->id, "Account", k->account,
                                    "CreateDate", vml_ec2_time(when, k->created)));
    return 0;
}

static int list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    VML_AUTO(list_clear) struct list l = { .items = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_freep) char *dir = NULL;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    l.json = cli->json;
    if (local_dir(&how.local, &dir, err) < 0 || local_store(&how.local, LOCAL_LIST, &s, err) < 0 ||
        table_add(&l.table, err, "ID", "ACCOUNT", "CREATED", NULL) < 0 ||
        (s != NULL && vml_access_key_each(dir, list_one, &l, err) < 0))
        return -1;
    return list_print(&l, "AccessKeys", err);
}

/* --- remove ----------------------------------------------------------------------------------- */

static int remove_keys(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct key how = { 0 };
    VML_AUTO(json_freep) json_t *ids = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_freep) char *dir = NULL;
    int rc = opt_parse(cli, &remove_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_dir(&how.local, &dir, err) < 0 || local_store(&how.local, LOCAL_WRITE, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        if (vml_access_key_remove(dir, cli->words[i], err) < 0) {
            out_done_before(cli, i);
            return -1;
        }
        json_array_append_new(ids, json_text(cli->words[i]));
    }
    return cli->json ? out_json(json_pack("{s:O}", "AccessKeyIds", ids), err) : 0;
}

static const struct verb verbs[] = {
    { "add", add, "make an access key" },
    { "list", list, "list the access keys" },
    { "remove", remove_keys, "take access keys away" },
    { 0 },
};

int serve_key(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "serve key", argc, argv, err);
}
