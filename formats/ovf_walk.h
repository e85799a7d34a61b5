/* What the parts of the OVF parser share: a description on the way through it. */
#ifndef OVF_WALK_H
#define OVF_WALK_H

#include "ovf.h"
#include "ovf_xml.h"

struct ovf_walk {
    const xmlNode *root, *references, *disk_section, *system, *hardware;
    char configuration[128]; /* the one that applies; "" where there are none */
    struct ovf *out;
};

/* The decimal number that is all of `text`. */
uint64_t ovf_number_or(const char *text, uint64_t otherwise);

/* The text or number in the child called `name`; parent may be NULL where it is text. */
const char *ovf_child_text(const xmlNode *parent, const char *name, char *buf, size_t cap);
uint64_t ovf_field_number(const xmlNode *item, const char *name, uint64_t otherwise);

bool ovf_is_item(const xmlNode *n);
/* Does an element count in the configuration that applies? */
bool ovf_applies(const struct ovf_walk *w, const xmlNode *n);
/* The next item of the hardware that does; NULL starts. */
const xmlNode *ovf_next_item(const struct ovf_walk *w, const xmlNode *after);

/* w->out->disks, in the machine's order. */
int ovf_read_disks(const struct ovf_walk *w, struct vml_error *err);

#endif
