// The system's nghttp2, by pkg-config.
#include <nghttp2/nghttp2.h>
