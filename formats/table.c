/* The one list of formats.  A new format is its file and a row here. */
#include "vmlift/image.h"

const struct vml_format *const vml_formats[] = {
    &vml_format_raw,   &vml_format_vmdk, &vml_format_vhd, &vml_format_vhdx,
    &vml_format_qcow2, &vml_format_ova,  &vml_format_ovf, NULL,
};
