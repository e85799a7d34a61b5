/* What the place to which a file shall go would say of it, before anything is uploaded. */
#ifndef VMLIFT_TARGET_H
#define VMLIFT_TARGET_H

#include "vmlift/facts.h"
#include "vmlift/guest.h"
#include "vmlift/inspect.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vml_target {
    VML_TARGET_AWS,         /* VM Import/Export: ImportImage and ImportSnapshot */
    VML_TARGET_ESXI,        /* ESXi and vCenter, also through ovftool and govc */
    VML_TARGET_AZURE,       /* managed disks */
    VML_TARGET_VIRTUALBOX,  /* "Import Appliance", or a disk that is attached */
    VML_TARGET_WORKSTATION, /* Workstation, Player and Fusion */
    VML_TARGETS,
};
const char *vml_target_name(enum vml_target t); /* "aws"; NULL beyond the last */
/* Adds the bit of the target called `name`, or all of them for "all".  VML_EUSAGE usage/target. */
int vml_target_add(unsigned *targets, const char *name, struct vml_error *err);

struct vml_target_finding {
    enum vml_target target;
    enum vml_level level; /* fault: the target refuses; warning: some of its versions do, or its
                             answer is inferred; note: worth knowing */
    const char *rule;     /* stable: "target/vmdk-stream" */
    const char *text;     /* one line */
    const char *says;     /* the target's own sentence, where one is known; or NULL */
    const char *mend;     /* the command line that mends it, for a shell; or NULL */
};
typedef void vml_target_tell(void *arg, const struct vml_target_finding *finding);

struct vml_target_file {
    const char *path;   /* as the user gave it: for the commands */
    const char *format; /* likewise, or NULL */
    bool damaged;       /* no command mends that */
};
/* Tells what the target finds, the package's matters first, then each disk's.  Pure, but for the
 * memory that it needs: VML_ENOMEM. */
int vml_target_judge(const struct vml_facts *facts, enum vml_target target,
                     const struct vml_target_file *file, vml_target_tell *tell, void *arg,
                     struct vml_error *err);

/* What is inside the disks. */
struct vml_target_guest {
    const struct vml_boot *boots; /* of each disk, in their order */
    size_t n_boots;
    const struct vml_inspect *system; /* NULL: nobody looked, or: */
    const char *unread;               /* why that was not possible; NULL */
};
/* The same of what is inside; AWS alone has rules for that.  With a system there is always a note
 * that says as which virtualization type of EC2 it can start. */
int vml_target_judge_guest(const struct vml_facts *facts, const struct vml_target_guest *guest,
                           enum vml_target target, const struct vml_target_file *file,
                           vml_target_tell *tell, void *arg, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
