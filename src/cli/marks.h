/* Tags, grants, codes and history, which images and snapshots alike have. */
#ifndef VMLIFT_CLI_MARKS_H
#define VMLIFT_CLI_MARKS_H

#include "out.h"
#include "vmlift/registry.h"

/* As EC2 has them: [{"Key", "Value"}], [{"UserId"} or {"Group": "all"}] of one kind, and
 * [{"ProductCodeId", "ProductCodeType"}]. */
json_t *marks_tags(const struct vml_marks *m);
json_t *marks_grants(const struct vml_marks *m, const char *kind);
json_t *marks_codes(const struct vml_marks *m);
/* [{"Time", "Account", "Action", "Detail"}], oldest first; NULL with the error. */
json_t *marks_history(struct vml_store *s, const char *id, struct vml_error *err);

/* The same, printed: a table, or {"`what`Id", "Events"}; what is "Image" or "Snapshot". */
int marks_print_history(const struct cli *cli, struct vml_store *s, const char *what,
                        const char *id, struct vml_error *err);

/* Lines of "show": "tag:", "code:", and `what` for each grant of the kind. */
void marks_show(const struct vml_marks *m);
void marks_show_grants(const struct vml_marks *m, const char *kind, const char *what);

#endif
