/* A guest's configuration, changed as text: pure functions, which know nothing of a disk.
 *
 * Each takes a file's text and returns the new one, malloc'd, which is the same where there is
 * nothing to change; NULL: there was no memory.  What they do not know they leave as it is, byte
 * for byte, and what they have made they leave alone the next time. */
#ifndef VMLIFT_GUEST_EDIT_H
#define VMLIFT_GUEST_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* --- edit.c --------------------------------------------------------------------------------- */

struct vml_text_line {
    const char *text;
    size_t len;  /* without its newline */
    size_t full; /* with it */
};
/* The line at *at, which moves behind it.  false: there is none. */
bool vml_text_line_next(const char **at, struct vml_text_line *line);
/* Is the line, without blanks in front, that word, or begins with it and a blank? */
bool vml_text_line_begins(const struct vml_text_line *line, const char *word);

/* A blank-separated word. */
struct vml_word {
    const char *text;
    size_t len;
};
/* The word at or behind *at and in front of end; *at moves behind it.  false: there is none. */
bool vml_word_next(const char **at, const char *end, struct vml_word *word);
bool vml_word_is(const struct vml_word *word, const char *text);
bool vml_word_begins(const struct vml_word *word, const char *text);
/* One of those of a list that ends with NULL, in either case. */
bool vml_word_is_any(const struct vml_word *word, const char *const *words);
struct vml_word vml_word_trimmed(const char *from, const char *end);

/* A text that is being made. */
struct vml_text {
    FILE *f;
    char *text;
    size_t len;
};
bool vml_text_begin(struct vml_text *t);
/* A newline, where a line that is added behind the text needs one in front. */
const char *vml_text_gap(const char *text);
void vml_text_put(FILE *f, const char *from, const char *end);
/* The text, the caller's; NULL: there was no memory. */
char *vml_text_end(struct vml_text *t);

/* What the last NAME=VALUE of a shell's file says, without its quotes; NULL: nothing says it, or
 * there was no memory. */
char *vml_variable(const char *text, const char *name);
/* NAME=value in each place where it is set; where that is nowhere, at the end with `add`. */
char *vml_edit_variable(const char *text, const char *name, const char *value, bool add);
/* Where the value of NAME= stands in the line, without its quotes.  false: it is not set there. */
bool vml_text_line_variable(const struct vml_text_line *line, const char *name,
                            struct vml_word *value);
/* Every line that sets NAME becomes a comment. */
char *vml_edit_unset(const char *text, const char *name);

/* --- edit_fstab.c --------------------------------------------------------------------------- */

/* The name of a disk or partition that another machine numbers anew: "/dev/sda1", "/dev/vdb",
 * "/dev/nvme0n1p2", "/dev/mmcblk0p1".  disk counts from 0, part is 0 for the whole disk. */
bool vml_device_parse(const char *name, unsigned *disk, unsigned *part);
/* Such a name, or one beneath /dev/disk that depends on the machine (by-id, by-path). */
bool vml_device_moves(const char *name);

/* Whether the machine has what "/dev/sda1", "UUID=.." or "LABEL=.." names, where `mount` is "/" for
 * the root, "swap", or another folder.  true: with the UUID to write in its place, "" where it has
 * none. */
typedef bool vml_resolve_fn(void *arg, const char *spec, const char *mount, char uuid[64]);

/* Names that move become UUIDs; what is not there gets nofail; folders that a hypervisor shared,
 * and lines that are no entry, become comments. */
char *vml_edit_fstab(const char *text, vml_resolve_fn *resolve, void *arg);

/* --- edit_cmdline.c ------------------------------------------------------------------------- */

/* Where kernels get their command lines from. */
enum vml_cmdline_kind {
    VML_CMDLINE_GRUB,     /* grub.cfg: "linux /vmlinuz WORDS" */
    VML_CMDLINE_LEGACY,   /* menu.lst: "kernel /vmlinuz WORDS", "# kopt=WORDS" */
    VML_CMDLINE_EXTLINUX, /* "append WORDS" */
    VML_CMDLINE_BLS,      /* loader/entries: "options WORDS" */
    VML_CMDLINE_GRUBENV,  /* "kernelopts=WORDS", in a block of 1024 bytes */
    VML_CMDLINE_DEFAULTS, /* etc/default: GRUB_CMDLINE_LINUX="WORDS" */
    VML_CMDLINE_PLAIN,    /* etc/kernel/cmdline */
};
struct vml_cmdline {
    /* root= and resume= by UUID; a resume= from what is not there goes.  NULL: not asked for */
    vml_resolve_fn *resolve;
    void *arg;
    bool console; /* the last one is ttyS0, and so is /dev/console */
    bool names;   /* net.ifnames=0 biosdevname=0: eth0 is the first again */
    /* Of DEFAULTS the variable that gets what is to be added; NULL: nothing is added. */
    const char *add_to;
};
char *vml_edit_cmdline(const char *text, enum vml_cmdline_kind kind, const struct vml_cmdline *how);

/* --- edit_menu.c ---------------------------------------------------------------------------- */

/* A menu that waits for ever, or longer than half a minute, waits for 5 seconds; a default that is
 * no Linux becomes the first that is one. */
char *vml_edit_grub_menu(const char *text);
/* grub.cfg's own default, where vml_edit_grub_menu would change it: what it would be; -1: it is
 * good.
 */
int vml_grub_default(const char *text);
char *vml_edit_legacy_menu(const char *text);
char *vml_edit_extlinux_menu(const char *text);
/* What update-grub makes such a grub.cfg of. */
char *vml_edit_grub_timeouts(const char *defaults);

/* The menu is on ttyS0, too. */
char *vml_edit_grub_serial(const char *text);
char *vml_edit_grub_defaults_serial(const char *defaults);
char *vml_edit_legacy_serial(const char *text);
char *vml_edit_extlinux_serial(const char *text);
/* /etc/inittab of sysvinit has a getty there. */
char *vml_edit_inittab(const char *text);
/* /etc/securetty, and other lists of a word in each line. */
char *vml_edit_list(const char *text, const char *word);

/* --- edit_network.c ------------------------------------------------------------------------- */

/* Which interface becomes which, in the order in which files name them. */
#define VML_NICS 16u
struct vml_nics {
    char from[VML_NICS][16], to[VML_NICS][16];
    size_t n;
};
/* eth0 for the first, eth1 for the second ..; names that are of this kind stay. */
const char *vml_nics_name(struct vml_nics *nics, const char *name, size_t len);
/* The words of a line, interfaces with their new names. */
void vml_nics_write(FILE *f, struct vml_nics *nics, const char *from, const char *end);
/* Is eth0 what one of the words means, which may be patterns? */
bool vml_nics_match_eth0(const char *from, const char *end);

/* /etc/network/interfaces: static becomes DHCP.  Bridges, bonds and VLANs stay, and *by_hand is
 * set.
 */
char *vml_edit_interfaces(const char *text, struct vml_nics *nics, bool *by_hand);
/* Whether a text has an interface other than lo. */
bool vml_interfaces_any(const char *text);
char *vml_edit_networkd(const char *text, struct vml_nics *nics, bool *by_hand);
char *vml_edit_nm(const char *text);
/* ifcfg-NAME of RHEL and SUSE; name[] gets the interface's new one, "" where it is none of ours. */
char *vml_edit_ifcfg(const char *text, struct vml_nics *nics, char name[16]);
/* Is a netplan file one by which any machine gets an address by DHCP?  *by_hand: it has bridges,
 * bonds or VLANs. */
bool vml_netplan_is_dhcp(const char *text, bool *by_hand);
/* The file that is; renderer may be NULL. */
char *vml_netplan_dhcp(const char *old);

#endif
