/* A token is the digest of the question, and the position of the last item that was given, in hex.
 */
#include "serve/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

#define RESULTS_MAX 1000u

static int digest_question(const struct vml_request *r, char out[17], struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    uint8_t digest[32];
    size_t len;
    FILE *f = vml_memstream(&text, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fprintf(f, "%s %s\n", r->account, r->region);
    for (size_t i = 0; i < r->params.n; i++) {
        const struct vml_param *p = &r->params.items[i];
        if (strcmp(p->name, "NextToken") != 0 && strcmp(p->name, "MaxResults") != 0)
            fprintf(f, "%zu %s=%zu %s\n", strlen(p->name), p->name, strlen(p->value), p->value);
    }
    if (fclose(f) != 0)
        return vml_fail_nomem(err);
    vml_sha256(text, len, digest);
    vml_hex(out, digest, 8);
    return 0;
}

static bool read_token(struct vml_page *p, const char *token)
{
    size_t len = strlen(token), n = 0;

    if (len < 18 || len % 2 != 0 || len - 16 >= 2 * sizeof p->after ||
        strncmp(token, p->question, 16) != 0)
        return false;
    for (token += 16; *token != '\0'; token += 2) {
        int high = vml_hex_digit(token[0]), low = vml_hex_digit(token[1]);
        if (high < 0 || low < 0 || (high | low) == 0)
            return false;
        p->after[n++] = (char)(high << 4 | low);
    }
    p->after[n] = '\0';
    return true;
}

int vml_page_read(struct vml_page *p, const struct vml_request *r, uint64_t least,
                  struct vml_error *err)
{
    const char *token = vml_param(r, "NextToken"), *max = vml_param(r, "MaxResults");

    *p = (struct vml_page){ .max = 0 };
    if (digest_question(r, p->question, err) < 0 ||
        vml_param_number(r, &p->max, err, "MaxResults") < 0)
        return -1;
    if (max != NULL && (p->max < least || p->max > RESULTS_MAX))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value ( %" PRIu64 " ) for parameter maxResults is invalid. Expecting a "
                        "value from %" PRIu64 " to %u.",
                        p->max, least, RESULTS_MAX);
    if (token != NULL && token[0] != '\0' && !read_token(p, token))
        return vml_fail(err, VML_EREFUSED, "InvalidNextToken",
                        "The specified NextToken is not valid, or it is of another request");
    return 0;
}

bool vml_page_takes(struct vml_page *p, const char *position)
{
    if (strcmp(position, p->after) <= 0 || p->more)
        return false;
    if (p->max > 0 && p->n == p->max) {
        p->more = true;
        return false;
    }
    snprintf(p->last, sizeof p->last, "%s", position);
    p->n++;
    return true;
}

void vml_page_end(const struct vml_page *p, struct vml_answer *a)
{
    char hex[2 * VML_POSITION_MAX + 1];

    if (!p->more)
        return;
    vml_hex(hex, p->last, strlen(p->last));
    fprintf(a->xml, "<nextToken>%s%s</nextToken>", p->question, hex);
}
