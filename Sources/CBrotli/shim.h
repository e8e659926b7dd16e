// The system's brotlidec, by pkg-config.
#include <brotli/decode.h>
