/* The one SQL schema. */
#ifndef VMLIFT_CATALOG_SCHEMA_H
#define VMLIFT_CATALOG_SCHEMA_H

#define VML_SCHEMA_VERSION 1
extern const char vml_schema[];

#endif
