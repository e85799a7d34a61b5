/* BlockDeviceMapping.N of a request. */
#include <string.h>

#include "serve/actions.h"

static const char *member(const struct vml_request *r, unsigned n, const char *name)
{
    return vml_param(r, "BlockDeviceMapping.%u.%s", n, name);
}

static int take(const struct vml_request *r, unsigned n, const char *name, char *field, size_t size,
                struct vml_error *err)
{
    const char *value = member(r, n, name);

    return value != NULL ? vml_set_text(field, size, name, value, err) : 0;
}
#define TAKE(field, name) take(r, n, name, m->field, sizeof m->field, err)

static int read_volume(const struct vml_request *r, unsigned n, const char *type,
                       struct vml_mapping *m, struct vml_error *err)
{
    if (TAKE(snapshot, "Ebs.SnapshotId") < 0 || TAKE(volume_type, "Ebs.VolumeType") < 0 ||
        vml_param_number(r, &m->size_gib, err, "BlockDeviceMapping.%u.Ebs.VolumeSize", n) < 0 ||
        vml_param_number(r, &m->iops, err, "BlockDeviceMapping.%u.Ebs.Iops", n) < 0 ||
        vml_param_number(r, &m->throughput, err, "BlockDeviceMapping.%u.Ebs.Throughput", n) < 0 ||
        vml_param_bool(r, &m->delete_on_termination, err,
                       "BlockDeviceMapping.%u.Ebs.DeleteOnTermination", n) < 0 ||
        vml_param_bool(r, &m->encrypted, err, "BlockDeviceMapping.%u.Ebs.Encrypted", n) < 0)
        return -1;
    /* Also when it says no: what DescribeImages tells cannot be given back as it is. */
    if (m->snapshot[0] != '\0' && member(r, n, "Ebs.Encrypted") != NULL)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "the encrypted flag cannot be specified since device %s has a snapshot "
                        "specified.",
                        m->device);
    return m->volume_type[0] == '\0'
               ? vml_set_text(m->volume_type, sizeof m->volume_type, "VolumeType", type, err)
               : 0;
}

static bool says_volume(const struct vml_request *r, unsigned n)
{
    static const char *const names[] = { "SnapshotId", "VolumeSize",          "VolumeType", "Iops",
                                         "Throughput", "DeleteOnTermination", "Encrypted" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (vml_param(r, "BlockDeviceMapping.%u.Ebs.%s", n, names[i]) != NULL)
            return true;
    return false;
}

static int read_one(const struct vml_request *r, unsigned n, const char *type,
                    const char *root_device, struct vml_mapping *m, struct vml_error *err)
{
    bool volume = says_volume(r, n);

    m->no_device = member(r, n, "NoDevice") != NULL;
    if (TAKE(device, "DeviceName") < 0 || TAKE(virtual_name, "VirtualName") < 0)
        return -1;
    if (m->device[0] == '\0')
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter BlockDeviceMapping.%u.DeviceName",
                        n);
    if (m->no_device + volume + (m->virtual_name[0] != '\0') > 1)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "%s: only one of Ebs, VirtualName and NoDevice may be specified",
                        m->device);
    m->delete_on_termination =
        !m->no_device && m->virtual_name[0] == '\0' && strcmp(m->device, root_device) == 0;
    return m->no_device || m->virtual_name[0] != '\0' ? 0 : read_volume(r, n, type, m, err);
}

int vml_request_mappings(const struct vml_request *r, const char *type, struct vml_image *image,
                         struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "BlockDeviceMapping") < 0)
        return -1;
    if (numbers.n > VML_MAPPINGS_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping", "%zu devices, at most %d",
                        numbers.n, VML_MAPPINGS_MAX);
    for (size_t i = 0; i < numbers.n; i++) {
        struct vml_mapping m = { .device = "" };
        if (read_one(r, numbers.items[i], type, image->root_device, &m, err) < 0 ||
            vml_image_map(image, &m, err) < 0)
            return -1;
    }
    return 0;
}
