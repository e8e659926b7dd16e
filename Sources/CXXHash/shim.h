// The system's xxhash, by pkg-config.
#include <xxhash.h>
