// The system's z, by pkg-config.
#include <zlib.h>
