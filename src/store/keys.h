/* The folder of keys, for those who unlock them and those who check them. */
#ifndef VMLIFT_STORE_KEYS_H
#define VMLIFT_STORE_KEYS_H

#include "store/internal.h"

/* By ID, any account's; *f is to be cleared.  key/missing, key/damaged, key/version. */
int vml_key_load(const struct vml_store *s, const char *id, struct vml_key_file *f,
                 struct vml_error *err);
int vml_key_missing(const char *id, struct vml_error *err); /* key/missing, -1 */
int vml_key_save(const struct vml_store *s, const struct vml_key_file *f, bool replace,
                 struct vml_error *err);
/* Nobody else changes keys until *fd is closed, and what somebody left half changed is gone.  make:
 * the folder, where there is none. */
int vml_key_lock(const struct vml_store *s, bool make, int *fd, struct vml_error *err);
/* For the sake of that last alone; no folder is fine. */
int vml_key_sweep(const struct vml_store *s, struct vml_error *err);
/* folder is what vml_key_lock gave. */
int vml_key_remove(const struct vml_store *s, const char *id, int folder, struct vml_error *err);
/* May account (NULL: nobody) use the key in that region?  key/denied, key/missing. */
int vml_key_check_use(const struct vml_key *k, const char *account, const char *region,
                      struct vml_error *err);
/* What is called like a key in the folder, in no order; fn returns -1 to stop. */
typedef int vml_key_name_fn(void *arg, const char *id, struct vml_error *err);
int vml_key_names(const struct vml_store *s, vml_key_name_fn *fn, void *arg, struct vml_error *err);
/* The secret that wraps the others: the file's, or by the passphrase that user gives. */
int vml_key_wrapping(const struct vml_key_file *f, const struct vml_key_user *user,
                     uint8_t wrapping[VML_SECRET], struct vml_error *err);

#endif
