#include "cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cost_price(double *price, const char *text, struct vml_error *err)
{
    char *end = NULL;

    *price = VML_SNAPSHOT_PRICE;
    if (text == NULL)
        return 0;
    *price = strtod(text, &end);
    if (text[strspn(text, "0123456789.")] != '\0' || end == text || *end != '\0' || *price > 1e6)
        return vml_fail(err, VML_EUSAGE, "usage/price",
                        "--price: %s is not an amount of USD such as 0.05, at most 1000000", text);
    return 0;
}

const char *cost_format(char buf[48], uint64_t bytes, double price)
{
    double usd = vml_monthly_cost(bytes, price);

    if (usd > 0 && usd < 0.005)
        snprintf(buf, 48, "less than 0.01 USD");
    else
        snprintf(buf, 48, "%.2f USD", usd);
    return buf;
}

json_t *json_cost(uint64_t bytes, double price)
{
    return json_real((double)(uint64_t)(vml_monthly_cost(bytes, price) * 10000 + 0.5) / 10000);
}

/* --- of an image ---------------------------------------------------------------------------- */

struct sum {
    const struct vml_image *image;
    uint64_t bytes;
};

static int add_snapshot(void *arg, const struct vml_snapshot_cost *c, struct vml_error *err)
{
    struct sum *sum = arg;
    const struct vml_image *a = sum->image;
    size_t i = 0;

    (void)err;
    while (i < a->n_mappings && strcmp(a->mappings[i].snapshot, c->snapshot->id) != 0)
        i++;
    if (i < a->n_mappings)
        sum->bytes += c->ebs;
    return 0;
}

static int take_own(void *arg, const struct vml_used *u, struct vml_error *err)
{
    struct sum *sum = arg;

    (void)err;
    if (u->image && strcmp(u->id, sum->image->id) == 0)
        sum->bytes = u->own;
    return 0;
}

int cost_ebs(struct vml_store *s, const struct vml_image *a, uint64_t *bytes, struct vml_error *err)
{
    struct sum sum = { .image = a };
    int rc = vml_snapshot_costs(s, add_snapshot, &sum, err);

    *bytes = sum.bytes;
    return rc;
}

int cost_own(struct vml_store *s, const struct vml_image *a, uint64_t *bytes, struct vml_error *err)
{
    struct sum sum = { .image = a };
    struct vml_usage usage;
    int rc = vml_store_usage(s, &usage, take_own, &sum, err);

    *bytes = sum.bytes;
    return rc;
}
