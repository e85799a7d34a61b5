/* The disks of a description: what each is, and in which order the machine sees them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

#define FILES_MAX 4096u

/* --- one disk ------------------------------------------------------------------------------- */

/* The default of the property `key` (len bytes), wherever it is declared. */
static const char *find_property(const xmlNode *parent, const char *key, size_t len)
{
    for (const xmlNode *n = parent->children; n != NULL; n = n->next) {
        const char *value = NULL, *name;

        if (ovf_xml_is(n, "Property")) {
            name = ovf_xml_attr(n, "key");
            if (name != NULL && strlen(name) == len && memcmp(name, key, len) == 0)
                value = ovf_xml_attr(n, "value");
        } else if (n->type == XML_ELEMENT_NODE) {
            value = find_property(n, key, len);
        }
        if (value != NULL)
            return value;
    }
    return NULL;
}

static int read_capacity(const struct ovf_walk *w, const xmlNode *disk, const char *id,
                         uint64_t *capacity, struct vml_error *err)
{
    const char *text = ovf_xml_attr(disk, "capacity");
    size_t len;

    *capacity = VML_SIZE_UNKNOWN;
    if (text == NULL)
        return 0;
    len = strlen(text);
    if (len > 3 && strncmp(text, "${", 2) == 0 && text[len - 1] == '}') {
        const char *value = find_property(w->root, text + 2, len - 3);

        if (value == NULL)
            return ovf_fault(err, disk, VML_EDATA, "ovf/capacity",
                             "disk '%s': capacity %s, but there is no such property with a value",
                             id, text);
        text = value;
    }
    if (ovf_bytes(capacity, text, ovf_xml_attr(disk, "capacityAllocationUnits"), err) < 0) {
        vml_error_prefix(err, "line %ld: disk '%s': capacity", xmlGetLineNo(disk), id);
        return -1;
    }
    if (*capacity == 0 || *capacity > VML_DISK_MAX)
        return ovf_fault(err, disk, VML_EDATA, "ovf/capacity",
                         "disk '%s': a capacity of %llu bytes; from 1 to %llu", id,
                         (unsigned long long)*capacity, (unsigned long long)VML_DISK_MAX);
    return 0;
}

/* Stays inside the package; whether it is there is for the reader of the package to say. */
static bool is_inside(const char *href)
{
    if (href[0] == '\0' || href[0] == '/' || strchr(href, '\\') != NULL ||
        strstr(href, "://") != NULL)
        return false;
    for (const char *p = href; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return false;
    }
    return true;
}

/* Every file has an id of its own, and a name. */
static int check_files(const struct ovf_walk *w, struct vml_error *err)
{
    const xmlNode *n = NULL, *m;
    size_t count = 0;

    while (w->references != NULL && (n = ovf_xml_child(w->references, n, "File")) != NULL) {
        const char *id = ovf_xml_attr(n, "id"), *other;

        if (++count > FILES_MAX)
            return ovf_fault(err, n, VML_EUNSUPPORTED, "ovf/too-many-files", "more than %u files",
                             FILES_MAX);
        if (id == NULL || id[0] == '\0')
            return ovf_fault(err, n, VML_EDATA, "ovf/ref", "a file has no id");
        if (ovf_xml_attr(n, "href") == NULL)
            return ovf_fault(err, n, VML_EDATA, "ovf/href", "file '%s' has no href", id);
        for (m = ovf_xml_child(w->references, NULL, "File"); m != n;
             m = ovf_xml_child(w->references, m, "File")) {
            other = ovf_xml_attr(m, "id");
            if (other != NULL && strcmp(other, id) == 0)
                return ovf_fault(err, n, VML_EDATA, "ovf/ref",
                                 "two files have the id '%s', the other in line %ld", id,
                                 xmlGetLineNo(m));
        }
    }
    return 0;
}

static const xmlNode *find_file(const struct ovf_walk *w, const char *ref)
{
    const xmlNode *n = NULL;

    while (w->references != NULL && (n = ovf_xml_child(w->references, n, "File")) != NULL)
        if (strcmp(ovf_xml_attr(n, "id"), ref) == 0)
            return n;
    return NULL;
}

/* How the file is stored: its size, in chunks, compressed. */
static int read_storage(const struct ovf_walk *w, const xmlNode *file, struct ovf_disk *d,
                        struct vml_error *err)
{
    const char *chunk = ovf_xml_attr(file, "chunkSize"), *size = ovf_xml_attr(file, "size");

    d->chunk = chunk != NULL ? ovf_number_or(chunk, 0) : 0;
    if (chunk != NULL && d->chunk == 0)
        return ovf_fault(err, file, VML_EDATA, "ovf/chunk", "file '%s': chunks of '%s' bytes",
                         d->href, chunk);
    d->file_size = size != NULL ? ovf_number_or(size, VML_SIZE_UNKNOWN) : VML_SIZE_UNKNOWN;
    if (size != NULL && d->file_size == VML_SIZE_UNKNOWN)
        vml_note(&w->out->notes, "ovf/size", "line %ld: file '%s': a size of '%s' bytes",
                 xmlGetLineNo(file), d->href, size);
    return 0;
}

/* What keeps the file from being opened.  To be told about only, the disk keeps it for a note. */
static int check_readable(const struct ovf_walk *w, const xmlNode *disk, const xmlNode *file,
                          struct ovf_disk *d, struct vml_error *err)
{
    const char *compression = ovf_xml_attr(file, "compression"),
               *parent = ovf_xml_attr(disk, "parentRef");
    int rc = 0;

    d->gzip = compression != NULL && strcasecmp(compression, "gzip") == 0;
    if (!is_inside(d->href))
        rc = ovf_fault(err, file, VML_EDATA, "ovf/href",
                       "disk '%s': href '%s' is not a name inside the package, and is not opened",
                       d->id, d->href);
    else if (parent != NULL)
        rc = ovf_fault(err, disk, VML_EUNSUPPORTED, "ovf/parent",
                       "disk '%s' holds only what differs from disk '%s'", d->id, parent);
    else if (!d->gzip && compression != NULL && compression[0] != '\0' &&
             strcasecmp(compression, "identity") != 0)
        rc = ovf_fault(err, file, VML_EUNSUPPORTED, "ovf/compressed",
                       "file '%s' is compressed with '%s'", d->href, compression);
    if (rc == 0 || !w->look)
        return rc;
    d->unread = *err;
    return 0;
}

static int read_disk(const struct ovf_walk *w, const xmlNode *disk, struct ovf_disk *d,
                     struct vml_error *err)
{
    const char *id = ovf_xml_attr(disk, "diskId"), *ref = ovf_xml_attr(disk, "fileRef");
    const xmlNode *file;

    d->file_size = VML_SIZE_UNKNOWN;
    d->id = strdup(id);
    if (d->id == NULL)
        return vml_fail_nomem(err);
    if (read_capacity(w, disk, id, &d->capacity, err) < 0)
        return -1;
    if (ref == NULL || ref[0] == '\0') {
        if (ovf_xml_attr(disk, "parentRef") != NULL)
            return ovf_fault(err, disk, VML_EUNSUPPORTED, "ovf/parent",
                             "disk '%s' has no file, and is to begin as a copy of disk '%s'", id,
                             ovf_xml_attr(disk, "parentRef"));
        if (d->capacity == VML_SIZE_UNKNOWN)
            return ovf_fault(err, disk, VML_EUNSUPPORTED, "ovf/empty-disk",
                             "disk '%s' has no file and no capacity", id);
        return 0;
    }
    file = find_file(w, ref);
    if (file == NULL)
        return ovf_fault(err, disk, VML_EDATA, "ovf/ref", "disk '%s': no file has the id '%s'", id,
                         ref);
    d->href = strdup(ovf_xml_attr(file, "href"));
    if (d->href == NULL)
        return vml_fail_nomem(err);
    return read_storage(w, file, d, err) < 0 ? -1 : check_readable(w, disk, file, d, err);
}

/* --- the order of disks --------------------------------------------------------------------- */

/* Where the machine sees a disk: controllers by address, then by their place in the list. */
struct place {
    const xmlNode *disk;
    bool named, elsewhere; /* by an item that applies, by one of another configuration */
    const xmlNode *parent; /* the item of its controller */
    uint64_t address, controller, unit;
    size_t number;
};

static int compare_places(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    const uint64_t x[] = { !a->named, a->address, a->controller, a->unit, a->number };
    const uint64_t y[] = { !b->named, b->address, b->controller, b->unit, b->number };

    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* Two items that could be the disk's controller would leave its place open. */
static int place_by_parent(const struct ovf_walk *w, const xmlNode *item, struct place *p,
                           struct vml_error *err)
{
    char parent[64], instance[64];

    p->unit = ovf_field_number(item, "AddressOnParent", 0);
    p->address = p->controller = UINT64_MAX;
    ovf_child_text(item, "Parent", parent, sizeof parent);
    for (const xmlNode *n = ovf_next_item(w, NULL); parent[0] != '\0' && n != NULL;
         n = ovf_next_item(w, n)) {
        ovf_child_text(n, "InstanceID", instance, sizeof instance);
        if (strcmp(instance, parent) != 0)
            continue;
        if (p->parent != NULL)
            return ovf_fault(err, n, VML_EDATA, "ovf/ref",
                             "two items have the InstanceID '%s', which a disk calls its parent; "
                             "the other in line %ld",
                             instance, xmlGetLineNo(p->parent));
        p->parent = n;
        p->address = ovf_field_number(n, "Address", 0);
        p->controller = ovf_number_or(instance, UINT64_MAX);
    }
    return 0;
}

/* The subtype as it is spelled, else the family that the type is of. */
static void read_controller(const struct place *p, struct ovf_disk *d)
{
    uint64_t type;

    if (p->parent == NULL)
        return;
    ovf_child_text(p->parent, "ResourceSubType", d->controller, sizeof d->controller);
    type = ovf_field_number(p->parent, "ResourceType", 0);
    if (d->controller[0] == '\0' && (type == 5 || type == 6 || type == 20))
        snprintf(d->controller, sizeof d->controller, "%s",
                 type == 5   ? "IDE"
                 : type == 6 ? "SCSI"
                             : "SATA");
}

/* "ovf:/disk/ID" and "/disk/ID" name a disk, "ovf:/file/ID" a file. NULL: the item names neither.
 */
static struct place *find_place(struct place *places, size_t n, const char *resource, bool *wrong)
{
    const char *path = strncmp(resource, "ovf:", 4) == 0 ? resource + 4 : resource, *attr;

    *wrong = false;
    if (strncmp(path, "/disk/", 6) == 0)
        attr = "diskId";
    else if (strncmp(path, "/file/", 6) == 0)
        attr = "fileRef";
    else
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const char *id = ovf_xml_attr(places[i].disk, attr);

        if (id != NULL && strcmp(id, path + 6) == 0)
            return &places[i];
    }
    *wrong = true;
    return NULL;
}

static int place_disks(const struct ovf_walk *w, struct place *places, size_t n,
                       struct vml_error *err)
{
    const xmlNode *item = w->hardware != NULL ? w->hardware->children : NULL;
    char resource[256];

    for (; item != NULL; item = item->next) {
        struct place *p;
        bool wrong;

        if (!ovf_is_item(item) || ovf_field_number(item, "ResourceType", 0) != 17)
            continue;
        ovf_child_text(item, "HostResource", resource, sizeof resource);
        p = find_place(places, n, resource, &wrong);
        if (wrong && ovf_applies(w, item))
            return ovf_fault(err, item, VML_EDATA, "ovf/ref",
                             "a disk item of the machine is '%s', which the OVF does not list",
                             resource);
        if (p != NULL && !ovf_applies(w, item)) {
            p->elsewhere = true;
        } else if (p != NULL && !p->named) {
            p->named = true;
            if (place_by_parent(w, item, p, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int collect_disks(const struct ovf_walk *w, struct place *places, size_t *n,
                         struct vml_error *err)
{
    const xmlNode *disk = NULL;

    *n = 0;
    while (w->disk_section != NULL &&
           (disk = ovf_xml_child(w->disk_section, disk, "Disk")) != NULL) {
        const char *id = ovf_xml_attr(disk, "diskId");

        if (*n == OVF_DISKS_MAX)
            return ovf_fault(err, disk, VML_EUNSUPPORTED, "ovf/too-many-disks",
                             "more than %u disks", OVF_DISKS_MAX);
        if (id == NULL || id[0] == '\0')
            return ovf_fault(err, disk, VML_EDATA, "ovf/ref", "a disk has no diskId");
        for (size_t i = 0; i < *n; i++)
            if (strcmp(ovf_xml_attr(places[i].disk, "diskId"), id) == 0)
                return ovf_fault(err, disk, VML_EDATA, "ovf/ref",
                                 "two disks have the diskId '%s', the other in line %ld", id,
                                 xmlGetLineNo(places[i].disk));
        places[*n] = (struct place){ .disk = disk, .number = *n };
        ++*n;
    }
    return 0;
}

static int check_shared(const struct ovf *o, const struct ovf_disk *d, const xmlNode *disk,
                        struct vml_error *err)
{
    for (const struct ovf_disk *e = o->disks; e < d; e++)
        if (e->href != NULL && d->href != NULL && strcmp(e->href, d->href) == 0)
            return ovf_fault(err, disk, VML_EUNSUPPORTED, "ovf/shared-file",
                             "disks '%s' and '%s' are of one file, '%s'", e->id, d->id, d->href);
    return 0;
}

/* A disk that no item names is the machine's where it is the only machine. */
static bool is_the_machines(const struct ovf_walk *w, const struct place *p)
{
    return p->named || (!p->elsewhere && !w->several);
}

int ovf_read_disks(const struct ovf_walk *w, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct place *places = calloc(OVF_DISKS_MAX, sizeof *places);
    struct ovf *o = w->out;
    size_t n;

    if (places == NULL)
        return vml_fail_nomem(err);
    if (check_files(w, err) < 0 || collect_disks(w, places, &n, err) < 0 ||
        place_disks(w, places, n, err) < 0)
        return -1;
    qsort(places, n, sizeof *places, compare_places);
    o->disks = calloc(n + 1, sizeof *o->disks);
    if (o->disks == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct ovf_disk *d = &o->disks[o->n_disks];

        if (!is_the_machines(w, &places[i]))
            continue;
        o->n_disks++;
        if (read_disk(w, places[i].disk, d, err) < 0 || check_shared(o, d, places[i].disk, err) < 0)
            return -1;
        read_controller(&places[i], d);
    }
    if (o->n_disks == 0 && !w->look)
        return ovf_fault(err, w->system, VML_EUNSUPPORTED, "ovf/no-disk",
                         "the machine has no disk");
    return 0;
}
