/* The table of steps, and a run of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/plan.h"

const struct vml_prep_step vml_prep_steps[] = {
    { "fstab", "file systems by UUID, not by a device's name", false },
    { "root", "the boot loader gives the root by UUID", false },
    { "network", "eth0 with DHCP: net.ifnames=0, no static addresses, no MAC addresses", false },
    { "console", "kernel, menu and login also on ttyS0", false },
    { "menu", "the boot menu waits for some seconds and starts Linux", false },
    { "lvm", "LVM does not look for the disks of before", false },
    { "initramfs", "with nvme, ena, xen and virtio modules", false },
    { "fallback", "EFI/BOOT/BOOTX64.EFI, which firmware starts without being told", false },
    { "agents", "agents of other hypervisors do not start", false },
    { "cloud-init", "installed where packages allow, with --network", false },
    { "ssh-host-keys", "removed, to be made anew", true },
    { "machine-id", "emptied, to be made anew", true },
    { "selinux", "labels for new files", false },
    { NULL, NULL, false },
};

int vml_plan_steps(struct vml_plan *p, uint32_t steps, bool network, struct vml_error *err)
{
    vml_step_fn *const run[] = {
        vml_step_fstab,         vml_step_root,
        vml_step_network,       vml_step_console,
        vml_step_menu,          vml_step_lvm,
        vml_step_initramfs,     vml_step_fallback,
        vml_step_agents,        network ? vml_step_cloud_init_install : vml_step_cloud_init,
        vml_step_ssh_host_keys, vml_step_machine_id,
        vml_step_selinux
    };

    for (size_t i = 0; vml_prep_steps[i].id != NULL; i++) {
        if ((steps & (UINT32_C(1) << i)) == 0)
            continue;
        vml_plan_step(p, vml_prep_steps[i].id);
        if (run[i](p, err) < 0)
            return -1;
    }
    return 0;
}

uint32_t vml_prep_usual(void)
{
    uint32_t steps = 0;

    for (size_t i = 0; vml_prep_steps[i].id != NULL; i++)
        if (!vml_prep_steps[i].on_request)
            steps |= UINT32_C(1) << i;
    return steps;
}

int vml_prep_step_find(uint32_t *bit, const char *id, struct vml_error *err)
{
    char all[256] = "";

    for (size_t i = 0; vml_prep_steps[i].id != NULL; i++) {
        if (strcmp(vml_prep_steps[i].id, id) == 0) {
            *bit = UINT32_C(1) << i;
            return 0;
        }
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "",
                 vml_prep_steps[i].id);
    }
    return vml_fail(err, VML_EUSAGE, "usage/step", "there is no step %s; there are: %s", id, all);
}

void vml_prepared_clear(struct vml_prepared *p)
{
    for (size_t i = 0; i < p->n_changes; i++) {
        free(p->changes[i].what);
        free(p->changes[i].before);
        free(p->changes[i].after);
    }
    free(p->changes);
    vml_notes_clear(&p->notes);
    *p = (struct vml_prepared){ 0 };
}
