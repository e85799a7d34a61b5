/* The local registry: images of accounts in regions, as EC2 shows them to who asks.
 *
 * An image is seen by its owner, by accounts it is shared with, and when it is public by everybody,
 * in its own region only.  What is not seen does not exist (InvalidAMIID.NotFound); what is seen
 * and is not one's own cannot be changed (AuthFailure). */
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

/* --- changing: each durable when it returns ------------------------------------------------- */

/* Checks the rules (vml_rule_register, InvalidAMIName.Duplicate), gives the ID when a->id is empty,
 * and adds the rows, with `action` and detail as the first event of its history; to be called
 * inside a SQL transaction (vml_txn_commit's `also`). */
int vml_registry_add(struct vml_db *db, struct vml_image *a, const char *action, const char *detail,
                     struct vml_error *err);
/* The same of a copy, whose name may be that of another image, as EC2 has it. */
int vml_registry_add_copy(struct vml_db *db, struct vml_image *a, const char *action,
                          const char *detail, struct vml_error *err);

/* Changes the record *a of the image, which is the account's own and is not deregistered: called
 * inside the transaction that writes it back.  1: it did, 0: there was nothing to do, -1: refused.
 * detail gets what history is to say. */
struct vml_change {
    const char *action; /* as history and the refusal name it */
    int (*edit)(void *arg, struct vml_image *a, char detail[256], struct vml_error *err);
    void *arg;
};
/* *out (may be NULL) gets the record as it is then, to be cleared.  Errors: of vml_registry_get, of
 * edit, and AuthFailure. */
int vml_registry_change(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        const struct vml_change *change, struct vml_image *out,
                        struct vml_error *err);
/* Its snapshots stay. */
int vml_registry_deregister(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, struct vml_image *out, struct vml_error *err);

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
/* One's own, and that no image uses (InvalidSnapshot.InUse, naming it); gc frees the blocks. */
int vml_registry_snapshot_delete(struct vml_store *s, const struct vml_where *where, const char *id,
                                 struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
