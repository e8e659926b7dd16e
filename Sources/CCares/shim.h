// The system's cares, by pkg-config.
#include <ares.h>
