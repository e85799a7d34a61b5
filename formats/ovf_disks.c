/* The disks of a description: what each is, and in which order the machine sees them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

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
            return vml_fail(err, VML_EDATA, "ovf/capacity",
                            "disk '%s': capacity %s, but there is no such property with a value",
                            id, text);
        text = value;
    }
    if (ovf_bytes(capacity, text, ovf_xml_attr(disk, "capacityAllocationUnits"), err) < 0) {
        vml_error_prefix(err, "disk '%s': capacity", id);
        return -1;
    }
    if (*capacity == 0 || *capacity > VML_DISK_MAX)
        return vml_fail(err, VML_EDATA, "ovf/capacity",
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

static int find_file(const struct ovf_walk *w, const char *ref, const xmlNode **out,
                     struct vml_error *err)
{
    const xmlNode *n = NULL;

    *out = NULL;
    while (w->references != NULL && (n = ovf_xml_child(w->references, n, "File")) != NULL) {
        const char *id = ovf_xml_attr(n, "id");

        if (id == NULL || strcmp(id, ref) != 0)
            continue;
        if (*out != NULL)
            return vml_fail(err, VML_EDATA, "ovf/ref", "two files have the id '%s'", ref);
        *out = n;
    }
    if (*out == NULL)
        return vml_fail(err, VML_EDATA, "ovf/ref", "no file has the id '%s'", ref);
    return 0;
}

static int read_file(const struct ovf_walk *w, const char *ref, struct ovf_disk *d,
                     struct vml_error *err)
{
    const xmlNode *file;
    const char *href, *compression, *chunk, *size;

    if (find_file(w, ref, &file, err) < 0)
        return -1;
    href = ovf_xml_attr(file, "href");
    if (href == NULL || !is_inside(href))
        return vml_fail(err, VML_EDATA, "ovf/href",
                        "file '%s': href '%s' is not a name inside the package", ref,
                        href != NULL ? href : "");
    compression = ovf_xml_attr(file, "compression");
    chunk = ovf_xml_attr(file, "chunkSize");
    d->gzip = compression != NULL && strcasecmp(compression, "gzip") == 0;
    if (!d->gzip && compression != NULL && compression[0] != '\0' &&
        strcasecmp(compression, "identity") != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/compressed",
                        "file '%s' is compressed with '%s'", href, compression);
    d->chunk = chunk != NULL ? ovf_number_or(chunk, 0) : 0;
    if (chunk != NULL && d->chunk == 0)
        return vml_fail(err, VML_EDATA, "ovf/chunk", "file '%s': chunks of '%s' bytes", href,
                        chunk);
    size = ovf_xml_attr(file, "size");
    d->file_size = size != NULL ? ovf_number_or(size, VML_SIZE_UNKNOWN) : VML_SIZE_UNKNOWN;
    d->href = strdup(href);
    return d->href != NULL ? 0 : vml_fail_nomem(err);
}

static int read_disk(const struct ovf_walk *w, const xmlNode *disk, struct ovf_disk *d,
                     struct vml_error *err)
{
    const char *id = ovf_xml_attr(disk, "diskId"), *ref = ovf_xml_attr(disk, "fileRef");

    if (id == NULL)
        return vml_fail(err, VML_EDATA, "ovf/ref", "a disk has no diskId");
    if (ovf_xml_attr(disk, "parentRef") != NULL)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/parent",
                        "disk '%s' holds only what differs from disk '%s'", id,
                        ovf_xml_attr(disk, "parentRef"));
    if (ref == NULL || ref[0] == '\0')
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/empty-disk",
                        "disk '%s' has no file: it is to be created empty", id);
    d->id = strdup(id);
    if (d->id == NULL)
        return vml_fail_nomem(err);
    if (read_capacity(w, disk, id, &d->capacity, err) < 0)
        return -1;
    if (read_file(w, ref, d, err) < 0) {
        vml_error_prefix(err, "disk '%s'", id);
        return -1;
    }
    return 0;
}

/* --- the order of disks --------------------------------------------------------------------- */

/* Where the machine sees a disk: controllers by address, then by their place in the list. */
struct place {
    const xmlNode *disk;
    bool named, elsewhere; /* by an item that applies, by one of another configuration */
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

static void place_by_parent(const struct ovf_walk *w, const xmlNode *item, struct place *p)
{
    char parent[64], instance[64];

    p->unit = ovf_field_number(item, "AddressOnParent", 0);
    p->address = p->controller = UINT64_MAX;
    ovf_child_text(item, "Parent", parent, sizeof parent);
    for (const xmlNode *n = ovf_next_item(w, NULL); parent[0] != '\0' && n != NULL;
         n = ovf_next_item(w, n)) {
        ovf_child_text(n, "InstanceID", instance, sizeof instance);
        if (strcmp(instance, parent) == 0) {
            p->address = ovf_field_number(n, "Address", 0);
            p->controller = ovf_number_or(instance, UINT64_MAX);
            return;
        }
    }
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
            return vml_fail(err, VML_EDATA, "ovf/ref",
                            "a disk item of the machine is '%s', which the OVF does not list",
                            resource);
        if (p != NULL && !ovf_applies(w, item)) {
            p->elsewhere = true;
        } else if (p != NULL && !p->named) {
            p->named = true;
            place_by_parent(w, item, p);
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
            return vml_fail(err, VML_EUNSUPPORTED, "ovf/too-many-disks", "more than %u disks",
                            OVF_DISKS_MAX);
        for (size_t i = 0; id != NULL && i < *n; i++) {
            const char *other = ovf_xml_attr(places[i].disk, "diskId");

            if (other != NULL && strcmp(other, id) == 0)
                return vml_fail(err, VML_EDATA, "ovf/ref", "two disks have the diskId '%s'", id);
        }
        places[*n] = (struct place){ .disk = disk, .number = *n };
        ++*n;
    }
    return 0;
}

static int check_shared(const struct ovf *o, const struct ovf_disk *d, struct vml_error *err)
{
    for (const struct ovf_disk *e = o->disks; e < d; e++)
        if (strcmp(e->href, d->href) == 0)
            return vml_fail(err, VML_EUNSUPPORTED, "ovf/shared-file",
                            "disks '%s' and '%s' are of one file, '%s'", e->id, d->id, d->href);
    return 0;
}

int ovf_read_disks(const struct ovf_walk *w, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct place *places = calloc(OVF_DISKS_MAX, sizeof *places);
    struct ovf *o = w->out;
    size_t n;

    if (places == NULL)
        return vml_fail_nomem(err);
    if (collect_disks(w, places, &n, err) < 0 || place_disks(w, places, n, err) < 0)
        return -1;
    qsort(places, n, sizeof *places, compare_places);
    o->disks = calloc(n + 1, sizeof *o->disks);
    if (o->disks == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct ovf_disk *d = &o->disks[o->n_disks];

        if (!places[i].named && places[i].elsewhere)
            continue;
        o->n_disks++;
        if (read_disk(w, places[i].disk, d, err) < 0 || check_shared(o, d, err) < 0)
            return -1;
    }
    if (o->n_disks == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/no-disk", "the machine has no disk");
    return 0;
}
