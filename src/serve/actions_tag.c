/* EC2: tags of images and snapshots. */
#include <stdlib.h>
#include <string.h>

#include "serve/actions.h"
#include "serve/filters.h"
#include "serve/page.h"
#include "vmlift/rules.h"

#define RESOURCES_MAX 1000u

/* --- CreateTags, DeleteTags ------------------------------------------------------------------- */

struct asked {
    struct vml_texts ids;
    struct vml_tag *tags; /* what they point to is the request's */
    size_t n;
};

static void asked_clear(struct asked *q)
{
    vml_texts_clear(&q->ids);
    free(q->tags);
}

/* A tag without a value has an empty one where it is made; where it is deleted, any. */
static int read_tags(const struct vml_request *r, bool remove, struct asked *q,
                     struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "Tag") < 0)
        return -1;
    q->tags = calloc(numbers.n + 1, sizeof *q->tags);
    if (q->tags == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < numbers.n; i++) {
        const char *key = vml_param(r, "Tag.%u.Key", numbers.items[i]);
        const char *value = vml_param(r, "Tag.%u.Value", numbers.items[i]);
        if (key == NULL)
            return vml_fail(err, VML_EREFUSED, "MissingParameter",
                            "The request must contain the parameter Tag.%u.Key", numbers.items[i]);
        if (value == NULL && !remove)
            value = "";
        q->tags[q->n++] = (struct vml_tag){ (char *)(uintptr_t)key, (char *)(uintptr_t)value };
    }
    return 0;
}

static int read_asked(const struct vml_request *r, bool remove, struct asked *q,
                      struct vml_error *err)
{
    if (vml_param_list(r, "ResourceId", &q->ids, err) < 0)
        return -1;
    if (q->ids.n == 0)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter resourceIdSet");
    if (q->ids.n > RESOURCES_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%zu resources, at most %u allowed", q->ids.n, RESOURCES_MAX);
    if (read_tags(r, remove, q, err) < 0)
        return -1;
    if (!remove && q->n == 0)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter tagSet");
    return 0;
}

static int change_tags(struct vml_request *r, struct vml_answer *a, bool remove,
                       struct vml_error *err)
{
    VML_AUTO(asked_clear) struct asked q = { .n = 0 };

    if (read_asked(r, remove, &q, err) < 0 || (!remove && vml_rule_tags(q.tags, q.n, err) < 0) ||
        vml_dry_run(r, err) < 0 ||
        vml_registry_tag_all(r->store, &r->where, q.ids.items, q.ids.n, q.tags, q.n, remove, err) <
            0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_create_tags(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    return change_tags(r, a, false, err);
}

int vml_do_delete_tags(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    return change_tags(r, a, true, err);
}

/* --- DescribeTags ----------------------------------------------------------------------------- */

/* Both owned. */
struct row {
    char *position, *value; /* "ami-0123456789abcdef0 Env" */
};
struct rows {
    const struct vml_request *r;
    struct vml_wanted wanted;
    struct vml_page page;
    struct row *items;
    size_t n;
};

static void rows_clear(struct rows *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].position);
        free(l->items[i].value);
    }
    free(l->items);
    vml_wanted_clear(&l->wanted);
}

static bool is_wanted(const struct vml_wanted *w, const char *id, const char *type,
                      const struct vml_tag *tag)
{
    for (size_t i = 0; i < w->n; i++) {
        const char *name = w->items[i].name;
        bool by_tag = strncmp(name, "tag:", 4) == 0;
        if (by_tag && (strcmp(name + 4, tag->key) != 0 || !vml_wanted_takes(w, name, tag->value)))
            return false;
    }
    return vml_wanted_takes(w, "resource-id", id) && vml_wanted_takes(w, "resource-type", type) &&
           vml_wanted_takes(w, "key", tag->key) && vml_wanted_takes(w, "value", tag->value);
}

static int add_row(struct rows *l, const char *id, const struct vml_tag *tag, struct vml_error *err)
{
    struct row *more = reallocarray(l->items, l->n + 1, sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    l->items = more;
    struct row row = { NULL, strdup(tag->value) };
    if (asprintf(&row.position, "%s %s", id, tag->key) < 0 || row.value == NULL) {
        free(row.value);
        return vml_fail_nomem(err);
    }
    more[l->n++] = row;
    return 0;
}

static int add_rows(struct rows *l, const char *id, const char *type, const char *owner,
                    const struct vml_tag *tags, size_t n, struct vml_error *err)
{
    if (strcmp(owner, l->r->account) != 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (is_wanted(&l->wanted, id, type, &tags[i]) && add_row(l, id, &tags[i], err) < 0)
            return -1;
    return 0;
}

static int add_image(void *arg, const struct vml_image *a, struct vml_error *err)
{
    return add_rows(arg, a->id, "image", a->owner, a->marks.tags, a->marks.n_tags, err);
}

static int add_snapshot(void *arg, const struct vml_registry_snapshot *s, struct vml_error *err)
{
    return add_rows(arg, s->is.id, "snapshot", s->is.owner, s->marks.tags, s->marks.n_tags, err);
}

static int add_unwritten(void *arg, const struct vml_ebs_snapshot *s, struct vml_error *err)
{
    struct rows *l = arg;

    return add_rows(l, s->id, "snapshot", l->r->account, s->tags, s->n_tags, err);
}

static int by_position(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return strcmp(x->position, y->position);
}

static void print_row(struct vml_answer *a, const struct row *row)
{
    char id[32];

    snprintf(id, sizeof id, "%.*s", (int)strcspn(row->position, " "), row->position);
    vml_xml_open(a, "item");
    vml_xml_text(a, "resourceId", id);
    vml_xml_text(a, "resourceType", id[0] == 'a' ? "image" : "snapshot");
    vml_xml_text(a, "key", strchr(row->position, ' ') + 1);
    vml_xml_text(a, "value", row->value);
    vml_xml_close(a, "item");
}

int vml_do_describe_tags(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(rows_clear) struct rows l = { .r = r };

    if (vml_wanted_read(&l.wanted, r, "key resource-id resource-type tag: value", err) < 0 ||
        vml_page_read(&l.page, r, 5, err) < 0 || vml_dry_run(r, err) < 0 ||
        vml_registry_each(r->store, &r->where, add_image, &l, err) < 0 ||
        vml_registry_snapshot_each(r->store, &r->where, add_snapshot, &l, err) < 0 ||
        vml_ebs_each(vml_server_ebs(r->server), &r->where, add_unwritten, &l, err) < 0)
        return -1;
    if (l.n > 0)
        qsort(l.items, l.n, sizeof *l.items, by_position);
    vml_xml_open(a, "tagSet");
    for (size_t i = 0; i < l.n; i++)
        if (vml_page_takes(&l.page, l.items[i].position))
            print_row(a, &l.items[i]);
    vml_xml_close(a, "tagSet");
    vml_page_end(&l.page, a);
    return 0;
}
