/* VHD: how a file was written.  The layout is drawn in vhd.h. */
#include <stdio.h>
#include <string.h>

#include "vhd.h"
#include "vmlift/facts.h"

static const char *const types[] = {
    [VHD_FIXED] = "fixed", [VHD_DYNAMIC] = "dynamic", [VHD_DIFFERENCING] = "differencing"
};

/* The footer at the end leads; where it is lost or hurt the copy does. */
int vml_vhd_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err)
{
    uint8_t head[VHD_FOOTER], tail[VHD_FOOTER];
    struct vhd_footer footer;
    struct vml_error hurt;
    uint64_t off;

    if (vml_input_size(in) < VHD_FOOTER)
        return vml_fail(err, VML_EDATA, "input/truncated", "shorter than a footer");
    if (vhd_read_tail(in, tail, &off, err) < 0 ||
        vml_input_pread(in, head, sizeof head, 0, err) < 0)
        return -1;
    if ((off == UINT64_MAX || vhd_parse_footer(&footer, tail, off, &hurt) < 0) &&
        vhd_parse_footer(&footer, head, 0, err) < 0)
        return -1;
    snprintf(f->subformat, sizeof f->subformat, "%s", types[footer.type]);
    f->size = footer.current_size;
    f->child = footer.type == VHD_DIFFERENCING;
    if (footer.type != VHD_FIXED) {
        f->vhd.copy_lost = memcmp(head, "conectix", 8) != 0;
        f->vhd.footers_differ =
            !f->vhd.copy_lost && (off == UINT64_MAX || memcmp(head, tail, VHD_FOOTER) != 0);
    }
    f->format = "vhd";
    return 0;
}
