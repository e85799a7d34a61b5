/* What an encrypted snapshot's row keeps of its description, and how the row is bound to the key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#define CLAIM 320u

/* All that the row says in the clear.  The fields hold no newline: owner and region were checked by
 * the key's own, ID and key are made here. */
static size_t print_claim(uint8_t out[CLAIM], const struct vml_snapshot *snap)
{
    int n = snprintf((char *)out, CLAIM,
                     "vmlift snapshot\n%s\n%s\n%s\n%s\n%" PRIu64 "\n%" PRIu64 "\n%" PRId64 "\n",
                     snap->id, snap->owner, snap->region, snap->key, snap->size, snap->data_size,
                     snap->created);

    memcpy(out + n, snap->root, sizeof snap->root);
    return (size_t)n + sizeof snap->root;
}

int vml_snapshot_seal(const struct vml_cipher *c, struct vml_snapshot *snap, struct vml_error *err)
{
    uint8_t claim[CLAIM];
    const char *text = snap->description != NULL ? snap->description : "";
    size_t len = strlen(text);
    VML_AUTO(vml_freep) uint8_t *sealed = malloc(VML_ENVELOPE + len + 1);

    if (sealed == NULL)
        return vml_fail_nomem(err);
    memcpy(sealed + VML_ENVELOPE, text, len);
    if (vml_cipher_seal(c, claim, print_claim(claim, snap), sealed, len, err) < 0)
        return -1;
    free(snap->sealed);
    snap->sealed = sealed;
    snap->sealed_len = VML_ENVELOPE + len;
    sealed = NULL;
    return 0;
}

int vml_snapshot_unseal(const struct vml_cipher *c, struct vml_snapshot *snap,
                        struct vml_error *err)
{
    uint8_t claim[CLAIM];
    size_t len = snap->sealed_len - VML_ENVELOPE; /* the row was checked to have that many */
    VML_AUTO(vml_freep) char *text = calloc(1, len + 1);

    if (text == NULL)
        return vml_fail_nomem(err);
    if (vml_cipher_open(c, claim, print_claim(claim, snap), snap->sealed, len, text, err) < 0)
        return err->code == VML_EDATA
                   ? vml_fail(err, VML_EDATA, "store/record",
                              "the snapshot's row is not what was sealed with key %s", snap->key)
                   : -1;
    free(snap->description);
    snap->description = text;
    text = NULL;
    return 0;
}

int vml_snapshot_reveal(struct vml_store *s, struct vml_snapshot *snap, struct vml_error *err)
{
    const struct vml_cipher *c = NULL;

    if (snap->key[0] == '\0')
        return 0;
    return vml_cipher_get(s, snap->key, snap->region, &c, err) < 0
               ? -1
               : vml_snapshot_unseal(c, snap, err);
}
