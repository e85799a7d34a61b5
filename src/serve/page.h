/* Lists in pages: MaxResults and NextToken. */
#ifndef VMLIFT_SERVE_PAGE_H
#define VMLIFT_SERVE_PAGE_H

#include "serve/serve.h"

#define VML_POSITION_MAX 1200u /* an ID, and a tag's key in UTF-8 */

struct vml_page {
    uint64_t max, n;              /* how many there may be on it (0: all), and are */
    char after[VML_POSITION_MAX]; /* where it begins: behind this; "" */
    char last[VML_POSITION_MAX];
    bool more;
    char question[17]; /* what is asked, apart from the page */
};
/* A token is good for the same question of the same account alone: InvalidNextToken.  MaxResults is
 * from `least` to 1000: InvalidParameterValue. */
int vml_page_read(struct vml_page *p, const struct vml_request *r, uint64_t least,
                  struct vml_error *err);
/* Does what is at this position belong on the page?  They come in ascending order (strcmp), which
 * stays theirs, so that no page lacks anything because of what is gone by then. */
bool vml_page_takes(struct vml_page *p, const char *position);
/* <nextToken>, where there is more. */
void vml_page_end(const struct vml_page *p, struct vml_answer *a);

#endif
