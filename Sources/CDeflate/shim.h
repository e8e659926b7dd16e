// The system's deflate, by pkg-config.
#include <libdeflate.h>
