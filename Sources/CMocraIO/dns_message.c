// Host names and DNS answers; see mocra_dns_message.h. Names in a message may point backwards (RFC 1035
// §4.1.4): each pointer must point before the one that was followed, so that no circle can be walked.
#include "mocra_dns_message.h"

#include <string.h>

#define LABEL_MAX 63u
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define CLASS_IN 1
#define RCODE_NAME 3

typedef struct reader {
    const uint8_t *data;
    size_t size;
    size_t at;
} reader;

typedef struct record {
    char owner[MOCRA_DNS_NAME_MAX + 1];
    size_t owner_length;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    size_t data_at;
    uint16_t data_size;
} record;

static bool is_name_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool is_number(const char *label, size_t length) {
    bool hexadecimal = length >= 2 && label[0] == '0' && label[1] == 'x';
    for (size_t i = hexadecimal ? 2 : 0; i < length; i++) {
        bool digit = label[i] >= '0' && label[i] <= '9';
        if (!digit && !(hexadecimal && label[i] >= 'a' && label[i] <= 'f')) return false;
    }
    return true;
}

size_t mocra_dns_name(const uint8_t *host, size_t length, char out[MOCRA_DNS_NAME_MAX + 1]) {
    if (length > 1 && host[length - 1] == '.') length--;
    if (length == 0 || length > MOCRA_DNS_NAME_MAX) return 0;
    size_t label = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = lower(host[i]);
        if (byte == '.') {
            if (i == label || i - label > LABEL_MAX) return 0;
            label = i + 1;
        } else if (!is_name_byte(byte)) {
            return 0;
        }
        out[i] = (char)byte;
    }
    if (length == label || length - label > LABEL_MAX || is_number(out + label, length - label)) return 0;
    out[length] = '\0';
    return length;
}

bool mocra_dns_name_is_local(const char *name, size_t length) {
    static const char local[] = "localhost";
    size_t size = sizeof(local) - 1;
    if (length < size || memcmp(name + length - size, local, size) != 0) return false;
    return length == size || name[length - size - 1] == '.';
}

static bool read16(reader *from, uint16_t *out) {
    if (from->size - from->at < 2) return false;
    *out = (uint16_t)(from->data[from->at] << 8 | from->data[from->at + 1]);
    from->at += 2;
    return true;
}

static bool read32(reader *from, uint32_t *out) {
    uint16_t high;
    uint16_t low;
    if (!read16(from, &high) || !read16(from, &low)) return false;
    *out = (uint32_t)high << 16 | low;
    return true;
}

// Reads a name in lower case. One that no host can have (other bytes, the root) comes with length 0: it is
// skipped and equals nothing.
static bool read_name(reader *from, char out[MOCRA_DNS_NAME_MAX + 1], size_t *length) {
    size_t at = from->at;
    size_t limit = from->at;  // a pointer must point before this
    size_t written = 0;
    bool jumped = false;
    bool usable = true;
    for (;;) {
        if (at >= from->size) return false;
        uint8_t count = from->data[at++];
        if ((count & 0xc0) == 0xc0) {
            if (at >= from->size) return false;
            size_t target = (size_t)(count & 0x3f) << 8 | from->data[at++];
            if (target >= limit) return false;
            if (!jumped) from->at = at;
            jumped = true;
            limit = at = target;
            continue;
        }
        if (count > LABEL_MAX) return false;
        if (count == 0) break;
        if (from->size - at < count || written + count + (written > 0) > MOCRA_DNS_NAME_MAX) return false;
        if (written > 0) out[written++] = '.';
        for (uint8_t i = 0; i < count; i++) {
            uint8_t byte = lower(from->data[at++]);
            if (!is_name_byte(byte)) usable = false;
            out[written++] = (char)byte;
        }
    }
    if (!jumped) from->at = at;
    *length = usable ? written : 0;
    return true;
}

static bool read_record(reader *from, record *out) {
    if (!read_name(from, out->owner, &out->owner_length) || !read16(from, &out->type) ||
        !read16(from, &out->class) || !read32(from, &out->ttl_s) || !read16(from, &out->data_size))
        return false;
    if (from->size - from->at < out->data_size) return false;
    out->data_at = from->at;
    from->at += out->data_size;
    // RFC 2181 §8: a TTL with the top bit set counts as 0.
    if (out->ttl_s > INT32_MAX) out->ttl_s = 0;
    return true;
}

// The lifetime of a negative answer: the lesser of the SOA record's TTL and its last field.
static bool read_negative_ttl(reader from, unsigned records, uint32_t *ttl_s) {
    for (unsigned i = 0; i < records; i++) {
        record item;
        if (!read_record(&from, &item)) return false;
        if (item.type != TYPE_SOA || item.class != CLASS_IN) continue;
        if (item.data_size < 22) return false;  // two names and five numbers
        reader last = {.data = from.data, .size = from.at, .at = from.at - 4};
        uint32_t minimum;
        if (!read32(&last, &minimum)) return false;
        *ttl_s = minimum < item.ttl_s ? minimum : item.ttl_s;
        if (*ttl_s > MOCRA_DNS_NEGATIVE_TTL_MAX_S) *ttl_s = MOCRA_DNS_NEGATIVE_TTL_MAX_S;
        return true;
    }
    return true;
}

typedef struct walk {
    char name[MOCRA_DNS_NAME_MAX + 1];
    size_t length;
    uint16_t type;
    unsigned records;
} walk;

// One pass over the answer section for the name: its addresses, or its alias, which becomes the name.
// MOCRA_OK with addresses, MOCRA_MORE with an alias, DNS_NAME with neither.
static int walk_once(reader from, walk *state, mocra_dns_answer *out) {
    bool aliased = false;
    char alias[MOCRA_DNS_NAME_MAX + 1];
    size_t alias_length = 0;
    for (unsigned i = 0; i < state->records; i++) {
        record item;
        if (!read_record(&from, &item)) return MOCRA_ERR_DNS_FAILED;
        if (item.class != CLASS_IN || item.owner_length != state->length ||
            memcmp(item.owner, state->name, state->length) != 0)
            continue;
        if (item.type == TYPE_CNAME && !aliased) {
            reader data = {.data = from.data, .size = from.size, .at = item.data_at};
            if (!read_name(&data, alias, &alias_length) || alias_length == 0 || data.at != from.at)
                return MOCRA_ERR_DNS_FAILED;
            aliased = true;
        } else if (item.type == state->type) {
            if (item.data_size != (state->type == MOCRA_DNS_TYPE_A ? 4 : 16)) return MOCRA_ERR_DNS_FAILED;
            mocra_address address;
            memset(&address, 0, sizeof(address));
            address.any.sa_family = state->type == MOCRA_DNS_TYPE_A ? AF_INET : AF_INET6;
            void *bytes = state->type == MOCRA_DNS_TYPE_A ? (void *)&address.v4.sin_addr
                                                          : (void *)&address.v6.sin6_addr;
            memcpy(bytes, from.data + item.data_at, item.data_size);
            mocra_address_set_add(&out->addresses, &address);
        } else {
            continue;
        }
        if (item.ttl_s < out->ttl_s) out->ttl_s = item.ttl_s;
    }
    if (out->addresses.v4_count + out->addresses.v6_count > 0) return MOCRA_OK;
    if (!aliased) return MOCRA_ERR_DNS_NAME;
    memcpy(state->name, alias, alias_length);
    state->length = alias_length;
    return MOCRA_MORE;
}

// The header and the question, which must be ours.
static bool read_question(reader *from, const char *name, size_t length, uint16_t type, uint16_t *flags,
                          uint16_t counts[3]) {
    uint16_t id;
    uint16_t questions;
    uint16_t asked_type;
    uint16_t asked_class;
    char asked[MOCRA_DNS_NAME_MAX + 1];
    size_t asked_length;
    if (!read16(from, &id) || !read16(from, flags) || !read16(from, &questions)) return false;
    for (int i = 0; i < 3; i++)
        if (!read16(from, &counts[i])) return false;
    if (questions != 1 || (*flags & 0x8000) == 0) return false;
    if (!read_name(from, asked, &asked_length) || !read16(from, &asked_type) || !read16(from, &asked_class))
        return false;
    return asked_type == type && asked_class == CLASS_IN && asked_length == length &&
           memcmp(asked, name, length) == 0;
}

int mocra_dns_answer_parse(const uint8_t *message, size_t size, const char *name, size_t length,
                           uint16_t type, mocra_dns_answer *out) {
    reader from = {.data = message, .size = size, .at = 0};
    uint16_t flags;
    uint16_t counts[3];
    if (length == 0 || length > MOCRA_DNS_NAME_MAX ||
        !read_question(&from, name, length, type, &flags, counts))
        return MOCRA_ERR_DNS_FAILED;
    unsigned code = flags & 0xf;
    if (code != 0 && code != RCODE_NAME) return MOCRA_ERR_DNS_FAILED;
    mocra_dns_answer answer = {.ttl_s = MOCRA_DNS_TTL_MAX_S};
    walk state = {.length = length, .type = type};
    memcpy(state.name, name, length);
    state.records = counts[0] < MOCRA_DNS_RECORDS_MAX ? counts[0] : MOCRA_DNS_RECORDS_MAX;
    int result = MOCRA_MORE;
    for (unsigned step = 0; step <= MOCRA_DNS_ALIASES_MAX && result == MOCRA_MORE; step++)
        result = walk_once(from, &state, &answer);
    // Aliases without end, or addresses of a name that is said not to exist.
    if (result == MOCRA_MORE || (result == MOCRA_OK && code == RCODE_NAME)) return MOCRA_ERR_DNS_FAILED;
    if (result == MOCRA_ERR_DNS_NAME) {
        // The section behind the answers; when it is not reached, there is no SOA to go by.
        record skipped;
        for (unsigned i = 0; i < state.records; i++)
            if (!read_record(&from, &skipped)) return MOCRA_ERR_DNS_FAILED;
        answer.no_name = code == RCODE_NAME;
        answer.ttl_s = MOCRA_DNS_NEGATIVE_TTL_S;
        unsigned records = counts[1] < MOCRA_DNS_RECORDS_MAX ? counts[1] : MOCRA_DNS_RECORDS_MAX;
        if (counts[0] <= MOCRA_DNS_RECORDS_MAX && !read_negative_ttl(from, records, &answer.ttl_s))
            return MOCRA_ERR_DNS_FAILED;
    }
    if (result == MOCRA_OK || result == MOCRA_ERR_DNS_NAME) *out = answer;
    return result;
}
