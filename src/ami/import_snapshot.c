#include "ami/marks_rows.h"
#include "vmlift/ami.h"

struct made {
    const struct vml_snapshot *is;
    const char *from;
};

static int add_history(void *arg, struct vml_db *db, struct vml_error *err)
{
    const struct made *m = arg;

    return vml_history_add(db, m->is->id, m->is->owner, "import", m->from, err);
}

int vml_import_snapshot(struct vml_store *s, struct vml_reader *disk, const char *from,
                        struct vml_copy *copy, struct vml_snapshot *what, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *txn = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct made made = { what, from };

    what->created = vml_now();
    if (vml_txn_begin(&txn, s, err) < 0 || vml_txn_snapshot(txn, disk->size, what, &w, err) < 0 ||
        vml_copy(disk, w, copy, err) < 0)
        return -1;
    vml_writer_freep(&w); /* before its transaction, which is committed, too */
    return vml_txn_commit(txn, add_history, &made, err);
}
