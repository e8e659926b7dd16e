// What the files of TLS share, the only ones that call OpenSSL:
//   tls.c           one connection
//   tls_context.c   what connections have in common: trust, files, secrets for debugging
//   tls_sessions.c  sessions of earlier connections, by host and port
#ifndef MOCRA_TLS_PRIVATE_H
#define MOCRA_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls.h"

typedef struct tls_sessions tls_sessions;

struct mocra_tls_context {
    SSL_CTX *openssl;
    bool verify;
    int key_log;  // -1: none
    tls_sessions *sessions;
    mocra_tls_statistics statistics;
    // Connections that keep OpenSSL's record buffers, by last use.
    mocra_tls *warmest;
    mocra_tls *coldest;
    unsigned warm_count;
};

struct mocra_tls {
    mocra_tls_context *context;
    SSL *openssl;
    const uint8_t *input;
    size_t input_length;
    size_t silent_bytes;  // input since the last plaintext
    mocra_bytes output;
    int alert;  // that the server sent, or -1
    bool out_of_memory;
    bool certificate_wanted;  // the server asked for ours
    bool offers_http2;
    bool offers_session;
    bool handshaken;
    bool broken;
    bool is_warm;
    mocra_tls *warmer;
    mocra_tls *colder;
    size_t key_length;
    uint8_t key[];  // host and port
};

// tls.c: a session for later came; whether it was kept. OpenSSL's callback.
int tls_session_came(SSL *openssl, SSL_SESSION *session);
// tls.c: the server asks for a certificate. OpenSSL's callback.
int tls_certificate_wanted(SSL *openssl, void *unused);

// tls_sessions.c
// NULL when out of memory.
tls_sessions *tls_sessions_create(void);
void tls_sessions_destroy(tls_sessions *sessions);
// Takes the reference over when it returns true.
bool tls_sessions_keep(tls_sessions *sessions, const uint8_t *key, size_t length, SSL_SESSION *session);
// A reference to the newest session that is still good, or NULL.
SSL_SESSION *tls_sessions_take(tls_sessions *sessions, const uint8_t *key, size_t length);
// The server did not like one of them.
void tls_sessions_forget(tls_sessions *sessions, const uint8_t *key, size_t length);

#endif
