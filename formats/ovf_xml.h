/* XML from strangers: a tree with limits, and a way around in it that goes by local names, since
 * producers differ in prefixes and namespaces. */
#ifndef OVF_XML_H
#define OVF_XML_H

#include <libxml/tree.h>

#include "vmlift/base.h"

/* UTF-8 only, no DOCTYPE (xml/dtd), no entity but the five (xml/entity), at most 64 levels and
 * 100,000 nodes (xml/limit).  A fault in the text is xml/syntax with its line.  Free with
 * xmlFreeDoc. */
int ovf_xml_load(xmlDoc **out, const char *text, size_t len, struct vml_error *err);
void ovf_xml_freep(xmlDoc **doc);

/* Is n an element of this name?  Case does not count: InstanceId became InstanceID. */
bool ovf_xml_is(const xmlNode *n, const char *name);
/* The child element of this name that follows `after` (NULL: the first); NULL when there is none.
 */
const xmlNode *ovf_xml_child(const xmlNode *parent, const xmlNode *after, const char *name);
/* The attribute's value, of whatever namespace; NULL when it is not there. */
const char *ovf_xml_attr(const xmlNode *n, const char *name);
/* The text directly in n, without blanks at its ends, cut to fit; "" when n is NULL.  Returns buf.
 */
const char *ovf_xml_text(const xmlNode *n, char *buf, size_t cap);

#endif
