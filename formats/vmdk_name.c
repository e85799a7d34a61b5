/* The names of extents, which are in the descriptor's encoding.
 *
 * The name of a file is bytes, and which they are depends on how it came here: an archive or a
 * network file system keeps those of the descriptor, or turns them into UTF-8 on the way.  What is
 * looked for is told by vmdk_extents.c; here is only the second spelling.  In the encodings of East
 * Asia the second byte of a character may be 0x5c, which is no backslash. */
#include "vmdk.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As VMware calls them, and iconv: its Shift_JIS lacks what Windows added to it. */
static const struct {
    const char *name, *iconv;
} encodings[] = {
    { "windows-1252", "WINDOWS-1252" },
    { "GBK", "GBK" },
    { "Big5", "BIG5" },
    { "Shift_JIS", "CP932" },
};

int vmdk_name_utf8(char **out, const char *name, const char *encoding, struct vml_error *err)
{
    const char *from = NULL;
    size_t left = strlen(name), room = 4 * left; /* no character is longer in UTF-8 */
    char *in = (char *)name, *p;                 /* iconv does not write there */
    iconv_t cd;
    size_t rc;

    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++)
        if (strcasecmp(encoding, encodings[i].name) == 0)
            from = encodings[i].iconv;
    *out = calloc(1, room + 1);
    if (*out == NULL)
        return vml_fail_nomem(err);
    cd = from != NULL ? iconv_open("UTF-8", from) : (iconv_t)-1;
    if (cd != (iconv_t)-1) {
        p = *out;
        rc = iconv(cd, &in, &left, &p, &room);
        iconv_close(cd);
        if (rc == 0)
            return 0;
    } else if (from != NULL && errno != EINVAL) {
        vml_freep(out);
        return vml_fail_errno(err, "names in %s", encoding);
    }
    strcpy(*out, name);
    return 0;
}
