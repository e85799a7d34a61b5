/* A rule: what a target asks of a package, or of each disk in it.  Private to src/target. */
#ifndef TARGET_RULES_H
#define TARGET_RULES_H

#include "vmlift/target.h"

#define AWS         (1u << VML_TARGET_AWS)
#define ESXI        (1u << VML_TARGET_ESXI)
#define AZURE       (1u << VML_TARGET_AZURE)
#define VIRTUALBOX  (1u << VML_TARGET_VIRTUALBOX)
#define WORKSTATION (1u << VML_TARGET_WORKSTATION)
#define ALL         ((1u << VML_TARGETS) - 1)

struct look {
    const struct vml_facts *f;
    const struct vml_disk_facts *d; /* NULL: the rule is about the package */
    size_t number;                  /* of the disk, from 1 */
};
/* What a rule has to say once it is broken. */
struct told {
    char text[400];
    char args[3][160]; /* for the %s in the target's sentence, in turn */
};
enum mend {
    MEND_NONE,
    MEND_STREAM, /* a streamOptimized VMDK; of a package: MEND_NEW */
    MEND_SPARSE, /* a monolithicSparse VMDK; likewise */
    MEND_NEW,    /* the package written anew */
    MEND_OLDER,  /* the same with hardware that every ESXi in use has */
    MEND_FIXED,  /* a fixed VHD of the disk, also out of a package */
    MEND_WHOLE,  /* a child joined with its parents, in the format it has */
};
struct rule {
    const char *slug;
    unsigned targets;
    enum vml_level level;
    /* Is it broken?  Then *t has the text.  Pure. */
    bool (*broken)(const struct look *l, struct told *t);
    const char *says; /* with %s; NULL: the target has no sentence for it that is known */
    enum mend mend;
};
/* Each ends with a NULL slug. */
extern const struct rule target_package_rules[], target_disk_rules[];

/* True, so that a rule ends with: return say(t, "..."); */
bool say(struct told *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Is the machine's hardware one of VMware's?  Its number, or 0. */
unsigned target_vmx(const struct vml_machine *m);

/* mend.c: the command, to be freed; *cmd is NULL where there is none. */
int target_mend(char **cmd, const struct look *l, enum mend mend,
                const struct vml_target_file *file, struct vml_error *err);

#endif
