/* What the files of the registry share, and import needs before there is an image. */
#ifndef VMLIFT_AMI_REGISTRY_H
#define VMLIFT_AMI_REGISTRY_H

#include "vmlift/registry.h"

/* Of images "i". */
#define VML_REGISTERED " AND i.state <> '" VML_DEREGISTERED "'"
/* Of images or snapshots "i": what ?1 sees in region ?2, its own and what has such a grant for it.
 */
#define VML_SEEN(grant)                                \
    "i.region = ?2 AND (i.owner = ?1 OR EXISTS"        \
    " (SELECT 1 FROM grants g WHERE g.resource = i.id" \
    " AND g.kind = '" grant "' AND g.grantee IN (?1, '" VML_EVERYONE "')))"

/* InvalidSnapshot.NotFound, InvalidSnapshotID.Malformed; -1. */
int vml_snapshot_missing(const char *id, struct vml_error *err);

/* vml_registry_snapshot_change as a part of a transaction's SQL.  1: it did, 0: there was nothing
 * to do; *out (may be NULL) is to be cleared. */
int vml_snapshot_change_in(struct vml_store *s, const struct vml_where *where, const char *id,
                           const struct vml_snapshot_change *change,
                           struct vml_registry_snapshot *out, struct vml_error *err);
/* The same as vml_registry_change, inside a transaction. */
int vml_change_in(struct vml_store *s, struct vml_db *db, const struct vml_where *where,
                  const char *id_or_name, const struct vml_change *how, struct vml_image *out,
                  struct vml_error *err);
/* The same as vml_registry_deregister, inside a transaction that has begun with
 * vml_snapshot_uses_check when snapshots are to be deleted. */
int vml_deregister_in(struct vml_store *s, struct vml_db *db, const struct vml_where *where,
                      const char *action, const char *id, bool delete_snapshots,
                      struct vml_deregistered *out, struct vml_error *err);

/* Takes away what of another account's image is not for this one to know. */
void vml_image_hide(struct vml_image *a, const char *account);

/* InvalidAMIName.Duplicate when an image of a's owner and region has a's name. */
int vml_registry_name_free(struct vml_db *db, const struct vml_image *a, struct vml_error *err);

#endif
