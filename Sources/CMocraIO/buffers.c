// Who holds which buffer: a count a buffer, since one buffer can carry a head and parts of a body. Numbers
// below receive_count are the driver's receive buffers, those from there on are plaintext buffers of TLS
// connections.
#include <stdlib.h>
#include <string.h>

#include "loop.h"

int buffers_create(buffer_table *table, uint32_t receive_count, uint32_t plaintext_max) {
    table->receive_count = receive_count;
    table->plaintext_max = plaintext_max;
    table->references = calloc(receive_count + plaintext_max, sizeof(uint16_t));
    table->plaintext = calloc(plaintext_max, sizeof(uint8_t *));
    table->plaintext_free = calloc(plaintext_max, sizeof(uint32_t));
    if (table->references == NULL || table->plaintext == NULL || table->plaintext_free == NULL)
        return MOCRA_ERR_MEMORY;
    return MOCRA_OK;
}

void buffers_destroy(buffer_table *table) {
    for (uint32_t i = 0; i < table->plaintext_made; i++) free(table->plaintext[i]);
    free(table->plaintext);
    free(table->plaintext_free);
    free(table->references);
}

void buffer_retain(mocra_loop *loop, uint32_t buffer) {
    MOCRA_ASSERT(loop->buffers.references[buffer] < UINT16_MAX);
    if (loop->buffers.references[buffer]++ == 0) loop->buffers.leased++;
}

void buffer_release(mocra_loop *loop, uint32_t buffer) {
    buffer_table *table = &loop->buffers;
    MOCRA_ASSERT(table->references[buffer] > 0);
    if (--table->references[buffer] > 0) return;
    table->leased--;
    if (buffer < table->receive_count) {
        mocra_driver_return_buffer(loop->driver, (uint16_t)buffer);
        return;
    }
    table->plaintext_free[table->plaintext_free_count++] = buffer - table->receive_count;
}

uint32_t buffer_take_plaintext(mocra_loop *loop, uint8_t **data) {
    buffer_table *table = &loop->buffers;
    uint32_t number;
    if (table->plaintext_free_count > 0) {
        number = table->plaintext_free[--table->plaintext_free_count];
    } else if (table->plaintext_made < table->plaintext_max) {
        uint8_t *memory = malloc(PLAINTEXT_BYTES);
        if (memory == NULL) {
            *data = loop->scratch;
            return TRANSIENT;
        }
        number = table->plaintext_made++;
        table->plaintext[number] = memory;
    } else {
        *data = loop->scratch;
        return TRANSIENT;
    }
    *data = table->plaintext[number];
    buffer_retain(loop, table->receive_count + number);
    return table->receive_count + number;
}

bool buffers_are_short(const mocra_loop *loop) {
    return mocra_driver_buffers_free(loop->driver) < loop->buffers.receive_count / 4;
}
