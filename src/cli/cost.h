/* Estimates of what snapshots cost. */
#ifndef VMLIFT_CLI_COST_H
#define VMLIFT_CLI_COST_H

#include "opt.h"
#include "out.h"
#include "vmlift/cost.h"

#define OPT_PRICE(type)                                                              \
    {                                                                                \
        0, "price", "USD", OPT_TEXT, offsetof(struct type, price),                   \
            "with --cost: of a GB kept for a month, 0.05 by default, as EBS has it " \
            "for standard snapshots in us-east-1"                                    \
    }
/* text as given with --price, or NULL.  VML_EUSAGE usage/price. */
int cost_price(double *price, const char *text, struct vml_error *err);
/* "0.05 USD"; very small amounts are not told as nothing. */
const char *cost_format(char buf[48], uint64_t bytes, double price);
/* Dollars a month, to a ten-thousandth. */
json_t *json_cost(uint64_t bytes, double price);

/* Bytes of an image's snapshots as EBS counts them, and those stored here that nothing else uses:
 * for these all trees are read. */
int cost_ebs(struct vml_store *s, const struct vml_image *a, uint64_t *bytes,
             struct vml_error *err);
int cost_own(struct vml_store *s, const struct vml_image *a, uint64_t *bytes,
             struct vml_error *err);

#endif
