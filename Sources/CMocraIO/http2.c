// HTTP/2 sessions: many fetches as streams of one connection; see http2.h.
#include "http2.h"

#include <stdlib.h>
#include <string.h>

static void *take(size_t size, void *slabs) {
    return mocra_slabs_take(slabs, size);
}

static void give(void *memory, void *slabs) {
    mocra_slabs_give(slabs, memory);
}

static void *take_zeroed(size_t count, size_t size, void *slabs) {
    if (size > 0 && count > SIZE_MAX / size) return NULL;
    void *memory = mocra_slabs_take(slabs, count * size);
    if (memory != NULL) memset(memory, 0, count * size);
    return memory;
}

static void *resize(void *memory, size_t size, void *slabs) {
    return mocra_slabs_resize(slabs, memory, size);
}

static int fault_of(long error) {
    return error == NGHTTP2_ERR_NOMEM     ? MOCRA_ERR_MEMORY
           : error == NGHTTP2_ERR_FLOODED ? MOCRA_ERR_FLOOD
                                          : MOCRA_ERR_HTTP2_PROTOCOL;
}

// Something is to be sent: with the next wait, in one piece with what else comes up until then.
static void mark_dirty(mocra_loop *loop, connection *item) {
    if (item->is_dirty) return;
    item->is_dirty = true;
    item->next_dirty = loop->dirty_first;
    loop->dirty_first = item->index;
}

void http2_flush(mocra_loop *loop) {
    while (loop->dirty_first != MOCRA_NONE) {
        connection *item = connection_at(loop, loop->dirty_first);
        loop->dirty_first = item->next_dirty;
        item->is_dirty = false;
        if (item->http2 == NULL) continue;
        item->entered++;
        connection_send_more(loop, item);
        item->entered--;
        connection_settle(loop, item);
    }
}

static int open_session(mocra_loop *loop, http2_session *session) {
    nghttp2_mem memory = {
        .mem_user_data = loop->slabs, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};
    nghttp2_option *options;
    nghttp2_session_callbacks *callbacks = http2_callbacks();
    if (callbacks == NULL || nghttp2_option_new(&options) != 0) return MOCRA_ERR_MEMORY;
    // Windows open again when we say so: once content was taken.
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    int result = nghttp2_session_client_new3(&session->nghttp2, callbacks, session, options, &memory);
    nghttp2_option_del(options);
    if (result != 0) return fault_of(result);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, loop->options.header_bytes_max},
    };
    result = nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, settings, 3);
    if (result == 0)
        result = nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0,
                                                       HTTP2_CONNECTION_WINDOW_BYTES);
    return result == 0 ? MOCRA_OK : fault_of(result);
}

int http2_start(mocra_loop *loop, connection *item, fetch *owner) {
    MOCRA_ASSERT(item->http2 == NULL && item->tls != NULL);
    if (loop->slabs == NULL) loop->slabs = mocra_slabs_create();
    http2_session *session = calloc(1, sizeof(*session));
    if (session == NULL || loop->slabs == NULL) {
        free(session);
        fetch_finish(loop, owner, MOCRA_ERR_MEMORY);
        return MOCRA_ERR_MEMORY;
    }
    session->loop = loop;
    session->item = item;
    session->streams_first = MOCRA_NONE;
    session->buffer = TRANSIENT;
    item->http2 = session;
    int result = open_session(loop, session);
    if (result != MOCRA_OK) {
        fetch_finish(loop, owner, result);
        return result;
    }
    http2_submit(loop, item, owner);
    return MOCRA_OK;
}

void http2_destroy(connection *item) {
    if (item->http2 == NULL) return;
    nghttp2_session_del(item->http2->nghttp2);
    free(item->http2);
    item->http2 = NULL;
}

static void join(http2_session *session, fetch *owner) {
    mocra_loop *loop = session->loop;
    owner->state = FETCH_ACTIVE;
    owner->connection = session->item->index;
    owner->stream = 0;
    owner->stream_error = MOCRA_OK;
    owner->stream_previous = MOCRA_NONE;
    owner->stream_next = session->streams_first;
    if (owner->stream_next != MOCRA_NONE) fetch_at(loop, owner->stream_next)->stream_previous = owner->index;
    session->streams_first = owner->index;
    session->streams++;
}

// Takes the fetch off the session; nghttp2 forgets it.
static void part(http2_session *session, fetch *owner) {
    mocra_loop *loop = session->loop;
    if (owner->stream > 0) nghttp2_session_set_stream_user_data(session->nghttp2, owner->stream, NULL);
    if (owner->stream_previous != MOCRA_NONE)
        fetch_at(loop, owner->stream_previous)->stream_next = owner->stream_next;
    else
        session->streams_first = owner->stream_next;
    if (owner->stream_next != MOCRA_NONE)
        fetch_at(loop, owner->stream_next)->stream_previous = owner->stream_previous;
    session->streams--;
    owner->connection = MOCRA_NONE;
}

void http2_leave(http2_session *session, fetch *owner) {
    mocra_loop *loop = session->loop;
    connection *item = session->item;
    part(session, owner);
    if (!item->pooled) return;
    item->entered++;
    mocra_pool_decision decision;
    uint64_t age_max = loop->options.pool_max_age_ns;
    if (!session->is_retired && age_max > 0 && loop->now - item->opened_ns >= age_max) http2_retire(session);
    mocra_pool_release(loop->pool, item->index, loop->now, &decision);
    fetch_run_decision(loop, &decision);
    if (session->is_retired && session->streams == 0 && item->machine.state != MOCRA_CONNECTION_CLOSING)
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
    item->entered--;
}

static ssize_t read_content(nghttp2_session *nghttp2, int32_t stream, uint8_t *data, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *context) {
    (void)source;
    http2_session *session = context;
    fetch *owner = nghttp2_session_get_stream_user_data(nghttp2, stream);
    if (owner == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (owner->content_sent == owner->request.length && owner->content.length > 0) {
        // What was pushed takes the place of what is out.
        mocra_bytes empty = owner->request;
        owner->request = owner->content;
        empty.length = 0;
        owner->content = empty;
        owner->content_sent = 0;
        content_tell_room(session->loop, owner);
    }
    size_t left = owner->request.length - owner->content_sent;
    if (left == 0 && owner->content_open) return NGHTTP2_ERR_DEFERRED;
    size_t count = left < room ? left : room;
    if (count > 0) memcpy(data, owner->request.data + owner->content_sent, count);
    owner->content_sent += (uint32_t)count;
    if (count == left && !owner->content_open && owner->content.length == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

// The fetch cannot become a stream: said by its deadline, which is now. The place that it leaves goes to one
// that waits, and if each failed at once, each would be begun inside the one before it.
static void fail_later(mocra_loop *loop, fetch *owner, int error) {
    owner->stream_error = error;
    owner->phase_deadline = loop->now;
    mocra_timers_set(&loop->timers, owner->index, loop->now);
}

void http2_submit(mocra_loop *loop, connection *item, fetch *owner) {
    http2_session *session = item->http2;
    join(session, owner);
    owner->refused = false;
    // Until the request is out only the time-out for a connection counts.
    fetch_set_phase(loop, owner, PHASE_CONNECT);
    nghttp2_nv fields[HTTP2_FIELDS_MAX];
    size_t count = 0;
    size_t content = 0;
    int result = http2_request_fields(&owner->request, owner->secure, fields, &count, &content);
    if (result != MOCRA_OK) {
        fail_later(loop, owner, result);
        return;
    }
    owner->response.requested_ns = 0;
    owner->content_sent = (uint32_t)content;
    bool has_content = content < owner->request.length || owner->content_open || owner->content.length > 0;
    nghttp2_data_provider provider = {.read_callback = read_content};
    int32_t stream =
        nghttp2_submit_request(session->nghttp2, NULL, fields, count, has_content ? &provider : NULL, owner);
    if (stream > 0) {
        owner->stream = stream;
        mark_dirty(loop, item);
        return;
    }
    // Out of stream numbers: the connection has served its time.
    if (stream == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE) {
        http2_retire(session);
        owner->refused = true;
        http2_stream_failed(session, owner, MOCRA_ERR_STREAM_RESET);
        return;
    }
    fail_later(loop, owner, fault_of(stream));
}

int http2_pull(mocra_loop *loop, connection *item) {
    http2_session *session = item->http2;
    size_t gathered = 0;
    item->entered++;
    // A frame has at most 16 KiB and 9 bytes.
    while (gathered + (16u << 10) + 9 <= PLAINTEXT_BYTES) {
        const uint8_t *frames;
        ssize_t length = nghttp2_session_mem_send(session->nghttp2, &frames);
        if (length < 0) session->fault = fault_of(length);
        if (length <= 0) break;
        memcpy(loop->scratch + gathered, frames, (size_t)length);
        gathered += (size_t)length;
    }
    int result = session->fault;
    // After the frame that says why it gives up, a session wants nothing more to read.
    if (result == MOCRA_OK && !nghttp2_session_want_read(session->nghttp2)) result = MOCRA_ERR_HTTP2_PROTOCOL;
    if (gathered > 0 && result == MOCRA_OK) result = mocra_tls_write(item->tls, loop->scratch, gathered);
    item->entered--;
    return result;
}

void http2_receive(mocra_loop *loop, connection *item, const uint8_t *data, size_t length, uint32_t buffer) {
    http2_session *session = item->http2;
    session->buffer = buffer;
    session->idle_bytes += length;
    item->entered++;
    ssize_t taken = nghttp2_session_mem_recv(session->nghttp2, data, length);
    item->entered--;
    session->buffer = TRANSIENT;
    if (item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    int error = session->fault;
    if (error == MOCRA_OK && taken < 0) error = fault_of(taken);
    if (error == MOCRA_OK && session->idle_bytes > HTTP2_IDLE_FRAMES_BYTES_MAX + session->late_bytes)
        error = MOCRA_ERR_FLOOD;
    if (error != MOCRA_OK) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = error});
        return;
    }
    if (session->is_retired && session->streams == 0) {
        // It takes no more, and keeps the place of one that does.
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
        return;
    }
    if (session->idle_bytes == 0) item->tls_chatter = 0;
    if (nghttp2_session_want_write(session->nghttp2)) mark_dirty(loop, item);
}

fetch *http2_stream(http2_session *session, int32_t stream) {
    for (uint32_t index = session->streams_first; index != MOCRA_NONE;) {
        fetch *owner = fetch_at(session->loop, index);
        if (owner->stream == stream) return owner;
        index = owner->stream_next;
    }
    return NULL;
}

void http2_expect_late(http2_session *session) {
    session->late_bytes += HTTP2_STREAM_WINDOW_BYTES;
    if (session->late_bytes > HTTP2_CONNECTION_WINDOW_BYTES)
        session->late_bytes = HTTP2_CONNECTION_WINDOW_BYTES;
}

void http2_retire(http2_session *session) {
    session->is_retired = true;
    if (session->item->pooled) mocra_pool_share(session->loop->pool, session->item->index, 0);
}

// Whether the fetch may go over another connection: the server did not look at it (RFC 9113 §8.7), or it had
// served others before and this one may be repeated.
static bool may_try_again(const http2_session *session, const fetch *owner, int error) {
    if (owner->response.first_byte_ns != 0 || owner->streams_content) return false;
    // Nothing of it has left.
    if (owner->response.requested_ns == 0) return owner->refusals < HTTP2_REFUSALS_MAX;
    if (owner->refused) return owner->resends && owner->refusals < HTTP2_REFUSALS_MAX;
    if (owner->retried) return false;
    bool is_lost = error == MOCRA_ERR_CLOSED_EARLY || error == MOCRA_ERR_RESET;
    return is_lost && owner->repeatable && session->served > 0;
}

// What a fetch that is off the session does next.
static void fail_or_retry(http2_session *session, fetch *owner, int error) {
    mocra_loop *loop = session->loop;
    if (may_try_again(session, owner, error)) {
        if (owner->refused || owner->response.requested_ns == 0)
            owner->refusals++;
        else
            owner->retried = true;
        fetch_reset_response(loop, owner);
        fetch_try_again(loop, owner);
        return;
    }
    if (owner->stream_error != MOCRA_OK) error = owner->stream_error;
    if (error == MOCRA_ERR_CLOSED_EARLY && owner->response.head != NULL) error = MOCRA_ERR_BODY_SHORT;
    fetch_finish(loop, owner, error);
}

void http2_stream_failed(http2_session *session, fetch *owner, int error) {
    http2_leave(session, owner);
    fail_or_retry(session, owner, error);
}

void http2_reset(http2_session *session, fetch *owner, uint32_t code, int error) {
    // Out of memory: the session fails with the next frame that it wants to send.
    if (owner->stream > 0 &&
        nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, owner->stream, code) != 0)
        session->fault = MOCRA_ERR_MEMORY;
    http2_expect_late(session);
    mark_dirty(session->loop, session->item);
    http2_leave(session, owner);
    fetch_finish(session->loop, owner, error);
}

void http2_resume(mocra_loop *loop, connection *item, fetch *owner) {
    // Refused when the stream does not wait for content: then it will ask for it.
    if (owner->stream > 0) nghttp2_session_resume_data(item->http2->nghttp2, owner->stream);
    mark_dirty(loop, item);
}

void http2_open_window(mocra_loop *loop, connection *item, fetch *owner) {
    uint32_t debt = owner->window_debt;
    owner->window_debt = 0;
    if (debt == 0) return;
    if (nghttp2_session_consume_stream(item->http2->nghttp2, owner->stream, debt) != 0)
        item->http2->fault = MOCRA_ERR_MEMORY;
    mark_dirty(loop, item);
}

void http2_end(mocra_loop *loop, connection *item, fetch *owner, int error) {
    item->entered++;
    http2_reset(item->http2, owner, NGHTTP2_CANCEL, error);
    item->entered--;
    connection_settle(loop, item);
}

void http2_fail_all(mocra_loop *loop, connection *item, int error) {
    http2_session *session = item->http2;
    if (error == MOCRA_OK) error = MOCRA_ERR_CLOSED_EARLY;
    while (session->streams_first != MOCRA_NONE) {
        fetch *owner = fetch_at(loop, session->streams_first);
        part(session, owner);
        fail_or_retry(session, owner, error);
    }
}
