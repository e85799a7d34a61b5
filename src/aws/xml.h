/* Answers in XML: EC2's and S3's. */
#ifndef VMLIFT_AWS_XML_H
#define VMLIFT_AWS_XML_H

#include <libxml/tree.h>

#include "vmlift/base.h"

/* VML_EIO aws/broken: not XML, or not whole. */
int xml_read(xmlDoc **out, const void *bytes, size_t len, struct vml_error *err);
void xml_freep(xmlDoc **doc);
/* The first element of that path below `in`: "imagesSet/item"; NULL.  Namespaces do not matter. */
xmlNode *xml_find(xmlNode *in, const char *path);
/* The next sibling of the same name. */
xmlNode *xml_next(xmlNode *of);
/* Its text into buf, cut where it does not fit; "" when it is not there. */
const char *xml_text(xmlNode *in, const char *path, char *buf, size_t size);

#endif
