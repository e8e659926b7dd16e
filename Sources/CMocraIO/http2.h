// What the files of HTTP/2 share (RFC 9113). nghttp2 keeps the state of the protocol; what a stream means for
// its fetch is decided here.
//   http2.c          sessions and streams: begin, end, send
//   http2_frames.c   what frames say: heads, bodies, resets, limits
//   http2_request.c  a request's bytes as header fields
#ifndef MOCRA_HTTP2_H
#define MOCRA_HTTP2_H

#include <nghttp2/nghttp2.h>

#include "loop.h"

// Bytes of frames that bring no head and no content before the connection is given up: endless settings,
// pings, resets, continuations or empty frames.
#define HTTP2_IDLE_FRAMES_BYTES_MAX (256u << 10)
#define HTTP2_STREAM_WINDOW_BYTES (256u << 10)
#define HTTP2_CONNECTION_WINDOW_BYTES (16u << 20)
#define HTTP2_FIELDS_MAX 128u
// How often a request may be turned away unread before that is taken for an answer.
#define HTTP2_REFUSALS_MAX 16u

struct http2_session {
    nghttp2_session *nghttp2;
    mocra_loop *loop;
    connection *item;
    uint32_t streams_first;  // fetches
    uint32_t streams;
    uint32_t buffer;      // that the bytes being received lie in
    uint64_t idle_bytes;  // since something of use came
    uint64_t late_bytes;  // of content that may still come for streams that we have reset
    uint32_t served;      // answers that came whole
    bool is_retired;      // takes no more streams: GOAWAY, or out of numbers
    int fault;            // why the session must end, found inside a callback
};

// http2_frames.c
// The callbacks of all sessions, made once a process; NULL when out of memory.
nghttp2_session_callbacks *http2_callbacks(void);

// http2.c
// Takes the fetch off the session and gives its place in the pool back.
void http2_leave(http2_session *session, fetch *owner);
// The fetch's stream is over and it failed, or goes to another connection if it may.
void http2_stream_failed(http2_session *session, fetch *owner, int error);
// Resets the stream and fails the fetch.
void http2_reset(http2_session *session, fetch *owner, uint32_t code, int error);
// A stream was reset whose content may be on its way already: up to its window it is nobody's fault.
void http2_expect_late(http2_session *session);
// No new streams on this connection.
void http2_retire(http2_session *session);
// The stream with this number, or NULL.
fetch *http2_stream(http2_session *session, int32_t stream);

// http2_request.c
// The fields of an HTTP/1.1 request as HTTP/2 has them (RFC 9113 §8.2, §8.3): names go to lower case in
// place, the pseudo header fields come first, what belongs to one connection only is left out. `fields` has
// room for HTTP2_FIELDS_MAX; they point into the request. Sets *content to where the content begins.
// HEADER_TOO_MANY, ARGUMENT.
int http2_request_fields(mocra_bytes *request, bool secure, nghttp2_nv *fields, size_t *count,
                         size_t *content);

#endif
