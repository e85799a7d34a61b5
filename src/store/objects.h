/* Immutable objects under keys: put, get a range, list, delete.  A folder now; nothing here asks
 * for more than an object store over the network offers.  A key is 32 lowercase hex digits. */
#ifndef VMLIFT_STORE_OBJECTS_H
#define VMLIFT_STORE_OBJECTS_H

#include "vmlift/io.h"

#define VML_KEY 33 /* with the NUL */

struct vml_objects;

/* The folder must be there. */
int vml_objects_open(struct vml_objects **out, const char *dir, struct vml_error *err);
void vml_objects_free(struct vml_objects *o);
void vml_objects_freep(struct vml_objects **o);

/* Put: the object appears, whole and durable, when the output is committed. */
int vml_objects_create(struct vml_objects *o, const char *key, struct vml_output **out,
                       struct vml_error *err);
/* Any thread.  Not there: VML_ENOTFOUND; shorter than that: VML_EDATA. */
int vml_objects_get(struct vml_objects *o, const char *key, void *buf, size_t len, uint64_t off,
                    struct vml_error *err);
int vml_objects_size(struct vml_objects *o, const char *key, uint64_t *size, struct vml_error *err);
/* What is no object of ours is passed over.  fn may delete what it is shown; returns -1 to stop. */
typedef int vml_object_fn(void *arg, const char *key, uint64_t size, struct vml_error *err);
int vml_objects_list(struct vml_objects *o, vml_object_fn *fn, void *arg, struct vml_error *err);
/* Not there: fine. */
int vml_objects_delete(struct vml_objects *o, const char *key, struct vml_error *err);
/* Removes what killed writers left; only while nobody writes.  *bytes grows by their sizes. */
int vml_objects_sweep(struct vml_objects *o, uint64_t *bytes, struct vml_error *err);

#endif
