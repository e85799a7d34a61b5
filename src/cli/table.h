/* Rows of text in columns, each as wide as its widest cell. */
#ifndef VMLIFT_CLI_TABLE_H
#define VMLIFT_CLI_TABLE_H

#include "vmlift/base.h"

#define TABLE_COLUMNS 10

struct table {
    char *(*rows)[TABLE_COLUMNS];
    size_t n;
};
/* Adds a row of copies; NULL ends one that is shorter. */
int table_add(struct table *t, struct vml_error *err, ...) __attribute__((sentinel));
void table_print(const struct table *t); /* to standard output */
void table_clear(struct table *t);

#endif
