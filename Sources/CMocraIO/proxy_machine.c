// CONNECT, and which of the two protocols is spoken; see mocra_proxy_machine.h.
#include "mocra_proxy_machine.h"

#include <string.h>

#include "mocra_assert.h"
#include "mocra_http1.h"
#include "socks5.h"

#define INTERIM_ANSWERS_MAX 16

// At most five digits and the end.
static void put_number(char *out, unsigned number) {
    char digits[5];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 && count < sizeof(digits));
    while (count > 0) *out++ = digits[--count];
    *out = '\0';
}

static void say(char *reason, size_t size, const char *text) {
    size_t length = strlen(text);
    if (length >= size) length = size - 1;
    memcpy(reason, text, length);
    reason[length] = '\0';
}

static int append(mocra_bytes *output, const char *text) {
    return mocra_bytes_append(output, (const uint8_t *)text, strlen(text));
}

// RFC 4648 §4.
static int append_base64(mocra_bytes *output, const uint8_t *data, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)data[i + 2] : 0);
        uint8_t group[4] = {(uint8_t)digits[bits >> 18], (uint8_t)digits[bits >> 12 & 63],
                            (uint8_t)(left > 1 ? digits[bits >> 6 & 63] : '='),
                            (uint8_t)(left > 2 ? digits[bits & 63] : '=')};
        int result = mocra_bytes_append(output, group, sizeof(group));
        if (result != MOCRA_OK) return result;
    }
    return MOCRA_OK;
}

static int append_authorization(const mocra_proxy_target *target, mocra_bytes *output) {
    uint8_t pair[2 * MOCRA_PROXY_FIELD_BYTES_MAX + 1];
    size_t length = target->username_length;
    memcpy(pair, target->username, length);
    pair[length++] = ':';
    memcpy(pair + length, target->password, target->password_length);
    length += target->password_length;
    int result = append(output, "Proxy-Authorization: Basic ");
    if (result == MOCRA_OK) result = append_base64(output, pair, length);
    if (result == MOCRA_OK) result = append(output, "\r\n");
    explicit_bzero(pair, sizeof(pair));
    return result;
}

static int connect_begin(const mocra_proxy_target *target, mocra_bytes *output) {
    char authority[MOCRA_PROXY_FIELD_BYTES_MAX + 16];
    size_t length = 0;
    bool brackets = !target->by_name && target->address.any.sa_family == AF_INET6;
    if (brackets) authority[length++] = '[';
    if (target->by_name) {
        memcpy(authority + length, target->host, target->host_length);
        length += target->host_length;
    } else {
        mocra_address_print(&target->address, authority + length, sizeof(authority) - length);
        length += strlen(authority + length);
    }
    if (brackets) authority[length++] = ']';
    authority[length++] = ':';
    put_number(authority + length, target->port);
    const char *const parts[] = {"CONNECT ", authority, " HTTP/1.1\r\nHost: ", authority, "\r\n"};
    int result = MOCRA_OK;
    for (size_t i = 0; result == MOCRA_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
        result = append(output, parts[i]);
    if (result == MOCRA_OK && target->credentials) result = append_authorization(target, output);
    return result == MOCRA_OK ? append(output, "\r\n") : result;
}

static int connect_step(mocra_negotiation *negotiation, char *reason, size_t size) {
    mocra_http1_head head;
    for (;;) {
        const mocra_bytes *input = &negotiation->input;
        int result = mocra_http1_parse_head(input->data, input->length, negotiation->scanned, true, &head);
        negotiation->scanned = input->length;
        if (result == MOCRA_MORE && input->length < MOCRA_PROXY_ANSWER_BYTES_MAX) return MOCRA_MORE;
        if (result != MOCRA_OK) {
            say(reason, size,
                result == MOCRA_MORE ? "the head of its answer is too large" : mocra_error_text(result));
            return MOCRA_ERR_PROXY_PROTOCOL;
        }
        if (head.status >= 200) break;
        if (head.status == 101 || ++negotiation->interim > INTERIM_ANSWERS_MAX) {
            say(reason, size, "an interim answer that was not asked for, or too many");
            return MOCRA_ERR_PROXY_PROTOCOL;
        }
        // Other interim answers are passed over (RFC 9110 §15.2).
        size_t rest = input->length - head.head_bytes;
        memmove(negotiation->input.data, negotiation->input.data + head.head_bytes, rest);
        negotiation->input.length = rest;
        negotiation->scanned = 0;
        if (rest == 0) return MOCRA_MORE;
    }
    // Only the proxy can have said this, and some say 401 when they mean 407.
    if (head.status == 407 || head.status == 401) {
        say(reason, size,
            negotiation->target.credentials ? "it does not take the user name and password"
                                            : "it wants a user name and password");
        return MOCRA_ERR_PROXY_AUTH;
    }
    if (head.status >= 300) {
        char text[64] = "it answered CONNECT with status ";
        put_number(text + strlen(text), head.status);
        say(reason, size, text);
        return MOCRA_ERR_PROXY_REFUSED;
    }
    // Such an answer has no body, whatever its fields say, and the origin was not asked anything yet.
    if (head.head_bytes == negotiation->input.length) return MOCRA_OK;
    say(reason, size, "bytes follow its answer");
    return MOCRA_ERR_PROXY_PROTOCOL;
}

int mocra_negotiation_begin(mocra_negotiation *negotiation, const mocra_proxy_target *target,
                            mocra_bytes *output) {
    MOCRA_ASSERT(target->type == MOCRA_PROXY_CONNECT || target->type == MOCRA_PROXY_SOCKS5);
    *negotiation = (mocra_negotiation){.target = *target};
    return target->type == MOCRA_PROXY_CONNECT ? connect_begin(target, output)
                                               : socks5_begin(negotiation, output);
}

int mocra_negotiation_step(mocra_negotiation *negotiation, const uint8_t *data, size_t length,
                           mocra_bytes *output, char *reason, size_t reason_size) {
    if (length == 0) return MOCRA_MORE;
    size_t room = MOCRA_PROXY_ANSWER_BYTES_MAX + 1 - negotiation->input.length;
    int result = mocra_bytes_append(&negotiation->input, data, length < room ? length : room);
    if (result != MOCRA_OK) return result;
    if (negotiation->target.type == MOCRA_PROXY_CONNECT)
        return connect_step(negotiation, reason, reason_size);
    return socks5_step(negotiation, output, reason, reason_size);
}

void mocra_negotiation_free(mocra_negotiation *negotiation) {
    mocra_bytes_free(&negotiation->input);
}
