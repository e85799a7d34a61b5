#include "marks.h"

#include <string.h>

#include "table.h"
#include "vmlift/filter.h"

/* --- JSON ----------------------------------------------------------------------------------- */

json_t *marks_tags(const struct vml_marks *m)
{
    json_t *tags = json_array();

    for (size_t i = 0; i < m->n_tags; i++)
        json_array_append_new(tags, json_pack("{s:o, s:o}", "Key", json_text(m->tags[i].key),
                                              "Value", json_text(m->tags[i].value)));
    return tags;
}

json_t *marks_grants(const struct vml_marks *m, const char *kind)
{
    json_t *grants = json_array();

    for (size_t i = 0; i < m->n_grants; i++) {
        const struct vml_grant *g = &m->grants[i];
        bool everyone = strcmp(g->grantee, VML_EVERYONE) == 0;
        if (strcmp(g->kind, kind) == 0)
            json_array_append_new(grants,
                                  json_pack("{s:s}", everyone ? "Group" : "UserId", g->grantee));
    }
    return grants;
}

json_t *marks_codes(const struct vml_marks *m)
{
    json_t *codes = json_array();

    for (size_t i = 0; i < m->n_codes; i++)
        json_array_append_new(codes,
                              json_pack("{s:o, s:s}", "ProductCodeId", json_text(m->codes[i].code),
                                        "ProductCodeType", m->codes[i].type));
    return codes;
}

static int add_event(void *arg, const struct vml_event *e, struct vml_error *err)
{
    char when[32];

    (void)err;
    json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:o}", "Time", vml_ec2_time(when, e->at),
                                         "Account", e->account, "Action", e->action, "Detail",
                                         json_text(e->detail)));
    return 0;
}

json_t *marks_history(struct vml_store *s, const char *id, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *events = json_array();

    return vml_registry_history(s, id, add_event, events, err) < 0 ? NULL : json_incref(events);
}

/* --- history --------------------------------------------------------------------------------- */

static int add_row(void *arg, const struct vml_event *e, struct vml_error *err)
{
    char when[32];

    return table_add(arg, err, out_time(when, e->at), e->account, e->action, e->detail, NULL);
}

int marks_print_history(const struct cli *cli, struct vml_store *s, const char *what,
                        const char *id, struct vml_error *err)
{
    VML_AUTO(table_clear) struct table table = { 0 };
    char key[16];

    if (cli->json) {
        json_t *events = marks_history(s, id, err);
        snprintf(key, sizeof key, "%sId", what);
        return events == NULL ? -1
                              : out_json(json_pack("{s:s, s:o}", key, id, "Events", events), err);
    }
    if (table_add(&table, err, "WHEN", "ACCOUNT", "ACTION", "DETAIL", NULL) < 0 ||
        vml_registry_history(s, id, add_row, &table, err) < 0)
        return -1;
    table_print(&table);
    return 0;
}

/* --- text ----------------------------------------------------------------------------------- */

void marks_show(const struct vml_marks *m)
{
    for (size_t i = 0; i < m->n_codes; i++)
        out_line(stdout, "%-14s %s (%s)", "product code:", m->codes[i].code, m->codes[i].type);
    for (size_t i = 0; i < m->n_tags; i++)
        out_line(stdout, "%-14s %s=%s", "tag:", m->tags[i].key, m->tags[i].value);
}

void marks_show_grants(const struct vml_marks *m, const char *kind, const char *what)
{
    for (size_t i = 0; i < m->n_grants; i++) {
        const struct vml_grant *g = &m->grants[i];
        bool everyone = strcmp(g->grantee, VML_EVERYONE) == 0;
        if (strcmp(g->kind, kind) == 0)
            out_line(stdout, "%-14s %s", what, everyone ? "everyone" : g->grantee);
    }
}
