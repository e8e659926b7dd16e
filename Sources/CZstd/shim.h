// The system's zstd, by pkg-config.
#include <zstd.h>
