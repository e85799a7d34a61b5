/* What AWS asks of a Windows; vmlift prep changes none, so that nothing here is mended by a
 * command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

#define WINDOWS_11 22000u /* its first build */
#define US_ENGLISH "0409"

static const struct vml_windows *of(const struct look *l)
{
    return &l->s->windows;
}

static bool is_server(const struct look *l)
{
    return strncmp(of(l)->edition, "Server", 6) == 0 || strstr(l->s->product, "Server") != NULL;
}

static bool is_11(const struct look *l)
{
    return !is_server(l) && strtoul(of(l)->build, NULL, 10) >= WINDOWS_11;
}

static bool pagefile(const struct look *l, struct told *t)
{
    return of(l)->pagefile == VML_PAGEFILE_MANAGED &&
           say(t, "the page file's size is left to Windows (%s), which may make it 16 GB",
               of(l)->pagefiles);
}

static bool hibernated(const struct look *l, struct told *t)
{
    return of(l)->hibernated == VML_YES &&
           say(t,
               "the system was put to sleep, not shut down: its disks are not to be changed, and "
               "what wakes up expects the hardware it had");
}

static bool fast_startup(const struct look *l, struct told *t)
{
    return of(l)->fast_startup == VML_YES && of(l)->hibernated != VML_YES &&
           say(t, "fast startup is on: shutting down leaves the disks as hibernation does; "
                  "powercfg /h off, then shut down");
}

static bool hyperv(const struct look *l, struct told *t)
{
    return of(l)->hyperv_role == VML_YES && say(t, "it has the Hyper-V role");
}

static bool language_of_client(const struct look *l, struct told *t)
{
    return !is_server(l) && of(l)->language[0] != '\0' &&
           strcmp(of(l)->language, US_ENGLISH) != 0 &&
           say(t, "its language is %s, not %s (US English)", of(l)->language, US_ENGLISH);
}

static bool language_of_server(const struct look *l, struct told *t)
{
    return is_server(l) && of(l)->language[0] != '\0' && strcmp(of(l)->language, US_ENGLISH) != 0 &&
           say(t, "its language is %s, not %s (US English)", of(l)->language, US_ENGLISH);
}

static bool no_ntfs(const struct look *l, struct told *t)
{
    return l->s->root_type[0] != '\0' && strcmp(l->s->root_type, "ntfs") != 0 &&
           say(t, "the system's file system is %s", l->s->root_type);
}

static bool nano(const struct look *l, struct told *t)
{
    return strstr(of(l)->edition, "Nano") != NULL && say(t, "it is a Nano Server");
}

static bool windows_11_bios(const struct look *l, struct told *t)
{
    for (size_t i = 0; is_11(l) && i < l->g->n_boots; i++)
        if (strncmp(vml_boot_mode(&l->g->boots[i]), "uefi", 4) == 0)
            return false;
    return is_11(l) &&
           say(t, "it is a Windows 11 (build %s) on a disk that UEFI does not start", of(l)->build);
}

static bool gpt(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        if (l->g->boots[i].table == VML_TABLE_GPT)
            return say(
                t,
                "disk %zu has a GPT: without --boot-mode uefi the import makes it an MBR, if "
                "it comes as VHDX, has at most 2 TiB and 3 primary partitions, and is no "
                "dynamic disk",
                i + 1);
    return false;
}

static bool no_remote_desktop(const struct look *l, struct told *t)
{
    return of(l)->remote_desktop == VML_NO && say(t, "Remote Desktop is off");
}

static bool no_dotnet(const struct look *l, struct told *t)
{
    return of(l)->dotnet == VML_NO && say(t, ".NET Framework 4.5 or later is not installed");
}

static bool autologon(const struct look *l, struct told *t)
{
    return of(l)->autologon == VML_YES && say(t, "a user is logged on by itself");
}

static bool clock_local(const struct look *l, struct told *t)
{
    return of(l)->utc_clock != VML_YES &&
           say(t, "RealTimeIsUniversal is not set: the clock of an instance runs in UTC");
}

static bool drivers(const struct look *l, struct told *t)
{
    return (of(l)->nvme == VML_NO || of(l)->ena == VML_NO) &&
           say(t,
               "nvme %s, ena %s: the import installs drivers for Xen; for Nitro AWS's NVMe and ENA "
               "drivers are to be installed",
               of(l)->nvme == VML_YES ? "is there" : "does not start with the system",
               of(l)->ena == VML_YES ? "is there" : "is not installed");
}

const struct rule target_windows_rules[] = {
    /* guide, "Requirements": sure */
    { "target/root-type", AWS, VML_FAULT, no_ntfs, NULL, MEND_NONE },
    { "target/windows-edition", AWS, VML_FAULT, nano, "Nano Server installations are not supported",
      MEND_NONE },
    { "target/windows-edition", AWS, VML_FAULT, windows_11_bios,
      "Windows 11 requires the Unified Extensible Firmware Interface (UEFI) boot mode to function.",
      MEND_NONE },
    { "target/language", AWS, VML_FAULT, language_of_client,
      "The operating system must have its language set as US English during import.", MEND_NONE },
    /* guide, "Limitations": "UTF-16 (or non-ASCII)", which not every other language is */
    { "target/language", AWS, VML_WARNING, language_of_server,
      "We recommend using the English language pack when importing Windows VMs.", MEND_NONE },
    { "target/pagefile", AWS, VML_WARNING, pagefile,
      "For Microsoft Windows VMs, configure a fixed pagefile size", MEND_NONE },
    /* guide, "Troubleshooting": one of the reasons for it; that this is one is inferred */
    { "target/hibernation", AWS, VML_WARNING, hibernated,
      "FirstBootFailure: This import request failed because the Windows instance failed to boot "
      "and "
      "establish network connectivity.",
      MEND_NONE },
    { "target/hibernation", AWS, VML_NOTE, fast_startup, NULL, MEND_NONE },
    /* guide, "Limitations" */
    { "target/hyper-v", AWS, VML_WARNING, hyperv, NULL, MEND_NONE },
    { "target/gpt", AWS, VML_NOTE, gpt, NULL, MEND_NONE },
    /* guide, "Prepare your VM" */
    { "target/remote-desktop", AWS, VML_WARNING, no_remote_desktop,
      "Enable Remote Desktop (RDP) for remote access.", MEND_NONE },
    { "target/dotnet", AWS, VML_NOTE, no_dotnet, "Install .NET Framework 4.5 or later on the VM.",
      MEND_NONE },
    { "target/autologon", AWS, VML_WARNING, autologon, "Disable Autologon on your Windows VM.",
      MEND_NONE },
    { "target/clock", AWS, VML_NOTE, clock_local, "Set the RealTimeIsUniversal registry key.",
      MEND_NONE },
    /* EC2 User Guide for Windows, "AWS NVMe drivers", "Enhanced networking" */
    { "target/windows-drivers", AWS, VML_NOTE, drivers, NULL, MEND_NONE },
    { 0 },
};
