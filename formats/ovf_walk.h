/* What the parts of the OVF parser share: a description on the way through it. */
#ifndef OVF_WALK_H
#define OVF_WALK_H

#include "ovf.h"
#include "ovf_xml.h"

struct ovf_walk {
    const xmlNode *root, *references, *disk_section, *system, *hardware;
    bool several, look;      /* machines in the package; to be told about only */
    char configuration[128]; /* the one that applies; "" where there are none */
    struct ovf *out;
};

/* "line N: ..", N of the element `at`; -1. */
int ovf_fault(struct vml_error *err, const xmlNode *at, enum vml_code code, const char *slug,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define ovf_fault(...) vml_failed(ovf_fault(__VA_ARGS__))

bool ovf_is_true(const char *value); /* "true", "1" */

/* The decimal number that is all of `text`. */
uint64_t ovf_number_or(const char *text, uint64_t otherwise);

/* The text or number in the child called `name`; parent may be NULL where it is text. */
const char *ovf_child_text(const xmlNode *parent, const char *name, char *buf, size_t cap);
uint64_t ovf_field_number(const xmlNode *item, const char *name, uint64_t otherwise);

/* The next section of this name after `after` (NULL: the first): <DiskSection>, or its 0.9 form. */
const xmlNode *ovf_section(const xmlNode *parent, const xmlNode *after, const char *name);
bool ovf_is_item(const xmlNode *n);
/* Does an element count in the configuration that applies? */
bool ovf_applies(const struct ovf_walk *w, const xmlNode *n);
/* The next item of the hardware that does; NULL starts. */
const xmlNode *ovf_next_item(const struct ovf_walk *w, const xmlNode *after);

/* w->out->machine. */
void ovf_read_machine(const struct ovf_walk *w);
/* w->out->disks, in the machine's order. */
int ovf_read_disks(const struct ovf_walk *w, struct vml_error *err);

#endif
