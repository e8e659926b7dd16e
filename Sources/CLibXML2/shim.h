// The system's xml2, by pkg-config.
#include <libxml/HTMLparser.h>
