// The system's uring, by pkg-config.
#include <liburing.h>
