/* What people and scripts get to see: lines, JSON, notes, the one error. */
#ifndef VMLIFT_CLI_OUT_H
#define VMLIFT_CLI_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "cli.h"

/* Before anything else here: from then on jansson's failures to get memory are noticed. */
void out_start(void);
/* One line, and the only way to a terminal: file names, OVF texts and tags may hold anything, so
 * control characters, bytes that are no UTF-8 and marks that turn the writing direction are shown
 * escaped. */
void out_line(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "vmlift: text [slug]", and with --json {"error": ...} too. */
void out_error(const struct cli *cli, const struct vml_error *err);
/* "vmlift: note: name: text [slug]" for each; name may be NULL. */
void out_notes(const char *name, const struct vml_notes *notes);
/* Operand number n (from 0) failed: notes say that those before it are done nonetheless. */
void out_done_before(const struct cli *cli, int n);
/* "yyyy-mm-ddThh:mm:ssZ" */
const char *out_time(char buf[32], int64_t seconds);

/* Takes v over and prints it as an indented object.  NULL is what jansson gives without memory. */
int out_json(json_t *v, struct vml_error *err);
/* The same on one line: for a list of answers, one for each operand. */
int out_json_line(json_t *v, struct vml_error *err);
/* A string of any bytes: what is no UTF-8 is escaped as out_line does. */
json_t *json_text(const char *text);
json_t *json_size(uint64_t size); /* null for VML_SIZE_UNKNOWN */
json_t *json_error(const struct vml_error *err);
/* Appends {"slug", "text"} objects to the array. */
void json_add_notes(json_t *array, const struct vml_notes *notes);
void json_freep(json_t **v);

/* Memory was missing for a part of the answer that has no way to say so. */
void out_lost(void);
/* Everything printed so far has reached standard output, and nothing was left out of it for want of
 * memory. */
int out_flush(struct vml_error *err);

#endif
