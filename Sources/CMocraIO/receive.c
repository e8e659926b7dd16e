// Received bytes on their way to the fetch: through TLS where there is one, then head, body framing and
// decoding. Bytes stay where they were received for as long as there are buffers enough; else they are
// copied.
#include <string.h>

#include "loop.h"

static void fail(mocra_loop *loop, connection *item, int error) {
    connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = error});
}

int receive_flatten(mocra_loop *loop, fetch *item) {
    if (item->head_buffer != MOCRA_NONE) {
        item->head_copy.length = 0;
        int result = mocra_bytes_append(&item->head_copy, item->response.head_data, item->parsed.head_bytes);
        if (result != MOCRA_OK) return result;
        buffer_release(loop, item->head_buffer);
        item->head_buffer = MOCRA_NONE;
        item->response.head_data = item->head_copy.data;
    }
    if (item->segment_count > item->segments_taken) {
        for (uint32_t i = item->segments_taken; i < item->segment_count; i++) {
            int result =
                mocra_bytes_append(&item->body, item->segments[i].data, (size_t)item->segments[i].length);
            if (result != MOCRA_OK) return result;
        }
        for (uint32_t i = item->segments_taken; i < item->segment_count; i++)
            buffer_release(loop, item->segment_buffers[i]);
        loop->body_copies++;
    }
    item->segment_count = item->segments_taken = 0;
    item->copying = item->response.head != NULL;
    return MOCRA_OK;
}

// Keeps a piece of an undecoded body: as a segment of its buffer, or copied.
static int keep(mocra_loop *loop, fetch *item, const uint8_t *data, size_t length, uint32_t buffer) {
    item->response.body_bytes += length;
    uint32_t last = item->segment_count - 1;
    if (!item->copying && item->segment_count > item->segments_taken &&
        item->segment_buffers[last] == buffer &&
        item->segments[last].data + item->segments[last].length == data) {
        item->segments[last].length += length;
        return MOCRA_OK;
    }
    bool copies = buffer == TRANSIENT || item->segment_count == SEGMENTS_MAX || buffers_are_short(loop);
    if (copies && !item->copying) {
        int result = receive_flatten(loop, item);
        if (result != MOCRA_OK) return result;
    }
    if (item->copying) return mocra_bytes_append(&item->body, data, length);
    buffer_retain(loop, buffer);
    item->segments[item->segment_count] = (mocra_slice){.data = data, .length = length};
    item->segment_buffers[item->segment_count++] = buffer;
    return MOCRA_OK;
}

int receive_payload(mocra_loop *loop, fetch *item, const uint8_t *data, size_t length, uint32_t buffer,
                    bool *cut) {
    if (length == 0) return MOCRA_OK;
    uint64_t before = item->response.body_bytes;
    if (item->decoder != NULL) {
        size_t waiting = item->body.length;
        int result = mocra_decoder_feed(item->decoder, data, length, &item->body);
        item->response.body_bytes += item->body.length - waiting;
        if (item->streams_body) stream_arrived(loop, item, item->response.body_bytes - before);
        *cut = result == MOCRA_ERR_TOO_LARGE;
        return *cut ? MOCRA_OK : result;
    }
    uint64_t room = item->body_bytes_max - before;
    *cut = length > room;
    int result = keep(loop, item, data, *cut ? (size_t)room : length, buffer);
    if (result == MOCRA_OK && item->streams_body)
        stream_arrived(loop, item, item->response.body_bytes - before);
    return result;
}

int receive_finish_body(fetch *owner, bool cut) {
    if (owner->decoder != NULL) {
        size_t waiting = owner->body.length;
        int result = mocra_decoder_finish(owner->decoder, !cut, &owner->body);
        cut = cut || result == MOCRA_ERR_TOO_LARGE;
        if (result != MOCRA_OK && result != MOCRA_ERR_TOO_LARGE) return result;
        owner->response.body_bytes += owner->body.length - waiting;
        mocra_decoder_destroy(owner->decoder);
        owner->decoder = NULL;
    }
    if (cut) owner->response.flags |= MOCRA_RESPONSE_TRUNCATED;
    // What is left of a streamed body is taken piece by piece.
    if (owner->streams_body) return MOCRA_OK;
    if (owner->body.length > 0) {
        owner->segments[0] = (mocra_slice){.data = owner->body.data, .length = owner->body.length};
        owner->segment_buffers[0] = MOCRA_NONE;
        owner->segment_count = 1;
    }
    owner->response.segments = owner->segments;
    owner->response.segment_count = owner->segment_count;
    return MOCRA_OK;
}

static void complete(mocra_loop *loop, connection *item, fetch *owner, bool keep_alive, bool cut) {
    int result = receive_finish_body(owner, cut);
    if (result != MOCRA_OK) {
        fail(loop, item, result);
        return;
    }
    connection_event(loop, item,
                     (mocra_connection_event){.type = MOCRA_EVENT_COMPLETE, .keep_alive = keep_alive});
}

// Takes body bytes until the piece is used up or the response ends.
static void take_body(mocra_loop *loop, connection *item, fetch *owner, const uint8_t *data, size_t length,
                      uint32_t buffer) {
    // An answer may come before the request is out: the rest would stand before the next request.
    for (;;) {
        mocra_http1_piece piece = {0};
        bool cut = false;
        int result = mocra_http1_body_step(&owner->framing, data, length, &piece);
        owner->response.wire_bytes += piece.consumed;
        if (result >= 0) {
            int taken = receive_payload(loop, owner, data + piece.offset, piece.length, buffer, &cut);
            if (taken < 0) result = taken;
        }
        if (result < 0) {
            fail(loop, item, result);
            return;
        }
        data += piece.consumed;
        length -= piece.consumed;
        if (result == MOCRA_OK || cut) {
            // Bytes behind the response answer nothing that was asked.
            complete(loop, item, owner,
                     owner->parsed.keep_alive && length == 0 && !cut && content_is_out(item, owner), cut);
            return;
        }
        if (length == 0) return;
    }
}

static int begin_body(mocra_loop *loop, fetch *owner) {
    const mocra_http1_head *head = &owner->parsed;
    owner->response.wire_bytes += head->head_bytes;
    mocra_http1_body_init(&owner->framing, head);
    // Only a proxy asks for this, and it is not what the origin would have answered.
    if (head->status == 407 && proxy_is_forward(owner)) return MOCRA_ERR_PROXY_AUTH;
    bool has_body = head->framing == MOCRA_FRAMING_CHUNKED || head->framing == MOCRA_FRAMING_CLOSE ||
                    (head->framing == MOCRA_FRAMING_LENGTH && head->content_length > 0);
    if (!has_body) return MOCRA_OK;
    if (head->coding == MOCRA_CODING_UNKNOWN) return MOCRA_ERR_DECODE_UNKNOWN;
    if (head->coding != MOCRA_CODING_IDENTITY) {
        mocra_decoder_options options = {
            .coding = head->coding,
            .ratio_max = loop->options.ratio_max,
            .decoded_max = (size_t)owner->body_bytes_max,
            .expected = head->framing == MOCRA_FRAMING_LENGTH ? head->content_length : 0,
            .gather = !owner->streams_body,
        };
        return mocra_decoder_create(loop->decoders, &options, &owner->decoder);
    }
    // A body that will not fit the segments is copied from the start, into memory of its size.
    if (head->framing == MOCRA_FRAMING_LENGTH && !owner->streams_body &&
        head->content_length > (uint64_t)SEGMENTS_MAX / 2 * MOCRA_RECEIVE_BUFFER_BYTES) {
        uint64_t size =
            head->content_length < owner->body_bytes_max ? head->content_length : owner->body_bytes_max;
        owner->copying = true;
        loop->body_copies++;
        return mocra_bytes_reserve(&owner->body, (size_t)size);
    }
    return MOCRA_OK;
}

int receive_begin_body(mocra_loop *loop, fetch *owner) {
    int result = begin_body(loop, owner);
    // A head that is an error on its own is not told of: the fetch's end follows.
    if (result == MOCRA_OK && owner->streams_body) stream_notify(loop, owner, NOTICE_HEAD);
    return result;
}

static int hold_head(mocra_loop *loop, fetch *owner, const uint8_t *data, uint32_t buffer) {
    owner->response.head_data = data;
    if (buffer != TRANSIENT && !buffers_are_short(loop)) {
        buffer_retain(loop, buffer);
        owner->head_buffer = buffer;
        return MOCRA_OK;
    }
    owner->head_copy.length = 0;
    int result = mocra_bytes_append(&owner->head_copy, data, owner->parsed.head_bytes);
    owner->response.head_data = owner->head_copy.data;
    return result;
}

// A head that came in pieces: gathers it. MOCRA_OK with *consumed bytes of this piece belonging to it.
static int gather_head(mocra_loop *loop, connection *item, fetch *owner, const uint8_t *data, size_t length,
                       size_t *consumed) {
    mocra_bytes *partial = &item->head_partial;
    size_t before = partial->length;
    size_t limit = loop->options.header_bytes_max;
    size_t take = length < limit + 1 - before ? length : limit + 1 - before;
    int result = mocra_bytes_append(partial, data, take);
    if (result != MOCRA_OK) return result;
    result = mocra_http1_parse_head(partial->data, partial->length, item->head_scanned, owner->head,
                                    &owner->parsed);
    *consumed = take;
    if (result == MOCRA_MORE) {
        item->head_scanned = partial->length;
        return partial->length > limit ? MOCRA_ERR_HEADER_TOO_LARGE : MOCRA_MORE;
    }
    if (result != MOCRA_OK) return result;
    *consumed = owner->parsed.head_bytes - before;
    mocra_bytes empty = owner->head_copy;
    owner->head_copy = *partial;
    owner->head_copy.length = owner->parsed.head_bytes;
    empty.length = 0;
    *partial = empty;
    item->head_scanned = 0;
    owner->response.head_data = owner->head_copy.data;
    return MOCRA_OK;
}

// Takes head bytes. MOCRA_OK when the final head is whole, MOCRA_MORE when it is not.
static int take_head(mocra_loop *loop, connection *item, fetch *owner, const uint8_t *data, size_t length,
                     uint32_t buffer, size_t *consumed) {
    *consumed = 0;
    while (*consumed < length) {
        size_t used = 0;
        int result;
        if (item->head_partial.length > 0) {
            result = gather_head(loop, item, owner, data + *consumed, length - *consumed, &used);
        } else {
            result =
                mocra_http1_parse_head(data + *consumed, length - *consumed, 0, owner->head, &owner->parsed);
            if (result == MOCRA_MORE)
                result = gather_head(loop, item, owner, data + *consumed, length - *consumed, &used);
            else if (result == MOCRA_OK && owner->parsed.head_bytes > loop->options.header_bytes_max)
                result = MOCRA_ERR_HEADER_TOO_LARGE;
            else if (result == MOCRA_OK) {
                used = owner->parsed.head_bytes;
                if (owner->parsed.status >= 200) result = hold_head(loop, owner, data + *consumed, buffer);
            }
        }
        if (result < 0) return result;
        *consumed += used;
        if (result == MOCRA_MORE) return MOCRA_MORE;
        if (owner->parsed.status >= 200) {
            owner->response.head = &owner->parsed;
            return MOCRA_OK;
        }
        // Interim responses are passed over (RFC 9110 §15.2); a switch of protocols was not asked for.
        if (owner->parsed.status == 101 || ++owner->interim_responses > INTERIM_RESPONSES_MAX)
            return MOCRA_ERR_NOT_HTTP;
        if (owner->parsed.status == 100 && owner->phase == PHASE_CONTINUE) content_continue(loop, owner);
        // Sending failed, and the fetch with it.
        if (item->machine.state == MOCRA_CONNECTION_CLOSING) return MOCRA_MORE;
        owner->response.wire_bytes += owner->parsed.head_bytes;
    }
    return MOCRA_MORE;
}

// Plaintext for whoever is on the connection.
static void deliver(mocra_loop *loop, connection *item, const uint8_t *data, size_t length, uint32_t buffer) {
    if (item->http2 != NULL) {
        http2_receive(loop, item, data, length, buffer);
        return;
    }
    if (item->machine.state == MOCRA_CONNECTION_REQUESTING && !item->asked) {
        // Nothing of the request is out, so these bytes answer something else.
        fail(loop, item, MOCRA_ERR_NOT_HTTP);
        return;
    }
    connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_BYTES});
    if (item->machine.state != MOCRA_CONNECTION_RESPONDING) return;
    fetch *owner = fetch_at(loop, item->fetch);
    if (owner->response.first_byte_ns == 0) owner->response.first_byte_ns = loop->now;
    // Content that waits to be asked for does not time out with the answer's first bytes: they may ask.
    if (!owner->is_paused && owner->phase != PHASE_CONTINUE) fetch_set_phase(loop, owner, PHASE_IDLE);
    if (owner->response.head == NULL) {
        size_t consumed;
        int result = take_head(loop, item, owner, data, length, buffer, &consumed);
        if (result == MOCRA_OK && owner->phase == PHASE_CONTINUE) fetch_set_phase(loop, owner, PHASE_IDLE);
        if (result == MOCRA_OK) result = receive_begin_body(loop, owner);
        if (result < 0) fail(loop, item, result);
        if (result != MOCRA_OK) return;
        data += consumed;
        length -= consumed;
    }
    take_body(loop, item, owner, data, length, buffer);
    // What came counts for the minimum rate.
    if (item->machine.state == MOCRA_CONNECTION_RESPONDING && owner->min_bytes_per_s > 0 && !owner->is_paused)
        fetch_set_phase(loop, owner, PHASE_IDLE);
}

static void deliver_decrypted(mocra_loop *loop, connection *item) {
    uint8_t *plaintext = NULL;
    uint32_t buffer = TRANSIENT;
    size_t used = PLAINTEXT_BYTES;
    int result = MOCRA_OK;
    while (item->machine.state != MOCRA_CONNECTION_CLOSING) {
        if (used == PLAINTEXT_BYTES || buffer == TRANSIENT) {
            if (buffer != TRANSIENT) buffer_release(loop, buffer);
            buffer = buffer_take_plaintext(loop, &plaintext);
            used = 0;
        }
        size_t length = 0;
        size_t pending = mocra_tls_output(item->tls)->length;
        result = mocra_tls_read(item->tls, plaintext + used, PLAINTEXT_BYTES - used, &length);
        item->tls_chatter += (uint32_t)(mocra_tls_output(item->tls)->length - pending);
        // A server that makes us answer TLS messages without end would fill the memory (RFC 8446 §4.6.3).
        if (item->tls_chatter > TLS_CHATTER_BYTES_MAX) result = MOCRA_ERR_TLS_PROTOCOL;
        if (result != MOCRA_OK) break;
        deliver(loop, item, plaintext + used, length, buffer);
        used += length;
        // Mostly a receive ends with a record. To ask once more would cost as much as a small record does.
        if (item->machine.state == MOCRA_CONNECTION_CLOSING || mocra_tls_is_dry(item->tls)) {
            result = MOCRA_MORE;
            break;
        }
    }
    if (buffer != TRANSIENT) buffer_release(loop, buffer);
    if (item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    if (result == MOCRA_TLS_END)
        receive_end(loop, item, true);
    else if (result < 0) {
        if (item->fetch != MOCRA_NONE) {
            fetch *owner = fetch_at(loop, item->fetch);
            mocra_tls_reason(item->tls, owner->response.reason, sizeof(owner->response.reason));
        }
        fail(loop, item, result);
    } else if (item->http2 == NULL || mocra_tls_output(item->tls)->length > 0)
        connection_send_more(loop, item);
}

void receive_handshake(mocra_loop *loop, connection *item) {
    fetch *owner = fetch_at(loop, item->fetch);
    int result = mocra_tls_handshake(item->tls, owner->response.reason, sizeof(owner->response.reason));
    if (result == MOCRA_OK)
        connection_event(loop, item,
                         (mocra_connection_event){.type = MOCRA_EVENT_HANDSHAKEN,
                                                  .multiplexed = mocra_tls_is_http2(item->tls)});
    else if (result < 0)
        fail(loop, item, result);
    else
        connection_send_more(loop, item);
}

void receive_bytes(mocra_loop *loop, connection *item, const uint8_t *data, size_t length, uint32_t buffer) {
    if (item->machine.state == MOCRA_CONNECTION_NEGOTIATING) {
        proxy_received(loop, item, data, length);
        return;
    }
    if (item->tls == NULL && item->machine.state == MOCRA_CONNECTION_HANDSHAKING) {
        // The handshake waits for its turn, so this answers nothing.
        fail(loop, item, MOCRA_ERR_TLS_PROTOCOL);
        return;
    }
    if (item->tls == NULL) {
        deliver(loop, item, data, length, buffer);
        return;
    }
    mocra_tls_input(item->tls, data, length);
    if (item->machine.state == MOCRA_CONNECTION_HANDSHAKING) receive_handshake(loop, item);
    if (item->machine.state == MOCRA_CONNECTION_HANDSHAKING ||
        item->machine.state == MOCRA_CONNECTION_CLOSING)
        return;
    deliver_decrypted(loop, item);
}

void receive_end(mocra_loop *loop, connection *item, bool authenticated) {
    mocra_connection_event event = {.type = MOCRA_EVENT_END};
    if (item->machine.state == MOCRA_CONNECTION_RESPONDING) {
        fetch *owner = fetch_at(loop, item->fetch);
        if (owner->response.head != NULL && mocra_http1_body_eof(&owner->framing) == MOCRA_OK) {
            // Without close_notify nobody vouches for the end of such a body (RFC 9112 §9.8).
            complete(loop, item, owner, false, !authenticated);
            return;
        }
    }
    connection_event(loop, item, event);
}
