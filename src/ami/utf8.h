/* UTF-8, which is all that JSON and EC2 take. */
#ifndef VMLIFT_AMI_UTF8_H
#define VMLIFT_AMI_UTF8_H

#include <stddef.h>

/* The bytes of the character at p, which is not at the text's end; 0 where there is none. */
size_t vml_utf8_char(const char *p);

#endif
