// What received frames mean for the fetches; see http2.h. The callbacks run inside nghttp2_session_mem_recv
// and nghttp2_session_mem_send, and never end the session: what must end it is noted.
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "http2.h"

static const char status_line[] = "HTTP/1.1 000 \r\n";
#define STATUS_OFFSET 9u

static fetch *owner_of(nghttp2_session *nghttp2, int32_t stream) {
    return nghttp2_session_get_stream_user_data(nghttp2, stream);
}

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    http2_session *session = context;
    fetch *owner = owner_of(nghttp2, frame->hd.stream_id);
    if (owner == NULL || owner->response.head != NULL) return 0;
    owner->head_copy.length = 0;
    session->fault =
        mocra_bytes_append(&owner->head_copy, (const uint8_t *)status_line, sizeof(status_line) - 1);
    return session->fault == MOCRA_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// A field goes into a head of HTTP/1.1, so that one parser and one set of limits serve both.
static int append_field(fetch *owner, const uint8_t *name, size_t name_length, const uint8_t *value,
                        size_t value_length) {
    mocra_bytes *head = &owner->head_copy;
    if (name_length > 0 && name[0] == ':') {
        if (value_length == 3) memcpy(head->data + STATUS_OFFSET, value, 3);
        return MOCRA_OK;
    }
    int result = mocra_bytes_reserve(head, name_length + value_length + 4);
    if (result != MOCRA_OK) return result;
    uint8_t *end = head->data + head->length;
    memcpy(end, name, name_length);
    memcpy(end + name_length, ": ", 2);
    memcpy(end + name_length + 2, value, value_length);
    memcpy(end + name_length + 2 + value_length, "\r\n", 2);
    head->length += name_length + value_length + 4;
    return MOCRA_OK;
}

static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *context) {
    (void)flags;
    http2_session *session = context;
    fetch *owner = owner_of(nghttp2, frame->hd.stream_id);
    // Trailers are passed over; that they do not go on for ever is seen by the bytes that bring nothing.
    if (owner == NULL || owner->response.head != NULL) return 0;
    size_t limit = session->loop->options.header_bytes_max;
    if (owner->head_copy.length + name_length + value_length + 4 > limit)
        owner->stream_error = MOCRA_ERR_HEADER_TOO_LARGE;
    else
        owner->stream_error = append_field(owner, name, name_length, value, value_length);
    return owner->stream_error == MOCRA_OK ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// The answer is whole, or cut at its limit.
static void complete(http2_session *session, fetch *owner, bool cut) {
    int result = receive_finish_body(owner, cut);
    if (result != MOCRA_OK) {
        http2_reset(session, owner, NGHTTP2_CANCEL, result);
        return;
    }
    // The server may answer before it has read all of the request (RFC 9113 §8.1).
    if (cut || owner->content_sent < owner->request.length || owner->content_open) {
        http2_expect_late(session);
        if (nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, owner->stream, NGHTTP2_CANCEL) !=
            0)
            session->fault = MOCRA_ERR_MEMORY;
    }
    session->served++;
    http2_leave(session, owner);
    fetch_finish(session->loop, owner, MOCRA_OK);
}

// A head is whole: the final one, or one of those before it.
static void on_head(http2_session *session, fetch *owner, bool ends) {
    mocra_loop *loop = session->loop;
    if (owner->response.head != NULL) {
        // Trailers.
        if (ends) complete(session, owner, false);
        return;
    }
    int result = mocra_bytes_append(&owner->head_copy, (const uint8_t *)"\r\n", 2);
    if (result == MOCRA_OK)
        result = mocra_http1_parse_head(owner->head_copy.data, owner->head_copy.length, 0, owner->head,
                                        &owner->parsed);
    if (result == MOCRA_OK && owner->parsed.status < 200) {
        if (!ends && owner->parsed.status != 101 && ++owner->interim_responses <= INTERIM_RESPONSES_MAX)
            return;
        result = MOCRA_ERR_HTTP2_PROTOCOL;
    }
    if (result == MOCRA_MORE) result = MOCRA_ERR_HEADER_SYNTAX;
    if (result == MOCRA_OK) {
        owner->response.head_data = owner->head_copy.data;
        owner->response.head = &owner->parsed;
        owner->response.flags |= MOCRA_RESPONSE_HTTP2;
        if (owner->response.first_byte_ns == 0) owner->response.first_byte_ns = loop->now;
        session->idle_bytes = 0;
        fetch_set_phase(loop, owner, PHASE_IDLE);
        // What ends with its head has no content, whatever the fields say of it.
        if (ends) owner->parsed.framing = MOCRA_FRAMING_NONE;
        result = receive_begin_body(loop, owner);
    }
    if (result != MOCRA_OK)
        http2_reset(session, owner, NGHTTP2_CANCEL, result);
    else if (ends)
        complete(session, owner, false);
}

static void on_settings(http2_session *session) {
    if (session->is_retired || !session->item->pooled) return;
    uint32_t theirs =
        nghttp2_session_get_remote_settings(session->nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t ours = session->loop->options.streams_per_connection_max;
    if (theirs == 0) {
        http2_retire(session);
        return;
    }
    mocra_pool_share(session->loop->pool, session->item->index, theirs < ours ? theirs : ours);
    while (session->item->pooled) {
        uint32_t waiting = mocra_pool_take_waiting(session->loop->pool, session->item->index);
        if (waiting == MOCRA_NONE) return;
        connection_assign(session->loop, session->item, fetch_at(session->loop, waiting));
    }
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    http2_session *session = context;
    fetch *owner = frame->hd.stream_id > 0 ? owner_of(nghttp2, frame->hd.stream_id) : NULL;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (owner != NULL) on_head(session, owner, ends);
        return 0;
    case NGHTTP2_DATA:
        if (owner != NULL && ends) complete(session, owner, false);
        return 0;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) on_settings(session);
        return 0;
    case NGHTTP2_GOAWAY:
        http2_retire(session);
        return 0;
    default:
        return 0;
    }
}

static int on_data(nghttp2_session *nghttp2, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t length, void *context) {
    (void)flags;
    http2_session *session = context;
    fetch *owner = owner_of(nghttp2, stream);
    // What the connection may carry does not wait for one of its streams.
    if (nghttp2_session_consume_connection(nghttp2, length) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (owner == NULL) return 0;
    session->idle_bytes = 0;
    owner->response.wire_bytes += length;
    if (!owner->is_paused) fetch_set_phase(session->loop, owner, PHASE_IDLE);
    bool cut = false;
    int result = receive_payload(session->loop, owner, data, length, session->buffer, &cut);
    if (result < 0)
        http2_reset(session, owner, NGHTTP2_CANCEL, result);
    else if (cut)
        complete(session, owner, true);
    else if (owner->is_paused)
        owner->window_debt += (uint32_t)length;
    else if (nghttp2_session_consume_stream(nghttp2, stream, length) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_stream_close(nghttp2_session *nghttp2, int32_t stream, uint32_t code, void *context) {
    http2_session *session = context;
    fetch *owner = owner_of(nghttp2, stream);
    if (owner == NULL) return 0;
    int error = MOCRA_ERR_STREAM_RESET;
    if (owner->stream_error != MOCRA_OK)
        error = owner->stream_error;
    else if (code == NGHTTP2_NO_ERROR || code == NGHTTP2_PROTOCOL_ERROR)
        error = MOCRA_ERR_HTTP2_PROTOCOL;
    else if (code == NGHTTP2_REFUSED_STREAM)
        owner->refused = true;
    else if (code == NGHTTP2_HTTP_1_1_REQUIRED) {
        owner->http2 = false;
        owner->refused = true;
    }
    if (error == MOCRA_ERR_STREAM_RESET || error == MOCRA_ERR_HTTP2_PROTOCOL)
        snprintf(owner->response.reason, sizeof(owner->response.reason), "HTTP/2 error %s",
                 nghttp2_http2_strerror(code));
    http2_stream_failed(session, owner, error);
    return 0;
}

static int on_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *context) {
    http2_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    fetch *owner = owner_of(nghttp2, frame->hd.stream_id);
    if (owner == NULL) return 0;
    owner->response.requested_ns = session->loop->now;
    fetch_set_phase(session->loop, owner, PHASE_FIRST_BYTE);
    if (owner->content_open) {
        // An answer is due only once the request is there.
        owner->phase_deadline = MOCRA_NEVER;
        mocra_timers_set(&session->loop->timers, owner->index, owner->total_deadline);
    }
    fetch_note_requested(session->loop, owner);
    return 0;
}

// A request that could not be sent: the server said that it takes no more.
static int on_not_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error, void *context) {
    (void)nghttp2;
    http2_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    fetch *owner = http2_stream(session, frame->hd.stream_id);
    if (owner == NULL) return 0;
    owner->refused = error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED || error == NGHTTP2_ERR_SESSION_CLOSING;
    snprintf(owner->response.reason, sizeof(owner->response.reason), "%s", nghttp2_strerror(error));
    http2_stream_failed(session, owner, MOCRA_ERR_STREAM_RESET);
    return 0;
}

static nghttp2_session_callbacks *shared_callbacks;

static void make_callbacks(void) {
    if (nghttp2_session_callbacks_new(&shared_callbacks) != 0) {
        shared_callbacks = NULL;
        return;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(shared_callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(shared_callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(shared_callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(shared_callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(shared_callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(shared_callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(shared_callbacks, on_not_sent);
}

nghttp2_session_callbacks *http2_callbacks(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_callbacks);
    return shared_callbacks;
}
