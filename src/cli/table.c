#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

int table_add(struct table *t, struct vml_error *err, ...)
{
    char *(*grown)[TABLE_COLUMNS] = realloc(t->rows, (t->n + 1) * sizeof *grown);
    va_list ap;
    const char *cell;
    bool full = false;

    if (grown == NULL)
        return vml_fail_nomem(err);
    t->rows = grown;
    memset(grown[t->n], 0, sizeof grown[t->n]);
    va_start(ap, err);
    for (size_t i = 0; i < TABLE_COLUMNS && (cell = va_arg(ap, const char *)) != NULL; i++)
        full = (grown[t->n][i] = strdup(cell)) == NULL || full;
    va_end(ap);
    t->n++;
    return full ? vml_fail_nomem(err) : 0;
}

void table_print(const struct table *t)
{
    size_t widths[TABLE_COLUMNS] = { 0 }, longest = 0;

    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < TABLE_COLUMNS && t->rows[r][i] != NULL; i++)
            widths[i] = vml_max_u64(widths[i], strlen(t->rows[r][i]));
    }
    for (size_t i = 0; i < TABLE_COLUMNS; i++)
        longest += widths[i] + 2;
    VML_AUTO(vml_freep) char *line = malloc(longest + 1);
    for (size_t r = 0; line != NULL && r < t->n; r++) {
        char *to = line;
        for (size_t i = 0; i < TABLE_COLUMNS && t->rows[r][i] != NULL; i++)
            to += sprintf(to, "%-*s  ", (int)widths[i], t->rows[r][i]);
        while (to > line && to[-1] == ' ')
            to--;
        *to = '\0';
        out_line(stdout, "%s", line);
    }
}

void table_clear(struct table *t)
{
    for (size_t r = 0; r < t->n; r++)
        for (size_t i = 0; i < TABLE_COLUMNS; i++)
            free(t->rows[r][i]);
    free(t->rows);
}
