// Bodies that are handed out while they arrive. Pieces stay in the buffers in which they were received; a
// reader that holds a window's worth of them makes the server wait: over HTTP/1.1 by not receiving, over
// HTTP/2 by keeping the stream's window shut.
#include <stdlib.h>
#include <string.h>

#include "loop.h"

void stream_notify(mocra_loop *loop, fetch *item, uint8_t notice) {
    bool is_listed = item->notices != 0;
    item->notices |= notice;
    if (is_listed) return;
    item->next_notice = MOCRA_NONE;
    if (loop->notices_last != MOCRA_NONE)
        fetch_at(loop, loop->notices_last)->next_notice = item->index;
    else
        loop->notices_first = item->index;
    loop->notices_last = item->index;
}

int stream_next_notice(mocra_loop *loop, uint32_t *index) {
    if (loop->notices_first == MOCRA_NONE) return 0;
    fetch *item = fetch_at(loop, loop->notices_first);
    *index = item->index;
    uint8_t notice = item->notices & (uint8_t)-item->notices;
    item->notices &= (uint8_t)~notice;
    if (item->notices == 0) {
        loop->notices_first = item->next_notice;
        if (loop->notices_first == MOCRA_NONE) loop->notices_last = MOCRA_NONE;
    }
    return notice == NOTICE_HEAD ? MOCRA_HEAD : notice == NOTICE_PIECES ? MOCRA_PIECES : MOCRA_ROOM;
}

void stream_arrived(mocra_loop *loop, fetch *item, uint64_t length) {
    if (length == 0) return;
    item->held_bytes += length;
    stream_notify(loop, item, NOTICE_PIECES);
    if (item->is_paused || item->held_bytes < STREAM_WINDOW_BYTES) return;
    item->is_paused = true;
    item->paused_at = loop->now;
    // The server is not to blame for what its reader takes.
    item->phase_deadline = MOCRA_NEVER;
    mocra_timers_set(&loop->timers, item->index, item->total_deadline);
    connection *carrier = connection_at(loop, item->connection);
    if (carrier->http2 == NULL) connection_pause(loop, carrier, true);
}

static void resume(mocra_loop *loop, fetch *item) {
    item->is_paused = false;
    item->paused_ns += loop->now - item->paused_at;
    fetch_set_phase(loop, item, PHASE_IDLE);
    connection *carrier = connection_at(loop, item->connection);
    if (carrier->http2 != NULL)
        http2_open_window(loop, carrier, item);
    else
        connection_pause(loop, carrier, false);
}

uint64_t stream_bytes_held(const mocra_loop *loop) {
    uint64_t held = 0;
    for (uint32_t i = 0; i < loop->fetches_made; i++) {
        const fetch *item = &loop->fetch_chunks[i / FETCHES_PER_CHUNK][i % FETCHES_PER_CHUNK];
        if (item->state == FETCH_ACTIVE && item->streams_body) held += item->held_bytes;
    }
    return held;
}

bool mocra_fetch_take_piece(mocra_loop *loop, uint64_t token, mocra_piece *out) {
    fetch *item = fetch_of(loop, token);
    MOCRA_ASSERT(item->streams_body);
    if (item->segments_taken < item->segment_count) {
        uint32_t taken = item->segments_taken++;
        *out = (mocra_piece){.data = item->segments[taken].data,
                             .length = item->segments[taken].length,
                             .token = token,
                             .buffer = item->segment_buffers[taken]};
        if (item->segments_taken == item->segment_count) item->segments_taken = item->segment_count = 0;
        return true;
    }
    if (item->body.length == 0) return false;
    // Decoded or copied bytes leave with the piece; what arrives next may lie in buffers again.
    *out = (mocra_piece){
        .data = item->body.data, .length = item->body.length, .token = token, .buffer = MOCRA_NONE};
    item->body = (mocra_bytes){0};
    item->copying = false;
    return true;
}

void mocra_piece_release(mocra_loop *loop, const mocra_piece *piece) {
    if (piece->buffer != MOCRA_NONE)
        buffer_release(loop, piece->buffer);
    else
        free((void *)piece->data);
    fetch *item = fetch_at(loop, (uint32_t)piece->token);
    // Its slot may serve another fetch by now.
    if (item->generation != (uint32_t)(piece->token >> 32) || item->state == FETCH_FREE) return;
    MOCRA_ASSERT(item->held_bytes >= piece->length);
    item->held_bytes -= piece->length;
    if (item->is_paused && item->state == FETCH_ACTIVE && item->held_bytes <= STREAM_WINDOW_BYTES / 2)
        resume(loop, item);
}
