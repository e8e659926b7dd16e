// The SOCKS5 half of mocra_proxy_machine.h.
#ifndef MOCRA_SOCKS5_H
#define MOCRA_SOCKS5_H

#include "mocra_proxy_machine.h"

int socks5_begin(mocra_negotiation *negotiation, mocra_bytes *output);
int socks5_step(mocra_negotiation *negotiation, mocra_bytes *output, char *reason, size_t reason_size);

#endif
