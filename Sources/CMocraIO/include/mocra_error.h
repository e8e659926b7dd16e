// The one table of what can go wrong below Swift: name, text, kind (the names of the error kinds that
// metrics, policy, dead letters and logs share), and whether the same request may be tried again.
// Functions return 0 (or a positive value that they document) or one of these negative codes.
#ifndef MOCRA_ERROR_H
#define MOCRA_ERROR_H

#include <stdbool.h>

#define MOCRA_OK 0
// Not an error: the input ended before the thing was whole; call again with more of it.
#define MOCRA_MORE 1

// X(code, name, kind, retryable, text)
#define MOCRA_ERROR_TABLE(X)                                                                              \
    X(1, ARGUMENT, "internal", false, "an argument is out of range")                                      \
    X(2, MEMORY, "internal", true, "out of memory")                                                       \
    X(3, RING_UNAVAILABLE, "config", false, "io_uring is not available")                                  \
    X(4, CLOSED, "internal", false, "the loop is shutting down")                                          \
    X(5, CANCELLED, "cancelled", false, "the fetch was cancelled")                                        \
    X(6, BUSY, "internal", true, "all fetch slots are taken")                                             \
    X(7, DESCRIPTORS, "internal", true, "out of file descriptors")                                        \
    X(10, DNS_NAME, "dns", false, "the host name does not exist: check its spelling")                     \
    X(11, DNS_FAILED, "dns", true,                                                                        \
      "the host name could not be resolved: check the network and the DNS server")                        \
    X(12, DNS_TIMEOUT, "dns", true, "the resolver did not answer in time")                                \
    X(13, ADDRESS_BLOCKED, "blocked", false, "the address is not public")                                 \
    X(14, DNS_SETTINGS, "config", false, "the settings of name resolution are not usable")                \
    X(20, CONNECT_REFUSED, "connect", true,                                                               \
      "the connection was refused: check host and port, and that the server runs")                        \
    X(21, CONNECT_UNREACHABLE, "connect", true, "the host or network is unreachable")                     \
    X(22, CONNECT_FAILED, "connect", true, "the connection could not be made")                            \
    X(23, CONNECT_TIMEOUT, "timeout_connect", true, "no connection within the connect timeout")           \
    X(30, TLS_UNTRUSTED, "tls", false,                                                                    \
      "the certificate is not signed by a trusted authority (a CA file can name one)")                    \
    X(31, TLS_EXPIRED, "tls", false, "the certificate has expired or is not yet valid")                   \
    X(32, TLS_NAME, "tls", false, "the certificate is for another name")                                  \
    X(33, TLS_VERIFY, "tls", false, "the certificate could not be verified")                              \
    X(34, TLS_PROTOCOL, "tls", true, "the TLS handshake or a TLS record failed (is this an https port?)") \
    X(35, TLS_CA_FILE, "config", false, "the CA file could not be read")                                  \
    X(36, TLS_TIMEOUT, "timeout_connect", true, "no TLS handshake within the connect timeout")            \
    X(37, TLS_REVOKED, "tls", false, "the certificate has been revoked")                                  \
    X(38, TLS_CLIENT_CERT, "config", false, "the client certificate or its key could not be used")        \
    X(39, TLS_FILE, "config", false, "a file for TLS could not be used")                                  \
    X(40, RESET, "reset", true, "the server reset the connection")                                        \
    X(41, CLOSED_EARLY, "reset", true, "the server closed the connection before it answered")             \
    X(42, BODY_SHORT, "reset", true, "the connection ended before the body was whole")                    \
    X(43, SEND_FAILED, "reset", true, "the request could not be sent")                                    \
    X(50, FIRST_BYTE_TIMEOUT, "timeout_first_byte", true, "no answer within the first-byte timeout")      \
    X(51, IDLE_TIMEOUT, "timeout_idle", true, "the answer stopped for longer than the idle timeout")      \
    X(52, TOTAL_TIMEOUT, "timeout_total", true, "the fetch took longer than the total timeout")           \
    X(53, SLOW, "slow", true, "the answer came slower than the minimum rate")                             \
    X(60, NOT_HTTP, "protocol", false, "the answer is not HTTP/1 (is this an http port?)")                \
    X(61, HEADER_SYNTAX, "protocol", false, "a header line is malformed")                                 \
    X(62, HEADER_TOO_LARGE, "protocol", false, "the headers are larger than the limit")                   \
    X(63, HEADER_TOO_MANY, "protocol", false, "there are more header fields than the limit")              \
    X(64, FRAMING_AMBIGUOUS, "protocol", false, "the length of the body is ambiguous")                    \
    X(65, CHUNK_SYNTAX, "protocol", false, "a chunk is malformed")                                        \
    X(66, TRANSFER_ENCODING, "protocol", false, "the transfer encoding is not known")                     \
    X(67, TRAILER_TOO_LARGE, "protocol", false, "the trailers are larger than the limit")                 \
    X(68, HTTP2_PROTOCOL, "protocol", false, "the server breaks the rules of HTTP/2")                     \
    X(69, STREAM_RESET, "reset", true, "the server reset the HTTP/2 stream")                              \
    X(70, DECODE, "decode", false, "the content encoding is corrupt")                                     \
    X(71, DECODE_UNKNOWN, "decode", false, "the content encoding is not known")                           \
    X(72, BOMB, "bomb", false, "the body expands beyond the decompression ratio")                         \
    X(73, TOO_LARGE, "too_large", false, "the body is larger than the limit")                             \
    X(74, FLOOD, "protocol", false, "the server floods the connection with frames that carry nothing")    \
    X(90, PROXY_CONNECT, "proxy", true, "the proxy could not be reached")                                 \
    X(91, PROXY_AUTH, "proxy", true, "the proxy refuses the user name and password, or wants them")       \
    X(92, PROXY_REFUSED, "proxy", true, "the proxy refused to make the connection")                       \
    X(93, PROXY_PROTOCOL, "proxy", true, "the proxy's answer is malformed or cut short")                  \
    X(94, PROXY_TIMEOUT, "proxy", true, "no connection through the proxy within the connect timeout")

typedef enum mocra_error {
#define X(code, name, kind, retryable, text) MOCRA_ERR_##name = -(code),
    MOCRA_ERROR_TABLE(X)
#undef X
} mocra_error;

// One line for a person; never NULL.
const char *mocra_error_text(int error);
// The error kind's name, for example "timeout_idle"; never NULL.
const char *mocra_error_kind(int error);
// The constant's name without prefix, for example "IDLE_TIMEOUT"; never NULL.
const char *mocra_error_name(int error);
// Whether the same request may succeed when it is tried again.
bool mocra_error_retryable(int error);

#endif
