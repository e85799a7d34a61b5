/* Tags as words of the command line. */
#ifndef VMLIFT_CLI_TAGS_H
#define VMLIFT_CLI_TAGS_H

#include "opt.h"
#include "vmlift/ami.h"

struct tags {
    struct vml_tag *items;
    size_t n;
};
void tags_clear(struct tags *t);
/* Each is KEY=VALUE; with bare also KEY, whose value is then NULL. VML_EUSAGE usage/tag, also when
 * there is none, unless v is NULL: then none are needed. */
int tags_read(const struct opt_verb *v, const struct opt_list *words, bool bare, struct tags *out,
              struct vml_error *err);

#define OPT_TAG(type)                                                                    \
    {                                                                                    \
        0, "tag", "K=V", OPT_LIST, offsetof(struct type, tags), "a tag; may be repeated" \
    }
#define OPT_UNTAG(type)                                                          \
    {                                                                            \
        0, "tag", "K[=V]", OPT_LIST, offsetof(struct type, tags),                \
            "a tag's key, whatever its value, or key and value; may be repeated" \
    }

#endif
