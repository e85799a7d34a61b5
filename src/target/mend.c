/* The command that mends a file: a line for a shell, with the user's file name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

#define SPARSE_MAX (UINT64_C(2) << 40) /* of a monolithicSparse disk: its tables count sectors */

/* A word for any shell of POSIX; a name that looks like an option is told from one by "./". */
static void put_word(FILE *f, const char *prefix, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";

    fprintf(f, "%s", prefix);
    if (word[0] == '-')
        fprintf(f, "./");
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fprintf(f, "%s", word);
        return;
    }
    fputc('\'', f);
    for (; *word != '\0'; word++)
        if (*word == '\'')
            fprintf(f, "'\\''");
        else
            fputc(*word, f);
    fputc('\'', f);
}

/* "web.vmdk" with "-stream.vmdk": "web-stream.vmdk", beside it. */
static int put_output(FILE *f, const char *path, const char *tag, struct vml_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path,
               *dot = strrchr(base, '.');
    size_t stem = dot != NULL && dot > base ? (size_t)(dot - path) : strlen(path);
    VML_AUTO(vml_freep) char *name = NULL;

    if (asprintf(&name, "%.*s%s", (int)stem, path, tag) < 0) {
        name = NULL;
        return vml_fail_nomem(err);
    }
    put_word(f, " ", name);
    return 0;
}

struct recipe {
    const char *suffix, *options;
};

static struct recipe choose(const struct look *l, enum mend mend)
{
    if (mend == MEND_PREP) /* in what AWS takes */
        return (struct recipe){ l->f->is_package ? "-ready.ova" : "-ready.vmdk", "" };
    if (mend == MEND_FIXED)
        return (struct recipe){ "-fixed.vhd", "subformat=fixed" };
    if (l->f->is_package) /* whatever it is about, all is written anew, and right */
        return (struct recipe){ "-new.ova", mend == MEND_OLDER ? "hw=vmx-13" : "" };
    if (mend == MEND_WHOLE)
        return (struct recipe){ "-whole.vhd", "subformat=dynamic" };
    if (mend == MEND_SPARSE && l->d->size <= SPARSE_MAX)
        return (struct recipe){ "-sparse.vmdk", "subformat=monolithicSparse" };
    return (struct recipe){ "-stream.vmdk", "subformat=streamOptimized" };
}

/* Are all disks stored as an OVA has them, so that none needs to be compressed again? */
static bool can_repack(const struct vml_facts *f)
{
    if (!f->is_package || f->package.folder)
        return false;
    for (size_t i = 0; i < f->n_disks; i++) {
        const struct vml_disk_facts *d = &f->disks[i];

        if (d->name != NULL && (d->format == NULL || strcmp(d->subformat, "streamOptimized") != 0 ||
                                d->vmdk.short_grain))
            return false;
    }
    return true;
}

static int put_command(FILE *f, const struct look *l, enum mend mend,
                       const struct vml_target_file *file, struct vml_error *err)
{
    struct recipe r = choose(l, mend);
    char tag[64];
    bool of_many = mend == MEND_FIXED && l->f->n_disks > 1;

    fprintf(f, mend == MEND_PREP ? "vmlift prep" : "vmlift convert");
    if (file->format != NULL)
        put_word(f, " -f ", file->format);
    if (mend != MEND_FIXED && mend != MEND_PREP && can_repack(l->f))
        fprintf(f, " --repack");
    if (of_many)
        fprintf(f, " --disk %zu", l->number);
    if (l->d != NULL && l->d->child && !l->f->is_package)
        fprintf(f, " --follow-parents");
    put_word(f, " ", file->path);
    snprintf(tag, sizeof tag, "%s", r.suffix);
    if (of_many)
        snprintf(tag, sizeof tag, "-disk%zu%s", l->number, r.suffix);
    if (put_output(f, file->path, tag, err) < 0)
        return -1;
    if (r.options[0] != '\0')
        fprintf(f, " -o %s", r.options);
    return 0;
}

int target_mend(char **cmd, const struct look *l, enum mend mend,
                const struct vml_target_file *file, struct vml_error *err)
{
    size_t len;
    FILE *f;
    int rc;

    *cmd = NULL;
    if (mend == MEND_NONE)
        return 0;
    f = vml_memstream(cmd, &len);
    if (f == NULL)
        return vml_fail_nomem(err);
    rc = put_command(f, l, mend, file, err);
    if (fclose(f) != 0 || rc < 0) {
        free(*cmd);
        *cmd = NULL;
        return rc < 0 ? -1 : vml_fail_nomem(err);
    }
    return 0;
}
