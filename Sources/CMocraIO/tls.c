// One TLS connection through OpenSSL 3; see tls.h and tls_private.h.
// A custom BIO reads the receive buffer in place; without read-ahead a record is copied once, by OpenSSL.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_address.h"
#include "mocra_assert.h"
#include "tls_private.h"

// Input that brings no plaintext: a handshake with long chains takes some 20 KiB. Tickets, key updates and
// empty records without end are not worth more (RFC 8446 §4.6, RFC 5246 §6.2.1).
#define SILENT_BYTES_MAX (256u << 10)
// Connections of a context that keep OpenSSL's record buffers, 35 KiB each, between two uses.
#define WARM_MAX 128u

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *length) {
    mocra_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->input_length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = tls->input_length < capacity ? tls->input_length : capacity;
    memcpy(out, tls->input, count);
    tls->input += count;
    tls->input_length -= count;
    *length = count;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t length, size_t *written) {
    mocra_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (mocra_bytes_append(&tls->output, (const uint8_t *)data, length) != MOCRA_OK) {
        tls->out_of_memory = true;
        return 0;
    }
    *written = length;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// Made once a process: a BIO type is one of 127.
static BIO_METHOD *method;

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mocra");
    if (method == NULL) return;
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
}

// The name that goes into SNI and that the certificate must be for (RFC 6066 §3, RFC 9525).
static bool expect_host(mocra_tls_context *context, SSL *openssl, const uint8_t *host, size_t length) {
    char name[256];
    if (length > 0 && host[length - 1] == '.') length--;
    if (length == 0 || length >= sizeof(name)) return false;
    memcpy(name, host, length);
    name[length] = '\0';
    mocra_address address;
    if (mocra_address_parse(host, length, &address)) {
        if (!context->verify) return true;
        const uint8_t *bytes = address.any.sa_family == AF_INET ? (const uint8_t *)&address.v4.sin_addr
                                                                : address.v6.sin6_addr.s6_addr;
        size_t size = address.any.sa_family == AF_INET ? 4 : 16;
        return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(openssl), bytes, size) == 1;
    }
    if (SSL_set_tlsext_host_name(openssl, name) != 1) return false;
    if (!context->verify) return true;
    SSL_set_hostflags(openssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(openssl, name) == 1;
}

// MARK: Warm connections
//
// A connection's record buffers are given back when many others were used since, so that idle connections are
// small and busy ones do not allocate.

static void cool(mocra_tls *tls) {
    mocra_tls_context *context = tls->context;
    *(tls->warmer != NULL ? &tls->warmer->colder : &context->warmest) = tls->colder;
    *(tls->colder != NULL ? &tls->colder->warmer : &context->coldest) = tls->warmer;
    tls->warmer = tls->colder = NULL;
    tls->is_warm = false;
    context->warm_count--;
}

static void warm(mocra_tls *tls) {
    mocra_tls_context *context = tls->context;
    if (context->warmest == tls) return;
    if (tls->is_warm) cool(tls);
    tls->is_warm = true;
    tls->colder = context->warmest;
    *(tls->colder != NULL ? &tls->colder->warmer : &context->coldest) = tls;
    context->warmest = tls;
    if (++context->warm_count <= WARM_MAX) return;
    mocra_tls *coldest = context->coldest;
    cool(coldest);
    // Between two records only ("read header"); otherwise it stays until the connection is used again.
    if (strcmp(SSL_rstate_string(coldest->openssl), "RH") == 0) (void)SSL_free_buffers(coldest->openssl);
    if (coldest->output.length == 0) mocra_bytes_free(&coldest->output);
}

// MARK: Life

int tls_session_came(SSL *openssl, SSL_SESSION *session) {
    const mocra_tls *tls = SSL_get_app_data(openssl);
    return tls_sessions_keep(tls->context->sessions, tls->key, tls->key_length, session) ? 1 : 0;
}

int tls_certificate_wanted(SSL *openssl, void *unused) {
    (void)unused;
    mocra_tls *tls = SSL_get_app_data(openssl);
    tls->certificate_wanted = true;
    return 1;
}

static bool offer(mocra_tls *tls) {
    static const uint8_t protocols[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    const uint8_t *offered = tls->offers_http2 ? protocols : protocols + 3;
    unsigned length = tls->offers_http2 ? sizeof(protocols) : sizeof(protocols) - 3;
    if (SSL_set_alpn_protos(tls->openssl, offered, length) != 0) return false;
    SSL_SESSION *session = tls_sessions_take(tls->context->sessions, tls->key, tls->key_length);
    if (session == NULL) return true;
    tls->offers_session = SSL_set_session(tls->openssl, session) == 1;
    SSL_SESSION_free(session);
    return tls->offers_session;
}

int mocra_tls_create(mocra_tls_context *context, const uint8_t *host, size_t length, uint16_t port,
                     bool offer_http2, mocra_tls **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    mocra_tls *tls = method != NULL ? calloc(1, sizeof(*tls) + length + 2) : NULL;
    if (tls == NULL) return MOCRA_ERR_MEMORY;
    tls->context = context;
    tls->alert = -1;
    tls->offers_http2 = offer_http2;
    tls->key_length = length + 2;
    memcpy(tls->key, host, length);
    tls->key[length] = (uint8_t)(port >> 8);
    tls->key[length + 1] = (uint8_t)port;
    tls->openssl = SSL_new(context->openssl);
    BIO *bio = tls->openssl != NULL ? BIO_new(method) : NULL;
    if (bio == NULL) {
        mocra_tls_destroy(tls);
        return MOCRA_ERR_MEMORY;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->openssl, bio, bio);
    SSL_set_app_data(tls->openssl, tls);
    SSL_set_connect_state(tls->openssl);
    if (!offer(tls) || !expect_host(context, tls->openssl, host, length)) {
        mocra_tls_destroy(tls);
        ERR_clear_error();
        return MOCRA_ERR_TLS_PROTOCOL;
    }
    *out = tls;
    return MOCRA_OK;
}

void mocra_tls_destroy(mocra_tls *tls) {
    if (tls == NULL) return;
    if (tls->is_warm) cool(tls);
    // A connection that just ends does not spoil its session (RFC 8446 §6.1 for TLS 1.3, 5246 §7.2.1).
    if (tls->openssl != NULL && !tls->broken) SSL_set_shutdown(tls->openssl, SSL_SENT_SHUTDOWN);
    SSL_free(tls->openssl);
    mocra_bytes_free(&tls->output);
    free(tls);
}

void mocra_tls_input(mocra_tls *tls, const uint8_t *data, size_t length) {
    MOCRA_ASSERT(tls->input_length == 0);
    tls->input = data;
    tls->input_length = length;
    tls->silent_bytes += length;
}

// MARK: Errors

// RFC 8446 §6 and RFC 5246 §7.2.
static const char *alert_name(int alert) {
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {10, "unexpected_message"},
        {20, "bad_record_mac"},
        {21, "decryption_failed"},
        {22, "record_overflow"},
        {30, "decompression_failure"},
        {40, "handshake_failure"},
        {42, "bad_certificate"},
        {43, "unsupported_certificate"},
        {44, "certificate_revoked"},
        {45, "certificate_expired"},
        {46, "certificate_unknown"},
        {47, "illegal_parameter"},
        {48, "unknown_ca"},
        {49, "access_denied"},
        {50, "decode_error"},
        {51, "decrypt_error"},
        {70, "protocol_version"},
        {71, "insufficient_security"},
        {80, "internal_error"},
        {86, "inappropriate_fallback"},
        {90, "user_canceled"},
        {100, "no_renegotiation"},
        {109, "missing_extension"},
        {110, "unsupported_extension"},
        {111, "certificate_unobtainable"},
        {112, "unrecognized_name"},
        {113, "bad_certificate_status_response"},
        {115, "unknown_psk_identity"},
        {116, "certificate_required"},
        {120, "no_application_protocol"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == alert) return names[i].name;
    return NULL;
}

// Whether the alert may be about our certificate, once the server asked for one.
static bool is_about_certificate(int alert) {
    return (alert >= 40 && alert <= 49 && alert != 47) || alert == 116;
}

void mocra_tls_reason(const mocra_tls *tls, char *reason, size_t reason_size) {
    if (tls->alert < 0) return;
    const char *hint = "";
    if (tls->certificate_wanted && is_about_certificate(tls->alert))
        hint = SSL_get_certificate(tls->openssl) == NULL
                   ? "; it asks for a client certificate (client_cert, client_key)"
                   : "; it may not accept the client certificate (client_cert)";
    const char *name = alert_name(tls->alert);
    if (name != NULL)
        snprintf(reason, reason_size, "the server sent the alert %s%s", name, hint);
    else
        snprintf(reason, reason_size, "the server sent the alert %d%s", tls->alert, hint);
}

static int verify_error(long result) {
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return MOCRA_ERR_TLS_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return MOCRA_ERR_TLS_NAME;
    case X509_V_ERR_CERT_REVOKED:
        return MOCRA_ERR_TLS_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return MOCRA_ERR_TLS_UNTRUSTED;
    default:
        return MOCRA_ERR_TLS_VERIFY;
    }
}

// Takes OpenSSL's error; from here on the connection can only be closed.
static int fail(mocra_tls *tls, const char **text) {
    unsigned long error = ERR_peek_error();
    int number = ERR_GET_REASON(error);
    tls->broken = true;
    *text = error != 0 ? ERR_reason_error_string(error) : NULL;
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && number >= SSL_AD_REASON_OFFSET &&
        number <= SSL_AD_REASON_OFFSET + 255)
        tls->alert = number - SSL_AD_REASON_OFFSET;
    ERR_clear_error();
    return tls->out_of_memory ? MOCRA_ERR_MEMORY : MOCRA_ERR_TLS_PROTOCOL;
}

static int fail_handshake(mocra_tls *tls, char *reason, size_t reason_size) {
    const char *text = NULL;
    int result = fail(tls, &text);
    long verified = SSL_get_verify_result(tls->openssl);
    // Perhaps it was the session that the server did not like.
    if (tls->offers_session) tls_sessions_forget(tls->context->sessions, tls->key, tls->key_length);
    if (result == MOCRA_ERR_MEMORY) return result;
    if (verified != X509_V_OK && tls->context->verify) {
        snprintf(reason, reason_size, "%s", X509_verify_cert_error_string(verified));
        return verify_error(verified);
    }
    snprintf(reason, reason_size, "%s", text != NULL ? text : "the TLS stream is broken");
    mocra_tls_reason(tls, reason, reason_size);
    return result;
}

// MARK: Handshake and records

static bool is_waiting(const mocra_tls *tls, int result) {
    int error = SSL_get_error(tls->openssl, result);
    return (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) && !tls->out_of_memory;
}

// A server may only choose what was offered (RFC 7301 §3.1); OpenSSL leaves that to its callers.
static bool chose_an_offer(const mocra_tls *tls) {
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls->openssl, &protocol, &length);
    if (length == 0 || (length == 8 && memcmp(protocol, "http/1.1", 8) == 0)) return true;
    return tls->offers_http2 && mocra_tls_is_http2(tls);
}

int mocra_tls_handshake(mocra_tls *tls, char *reason, size_t reason_size) {
    warm(tls);
    ERR_clear_error();
    int result = SSL_do_handshake(tls->openssl);
    if (result != 1 && is_waiting(tls, result)) {
        if (tls->silent_bytes <= SILENT_BYTES_MAX) return MOCRA_MORE;
        tls->broken = true;
        snprintf(reason, reason_size, "the handshake is longer than %u bytes", SILENT_BYTES_MAX);
        return MOCRA_ERR_TLS_PROTOCOL;
    }
    if (result != 1) return fail_handshake(tls, reason, reason_size);
    tls->handshaken = true;
    if (!chose_an_offer(tls)) {
        snprintf(reason, reason_size, "the server chose an application protocol that was not offered");
        return MOCRA_ERR_TLS_PROTOCOL;
    }
    if (SSL_session_reused(tls->openssl))
        tls->context->statistics.handshakes_resumed++;
    else
        tls->context->statistics.handshakes_full++;
    return MOCRA_OK;
}

bool mocra_tls_is_http2(const mocra_tls *tls) {
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls->openssl, &protocol, &length);
    return length == 2 && memcmp(protocol, "h2", 2) == 0;
}

mocra_tls_facts mocra_tls_describe(const mocra_tls *tls) {
    return (mocra_tls_facts){
        .version = (uint16_t)SSL_version(tls->openssl),
        .resumed = SSL_session_reused(tls->openssl) == 1,
        .cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(tls->openssl)),
    };
}

// SSL_get_error(3) wants the thread's queue of errors empty before a call. It nearly always is, and to look
// takes a tenth of the instructions that emptying it does.
static void forget_errors(void) {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

int mocra_tls_read(mocra_tls *tls, uint8_t *data, size_t capacity, size_t *length) {
    warm(tls);
    forget_errors();
    int result = SSL_read_ex(tls->openssl, data, capacity, length);
    if (result == 1) {
        tls->silent_bytes = 0;
        return MOCRA_OK;
    }
    if (is_waiting(tls, result)) {
        if (tls->silent_bytes <= SILENT_BYTES_MAX) return MOCRA_MORE;
        tls->broken = true;
        return MOCRA_ERR_TLS_PROTOCOL;
    }
    if (SSL_get_error(tls->openssl, result) == SSL_ERROR_ZERO_RETURN) {
        ERR_clear_error();
        return MOCRA_TLS_END;
    }
    const char *text = NULL;
    return fail(tls, &text);
}

bool mocra_tls_is_dry(const mocra_tls *tls) {
    return tls->input_length == 0 && SSL_has_pending(tls->openssl) == 0;
}

int mocra_tls_write(mocra_tls *tls, const uint8_t *data, size_t length) {
    warm(tls);
    forget_errors();
    size_t written = 0;
    if (SSL_write_ex(tls->openssl, data, length, &written) == 1 && written == length) return MOCRA_OK;
    const char *text = NULL;
    return fail(tls, &text);
}

void mocra_tls_finish(mocra_tls *tls) {
    if (!tls->handshaken || tls->broken || tls->out_of_memory) return;
    if (SSL_get_shutdown(tls->openssl) != 0) return;
    ERR_clear_error();
    // 0: ours is written, and the server's is not awaited.
    if (SSL_shutdown(tls->openssl) < 0) tls->broken = true;
    ERR_clear_error();
}

mocra_bytes *mocra_tls_output(mocra_tls *tls) {
    return &tls->output;
}
