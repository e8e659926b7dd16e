// Sessions of earlier connections, by host and port; see tls_private.h. The least recently used hosts give
// way.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mocra_assert.h"
#include "tls_private.h"

#define HOSTS_MAX 1024u
#define BUCKETS 1024u
// TLS 1.3 tickets are used once each (RFC 8446 §C.4), so some are kept for connections opened together.
#define SESSIONS_PER_HOST 4u
// Whatever the server says (RFC 5246 §F.1.4; RFC 8446 §4.6.1 permits seven days).
#define AGE_S_MAX (24 * 60 * 60)
#define NONE UINT32_MAX

typedef struct host_entry {
    uint8_t *key;
    size_t key_length;
    uint32_t bucket;
    uint32_t bucket_next;  // same bucket; or the free list
    uint32_t newer;        // by use
    uint32_t older;
    uint32_t count;
    SSL_SESSION *sessions[SESSIONS_PER_HOST];  // newest first
} host_entry;

struct tls_sessions {
    uint32_t buckets[BUCKETS];
    uint32_t free;
    uint32_t newest;
    uint32_t oldest;
    host_entry hosts[HOSTS_MAX];
};

tls_sessions *tls_sessions_create(void) {
    tls_sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions == NULL) return NULL;
    for (uint32_t i = 0; i < BUCKETS; i++) sessions->buckets[i] = NONE;
    for (uint32_t i = 0; i < HOSTS_MAX; i++) sessions->hosts[i].bucket_next = i + 1;
    sessions->hosts[HOSTS_MAX - 1].bucket_next = NONE;
    sessions->newest = sessions->oldest = NONE;
    return sessions;
}

static uint32_t bucket_of(const uint8_t *key, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ key[i]) * 0x100000001b3u;
    return (uint32_t)(hash >> 32) % BUCKETS;
}

static uint32_t find(const tls_sessions *sessions, const uint8_t *key, size_t length) {
    uint32_t index = sessions->buckets[bucket_of(key, length)];
    while (index != NONE) {
        const host_entry *entry = &sessions->hosts[index];
        if (entry->key_length == length && memcmp(entry->key, key, length) == 0) break;
        index = entry->bucket_next;
    }
    return index;
}

static void unlink_use(tls_sessions *sessions, uint32_t index) {
    host_entry *entry = &sessions->hosts[index];
    *(entry->newer != NONE ? &sessions->hosts[entry->newer].older : &sessions->newest) = entry->older;
    *(entry->older != NONE ? &sessions->hosts[entry->older].newer : &sessions->oldest) = entry->newer;
}

static void link_newest(tls_sessions *sessions, uint32_t index) {
    host_entry *entry = &sessions->hosts[index];
    entry->newer = NONE;
    entry->older = sessions->newest;
    *(entry->older != NONE ? &sessions->hosts[entry->older].newer : &sessions->oldest) = index;
    sessions->newest = index;
}

static void drop_host(tls_sessions *sessions, uint32_t index) {
    host_entry *entry = &sessions->hosts[index];
    for (uint32_t i = 0; i < entry->count; i++) SSL_SESSION_free(entry->sessions[i]);
    entry->count = 0;
    uint32_t *link = &sessions->buckets[entry->bucket];
    while (*link != index) link = &sessions->hosts[*link].bucket_next;
    *link = entry->bucket_next;
    unlink_use(sessions, index);
    free(entry->key);
    entry->key = NULL;
    entry->bucket_next = sessions->free;
    sessions->free = index;
}

void tls_sessions_destroy(tls_sessions *sessions) {
    if (sessions == NULL) return;
    while (sessions->oldest != NONE) drop_host(sessions, sessions->oldest);
    free(sessions);
}

static uint32_t add_host(tls_sessions *sessions, const uint8_t *key, size_t length) {
    uint8_t *copy = malloc(length);
    if (copy == NULL) return NONE;
    memcpy(copy, key, length);
    if (sessions->free == NONE) drop_host(sessions, sessions->oldest);
    uint32_t index = sessions->free;
    host_entry *entry = &sessions->hosts[index];
    sessions->free = entry->bucket_next;
    uint32_t bucket = bucket_of(key, length);
    *entry = (host_entry){
        .key = copy, .key_length = length, .bucket = bucket, .bucket_next = sessions->buckets[bucket]};
    sessions->buckets[bucket] = index;
    link_newest(sessions, index);
    return index;
}

static bool is_single_use(SSL_SESSION *session) {
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

// Neither the session nor the certificate that it stands for is over.
static bool is_good(SSL_SESSION *session) {
    long lifetime = (long)SSL_SESSION_get_ticket_lifetime_hint(session);
    if (lifetime <= 0) lifetime = SSL_SESSION_get_timeout(session);
    if (lifetime > AGE_S_MAX) lifetime = AGE_S_MAX;
    long age = (long)time(NULL) - SSL_SESSION_get_time(session);
    if (age < 0 || age >= lifetime || !SSL_SESSION_is_resumable(session)) return false;
    const X509 *peer = SSL_SESSION_get0_peer(session);
    return peer == NULL || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

bool tls_sessions_keep(tls_sessions *sessions, const uint8_t *key, size_t length, SSL_SESSION *session) {
    if (!SSL_SESSION_is_resumable(session)) return false;
    uint32_t index = find(sessions, key, length);
    if (index == NONE) index = add_host(sessions, key, length);
    if (index == NONE) return false;
    host_entry *entry = &sessions->hosts[index];
    // One session that may be used again is as good as several.
    uint32_t most = is_single_use(session) ? SESSIONS_PER_HOST : 1;
    while (entry->count >= most) SSL_SESSION_free(entry->sessions[--entry->count]);
    memmove(&entry->sessions[1], &entry->sessions[0], entry->count * sizeof(entry->sessions[0]));
    entry->sessions[0] = session;
    entry->count++;
    return true;
}

SSL_SESSION *tls_sessions_take(tls_sessions *sessions, const uint8_t *key, size_t length) {
    uint32_t index = find(sessions, key, length);
    if (index == NONE) return NULL;
    host_entry *entry = &sessions->hosts[index];
    // The newest is not good: neither are the others.
    if (entry->count == 0 || !is_good(entry->sessions[0])) {
        drop_host(sessions, index);
        return NULL;
    }
    unlink_use(sessions, index);
    link_newest(sessions, index);
    SSL_SESSION *session = entry->sessions[0];
    if (!is_single_use(session)) return SSL_SESSION_up_ref(session) == 1 ? session : NULL;
    entry->count--;
    memmove(&entry->sessions[0], &entry->sessions[1], entry->count * sizeof(entry->sessions[0]));
    return session;
}

void tls_sessions_forget(tls_sessions *sessions, const uint8_t *key, size_t length) {
    uint32_t index = find(sessions, key, length);
    if (index != NONE) drop_host(sessions, index);
}
