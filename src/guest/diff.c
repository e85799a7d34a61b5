/* The longest common run of lines by the plain table of lengths, between what the two texts have in
 * common at their ends: configurations have some hundred lines, of which a few differ.  Where there
 * are more than the table is worth, all between the ends is one difference. */
#include "guest/diff.h"

#include <stdlib.h>
#include <string.h>

#include "guest/edit.h"

#define TABLE_MAX 2000u /* lines */

struct lines {
    struct vml_text_line *at;
    size_t n;
};

static void lines_free(struct lines *l)
{
    free(l->at);
}

static bool read_lines(const char *text, struct lines *l)
{
    size_t n = 2; /* one without a newline, and the end, which is none */

    for (const char *p = text; *p != '\0'; p++)
        n += *p == '\n';
    if ((l->at = calloc(n, sizeof *l->at)) == NULL)
        return false;
    while (vml_text_line_next(&text, &l->at[l->n]))
        l->n++;
    return true;
}

static bool same(const struct vml_text_line *a, const struct vml_text_line *b)
{
    return a->full == b->full && memcmp(a->text, b->text, a->full) == 0;
}

struct diff {
    const struct vml_text_line *a, *b;
    size_t first, na, nb; /* the table is of lines first .. first+na, first+nb */
    const uint16_t *table;
};

static unsigned common(const struct diff *d, size_t i, size_t k)
{
    return d->table != NULL ? d->table[i * (d->nb + 1) + k] : 0;
}

static size_t bytes(const struct vml_text_line *from, size_t n)
{
    return n > 0 ? (size_t)(from[n - 1].text + from[n - 1].full - from->text) : 0;
}

static int walk(const struct diff *d, vml_diff_hunk *fn, void *arg, struct vml_error *err)
{
    size_t i = 0, k = 0;

    while (i < d->na || k < d->nb) {
        size_t from_i = i, from_k = k;
        const struct vml_text_line *a = d->a + d->first + i, *b = d->b + d->first + k;

        while (i < d->na || k < d->nb) {
            bool both = i < d->na && k < d->nb;

            if (both && d->table != NULL && same(d->a + d->first + i, d->b + d->first + k))
                break;
            if (i < d->na && (k == d->nb || common(d, i + 1, k) >= common(d, i, k + 1)))
                i++;
            else
                k++;
        }
        if ((i > from_i || k > from_k) &&
            fn(arg, (unsigned)(d->first + from_i + 1), a->text, bytes(a, i - from_i), b->text,
               bytes(b, k - from_k), err) < 0)
            return -1;
        if (i < d->na && k < d->nb) {
            i++;
            k++;
        }
    }
    return 0;
}

static void fill(const struct diff *d, uint16_t *table)
{
    for (size_t i = d->na; i-- > 0;)
        for (size_t k = d->nb; k-- > 0;) {
            const uint16_t *below = &table[(i + 1) * (d->nb + 1)];
            uint16_t *at = &table[i * (d->nb + 1)];

            if (same(d->a + d->first + i, d->b + d->first + k))
                at[k] = (uint16_t)(below[k + 1] + 1);
            else
                at[k] = below[k] > at[k + 1] ? below[k] : at[k + 1];
        }
}

int vml_diff(const char *a, const char *b, vml_diff_hunk *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(lines_free) struct lines la = { 0 }, lb = { 0 };
    VML_AUTO(vml_freep) uint16_t *table = NULL;

    if (!read_lines(a, &la) || !read_lines(b, &lb))
        return vml_fail_nomem(err);
    struct diff d = { .a = la.at, .b = lb.at, .na = la.n, .nb = lb.n };
    while (d.first < la.n && d.first < lb.n && same(&la.at[d.first], &lb.at[d.first]))
        d.first++;
    d.na -= d.first;
    d.nb -= d.first;
    while (d.na > 0 && d.nb > 0 && same(&la.at[d.first + d.na - 1], &lb.at[d.first + d.nb - 1])) {
        d.na--;
        d.nb--;
    }
    if (d.na <= TABLE_MAX && d.nb <= TABLE_MAX) {
        if ((table = calloc((d.na + 1) * (d.nb + 1), sizeof *table)) == NULL)
            return vml_fail_nomem(err);
        fill(&d, table);
        d.table = table;
    }
    return walk(&d, fn, arg, err);
}
