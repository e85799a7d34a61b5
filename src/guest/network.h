/* How a Linux guest's network interfaces are configured, by each of the ways that there are. */
#ifndef VMLIFT_GUEST_NETWORK_H
#define VMLIFT_GUEST_NETWORK_H

#include "guest/tree.h"
#include "vmlift/inspect.h"

/* Reads all of them into v->nics, without the loopback, and v->net_rules and v->dhcp_client. */
int vml_network_read(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err);

/* Each adds what a text of its kind configures; file is where it comes from. */
typedef int vml_network_parse(struct vml_inspect *v, const char *file, const char *text,
                              struct vml_error *err);
vml_network_parse vml_network_ifupdown; /* interfaces(5) */
vml_network_parse vml_network_netplan;  /* YAML, as far as netplan's own examples go */
vml_network_parse vml_network_ifcfg;    /* of Red Hat and SUSE */
vml_network_parse vml_network_keyfile;  /* NetworkManager's */
vml_network_parse vml_network_networkd; /* systemd.network(5) */

/* Is it a name that the kernel gives by itself: eth0? */
bool vml_network_is_eth(const char *name);

#endif
