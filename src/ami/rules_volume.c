/* Block device mappings: what each is, and what volumes of each type can be.
 *
 * The limits are those of the EC2 API reference (EbsBlockDevice); the sentences are EC2's where
 * people have met them, with the device added, since an image has several. */
#include <inttypes.h>

#include "ami/rules_local.h"

#define GP3_IOPS      3000 /* what a gp3 volume has when nobody says it */
#define EPHEMERAL_MAX 23

/* max_iops 0: none can be asked for.  A volume has at most `ratio` IOPS for each GiB, but min_iops
 * in any case. */
struct volume_type {
    const char *name;
    uint64_t min_gib, max_gib;
    uint64_t min_iops, max_iops, ratio;
    bool needs_iops, boots;
    uint64_t min_throughput, max_throughput; /* MiB/s; 0: none can be asked for */
};
static const struct volume_type volume_types[] = {
    { "gp3", 1, 65536, GP3_IOPS, 80000, 500, false, true, 125, 2000 },
    { "gp2", 1, 16384, 0, 0, 0, false, true, 0, 0 },
    { "io1", 4, 16384, 100, 64000, 50, true, true, 0, 0 },
    { "io2", 4, 65536, 100, 256000, 1000, true, true, 0, 0 },
    { "standard", 1, 1024, 0, 0, 0, false, true, 0, 0 },
    { "st1", 125, 16384, 0, 0, 0, false, false, 0, 0 },
    { "sc1", 125, 16384, 0, 0, 0, false, false, 0, 0 },
};

static const struct volume_type *volume_type(const char *name)
{
    for (size_t i = 0; i < sizeof volume_types / sizeof *volume_types; i++) {
        if (strcmp(volume_types[i].name, name) == 0)
            return &volume_types[i];
    }
    return NULL;
}

/* --- performance ---------------------------------------------------------------------------- */

static int rule_iops(const struct vml_mapping *m, const struct volume_type *type,
                     struct vml_error *err)
{
    if (m->iops == 0)
        return type->needs_iops
                   ? vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                              "The parameter iops must be specified for %s volumes: %s", type->name,
                              m->device)
                   : 0;
    if (type->max_iops == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "The parameter iops is not supported for %s volumes: %s", type->name,
                        m->device);
    if (m->iops < type->min_iops)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Volume iops of %" PRIu64 " is too low; minimum is %" PRIu64
                        ": %s of type %s",
                        m->iops, type->min_iops, m->device, type->name);
    if (m->iops > type->max_iops)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Volume iops of %" PRIu64 " is too high; maximum is %" PRIu64
                        ": %s of type %s",
                        m->iops, type->max_iops, m->device, type->name);
    return 0;
}

/* Once the size is known. */
static int rule_iops_ratio(const struct vml_mapping *m, const struct volume_type *type,
                           struct vml_error *err)
{
    if (m->iops <= type->min_iops || m->iops <= type->ratio * m->size_gib)
        return 0;
    return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                    "Iops to volume size ratio of %.6f is too high; maximum is %" PRIu64 ": %s",
                    (double)m->iops / (double)m->size_gib, type->ratio, m->device);
}

static int rule_throughput(const struct vml_mapping *m, const struct volume_type *type,
                           struct vml_error *err)
{
    uint64_t iops = m->iops > 0 ? m->iops : GP3_IOPS;
    if (m->throughput == 0)
        return 0;
    if (type->max_throughput == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "throughput can only be specified for volumeType gp3: %s is %s", m->device,
                        type->name);
    if (m->throughput < type->min_throughput || m->throughput > type->max_throughput)
        return vml_fail(
            err, VML_EREFUSED, "InvalidParameterValue",
            "Volume throughput of %" PRIu64 " MiBps for %s: type %s has %" PRIu64 " to %" PRIu64,
            m->throughput, m->device, type->name, type->min_throughput, type->max_throughput);
    if (4 * m->throughput > iops)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Throughput (MiBps) to iops ratio of %.6f is too high; maximum is 0.250000 "
                        "MiBps per iops: %s",
                        (double)m->throughput / (double)iops, m->device);
    return 0;
}

/* --- volumes -------------------------------------------------------------------------------- */

static int rule_size(const struct vml_mapping *m, const struct volume_type *type,
                     uint64_t snapshot_size, struct vml_error *err)
{
    if (!m->snapshot[0] && m->size_gib == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Either snapshot ID or volume size must be provided for: %s", m->device);
    uint64_t least = m->snapshot[0] ? vml_div_up(snapshot_size, VML_GIB) : 0;
    if (m->size_gib < least)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Volume of size %" PRIu64
                        "GB is smaller than snapshot '%s', expect size >= %" PRIu64 "GB",
                        m->size_gib, m->snapshot, least);
    if (m->size_gib < type->min_gib || m->size_gib > type->max_gib)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Volume of size %" PRIu64 "GB for %s: type %s has %" PRIu64 " to %" PRIu64
                        "GB",
                        m->size_gib, m->device, type->name, type->min_gib, type->max_gib);
    return rule_iops_ratio(m, type, err);
}

static int rule_volume(const struct vml_image *a, const struct vml_mapping *m,
                       const uint64_t *snapshot_size, struct vml_error *err)
{
    const struct volume_type *type = volume_type(m->volume_type);
    if (!type)
        return vml_fail(err, VML_EREFUSED, "UnknownVolumeType", "Unsupported volume type '%s'",
                        m->volume_type);
    if (!type->boots && strcmp(m->device, a->root_device) == 0)
        return vml_fail(err, VML_EREFUSED, "BootForVolumeTypeUnsupported",
                        "Volume type %s cannot be the boot volume %s", type->name, m->device);
    if (m->snapshot[0] && !vml_is_id(m->snapshot, "snap-"))
        return vml_fail(err, VML_EREFUSED, "InvalidSnapshotID.Malformed",
                        "Invalid id: \"%s\" (expecting \"snap-...\")", m->snapshot);
    /* Whether the volume is encrypted is its snapshot's to say. */
    if (m->encrypted && m->snapshot[0])
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "the encrypted flag cannot be specified since device %s has a snapshot "
                        "specified",
                        m->device);
    if (rule_iops(m, type, err) < 0 || rule_throughput(m, type, err) < 0)
        return -1;
    bool to_come = !snapshot_size && m->size_gib == 0;
    return to_come ? 0 : rule_size(m, type, snapshot_size ? *snapshot_size : 0, err);
}

/* --- mappings ------------------------------------------------------------------------------- */

static bool is_ephemeral(const char *name)
{
    const char *number = name + strlen("ephemeral");
    size_t digits;
    if (strncmp(name, "ephemeral", strlen("ephemeral")) != 0)
        return false;
    digits = strspn(number, "0123456789");
    if (digits == 0 || digits > 2 || number[digits] || (digits == 2 && number[0] == '0'))
        return false;
    return digits == 1 || (number[0] - '0') * 10 + number[1] - '0' <= EPHEMERAL_MAX;
}

static int rule_ephemeral(const struct vml_image *a, const struct vml_mapping *m,
                          struct vml_error *err)
{
    if (!is_ephemeral(m->virtual_name))
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Invalid virtual name %s for %s: it is one of ephemeral0 to ephemeral%d",
                        m->virtual_name, m->device, EPHEMERAL_MAX);
    for (const struct vml_mapping *other = a->mappings; other != m; other++) {
        if (strcmp(other->virtual_name, m->virtual_name) == 0)
            return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                            "%s is being assigned to multiple times: %s and %s", m->virtual_name,
                            other->device, m->device);
    }
    return 0;
}

int vml_rule_mapping(const struct vml_image *a, const struct vml_mapping *m,
                     const uint64_t *snapshot_size, struct vml_error *err)
{
    bool volume = m->snapshot[0] || m->size_gib > 0 || m->volume_type[0] || m->iops > 0 ||
                  m->throughput > 0 || m->encrypted || m->delete_on_termination;
    bool instance_store = m->virtual_name[0];
    switch (volume + instance_store + m->no_device) {
    case 0:
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter ebs: %s", m->device);
    case 1:
        break;
    default:
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "%s can be a volume, an instance store volume or no device: one of these",
                        m->device);
    }
    if (instance_store)
        return rule_ephemeral(a, m, err);
    return volume ? rule_volume(a, m, snapshot_size, err) : 0;
}
