/* Sharing images and snapshots with other accounts, and copying them, by the rules of rules.h. */
#ifndef VMLIFT_SHARE_H
#define VMLIFT_SHARE_H

#include "vmlift/registry.h"
#include "vmlift/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* notes: of the rules; may be NULL. */

/* --- sharing: each durable when it returns; sharing what is shared changes nothing ----------- */

/* An image of one's own.  with_snapshots: the same accounts may also create volumes of its
 * snapshots, or no longer: all of that, or nothing. */
int vml_registry_share(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       const struct vml_sharing *how, bool with_snapshots, struct vml_notes *notes,
                       struct vml_image *out, struct vml_error *err);
int vml_registry_share_snapshot(struct vml_store *s, const struct vml_where *where, const char *id,
                                const struct vml_sharing *how, struct vml_notes *notes,
                                struct vml_registry_snapshot *out, struct vml_error *err);
/* Somebody else's image is no longer shared with the account. */
int vml_registry_leave(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       struct vml_image *out, struct vml_error *err);
/* "public", "private", "shared" or "marketplace". */
const char *vml_image_type(const struct vml_image *a);

/* --- reading -------------------------------------------------------------------------------- */

/* May the account read the disks of an image that it sees?  InvalidRequest. */
int vml_registry_readable(struct vml_store *s, const struct vml_where *where,
                          const struct vml_image *a, struct vml_notes *notes,
                          struct vml_error *err);

/* --- copying -------------------------------------------------------------------------------- */

struct vml_copying_how {
    const char *source_region; /* where the source is; NULL: where the copy is made */
    const char *name;          /* of an image; what other images are called does not matter */
    const char *description;   /* NULL: a default */
    bool tags;                 /* of one's own image: its tags, too */
    bool encrypt;              /* all of it; otherwise what is encrypted stays so */
    const char *key;           /* to encrypt with; NULL: the default key */
    /* Gets the ID of the account's default key in the region of the copy, making it if need be;
     * called when it is needed. */
    int (*default_key)(void *arg, char id[37], struct vml_error *err);
    void *arg;
    struct vml_copy *copy; /* threads and progress (by disk) */
    struct vml_notes *notes;
};
/* A copy is where->owner's, in where->region.  No bytes are copied for it but where the key is
 * another one: with encrypt, of another account's encrypted snapshots, and in another region; and
 * there is no way from encrypted to plain.  Grants are not copied, and tags only when asked for. */
int vml_registry_copy_image(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, const struct vml_copying_how *how,
                            struct vml_image *out, struct vml_error *err);
int vml_registry_copy_snapshot(struct vml_store *s, const struct vml_where *where, const char *id,
                               const struct vml_copying_how *how, struct vml_snapshot *out,
                               struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
