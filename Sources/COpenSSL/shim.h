// The system's ssl, by pkg-config.
#include <openssl/ssl.h>
