#include <inttypes.h>
#include <string.h>

#include "inspect.h"
#include "table.h"

static const char *const tables[] = {
    [VML_TABLE_NONE] = "none",
    [VML_TABLE_MBR] = "mbr",
    [VML_TABLE_GPT] = "gpt",
};

static const char *mode_of(const struct vml_boot *b)
{
    const char *mode = vml_boot_mode(b);

    return mode[0] != '\0' ? mode : "none";
}

/* Some of a GPT's types that people know by name. */
static const char *type_name(const char *type)
{
    static const struct {
        const char *type, *name;
    } names[] = {
        { "0x05", "extended" },
        { "0x07", "NTFS" },
        { "0x0c", "FAT32" },
        { "0x0f", "extended" },
        { "0x82", "Linux swap" },
        { "0x83", "Linux" },
        { "0x8e", "Linux LVM" },
        { "0xee", "GPT's cover" },
        { "0xef", "EFI system" },
        { "0xfd", "Linux RAID" },
        { "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system" },
        { "21686148-6449-6e6f-744e-656564454649", "BIOS boot" },
        { "0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux" },
        { "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)" },
        { "44479540-f297-41b2-9af7-d131d5f0458a", "Linux root (x86)" },
        { "b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (arm64)" },
        { "bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux /boot" },
        { "e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM" },
        { "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap" },
        { "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "basic data" },
        { "e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved" },
        { "de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery" },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].type, type) == 0)
            return names[i].name;
    return type;
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* What is not known is left out. */
static void set_text(json_t *v, const char *name, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(v, name, json_text(text));
}

static void set_content(json_t *v, const struct vml_content *c)
{
    set_text(v, "content", c->type);
    set_text(v, "version", c->version);
    set_text(v, "label", c->label);
    set_text(v, "uuid", c->uuid);
}

static json_t *partitions_json(const struct vml_boot *b)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n_partitions; i++) {
        const struct vml_partition *p = &b->partitions[i];
        json_t *v = json_pack("{s:i, s:I, s:I, s:o, s:b}", "number", (int)p->number, "offset",
                              (json_int_t)p->off, "size", (json_int_t)p->len, "type",
                              json_text(p->type), "active", p->active);

        if (v == NULL)
            continue;
        if (strcmp(type_name(p->type), p->type) != 0)
            set_text(v, "type_name", type_name(p->type));
        set_text(v, "name", p->name);
        set_content(v, &p->content);
        if (p->outside)
            json_object_set_new(v, "outside", json_true());
        json_array_append_new(list, v);
    }
    return list;
}

static json_t *volumes_json(const struct vml_boot *b)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n_volumes; i++) {
        const struct vml_volume *l = &b->volumes[i];
        json_t *v = json_pack("{s:o, s:I}", "name", json_text(l->name), "size", (json_int_t)l->len);

        if (v == NULL)
            continue;
        set_content(v, &l->content);
        json_array_append_new(list, v);
    }
    return list;
}

static json_t *loaders_json(const struct vml_boot *b)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n_loaders; i++) {
        const struct vml_loader *l = &b->loaders[i];
        json_t *v = json_pack("{s:s}", "kind", l->kind);

        if (v == NULL)
            continue;
        if (l->partition > 0)
            json_object_set_new(v, "partition", json_integer(l->partition));
        set_text(v, "volume", l->volume);
        set_text(v, "path", l->path);
        set_text(v, "architecture", l->arch);
        if (l->fallback)
            json_object_set_new(v, "fallback", json_true());
        json_array_append_new(list, v);
    }
    return list;
}

static json_t *root_json(const struct vml_boot *b)
{
    json_t *v = b->root_from[0] != '\0' ? json_object() : json_null();

    if (b->root > 0)
        json_object_set_new(v, "partition", json_integer(b->root));
    else if (b->root_volume[0] != '\0')
        set_text(v, "volume", b->root_volume);
    if (b->root_from[0] != '\0')
        set_text(v, "reason", b->root_from);
    return v;
}

json_t *inspect_boot_json(const struct vml_boot *b)
{
    json_t *notes = json_array();
    json_t *v = json_pack(
        "{s:s, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o}", "boot_mode", mode_of(b), "reason",
        json_text(b->reason), "architecture", b->arch[0] != '\0' ? json_text(b->arch) : json_null(),
        "table", tables[b->table], "hybrid", b->hybrid, "partitions", partitions_json(b), "volumes",
        volumes_json(b), "loaders", loaders_json(b), "root", root_json(b));

    json_add_notes(notes, &b->notes);
    if (v == NULL) {
        json_decref(notes);
        return NULL;
    }
    json_object_set_new(v, "notes", notes);
    set_text(v, "architecture_from", b->arch_from);
    set_text(v, "boot_code", b->code);
    set_text(v, "kernel_root", b->root_word);
    set_text(v, "xen_menu", b->xen_menu);
    set_content(v, &b->whole);
    json_object_set_new(v, "bytes_read", json_integer((json_int_t)b->read));
    return v;
}

/* --- text ----------------------------------------------------------------------------------- */

static int add_partition(struct table *t, const struct vml_partition *p, struct vml_error *err)
{
    char number[16], off[32], size[32];

    snprintf(number, sizeof number, "%u%s", p->number, p->active ? "*" : "");
    snprintf(off, sizeof off, "%" PRIu64, p->off);
    vml_size_format(size, p->len);
    return table_add(t, err, "", number, off, size, type_name(p->type), p->content.type,
                     p->content.label[0] != '\0' ? p->content.label : p->name, NULL);
}

static int print_contents(const struct vml_boot *b, struct vml_error *err)
{
    VML_AUTO(table_clear) struct table t = { 0 };
    char size[32];

    if (b->n_partitions + b->n_volumes == 0)
        return 0;
    if (table_add(&t, err, "", "PARTITION", "OFFSET", "SIZE", "TYPE", "HOLDS", "LABEL", NULL) < 0)
        return -1;
    for (size_t i = 0; i < b->n_partitions; i++)
        if (add_partition(&t, &b->partitions[i], err) < 0)
            return -1;
    for (size_t i = 0; i < b->n_volumes; i++) {
        const struct vml_volume *v = &b->volumes[i];

        if (table_add(&t, err, "", v->name, "", vml_size_format(size, v->len), "LVM volume",
                      v->content.type, v->content.label, NULL) < 0)
            return -1;
    }
    table_print(&t);
    return 0;
}

static void print_loader(const struct vml_loader *l)
{
    char where[192] = "the first sector of the disk";

    if (l->partition > 0)
        snprintf(where, sizeof where, "partition %u", l->partition);
    else if (l->volume[0] != '\0')
        snprintf(where, sizeof where, "volume %s", l->volume);
    else if (l->path[0] != '\0')
        snprintf(where, sizeof where, "the disk");
    out_line(stdout, "%-14s %s, %s%s%s%s%s", "loader:", l->kind, where,
             l->path[0] != '\0' ? ": " : "", l->path, l->arch[0] != '\0' ? ", " : "", l->arch);
}

int inspect_boot_text(const struct vml_boot *b, struct vml_error *err)
{
    out_line(stdout, "%-14s %s", "boot mode:", mode_of(b));
    out_line(stdout, "%-14s %s", "because:", b->reason);
    if (b->arch[0] != '\0')
        out_line(stdout, "%-14s %s (%s)", "architecture:", b->arch, b->arch_from);
    else
        out_line(stdout, "%-14s %s", "architecture:", "not known");
    if (b->root > 0)
        out_line(stdout, "%-14s partition %u (%s)", "root:", b->root, b->root_from);
    else if (b->root_from[0] != '\0')
        out_line(stdout, "%-14s %s (%s)",
                 "root:", b->root_volume[0] != '\0' ? b->root_volume : "the disk", b->root_from);
    for (size_t i = 0; i < b->n_loaders; i++)
        print_loader(&b->loaders[i]);
    if (b->xen_menu[0] != '\0')
        out_line(stdout, "%-14s %s", "PV-GRUB reads:", b->xen_menu);
    for (size_t i = 0; i < b->notes.n; i++)
        out_line(stdout, "%-14s %s [%s]", "note:", b->notes.items[i].text, b->notes.items[i].slug);
    return print_contents(b, err);
}
