// What TLS connections have in common; see tls.h and tls_private.h: trust, revocation, our own certificate,
// the secrets' log.
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls_private.h"

#define CRLS_MAX 10000

// Loaded once a process: it takes 30 ms.
static X509_STORE *system_store;

static void load_system_store(void) {
    system_store = X509_STORE_new();
    if (system_store != NULL && X509_STORE_set_default_paths(system_store) != 1) {
        X509_STORE_free(system_store);
        system_store = NULL;
    }
}

// What OpenSSL or the system has to say about a file that could not be used.
static int refuse_file(int error, const char *path, const char *expected, char *reason, size_t reason_size) {
    const char *text = errno != 0 ? strerror(errno) : ERR_reason_error_string(ERR_peek_error());
    snprintf(reason, reason_size, "%s: %s; %s", path, text != NULL ? text : "not readable", expected);
    ERR_clear_error();
    return error;
}

static int trust_system(SSL_CTX *openssl, bool alone, char *reason, size_t reason_size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_system_store);
    bool trusted = system_store != NULL;
    // A store that gets revocation lists is not shared.
    if (trusted && alone)
        trusted = SSL_CTX_set_default_verify_paths(openssl) == 1;
    else if (trusted)
        SSL_CTX_set1_cert_store(openssl, system_store);
    if (trusted) return MOCRA_OK;
    snprintf(reason, reason_size,
             "the system's certificate store could not be loaded: install ca-certificates");
    return MOCRA_ERR_TLS_CA_FILE;
}

// Only who stands on a list is refused: an issuer without a list in the file is not checked. A list that is
// out of date refuses all of its issuer's certificates.
static int pass_without_list(int verified, X509_STORE_CTX *store) {
    if (verified || X509_STORE_CTX_get_error(store) != X509_V_ERR_UNABLE_TO_GET_CRL) return verified;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static int load_lists(SSL_CTX *openssl, const char *path, char *reason, size_t reason_size) {
    errno = 0;
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL)
        return refuse_file(MOCRA_ERR_TLS_FILE, path, "a PEM file with CRLs is expected", reason, reason_size);
    X509_STORE *store = SSL_CTX_get_cert_store(openssl);
    int count = 0;
    bool added = true;
    while (added && count < CRLS_MAX) {
        X509_CRL *list = PEM_read_bio_X509_CRL(file, NULL, NULL, NULL);
        if (list == NULL) break;
        added = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
        count++;
    }
    // The end of the file is the one error that is none.
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(file);
    if (count == 0 || !added || !ended)
        return refuse_file(MOCRA_ERR_TLS_FILE, path, "a PEM file with CRLs is expected", reason, reason_size);
    ERR_clear_error();
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(openssl),
                                X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return MOCRA_OK;
}

static int trust(SSL_CTX *openssl, const mocra_tls_options *options, char *reason, size_t reason_size) {
    int result = MOCRA_OK;
    errno = 0;
    if (options->ca_file == NULL)
        result = trust_system(openssl, options->crl_file != NULL, reason, reason_size);
    else if (SSL_CTX_load_verify_file(openssl, options->ca_file) != 1)
        result = refuse_file(MOCRA_ERR_TLS_CA_FILE, options->ca_file,
                             "a PEM file with CA certificates is expected", reason, reason_size);
    if (result == MOCRA_OK && options->crl_file != NULL)
        result = load_lists(openssl, options->crl_file, reason, reason_size);
    return result;
}

// A key with a password is refused: nobody is there to ask.
static int no_password(char *buffer, int size, int writing, void *unused) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

static int use_certificate(SSL_CTX *openssl, const mocra_tls_options *options, char *reason,
                           size_t reason_size) {
    if (options->client_cert == NULL || options->client_key == NULL) {
        snprintf(reason, reason_size, "a client certificate and its key are given together");
        return MOCRA_ERR_TLS_CLIENT_CERT;
    }
    SSL_CTX_set_default_passwd_cb(openssl, no_password);
    errno = 0;
    if (SSL_CTX_use_certificate_chain_file(openssl, options->client_cert) != 1)
        return refuse_file(MOCRA_ERR_TLS_CLIENT_CERT, options->client_cert,
                           "a PEM file with a certificate is expected", reason, reason_size);
    errno = 0;
    bool used = SSL_CTX_use_PrivateKey_file(openssl, options->client_key, SSL_FILETYPE_PEM) == 1;
    // A key of another kind than the certificate's is only noticed by the check.
    if (used && SSL_CTX_check_private_key(openssl) == 1) return MOCRA_OK;
    if (used || ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH) {
        snprintf(reason, reason_size, "%s is not the key of %s", options->client_key, options->client_cert);
        ERR_clear_error();
        return MOCRA_ERR_TLS_CLIENT_CERT;
    }
    return refuse_file(MOCRA_ERR_TLS_CLIENT_CERT, options->client_key,
                       "a PEM file with a key without password is expected", reason, reason_size);
}

static const char *key_log_path(void) {
    const char *path = secure_getenv("SSLKEYLOGFILE");
    return path != NULL && path[0] != '\0' ? path : NULL;
}

// One write a line to a file opened for appending: loops may share it.
static void log_secret(const SSL *openssl, const char *line) {
    const mocra_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(openssl));
    char text[1024];
    int length = snprintf(text, sizeof(text), "%s\n", line);
    if (length <= 0 || (size_t)length >= sizeof(text)) return;
    // A full disk costs the log, not the fetch.
    if (write(context->key_log, text, (size_t)length) < 0) return;
}

static int open_key_log(mocra_tls_context *context, char *reason, size_t reason_size) {
    const char *path = key_log_path();
    if (path == NULL) return MOCRA_OK;
    context->key_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (context->key_log < 0)
        return refuse_file(MOCRA_ERR_TLS_FILE, path, "SSLKEYLOGFILE names it", reason, reason_size);
    SSL_CTX_set_keylog_callback(context->openssl, log_secret);
    return MOCRA_OK;
}

// As OpenSSL has them, but AES-128 first, as browsers do: it is as safe here and takes less time on each
// byte.
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static int configure(mocra_tls_context *context, const mocra_tls_options *options, char *reason,
                     size_t reason_size) {
    SSL_CTX *openssl = context->openssl;
    SSL_CTX_set_app_data(openssl, context);
    SSL_CTX_set_min_proto_version(openssl,
                                  options->min_version >= TLS1_3_VERSION ? TLS1_3_VERSION : TLS1_2_VERSION);
    // A library without one of them keeps its own order.
    (void)SSL_CTX_set_ciphersuites(openssl, suites);
    SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(openssl, tls_session_came);
    SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_cert_cb(openssl, tls_certificate_wanted, NULL);
    int result = MOCRA_OK;
    if (options->verify) result = trust(openssl, options, reason, reason_size);
    if (result == MOCRA_OK && (options->client_cert != NULL || options->client_key != NULL))
        result = use_certificate(openssl, options, reason, reason_size);
    if (result == MOCRA_OK) result = open_key_log(context, reason, reason_size);
    SSL_CTX_set_verify(openssl, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       options->verify && options->crl_file != NULL ? pass_without_list : NULL);
    return result;
}

int mocra_tls_context_create(const mocra_tls_options *options, mocra_tls_context **out, char *reason,
                             size_t reason_size) {
    snprintf(reason, reason_size, "out of memory");
    mocra_tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL) return MOCRA_ERR_MEMORY;
    context->key_log = -1;
    context->verify = options->verify;
    context->sessions = tls_sessions_create();
    context->openssl = SSL_CTX_new(TLS_client_method());
    int result = MOCRA_ERR_MEMORY;
    if (context->openssl != NULL && context->sessions != NULL)
        result = configure(context, options, reason, reason_size);
    if (result != MOCRA_OK) {
        mocra_tls_context_destroy(context);
        return result;
    }
    *out = context;
    return MOCRA_OK;
}

bool mocra_tls_options_name_files(const mocra_tls_options *options) {
    return (options->verify && (options->ca_file != NULL || options->crl_file != NULL)) ||
           options->client_cert != NULL || options->client_key != NULL || key_log_path() != NULL;
}

void mocra_tls_context_destroy(mocra_tls_context *context) {
    if (context == NULL) return;
    tls_sessions_destroy(context->sessions);
    SSL_CTX_free(context->openssl);
    if (context->key_log >= 0) close(context->key_log);
    free(context);
}

mocra_tls_statistics mocra_tls_context_statistics(const mocra_tls_context *context) {
    return context->statistics;
}
