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
    const struct vml_disk_facts *d;   /* NULL: the rule is about the package */
    size_t number;                    /* of the disk, from 1 */
    const struct vml_target_guest *g; /* NULL: the rule is about the file */
    const struct vml_inspect *s;      /* its system; NULL: not known */
    const struct vml_kernel *k;       /* the one that is started; NULL: not known, or no Linux */
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
    MEND_PREP,   /* a machine made ready */
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
/* Of the boot metadata, of any system, and of the systems by themselves. */
extern const struct rule target_boot_rules[], target_system_rules[], target_linux_rules[],
    target_windows_rules[];

/* True, so that a rule ends with: return say(t, "..."); */
bool say(struct told *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Is the machine's hardware one of VMware's?  Its number, or 0. */
unsigned target_vmx(const struct vml_machine *m);

/* More text, behind what there is; separated by ", " from it. */
void say_more(struct told *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* systems.c: is it one that VM Import lists?  And is the kernel one of its? */
enum system_known { SYSTEM_LISTED, SYSTEM_OTHER_VERSION, SYSTEM_NOT_LISTED };
enum system_known target_system_known(const struct vml_inspect *s);
/* What the table has for the system's version: "4.19, 5.10"; NULL: nothing.  *listed: this one is
 * among them. */
const char *target_kernels(const struct vml_inspect *s, const char *version, bool *listed);

/* virtualization.c: always true; see target.h. */
bool target_virtualization(const struct look *l, struct told *t);
/* Can the kernel reach such a disk before its root is mounted? */
bool target_starts_with(const struct vml_kernel *k, enum vml_driver d);

/* mend.c: the command, to be freed; *cmd is NULL where there is none. */
int target_mend(char **cmd, const struct look *l, enum mend mend,
                const struct vml_target_file *file, struct vml_error *err);

#endif
