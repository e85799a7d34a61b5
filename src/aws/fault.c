#include "fault.h"

#include <jansson.h>
#include <string.h>

#include "xml.h"

/* --- reading ---------------------------------------------------------------------------------- */

/* "ValidationException:http://..." and "com.amazon#ValidationException" are what Java's services
 * make of a name. */
static void set_code(struct fault *f, const char *text)
{
    const char *hash = strchr(text, '#');

    text = hash != NULL ? hash + 1 : text;
    snprintf(f->code, sizeof f->code, "%.*s", (int)strcspn(text, ": "), text);
}

static void json_free(json_t **v)
{
    json_decref(*v);
}

static void read_json(struct fault *f, const struct http_answer *a)
{
    VML_AUTO(json_free)
    json_t *v = a->body != NULL ? json_loadb(a->body, a->body_len, 0, NULL) : NULL;
    static const char *const messages[] = { "Message", "message" };
    const char *type = json_string_value(json_object_get(v, "__type"));
    const char *reason = json_string_value(json_object_get(v, "Reason"));
    char header[128];

    if (http_header(a, "x-amzn-ErrorType", header, sizeof header) != NULL)
        type = header;
    if (type != NULL)
        set_code(f, type);
    if (reason != NULL)
        snprintf(f->reason, sizeof f->reason, "%s", reason);
    for (size_t i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(v, messages[i]));

        if (text != NULL)
            snprintf(f->message, sizeof f->message, "%s", text);
    }
}

static void read_xml(struct fault *f, const struct http_answer *a)
{
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    struct vml_error ignored;
    xmlNode *root, *error;
    char text[128];

    if (xml_read(&doc, a->body, a->body_len, &ignored) < 0)
        return;
    root = xmlDocGetRootElement(doc);
    error = xml_find(root, "Errors/Error"); /* EC2's; S3's is the root */
    if (error == NULL)
        error = root;
    set_code(f, xml_text(error, "Code", text, sizeof text));
    xml_text(error, "Message", f->message, sizeof f->message);
    if (xml_text(error, "Region", text, sizeof text)[0] != '\0')
        snprintf(f->reason, sizeof f->reason, "%s", text);
}

/* Codes and what they mean for asking again; the first that is a part of the code decides. */
static enum fault_kind kind_of(const struct fault *f, long status)
{
    static const struct {
        const char *part;
        enum fault_kind kind;
    } codes[] = {
        { "Throttl",
          FAULT_THROTTLED }, /* Throttling, RequestThrottledException, EC2ThrottledException */
        { "RequestLimitExceeded", FAULT_THROTTLED },
        { "TooManyRequests", FAULT_THROTTLED },
        { "BandwidthLimitExceeded", FAULT_THROTTLED },
        { "SlowDown", FAULT_THROTTLED },
        { "ExpiredToken", FAULT_EXPIRED },
        { "RequestExpired", FAULT_CLOCK },
        { "RequestTimeTooSkewed", FAULT_CLOCK },
        { "RequestTimeout", FAULT_TRANSIENT },
        { "InternalError", FAULT_TRANSIENT },
        { "InternalFailure", FAULT_TRANSIENT },
        { "InternalServer", FAULT_TRANSIENT },
        { "ServiceUnavailable", FAULT_TRANSIENT },
        { "BadDigest", FAULT_TRANSIENT }, /* damaged on the way: what we sum is what we send */
        { "IncompleteBody", FAULT_TRANSIENT },
        { "OperationAborted", FAULT_TRANSIENT },
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strstr(f->code, codes[i].part) != NULL)
            return codes[i].kind;
    if (strncmp(f->message, "Signature expired", 17) == 0 ||
        strncmp(f->message, "Signature not yet current", 25) == 0)
        return FAULT_CLOCK;
    if (status == 429)
        return FAULT_THROTTLED;
    if (status == 408 || (status >= 500 && status != 501 && status != 505))
        return FAULT_TRANSIENT;
    return FAULT_REFUSED;
}

void fault_read(struct fault *f, const char *service, const struct http_answer *a)
{
    *f = (struct fault){ 0 };
    if (strcmp(service, "ebs") == 0)
        read_json(f, a);
    else
        read_xml(f, a);
    f->kind = kind_of(f, a->status);
    if (f->code[0] == '\0')
        snprintf(f->code, sizeof f->code, "http/%ld", a->status);
    if (f->message[0] == '\0')
        snprintf(f->message, sizeof f->message, "answered with status %ld and no words", a->status);
    for (char *c = f->message; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

/* --- saying ----------------------------------------------------------------------------------- */

/* What its words do not say, and what to do.  code: a part of it, message or reason: likewise. */
static const struct {
    const char *code, *words, *advice;
} advices[] = {
    { "AccessDenied", "DEPENDENCY_ACCESS_DENIED",
      "the KMS key does not let this account use it: its policy or a grant must allow "
      "kms:CreateGrant, "
      "kms:Decrypt, kms:DescribeKey, kms:GenerateDataKeyWithoutPlaintext and kms:ReEncrypt*" },
    { "", "kms:", "the KMS key's policy or a grant must allow this account to do that" },
    { "UnauthorizedOperation", "Encoded authorization",
      "aws sts decode-authorization-message tells which policy says so" },
    { "UnauthorizedOperation", "", "the account's policies must allow ec2:NAME" },
    { "AccessDenied", "UNAUTHORIZED_ACCOUNT", "the account's policies must allow ebs:NAME" },
    { "InvalidParameter", "vmimport",
      "a role of that name must exist, trust vmie.amazonaws.com, and may read the bucket" },
    { "AuthFailure", "", "is the access key of this place, and the secret that belongs to it?" },
    { "SignatureDoesNotMatch", "", "the secret is not the one that belongs to the access key" },
    { "InvalidSignature", "", "the secret is not the one that belongs to the access key" },
    { "InvalidClientTokenId", "", "the access key is not known there" },
    { "UnrecognizedClient", "", "the access key is not known there" },
    { "InvalidAccessKeyId", "", "the access key is not known there" },
    { "ExpiredToken", "", "the session is over: get new keys" },
    { "PermanentRedirect", "", "the bucket is in another region" },
    { "AuthorizationHeaderMalformed", "", "the bucket is in another region" },
    { "OptInRequired", "", "the account must enable this region first" },
    { "ServiceQuotaExceeded", "",
      "the account may have no more of them: delete some, or ask for more" },
};

static const char *advice_for(const struct fault *f)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (strstr(f->code, advices[i].code) != NULL &&
            (strstr(f->message, advices[i].words) != NULL ||
             strstr(f->reason, advices[i].words) != NULL))
            return advices[i].advice;
    return f->kind == FAULT_CLOCK ? "is this machine's clock right?" : NULL;
}

static enum vml_code code_of(const struct fault *f, long status)
{
    if (f->kind == FAULT_TRANSIENT || f->kind == FAULT_THROTTLED)
        return VML_EIO;
    if (strstr(f->code, "NotFound") != NULL || strncmp(f->code, "NoSuch", 6) == 0 ||
        strstr(f->code, ".Unknown") != NULL)
        return VML_ENOTFOUND;
    if (strstr(f->code, "Duplicate") != NULL || strstr(f->code, "Already") != NULL)
        return VML_EEXISTS;
    return status >= 500 ? VML_EIO : VML_EREFUSED;
}

int fault_fail(const struct fault *f, const char *name, long status, struct vml_error *err)
{
    const char *advice = advice_for(f), *gap = advice != NULL ? strstr(advice, "NAME") : NULL;
    /* the encoded text is long, and tells nobody anything */
    size_t words = strcspn(f->message, "\n");
    const char *encoded = strstr(f->message, " Encoded authorization");

    if (encoded != NULL)
        words = (size_t)(encoded - f->message);
    (vml_fail)(err, code_of(f, status), f->code, "%s: %.*s%s%s%s", name, (int)words, f->message,
               f->reason[0] != '\0' ? " (" : "", f->reason, f->reason[0] != '\0' ? ")" : "");
    if (advice != NULL) {
        size_t used = strlen(err->text);
        int n = gap != NULL ? (int)(gap - advice) : (int)strlen(advice);

        snprintf(err->text + used, sizeof err->text - used, "; %.*s%s%s", n, advice,
                 gap != NULL ? name : "", gap != NULL ? gap + 4 : "");
    }
    return -1;
}
