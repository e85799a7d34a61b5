#include "ovf_xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 64
#define NODES_MAX 100000
#define TAG_MAX   (64u << 10)

/* --- loading -------------------------------------------------------------------------------- */

static size_t line_of(const char *text, const char *p)
{
    size_t line = 1;

    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

/* Past what starts with `open` at p and ends with `close`; p itself where it does not start so. */
static const char *past(const char *p, const char *end, const char *open, const char *close)
{
    size_t n = strlen(open), m = strlen(close);

    if ((size_t)(end - p) < n || memcmp(p, open, n) != 0)
        return p;
    for (p += n; (size_t)(end - p) >= m; p++)
        if (memcmp(p, close, m) == 0)
            return p + m;
    return end;
}

/* libxml2 before 2.12 compares every attribute of a tag with every other one: minutes for a tag of
 * megabytes.  So the length of a tag has a limit. */
static int check_tags(const char *text, const char *end, struct vml_error *err)
{
    const char *p = text;

    while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
        const char *start = p;
        char quote = '\0';

        p = past(p, end, "<!--", "-->");
        p = p == start ? past(p, end, "<![CDATA[", "]]>") : p;
        p = p == start ? past(p, end, "<?", "?>") : p;
        if (p != start)
            continue;
        for (; p < end && (quote != '\0' || *p != '>'); p++)
            if (quote != '\0' && *p == quote)
                quote = '\0';
            else if (quote == '\0' && (*p == '"' || *p == '\''))
                quote = *p;
        if (p - start > TAG_MAX)
            return vml_fail(err, VML_EDATA, "xml/limit",
                            "XML line %zu: a tag of %zu bytes, more than %u", line_of(text, start),
                            (size_t)(p - start), TAG_MAX);
    }
    return 0;
}

struct guard {
    size_t nodes;
    int dtd, limit; /* the lines where they were met; 0: they were not */
    bool no_memory;
};

/* libxml2 tells a lack of memory like a fault of the text, at times without the parser that had it
 * (and then on standard error), and goes on with a tree that lacks something. */
static void on_error(void *ctx, xmlError *e)
{
    struct guard *g = ctx;

    g->no_memory = g->no_memory || e->code == XML_ERR_NO_MEMORY;
}

static int line_in(const xmlParserCtxt *c)
{
    return c->input != NULL && c->input->line > 0 ? c->input->line : 1;
}

static void on_dtd(void *ctx, const xmlChar *name, const xmlChar *public, const xmlChar *system)
{
    xmlParserCtxt *c = ctx;

    (void)name;
    (void)public;
    (void)system;
    ((struct guard *)c->_private)->dtd = line_in(c);
    xmlStopParser(c);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n_attributes,
                     int n_defaulted, const xmlChar **attributes)
{
    xmlParserCtxt *c = ctx;
    struct guard *g = c->_private;

    g->nodes += 1 + (size_t)n_attributes + (size_t)n_namespaces;
    if (g->nodes > NODES_MAX || c->nodeNr >= DEPTH_MAX) {
        g->limit = line_in(c);
        xmlStopParser(c);
        return;
    }
    xmlSAX2StartElementNs(ctx, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                          n_defaulted, attributes);
}

static int syntax(const xmlParserCtxt *c, struct vml_error *err)
{
    const char *why = c->lastError.message != NULL ? c->lastError.message : "not well-formed";

    bool entity = c->lastError.code == XML_ERR_UNDECLARED_ENTITY ||
                  c->lastError.code == XML_WAR_UNDECLARED_ENTITY;

    return vml_fail(err, VML_EDATA, entity ? "xml/entity" : "xml/syntax", "XML line %d: %.*s",
                    c->lastError.line, (int)strcspn(why, "\n"), why);
}

static int parse(xmlDoc **out, xmlParserCtxt *c, struct guard *g, const char *text, size_t len,
                 struct vml_error *err)
{
    xmlDoc *doc;

    c->_private = g;
    c->sax->internalSubset = on_dtd;
    c->sax->startElementNs = on_start;
    c->sax->comment = NULL;
    c->sax->processingInstruction = NULL;
    doc = xmlCtxtReadMemory(c, text, (int)len, NULL, "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC | XML_PARSE_BIG_LINES);
    c->_private = NULL;
    if (doc != NULL && g->dtd == 0 && g->limit == 0 && !g->no_memory) {
        *out = doc;
        return 0;
    }
    xmlFreeDoc(doc);
    if (g->no_memory)
        return vml_fail_nomem(err);
    if (g->dtd != 0)
        return vml_fail(err, VML_EDATA, "xml/dtd",
                        "XML line %d: a DOCTYPE, which a description never needs", g->dtd);
    if (g->limit != 0)
        return vml_fail(err, VML_EDATA, "xml/limit",
                        "XML line %d: more than %d levels or %d elements and attributes", g->limit,
                        DEPTH_MAX, NODES_MAX);
    return syntax(c, err);
}

int ovf_xml_load(xmlDoc **out, const char *text, size_t len, struct vml_error *err)
{
    const char *nul = memchr(text, '\0', len);
    /* the thread's own; who uses the library may have set them */
    xmlStructuredErrorFunc handler = xmlStructuredError;
    void *context = xmlStructuredErrorContext;
    struct guard g = { 0 };
    xmlParserCtxt *c;
    int rc;

    if (len == 0 || len > INT32_MAX)
        return vml_fail(err, VML_EDATA, "xml/syntax", "XML of %zu bytes", len);
    if (nul != NULL)
        return vml_fail(err, VML_EDATA, "xml/syntax", "XML line %zu: a NUL byte; is it UTF-16?",
                        line_of(text, nul));
    if (check_tags(text, text + len, err) < 0)
        return -1;
    xmlSetStructuredErrorFunc(&g, on_error);
    c = xmlNewParserCtxt();
    rc = c != NULL ? parse(out, c, &g, text, len, err) : vml_fail_nomem(err);
    xmlFreeParserCtxt(c);
    xmlSetStructuredErrorFunc(context, handler);
    return rc;
}

void ovf_xml_freep(xmlDoc **doc)
{
    xmlFreeDoc(*doc);
    *doc = NULL;
}

/* --- going around --------------------------------------------------------------------------- */

/* A prefix that is not declared stays in the name. */
static bool same_name(const xmlChar *stored, const char *name)
{
    const char *colon = strchr((const char *)stored, ':');

    return strcasecmp(colon != NULL ? colon + 1 : (const char *)stored, name) == 0;
}

bool ovf_xml_is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && same_name(n->name, name);
}

const xmlNode *ovf_xml_child(const xmlNode *parent, const xmlNode *after, const char *name)
{
    const xmlNode *n = after != NULL ? after->next : parent->children;

    while (n != NULL && !ovf_xml_is(n, name))
        n = n->next;
    return n;
}

/* Without a DTD the value is one node of text. */
const char *ovf_xml_attr(const xmlNode *n, const char *name)
{
    for (const xmlAttr *a = n->properties; a != NULL; a = a->next)
        if (same_name(a->name, name))
            return a->children != NULL && a->children->content != NULL
                       ? (const char *)a->children->content
                       : "";
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *ovf_xml_text(const xmlNode *n, char *buf, size_t cap)
{
    size_t used = 0;

    for (n = n != NULL ? n->children : NULL; n != NULL; n = n->next) {
        const char *p = (const char *)n->content;

        if (n->type != XML_TEXT_NODE || p == NULL)
            continue;
        for (; *p != '\0' && used + 1 < cap; p++)
            if (used > 0 || !is_blank(*p))
                buf[used++] = *p;
        if (*p == '\0')
            continue;
        while (used > 0 && ((unsigned char)*p & 0xc0) == 0x80) /* not inside a character */
            p = &buf[--used];
        break;
    }
    while (used > 0 && is_blank(buf[used - 1]))
        used--;
    buf[used] = '\0';
    return buf;
}
