/* How filters answer: the tables of EC2's names. */
#ifndef VMLIFT_AMI_FILTER_H
#define VMLIFT_AMI_FILTER_H

#include "vmlift/filter.h"

struct vml_filter_kind {
    const char *name; /* one that ends in ":" is followed by what it asks for ("tag:Env") */
    enum {
        VML_BY_TEXT,   /* a member of fixed size, at */
        VML_BY_OWNED,  /* an owned member, at */
        VML_BY_ANSWER, /* a function */
        VML_BY_NOBODY, /* nothing in a record could tell */
    } by;
    size_t at;
    bool (*answer)(const struct vml_filter *f, const void *record);
    const char *column; /* of its own table, that has this text; or NULL */
};

extern const struct vml_filter_kind vml_image_filters[];    /* ends with an empty row */
extern const struct vml_filter_kind vml_snapshot_filters[]; /* the same */

/* Is the text, which is there, one of the values? */
bool vml_filter_takes(const struct vml_filter *f, const char *text);
/* Is it there ("" is nothing), and one of them? */
bool vml_filter_has(const struct vml_filter *f, const char *text);
bool vml_filter_flag(const struct vml_filter *f, bool flag);
bool vml_filter_number(const struct vml_filter *f, uint64_t number);
/* The same of any tag's key, and of the value of the tag that the filter's name has. */
bool vml_filter_tag_key(const struct vml_filter *f, const struct vml_marks *m);
bool vml_filter_tag(const struct vml_filter *f, const struct vml_marks *m);
/* All of them, of a record of the table's kind. */
bool vml_filters_take(const struct vml_filters *f, const void *record);

/* --- who, in a query ------------------------------------------------------------------------ */

/* "self" is who asks. */
const char *vml_query_account(const char *who, const struct vml_where *where);
bool vml_query_is_alias(const char *who);
/* InvalidUserID.Malformed: neither an account nor a word for some, or an alias where none may be.
 */
int vml_query_check(const char *const *who, size_t n, bool aliases, struct vml_error *err);
/* Has one of them such a grant by name, as far as who asks may know? */
bool vml_query_granted(const char *const *who, size_t n, const struct vml_where *where,
                       const char *owner, const struct vml_marks *m, const char *kind);

#endif
