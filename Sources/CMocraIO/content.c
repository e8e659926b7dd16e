// What a request carries: sent at once, when the server asks for it, or as it is pushed (RFC 9110 §10.1.1,
// RFC 9112 §7.1).
#include <stdio.h>

#include "loop.h"

void content_begin(mocra_loop *loop, fetch *item) {
    bool waits = item->expect_bytes > 0 && item->expect_bytes <= item->request.length;
    item->content_sent = 0;
    item->out_limit = waits ? item->expect_bytes : (uint32_t)item->request.length;
    fetch_set_phase(loop, item, waits ? PHASE_CONTINUE : PHASE_FIRST_BYTE);
    if (waits || !item->content_open) return;
    // An answer is due only once the request is there; until then the total time counts.
    item->phase_deadline = MOCRA_NEVER;
    mocra_timers_set(&loop->timers, item->index, item->total_deadline);
}

// Moves pushed content into the place of the request that is out.
static int take_pushed(fetch *item) {
    mocra_bytes *request = &item->request;
    request->length = 0;
    char line[32];
    int result = MOCRA_OK;
    if (item->content_chunked && item->content.length > 0) {
        int count = snprintf(line, sizeof(line), "%zx\r\n", item->content.length);
        result = mocra_bytes_append(request, (const uint8_t *)line, (size_t)count);
    }
    if (result == MOCRA_OK && item->content.length > 0)
        result = mocra_bytes_append(request, item->content.data, item->content.length);
    if (result == MOCRA_OK && item->content_chunked) {
        if (item->content.length > 0) result = mocra_bytes_append(request, (const uint8_t *)"\r\n", 2);
        if (result == MOCRA_OK && !item->content_open) {
            result = mocra_bytes_append(request, (const uint8_t *)"0\r\n\r\n", 5);
            item->content_chunked = false;
        }
    }
    item->content.length = 0;
    item->content_sent = 0;
    item->out_limit = (uint32_t)request->length;
    return result;
}

int content_next(mocra_loop *loop, connection *item, fetch *owner) {
    bool plain = item->tls == NULL;
    bool is_out = plain ? item->sent >= owner->out_limit : owner->content_sent >= owner->out_limit;
    bool is_whole = owner->out_limit == owner->request.length;
    bool has_more = owner->content.length > 0 || (!owner->content_open && owner->content_chunked);
    if (is_out && is_whole && has_more) {
        // Of a TLS stream more than this does not have to lie here.
        if (!plain && item->sent < item->outgoing.length) return MOCRA_OK;
        int result = take_pushed(owner);
        if (result != MOCRA_OK) return result;
        if (plain) item->sent = 0;
        content_tell_room(loop, owner);
    }
    if (plain || owner->content_sent >= owner->out_limit) return MOCRA_OK;
    uint32_t from = owner->content_sent;
    owner->content_sent = owner->out_limit;
    return mocra_tls_write(item->tls, owner->request.data + from, owner->out_limit - from);
}

void content_continue(mocra_loop *loop, fetch *item) {
    MOCRA_ASSERT(item->state == FETCH_ACTIVE && item->phase == PHASE_CONTINUE);
    item->out_limit = (uint32_t)item->request.length;
    fetch_set_phase(loop, item, PHASE_FIRST_BYTE);
    if (item->content_open) {
        item->phase_deadline = MOCRA_NEVER;
        mocra_timers_set(&loop->timers, item->index, item->total_deadline);
    }
    connection_send_more(loop, connection_at(loop, item->connection));
}

bool content_is_out(const connection *item, const fetch *owner) {
    if (item->sending || owner->content_open || owner->content_chunked || owner->content.length > 0)
        return false;
    if (item->tls == NULL) return item->sent >= owner->request.length;
    return owner->content_sent >= owner->request.length && item->sent >= item->outgoing.length;
}

void content_tell_room(mocra_loop *loop, fetch *item) {
    if (!item->wants_room) return;
    item->wants_room = false;
    stream_notify(loop, item, NOTICE_ROOM);
}

int mocra_fetch_push(mocra_loop *loop, uint64_t token, const uint8_t *data, size_t length, bool last) {
    fetch *item = fetch_of(loop, token);
    if (item->state == FETCH_FINISHED) return MOCRA_OK;
    MOCRA_ASSERT(item->content_open);
    // Whoever does not wait for room comes to an end here, and no length exceeds its type.
    int result = length > CONTENT_PUSHED_MAX - item->content.length
                     ? MOCRA_ERR_MEMORY
                     : mocra_bytes_append(&item->content, data, length);
    if (result != MOCRA_OK) {
        fetch_fail(loop, item, result);
        return result;
    }
    item->content_open = !last;
    item->wants_room = !last && item->content.length > CONTENT_BYTES_MAX;
    bool wants_room = item->wants_room;
    if (item->state == FETCH_ACTIVE) {
        connection *carrier = connection_at(loop, item->connection);
        if (carrier->http2 != NULL) {
            if (last && item->phase == PHASE_FIRST_BYTE) fetch_set_phase(loop, item, PHASE_FIRST_BYTE);
            http2_resume(loop, carrier, item);
        } else if (connection_is_exchanging(carrier) && item->phase != PHASE_CONTINUE) {
            if (last && item->phase == PHASE_FIRST_BYTE) fetch_set_phase(loop, item, PHASE_FIRST_BYTE);
            connection_send_more(loop, carrier);
        }
    }
    return wants_room ? MOCRA_MORE : MOCRA_OK;
}
