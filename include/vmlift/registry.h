/* The local registry: images of accounts in regions, as EC2 shows them to who asks.
 *
 * An image is seen by its owner, by accounts it is shared with, and when it is public by everybody,
 * in its own region only.  What is not seen does not exist (InvalidAMIID.NotFound); what is seen
 * and is not one's own cannot be changed (AuthFailure), and its tags, its other grantees and where
 * it came from are not shown. */
#ifndef VMLIFT_REGISTRY_H
#define VMLIFT_REGISTRY_H

#include "vmlift/ami.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who asks, and where. */
struct vml_where {
    const char *owner, *region; /* 12 digits; "us-east-1" */
};

/* --- reading -------------------------------------------------------------------------------- */

/* By ID or name; a name of one's own images is looked for first.  Fills *out, to be cleared.
 * InvalidAMIID.NotFound, InvalidAMIID.Unavailable (deregistered), InvalidAMIID.Malformed ("ami-..."
 * that is neither an ID nor a name), image/ambiguous (VML_EREFUSED: the name of several). */
int vml_registry_get(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     struct vml_image *out, struct vml_error *err);
/* All that are seen, oldest first.  fn returns -1 to stop. */
typedef int vml_image_fn(void *arg, const struct vml_image *a, struct vml_error *err);
int vml_registry_each(struct vml_store *s, const struct vml_where *where, vml_image_fn *fn,
                      void *arg, struct vml_error *err);

/* A snapshot as the registry has it: seen by its owner, and by accounts that may create volumes of
 * it, in its own region. */
struct vml_registry_snapshot {
    struct vml_snapshot is;
    struct vml_marks marks;
    /* NULL, since what is in the store is complete; who shows one that is still being written says
     * otherwise: "pending", "40%". */
    const char *state, *progress;
};
void vml_registry_snapshot_clear(struct vml_registry_snapshot *r);
/* Fills *out, to be cleared.  InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed. */
int vml_registry_snapshot_get(struct vml_store *s, const struct vml_where *where, const char *id,
                              struct vml_registry_snapshot *out, struct vml_error *err);
/* All that are seen, oldest first.  fn returns -1 to stop. */
typedef int vml_registry_snapshot_fn(void *arg, const struct vml_registry_snapshot *r,
                                     struct vml_error *err);
int vml_registry_snapshot_each(struct vml_store *s, const struct vml_where *where,
                               vml_registry_snapshot_fn *fn, void *arg, struct vml_error *err);

/* What was done to an image or a snapshot, oldest first. */
struct vml_event {
    int64_t at;          /* seconds since 1970 */
    const char *account; /* who did it */
    const char *action;  /* "register", "share", .. */
    const char *detail;  /* what of it; "" */
};
typedef int vml_event_fn(void *arg, const struct vml_event *e, struct vml_error *err);
int vml_registry_history(struct vml_store *s, const char *id, vml_event_fn *fn, void *arg,
                         struct vml_error *err);
/* The ID of an image that is the account's own, also of one that is deregistered when it is given
 * by its ID: whose history it may read.  Errors: of vml_registry_get, and AuthFailure. */
int vml_registry_own(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     char id[32], struct vml_error *err);
/* The same of a snapshot: is it? */
int vml_registry_snapshot_own(struct vml_store *s, const struct vml_where *where, const char *id,
                              struct vml_error *err);

/* --- changing: each durable when it returns ------------------------------------------------- */

/* Checks the rules (vml_rule_register, InvalidAMIName.Duplicate), gives the ID when a->id is empty,
 * and adds the rows, with `action` and detail as the first event of its history; to be called
 * inside a SQL transaction (vml_txn_commit's `also`). */
int vml_registry_add(struct vml_db *db, struct vml_image *a, const char *action, const char *detail,
                     struct vml_error *err);
/* The same of a copy, whose name may be that of another image, as EC2 has it. */
int vml_registry_add_copy(struct vml_db *db, struct vml_image *a, const char *action,
                          const char *detail, struct vml_error *err);

/* An image of snapshots that are there, or of files in a bucket: what RegisterImage does.  *a is as
 * it is to be, but for what it may leave open: a volume's size (its snapshot's), the kernel of a
 * paravirtual one, which a note tells.  It gets its ID. */
int vml_register(struct vml_store *s, struct vml_image *a, struct vml_notes *notes,
                 struct vml_error *err);

/* An image of new snapshots of the disks of a machine, which is itself no more than what it was
 * started from: what CreateImage does.  No bytes are copied.  Of an image that the account may
 * launch nothing else is needed, so that launching is a way to copy: it is what EC2 has, too. */
struct vml_creating {
    const char *image; /* what the machine was started from, ID or name; or NULL: its disks are
                          volumes of the snapshots in *a */
    bool no_reboot;    /* the disks were not at rest */
    struct vml_notes *notes;
};
/* *a is as of vml_register, of snapshots that the account owns or may create volumes of.  Of an
 * image: name, description, owner, region and tags; its mappings add devices, or take one away
 * (no_device), or say of a volume of the machine whether it is deleted with it, and nothing else
 * (InvalidBlockDeviceMapping); their type may be "".  All else is the image's, with the codes of
 * its products, but not who may use it. */
int vml_registry_create(struct vml_store *s, const struct vml_creating *how, struct vml_image *a,
                        struct vml_error *err);

/* Changes the record *a of the image, which is the account's own and is not deregistered: called
 * inside the transaction that writes it back.  1: it did, 0: there was nothing to do, -1: refused.
 * detail gets what history is to say. */
struct vml_change {
    const char *action; /* as history and the refusal name it */
    int (*edit)(void *arg, struct vml_image *a, char detail[256], struct vml_error *err);
    void *arg;
    /* What else belongs to it, in the same transaction, once the record is written; may be NULL. */
    int (*also)(void *arg, struct vml_db *db, const struct vml_image *a, char detail[256],
                struct vml_error *err);
    bool by_others; /* whoever sees the image may */
};
/* *out (may be NULL) gets the record as it is then, to be cleared.  Errors: of vml_registry_get, of
 * edit, and AuthFailure. */
int vml_registry_change(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        const struct vml_change *change, struct vml_image *out,
                        struct vml_error *err);

/* The same of a snapshot, of which only the marks change. */
struct vml_snapshot_change {
    const char *action;
    int (*edit)(void *arg, struct vml_registry_snapshot *r, char detail[256],
                struct vml_error *err);
    void *arg;
};
int vml_registry_snapshot_change(struct vml_store *s, const struct vml_where *where, const char *id,
                                 const struct vml_snapshot_change *change,
                                 struct vml_registry_snapshot *out, struct vml_error *err);
/* What belongs to a snapshot that a transaction is about to show, with `action` and detail as the
 * first event of its history; to be called inside its SQL (vml_txn_commit's `also`). */
int vml_registry_snapshot_add(struct vml_db *db, const struct vml_snapshot *snap,
                              const struct vml_marks *marks, const char *action, const char *detail,
                              struct vml_error *err);
/* One's own, and that no image uses (InvalidSnapshot.InUse, naming it); gc frees the blocks. */
int vml_registry_snapshot_delete(struct vml_store *s, const struct vml_where *where, const char *id,
                                 struct vml_error *err);

/* --- the life of an image (life.c) ---------------------------------------------------------- */

/* Changes by vml_registry_change, and by the rules of rules.h.  Of the lists that history gets to
 * see as much is kept as it has room for. */

/* Adds tags, in place of those of the same keys: TagLimitExceeded when they are too many then. */
int vml_registry_tag(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     const struct vml_tag *tags, size_t n, struct vml_image *out,
                     struct vml_error *err);
/* Takes tags away, those with a value only where it is the value; NULL is any.  What is not there
 * is not missed.  No tags: all that there are. */
int vml_registry_untag(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       const struct vml_tag *tags, size_t n, struct vml_image *out,
                       struct vml_error *err);
int vml_registry_snapshot_tag(struct vml_store *s, const struct vml_where *where, const char *id,
                              const struct vml_tag *tags, size_t n, struct vml_error *err);
int vml_registry_snapshot_untag(struct vml_store *s, const struct vml_where *where, const char *id,
                                const struct vml_tag *tags, size_t n, struct vml_error *err);
/* Each of the resources, images and snapshots by their IDs, gets the tags, or loses them: all of
 * them, or none.  InvalidID for what is neither. */
int vml_registry_tag_all(struct vml_store *s, const struct vml_where *where, const char *const *ids,
                         size_t n_ids, const struct vml_tag *tags, size_t n, bool remove,
                         struct vml_error *err);

struct vml_modify {
    const char *description, *imds; /* NULL: as it is */
    const char *const *codes;       /* of the marketplace, to be added: none can be taken away */
    size_t n_codes;
};
int vml_registry_modify(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        const struct vml_modify *how, struct vml_image *out, struct vml_error *err);

/* at: seconds since 1970, rounded to the nearest minute; 0: never. */
int vml_registry_deprecate(struct vml_store *s, const struct vml_where *where,
                           const char *id_or_name, int64_t at, struct vml_image *out,
                           struct vml_error *err);
/* Launch permissions go with disabling, and do not come back with enabling. */
int vml_registry_disable(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                         struct vml_image *out, struct vml_error *err);
int vml_registry_enable(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        struct vml_image *out, struct vml_error *err);

enum vml_protect { VML_PROTECT_OFF, VML_PROTECT_ON, VML_PROTECT_WITH_COOLDOWN };
int vml_registry_protect(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                         enum vml_protect how, struct vml_image *out, struct vml_error *err);

/* What became of the snapshots of a deregistered image, each once. */
struct vml_deregistered {
    struct vml_image image;
    struct vml_left {
        char snapshot[32];
        char user[32]; /* another registered image that uses it, or "" */
        /* As EC2 calls it: "success", "skipped", "client-error" (there is none); "" when it was
         * not to be deleted. */
        const char *result;
    } * snapshots;
    size_t n;
};
void vml_deregistered_clear(struct vml_deregistered *d);
/* Its snapshots stay, unless delete_snapshots says to delete those that no other registered image
 * uses. */
int vml_registry_deregister(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, bool delete_snapshots,
                            struct vml_deregistered *out, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
