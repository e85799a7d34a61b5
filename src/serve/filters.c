/* Filter.N.Name, Filter.N.Value.M: of images and snapshots as the registry takes them, and of what
 * is no record of it. */
#include "serve/filters.h"

#include <stdlib.h>
#include <string.h>

/* filter: how EC2 calls the parameter, which is "Filter" nearly everywhere. */
static int read_one(const struct vml_request *r, const char *filter, unsigned n, const char **name,
                    struct vml_texts *values, struct vml_error *err)
{
    char prefix[32];

    snprintf(prefix, sizeof prefix, "%s.%u.Value", filter, n);
    *name = vml_param(r, "%s.%u.Name", filter, n);
    if (*name == NULL || (*name)[0] == '\0')
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter %s.%u.Name", filter, n);
    if (vml_param_list(r, prefix, values, err) < 0)
        return -1;
    if (values->n == 0)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The filter '%.128s' must have a value", *name);
    return 0;
}

int vml_request_filters(const struct vml_request *r, struct vml_filters *f, struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "Filter") < 0)
        return -1;
    for (size_t i = 0; i < numbers.n; i++) {
        VML_AUTO(vml_texts_clear) struct vml_texts values = { NULL, 0 };
        const char *name;
        if (read_one(r, "Filter", numbers.items[i], &name, &values, err) < 0 ||
            vml_filters_add_values(f, name, values.items, values.n, err) < 0)
            return -1;
    }
    return 0;
}

/* --- of other things -------------------------------------------------------------------------- */

void vml_wanted_clear(struct vml_wanted *w)
{
    for (size_t i = 0; i < w->n; i++)
        vml_texts_clear(&w->items[i].values);
    free(w->items);
    *w = (struct vml_wanted){ NULL, 0 };
}

static bool is_listed(const char *list, const char *name)
{
    for (size_t len; *list != '\0'; list += len + strspn(list + len, " ")) {
        len = strcspn(list, " ");
        bool open = list[len - 1] == ':';
        if (strncmp(list, name, len) == 0 && (open ? name[len] != '\0' : name[len] == '\0'))
            return true;
    }
    return false;
}

static int check(const struct vml_wanted_item *item, const char *names, struct vml_error *err)
{
    if (!is_listed(names, item->name))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "The filter '%.128s' is invalid", item->name);
    for (size_t i = 0; i < item->values.n; i++)
        if (vml_pattern_check(item->values.items[i], err) < 0)
            return -1;
    return 0;
}

int vml_wanted_read(struct vml_wanted *w, const struct vml_request *r, const char *names,
                    struct vml_error *err)
{
    return vml_wanted_read_as(w, r, "Filter", names, err);
}

int vml_wanted_read_as(struct vml_wanted *w, const struct vml_request *r, const char *filter,
                       const char *names, struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "%s", filter) < 0)
        return -1;
    w->items = calloc(numbers.n + 1, sizeof *w->items);
    if (w->items == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < numbers.n; i++) {
        struct vml_wanted_item *item = &w->items[w->n++];
        if (read_one(r, filter, numbers.items[i], &item->name, &item->values, err) < 0 ||
            check(item, names, err) < 0)
            return -1;
    }
    return 0;
}

bool vml_wanted_takes(const struct vml_wanted *w, const char *name, const char *text)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct vml_wanted_item *item = &w->items[i];
        bool takes = strcmp(item->name, name) != 0;
        for (size_t k = 0; k < item->values.n && !takes; k++)
            takes = vml_pattern_match(item->values.items[k], text);
        if (!takes)
            return false;
    }
    return true;
}
