/* What prep is going to change, before it changes anything.
 *
 *     step.run  ->  read, edit, write  ->  plan  ->  told (always)  ->  applied (unless a dry run)
 *
 * A step sees the guest as those before it will have left it: what is planned is read back from the
 * plan.  So a file is written once however many steps change it, and a second run, which plans
 * nothing, changes nothing. */
#ifndef VMLIFT_GUEST_PLAN_H
#define VMLIFT_GUEST_PLAN_H

#include "vmlift/prep.h"

/* --- the guest ------------------------------------------------------------------------------ */

enum vml_stat { VML_STAT_NONE, VML_STAT_FILE, VML_STAT_FOLDER, VML_STAT_LINK, VML_STAT_OTHER };

/* One that is to be changed, which is libguestfs's, or a test's.  Paths are the guest's. */
struct vml_guest_ops {
    /* Without following it.  target is where a link leads, malloc'd, else NULL. */
    int (*stat)(void *arg, const char *path, enum vml_stat *kind, char **target,
                struct vml_error *err);
    /* A plain file, through links; *real is its path without them.  NULL in both: there is none, or
     * it has more than VML_TEXT_MAX bytes, or a NUL. */
    int (*read)(void *arg, const char *path, char **real, char **text, struct vml_error *err);
    /* The names in a folder, sorted, each malloc'd, NULL at the end; none where there is no folder.
     */
    int (*list)(void *arg, const char *folder, char ***names, struct vml_error *err);
    /* Makes the folders on the way; owner and mode of a file that is there stay. */
    int (*write)(void *arg, const char *path, const char *text, size_t len, struct vml_error *err);
    int (*copy)(void *arg, const char *from, const char *to, struct vml_error *err);
    int (*move)(void *arg, const char *from, const char *to, struct vml_error *err);
    int (*remove)(void *arg, const char *path, struct vml_error *err);
    int (*link)(void *arg, const char *target, const char *path, struct vml_error *err);
    /* A program of the guest, run in it.  VML_EIO prep/command with its last words. */
    int (*run)(void *arg, const char *command, struct vml_error *err);
};
#define VML_TEXT_MAX (1u << 20)

/* A kernel, and which of the drivers that EC2 may need its start lacks: bits of enum vml_driver. */
struct vml_guest_kernel {
    char version[128];
    uint32_t lacking; /* a module that is there, but not in the initramfs and not built in */
    uint32_t absent;  /* neither built in nor there */
};

/* What a file system, a swap or a volume is called. */
struct vml_guest_volume {
    char device[160]; /* of the machine's first disk "/dev/sda1"; "/dev/vg0/root" */
    char here[160];   /* what the appliance calls it, which may be another */
    char uuid[64], label[64];
};
struct vml_guest {
    const struct vml_guest_ops *ops;
    void *arg;
    char root_uuid[64];
    char esp[64]; /* where the EFI system partition is mounted, "/boot/efi"; "": there is none */
    struct vml_guest_volume *volumes;
    size_t n_volumes;
    struct vml_guest_kernel *kernels;
    size_t n_kernels;
    size_t n_disks;
};
/* Whether the guest has what an fstab or a kernel's command line names: vml_resolve_fn. */
bool vml_guest_resolve(void *guest, const char *spec, const char *mount, char uuid[64]);

/* --- the plan ------------------------------------------------------------------------------- */

struct vml_plan;
int vml_plan_open(struct vml_plan **out, const struct vml_guest *guest, struct vml_prepared *told,
                  struct vml_error *err);
void vml_plan_freep(struct vml_plan **p);
/* What follows is of this step. */
void vml_plan_step(struct vml_plan *p, const char *id);
const struct vml_guest *vml_plan_guest(const struct vml_plan *p);
bool vml_plan_is_empty(const struct vml_plan *p);
bool vml_plan_adds_files(const struct vml_plan *p); /* new ones */
/* Has a step changed one whose path begins so? */
bool vml_plan_touches(const struct vml_plan *p, const char *prefix);

/* These see what is planned. */
int vml_plan_stat(struct vml_plan *p, const char *path, enum vml_stat *kind, struct vml_error *err);
/* *text is malloc'd; NULL: there is no such file. */
int vml_plan_read(struct vml_plan *p, const char *path, char **text, struct vml_error *err);
int vml_plan_list(struct vml_plan *p, const char *folder, char ***names, struct vml_error *err);
void vml_names_freep(char ***names);
/* Where a link leads; NULL: it is none. */
int vml_plan_target(struct vml_plan *p, const char *path, char **target, struct vml_error *err);
bool vml_plan_has(struct vml_plan *p, const char *path); /* a file, or a link to one */

/* The file is to have this text, which is taken over; NULL is what an edit without memory returns.
 * Where it has that text already there is nothing to do. */
int vml_plan_write(struct vml_plan *p, const char *path, char *text, struct vml_error *err);
/* The same, and no copy of what it was is kept. */
int vml_plan_forget(struct vml_plan *p, const char *path, const char *text, struct vml_error *err);
/* It is to get another name, beside it, by which nothing finds it. */
int vml_plan_aside(struct vml_plan *p, const char *path, const char *why, struct vml_error *err);
int vml_plan_remove(struct vml_plan *p, const char *path, const char *why, struct vml_error *err);
int vml_plan_link(struct vml_plan *p, const char *target, const char *path, const char *why,
                  struct vml_error *err);
int vml_plan_copy(struct vml_plan *p, const char *from, const char *to, struct vml_error *err);
/* A program of the guest, by a shell's words, when all files are written.  Where it fails, that is
 * a note of this name; where `slug` is NULL, VML_EIO prep/command. */
int vml_plan_run(struct vml_plan *p, const char *command, const char *why, const char *slug,
                 struct vml_error *err);
void vml_plan_note(struct vml_plan *p, const char *slug, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

int vml_plan_apply(struct vml_plan *p, struct vml_error *err);

/* --- the steps ------------------------------------------------------------------------------ */

typedef int vml_step_fn(struct vml_plan *p, struct vml_error *err);
vml_step_fn vml_step_fstab, vml_step_root, vml_step_network, vml_step_console, vml_step_menu,
    vml_step_lvm, vml_step_initramfs, vml_step_fallback, vml_step_agents, vml_step_cloud_init,
    vml_step_cloud_init_install, vml_step_ssh_host_keys, vml_step_machine_id, vml_step_selinux;
/* A part of the network's: the kernel calls its first card eth0. */
int vml_plan_eth0(struct vml_plan *p, struct vml_error *err);
/* Those of the set, in their order.  network: as in struct vml_prep_how. */
int vml_plan_steps(struct vml_plan *p, uint32_t steps, bool network, struct vml_error *err);

#endif
