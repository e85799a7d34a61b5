/* What VMware can hang disks on, and which disk hangs where. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ovf.h"

/* The subtypes are ESXi's own spelling, in which case matters.  A VMDK knows of four kinds only,
 * and what is neither IDE nor BusLogic is lsilogic to ESXi and Workstation. */
static const struct ovf_controller_type types[] = {
    { "lsilogic", "lsilogic", "SCSI", 6, OVF_SCSI, 15, 4, "lsilogic", 4 },
    { "lsilogicsas", "lsilogicsas", "SCSI", 6, OVF_SCSI, 15, 4, "lsilogic", 7 },
    { "buslogic", "buslogic", "SCSI", 6, OVF_SCSI, 15, 4, "buslogic", 4 },
    { "pvscsi", "VirtualSCSI", "SCSI", 6, OVF_SCSI, 15, 4, "lsilogic", 7 },
    { "sata", "vmware.sata.ahci", "SATA", 20, OVF_SATA, 30, 4, "lsilogic", 10 },
    { "nvme", "vmware.nvme.controller", "NVME", 20, OVF_NVME, 15, 4, "lsilogic", 13 },
    { "ide", NULL, "IDE", 5, OVF_IDE, 2, 2, "ide", 4 },
};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* How others spell them. */
static const struct {
    const char *word, *name;
} spellings[] = {
    { "lsisas1068", "lsilogicsas" },
    { "SCSI", "lsilogic" },
    { "AHCI", "sata" },
    { "PIIX3", "ide" },
    { "PIIX4", "ide" },
    { "ICH6", "ide" },
};

const struct ovf_controller_type *ovf_controller_named(const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const struct ovf_controller_type *ovf_controller_spelled(const char *word)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcasecmp(types[i].name, word) == 0 ||
            (types[i].subtype != NULL && strcasecmp(types[i].subtype, word) == 0))
            return &types[i];
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
        if (strcasecmp(spellings[i].word, word) == 0)
            return ovf_controller_named(spellings[i].name);
    return NULL;
}

void ovf_controller_names(char *out, size_t cap)
{
    size_t used = 0;

    for (size_t i = 0; i < N_TYPES && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "", types[i].name);
}

/* The lowest address that is free on the bus, from `least` on. */
static unsigned free_address(const struct ovf_controllers *c, enum ovf_bus bus, unsigned least)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].type->bus == bus && c->items[i].address == least)
            return free_address(c, bus, least + 1);
    return least;
}

/* One more controller.  Readers sort by address, then by instance: with an address that is no lower
 * than that of the controller before, they see the disks in the order they had.  Where there is
 * none such (IDE has but two), any will do. */
static int add_controller(struct ovf_controllers *c, const struct ovf_controller_type *type,
                          struct vml_error *err)
{
    unsigned address = free_address(c, type->bus, c->n > 0 ? c->items[c->n - 1].address : 0);

    if (address >= type->controllers_max)
        address = free_address(c, type->bus, 0);
    if (address >= type->controllers_max)
        return vml_fail(err, VML_EUNSUPPORTED, "ova/disks",
                        "the disks need more than %u %s controllers, of %u disks each: "
                        "-o adapter=NAME puts all on those of another kind",
                        type->controllers_max, type->bus_name, type->disks_max);
    c->items[c->n].type = type;
    c->items[c->n].address = address;
    c->items[c->n].used = 0;
    c->n++;
    return 0;
}

int ovf_place_disk(struct ovf_controllers *c, const struct ovf_controller_type *type,
                   size_t *controller, unsigned *unit, struct vml_error *err)
{
    const struct ovf_controller *last = c->n > 0 ? &c->items[c->n - 1] : NULL;

    if ((last == NULL || last->type != type || last->used == type->disks_max) &&
        add_controller(c, type, err) < 0)
        return -1;
    *controller = c->n - 1;
    *unit = c->items[c->n - 1].used++;
    if (type->bus == OVF_SCSI && *unit >= 7) /* target 7 is the controller itself */
        ++*unit;
    return 0;
}
