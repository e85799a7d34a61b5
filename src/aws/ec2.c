#include "ec2.h"

#include <stdarg.h>
#include <stdlib.h>

#define VERSION "2016-11-15"

void ec2_begin(struct ec2_request *r, const char *action)
{
    *r = (struct ec2_request){ .action = action };
    r->f = vml_memstream(&r->form, &r->len);
    if (r->f != NULL)
        fprintf(r->f, "Action=%s&Version=" VERSION, action);
}

void ec2_add(struct ec2_request *r, const char *value, const char *name_fmt, ...)
{
    va_list ap;

    if (r->f == NULL)
        return;
    fputc('&', r->f);
    va_start(ap, name_fmt);
    vfprintf(r->f, name_fmt, ap);
    va_end(ap);
    fputc('=', r->f);
    aws_encode(r->f, value, false);
}

void ec2_clear(struct ec2_request *r)
{
    if (r->f != NULL)
        (void)fclose(r->f);
    free(r->form);
    *r = (struct ec2_request){ 0 };
}

/* Kept from the check, so that it is read once. */
static int read_answer(void *arg, const struct http_answer *a, struct vml_error *err)
{
    xmlDoc **doc = arg;

    xml_freep(doc);
    return xml_read(doc, a->body, a->body_len, err);
}

int ec2_send(struct vml_aws *aws, struct ec2_request *r, xmlDoc **out, bool *again,
             struct vml_error *err)
{
    static const struct vml_header type = { "Content-Type",
                                            "application/x-www-form-urlencoded; charset=utf-8" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    int rc = r->f != NULL ? fclose(r->f) : -1;

    r->f = NULL;
    if (rc != 0)
        return vml_fail_nomem(err);
    const struct aws_call call = { .service = "ec2",
                                   .name = r->action,
                                   .method = "POST",
                                   .path = "/",
                                   .headers = &type,
                                   .n_headers = 1,
                                   .body = r->form,
                                   .body_len = r->len,
                                   .cleanup = r->cleanup,
                                   .check = read_answer,
                                   .arg = &doc };
    if (aws_call(aws, &call, &a, again, err) < 0)
        return -1;
    *out = doc;
    doc = NULL;
    return 0;
}
