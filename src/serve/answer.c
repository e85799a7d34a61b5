/* Answers: EC2's XML, EBS's JSON, and how errors look in either.
 *
 *     <Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>
 *
 *     x-amzn-ErrorType: ValidationException     {"Message": "..", "Reason": ".."} */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "serve/serve.h"

void vml_answer_clear(struct vml_answer *a)
{
    if (a->xml != NULL)
        (void)fclose(a->xml);
    free(a->body);
    for (size_t i = 0; i < a->n_headers; i++)
        free((char *)(uintptr_t)a->headers[i].value);
    *a = (struct vml_answer){ .status = 200 };
}

int vml_answer_header(struct vml_answer *a, const char *name, struct vml_error *err,
                      const char *fmt, ...)
{
    char *value = NULL;
    va_list ap;

    if (a->n_headers == VML_ANSWER_HEADERS)
        return vml_fail(err, VML_EIO, "serve/headers", "more than %u headers", VML_ANSWER_HEADERS);
    va_start(ap, fmt);
    int n = vasprintf(&value, fmt, ap);
    va_end(ap);
    if (n < 0)
        return vml_fail_nomem(err);
    a->headers[a->n_headers++] = (struct vml_header){ name, value };
    return 0;
}

void vml_answer_bytes(struct vml_answer *a, unsigned status, const char *type, void *body,
                      size_t len)
{
    free(a->body);
    a->status = status;
    a->type = type;
    a->body = body;
    a->len = len;
}

int vml_answer_json(struct vml_answer *a, unsigned status, json_t *v, struct vml_error *err)
{
    char *text = v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;

    json_decref(v);
    if (text == NULL)
        return vml_fail_nomem(err);
    vml_answer_bytes(a, status, "application/json", text, strlen(text));
    return 0;
}

/* --- XML -------------------------------------------------------------------------------------- */

/* XML 1.0 has no control characters but these, and no U+FFFE and U+FFFF; a carriage return would be
 * read as a line feed. */
static void print_escaped(FILE *f, const char *text)
{
    while (*text != '\0') {
        size_t n = vml_utf8_char(text);
        unsigned char c = (unsigned char)*text;
        bool none = n == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
                    (n == 3 && (memcmp(text, "\xef\xbf\xbe", 3) == 0 ||
                                memcmp(text, "\xef\xbf\xbf", 3) == 0));
        if (none)
            fputs("\xef\xbf\xbd", f);
        else if (strchr("<>&\"\r", c) != NULL)
            fprintf(f, "&#%d;", c);
        else
            fwrite(text, 1, n, f);
        text += n > 0 ? n : 1;
    }
}

void vml_xml_open(struct vml_answer *a, const char *element)
{
    fprintf(a->xml, "<%s>", element);
}

void vml_xml_close(struct vml_answer *a, const char *element)
{
    fprintf(a->xml, "</%s>", element);
}

void vml_xml_text(struct vml_answer *a, const char *element, const char *text)
{
    vml_xml_open(a, element);
    print_escaped(a->xml, text);
    vml_xml_close(a, element);
}

void vml_xml_option(struct vml_answer *a, const char *element, const char *text)
{
    if (text != NULL && text[0] != '\0')
        vml_xml_text(a, element, text);
}

void vml_xml_bool(struct vml_answer *a, const char *element, bool value)
{
    vml_xml_text(a, element, value ? "true" : "false");
}

void vml_xml_number(struct vml_answer *a, const char *element, uint64_t value)
{
    fprintf(a->xml, "<%s>%" PRIu64 "</%s>", element, value, element);
}

void vml_xml_time(struct vml_answer *a, const char *element, int64_t seconds)
{
    char when[32];

    vml_xml_text(a, element, vml_ec2_time(when, seconds));
}

/* --- errors ----------------------------------------------------------------------------------- */

/* What EC2 answers with a status other than 400, and what REST services call the same. */
static const struct {
    const char *code;
    unsigned status;
    const char *exception;
} known[] = {
    { "AuthFailure", 401, "UnrecognizedClientException" },
    { "DryRunOperation", 412, NULL },
    { "IncompleteSignature", 400, "IncompleteSignatureException" },
    { "InternalError", 500, "InternalServerException" },
    { "InvalidClientTokenId", 403, "UnrecognizedClientException" },
    { "MissingAuthenticationToken", 403, "MissingAuthenticationTokenException" },
    { "RequestEntityTooLarge", 413, "ValidationException" },
    { "RequestExpired", 400, "InvalidSignatureException" },
    { "SignatureDoesNotMatch", 403, "InvalidSignatureException" },
    { "Unavailable", 503, "ServiceUnavailableException" },
    { "UnauthorizedOperation", 403, NULL },
};
/* EBS's own; others are 400. */
static const struct {
    const char *exception;
    unsigned status;
} statuses[] = {
    { "AccessDeniedException", 403 },         { "ConflictException", 409 },
    { "InternalServerException", 500 },       { "ResourceNotFoundException", 404 },
    { "InvalidSignatureException", 403 },     { "UnrecognizedClientException", 403 },
    { "ServiceQuotaExceededException", 402 }, { "UnknownOperationException", 404 },
};

/* How the store is kept is not the client's affair, whatever kind of failure it is. */
static bool is_internal(const struct vml_error *err)
{
    static const char *const modules[] = { "catalog/", "io/", "serve/", "store/" };

    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        if (strncmp(err->slug, modules[i], strlen(modules[i])) == 0)
            return true;
    return false;
}

/* What is not EC2's code is ours: what the client can help is told in our words, what it cannot is
 * for the log. */
static void to_code(const struct vml_error *err, const char **code, const char **text)
{
    static const char internal[] = "An internal error has occurred";
    bool ours = strchr(err->slug, '/') != NULL || (err->slug[0] >= 'a' && err->slug[0] <= 'z');

    bool asked = err->code == VML_EREFUSED || err->code == VML_EUSAGE ||
                 (err->code == VML_ENOTFOUND && strncmp(err->slug, "key/", 4) == 0);

    *code = err->slug;
    *text = err->text;
    if (!ours)
        return;
    if (err->code == VML_EINTERRUPTED) {
        *code = "Unavailable";
        *text = "The server is stopping";
    } else if (err->code == VML_EUNSUPPORTED && !is_internal(err)) {
        *code = "UnsupportedOperation";
    } else if (asked && !is_internal(err)) {
        *code = "InvalidParameterValue";
    } else {
        *code = "InternalError";
        *text = internal;
    }
}

static char *ec2_error(const char *code, const char *text, const char *id, size_t *len)
{
    char *body = NULL;
    struct vml_answer a = { .xml = vml_memstream(&body, len) };

    if (a.xml == NULL)
        return NULL;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>", a.xml);
    vml_xml_text(&a, "Code", code);
    vml_xml_text(&a, "Message", text);
    fputs("</Error></Errors>", a.xml);
    vml_xml_text(&a, "RequestID", id);
    fputs("</Response>", a.xml);
    return fclose(a.xml) == 0 ? body : NULL;
}

static void answer_ec2(struct vml_answer *a, const char *code, const char *text, const char *id)
{
    size_t len = 0;
    unsigned status = 400;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(code, known[i].code) == 0)
            status = known[i].status;
    char *body = ec2_error(code, text, id, &len);
    vml_answer_bytes(a, status, "text/xml;charset=UTF-8", body, body != NULL ? len : 0);
}

/* exception: "ValidationException/INVALID_BLOCK"; status where its name does not tell it. */
static void answer_ebs(struct vml_answer *a, const char *exception, unsigned status,
                       const char *text)
{
    struct vml_error lost;
    const char *reason = strchr(exception, '/');
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(exception, "/"), exception);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (strcmp(name, statuses[i].exception) == 0)
            status = statuses[i].status;
    json_t *v = json_pack("{s:s}", "Message", text);
    if (v != NULL && reason != NULL)
        json_object_set_new(v, "Reason", json_string(reason + 1));
    if (vml_answer_json(a, status, v, &lost) < 0)
        vml_answer_bytes(a, status, "application/json", NULL, 0);
    (void)vml_answer_header(a, "x-amzn-ErrorType", &lost, "%s", name);
}

/* *status becomes that of a code for which EBS has no exception of its own. */
static const char *to_exception(const char *code, unsigned *status)
{
    *status = 400;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(code, known[i].code) == 0 && known[i].exception != NULL) {
            *status = known[i].status;
            return known[i].exception;
        }
    return strstr(code, "Exception") != NULL ? code : "ValidationException";
}

void vml_answer_error(struct vml_answer *a, const struct vml_request *r,
                      const struct vml_error *err)
{
    const char *code = err->slug, *text = err->text;
    bool ebs = vml_request_is_ebs(r);
    unsigned status = 400;

    vml_answer_clear(a);
    if (!ebs || strstr(code, "Exception") == NULL)
        to_code(err, &code, &text);
    if (ebs) {
        code = to_exception(code, &status);
        answer_ebs(a, code, status, text);
    } else {
        answer_ec2(a, code, text, r->id);
    }
    snprintf(a->code, sizeof a->code, "%s", code);
    snprintf(a->text, sizeof a->text, "%.500s [%s]", err->text, err->slug);
}
