#include "tls_peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define STEP_SECONDS 20

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

int mocra_tls_peer_listen(uint16_t *port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        close(listener);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

static void note_alert(const SSL *ssl, int where, int value) {
    mocra_tls_peer_report *report = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
    if ((value & 0xff) != SSL_AD_CLOSE_NOTIFY) report->alert = value & 0xff;
}

static bool read_head(SSL *ssl) {
    char head[4096];
    size_t length = 0;
    while (length < sizeof(head) - 1) {
        int count = SSL_read(ssl, head + length, (int)(sizeof(head) - 1 - length));
        if (count <= 0) return false;
        length += (size_t)count;
        head[length] = 0;
        if (strstr(head, "\r\n\r\n") != NULL) return true;
    }
    return false;
}

static bool send_odd(SSL *ssl, const mocra_tls_peer_plan *plan, mocra_tls_peer_report *report) {
    for (; report->done < plan->key_updates; report->done++) {
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1) return false;
    }
    for (; report->done < plan->renegotiations; report->done++) {
        if (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1) return false;
    }
    return true;
}

static void serve(SSL *ssl, const mocra_tls_peer_plan *plan, mocra_tls_peer_report *report) {
    report->handshaken = SSL_accept(ssl) == 1;
    // Corked, the answer is sent with the end of the stream.
    int corked = plan->ends_with_answer;
    if (report->handshaken && read_head(ssl) && send_odd(ssl, plan, report) &&
        setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_CORK, &corked, sizeof(corked)) == 0)
        report->answered = SSL_write(ssl, answer, sizeof(answer) - 1) > 0;
    if (plan->ends_with_answer && plan->notifies) SSL_shutdown(ssl);
    if (plan->ends_with_answer) return;
    // What the client has to say at last: an alert, or its close.
    char rest[4096];
    int count;
    do {
        count = SSL_read(ssl, rest, sizeof(rest));
    } while (count > 0);
    report->closed_in_order = (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0 && report->alert < 0;
}

static SSL_CTX *make_context(const mocra_tls_peer_plan *plan) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) return NULL;
    SSL_CTX_set_info_callback(context, note_alert);
    if ((plan->renegotiations > 0 && SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1) ||
        SSL_CTX_use_certificate_chain_file(context, plan->certificate_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, plan->key_path, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

bool mocra_tls_peer_serve(int listener, const mocra_tls_peer_plan *plan, mocra_tls_peer_report *report) {
    *report = (mocra_tls_peer_report){.alert = -1};
    // Writing to a client that is gone is an error for this thread, not the end of the process.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    struct timeval limit = {.tv_sec = STEP_SECONDS};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    // A process that another test starts meanwhile would keep the connection open.
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    SSL_CTX *context = make_context(plan);
    SSL *ssl = context == NULL ? NULL : SSL_new(context);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1) {
        SSL_set_app_data(ssl, report);
        serve(ssl, plan, report);
    }
    bool works = ssl != NULL;
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    close(fd);
    return works;
}
