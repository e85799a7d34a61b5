#include "xml.h"

#include <libxml/parser.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

int xml_read(xmlDoc **out, const void *bytes, size_t len, struct vml_error *err)
{
    pthread_once(&once, xmlInitParser);
    *out = bytes == NULL || len > INT_MAX
               ? NULL
               : xmlReadMemory(bytes, (int)len, NULL, NULL,
                               XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                   XML_PARSE_NOCDATA);
    if (*out == NULL || xmlDocGetRootElement(*out) == NULL) {
        xml_freep(out);
        return vml_fail(err, VML_EIO, "aws/broken", "the answer is not XML, or not all of it");
    }
    return 0;
}

void xml_freep(xmlDoc **doc)
{
    xmlFreeDoc(*doc);
    *doc = NULL;
}

static bool is_called(const xmlNode *node, const char *name, size_t len)
{
    return node->type == XML_ELEMENT_NODE && strlen((const char *)node->name) == len &&
           memcmp(node->name, name, len) == 0;
}

xmlNode *xml_find(xmlNode *in, const char *path)
{
    while (in != NULL && *path != '\0') {
        size_t len = strcspn(path, "/");
        xmlNode *child = in->children;

        while (child != NULL && !is_called(child, path, len))
            child = child->next;
        in = child;
        path += len + (path[len] == '/');
    }
    return in;
}

xmlNode *xml_next(xmlNode *of)
{
    const char *name = (const char *)of->name;
    xmlNode *node = of->next;

    while (node != NULL && !is_called(node, name, strlen(name)))
        node = node->next;
    return node;
}

const char *xml_text(xmlNode *in, const char *path, char *buf, size_t size)
{
    xmlNode *node = xml_find(in, path);
    xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;

    snprintf(buf, size, "%s", text != NULL ? (const char *)text : "");
    xmlFree(text);
    return buf;
}
