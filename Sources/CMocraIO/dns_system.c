// The machine's own knowledge; see dns_system.h. The file and the routes are looked at again after some time,
// at most once in that time.
#include "dns_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mocra_dns_hosts.h"

#define HOSTS_PATH "/etc/hosts"
#define HOSTS_LOOK_NS 1000000000u
#define FAMILIES_LOOK_NS 5000000000u

struct dns_system {
    mocra_hosts *hosts;
    char *path;  // NULL: HOSTS_PATH
    struct timespec changed;
    off_t size;
    ino_t inode;
    uint64_t hosts_looked;
    uint64_t families_looked;
    mocra_families families;
    bool has_v4;
    bool has_v6;
    bool v6_first;
};

// Reads a whole file into memory of its own. 0, or a negative errno.
static int read_file(const char *path, uint8_t **out, size_t *size, struct stat *status) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -errno;
    uint8_t *data = NULL;
    size_t length = 0;
    int result = fstat(fd, status) != 0 ? -errno : S_ISREG(status->st_mode) ? 0 : -EINVAL;
    if (result == 0 && status->st_size > (off_t)MOCRA_HOSTS_BYTES_MAX) result = -EFBIG;
    if (result == 0 && (data = malloc((size_t)status->st_size + 1)) == NULL) result = -ENOMEM;
    while (result == 0 && length < (size_t)status->st_size) {
        ssize_t count = read(fd, data + length, (size_t)status->st_size - length);
        if (count == 0) break;
        if (count < 0 && errno != EINTR) result = -errno;
        if (count > 0) length += (size_t)count;
    }
    close(fd);
    if (result != 0) {
        free(data);
        return result;
    }
    *out = data;
    *size = length;
    return 0;
}

static const char *path_of(const dns_system *system) {
    return system->path != NULL ? system->path : HOSTS_PATH;
}

static int load_hosts(dns_system *system, char *reason, size_t reason_size) {
    uint8_t *text = NULL;
    size_t size = 0;
    struct stat status;
    int problem = read_file(path_of(system), &text, &size, &status);
    if (problem == -ENOMEM) return MOCRA_ERR_MEMORY;
    if (problem != 0) {
        snprintf(reason, reason_size, "the hosts file \"%.150s\" could not be read: %s", path_of(system),
                 strerror(-problem));
        return MOCRA_ERR_DNS_SETTINGS;
    }
    mocra_hosts *hosts = NULL;
    int result = mocra_hosts_parse(text, size, &hosts);
    free(text);
    if (result == MOCRA_ERR_TOO_LARGE) {
        snprintf(reason, reason_size, "the hosts file \"%.150s\" has more than %u names: shorten it",
                 path_of(system), MOCRA_HOSTS_NAMES_MAX);
        return MOCRA_ERR_DNS_SETTINGS;
    }
    if (result != MOCRA_OK) return result;
    mocra_hosts_destroy(system->hosts);
    system->hosts = hosts;
    system->changed = status.st_mtim;
    system->size = status.st_size;
    system->inode = status.st_ino;
    return MOCRA_OK;
}

static void refresh_hosts(dns_system *system, uint64_t now) {
    if (now < system->hosts_looked + HOSTS_LOOK_NS) return;
    system->hosts_looked = now;
    struct stat status;
    if (stat(path_of(system), &status) != 0) return;
    if (status.st_mtim.tv_sec == system->changed.tv_sec &&
        status.st_mtim.tv_nsec == system->changed.tv_nsec && status.st_size == system->size &&
        status.st_ino == system->inode)
        return;
    char reason[MOCRA_HOSTS_REASON_BYTES];
    (void)load_hosts(system, reason, sizeof(reason));
}

int dns_system_create(const char *hosts_file, mocra_families families, dns_system **out, char *reason,
                      size_t reason_size) {
    dns_system *system = calloc(1, sizeof(*system));
    if (system == NULL) return MOCRA_ERR_MEMORY;
    system->families = families;
    int result = MOCRA_OK;
    if (hosts_file != NULL) {
        system->path = strdup(hosts_file);
        if (system->path == NULL) result = MOCRA_ERR_MEMORY;
    }
    if (result == MOCRA_OK) result = load_hosts(system, reason, reason_size);
    // A machine without the usual file has no names in it; one that was asked for must be there.
    if (result == MOCRA_ERR_DNS_SETTINGS && hosts_file == NULL)
        result = mocra_hosts_parse((const uint8_t *)"", 0, &system->hosts);
    if (result != MOCRA_OK) {
        dns_system_destroy(system);
        return result;
    }
    *out = system;
    return MOCRA_OK;
}

void dns_system_destroy(dns_system *system) {
    if (system == NULL) return;
    mocra_hosts_destroy(system->hosts);
    free(system->path);
    free(system);
}

bool dns_system_find(dns_system *system, const char *name, size_t length, uint64_t now,
                     mocra_addresses *out) {
    refresh_hosts(system, now);
    mocra_addresses listed;
    if (!mocra_hosts_find(system->hosts, name, length, 0, &listed)) return false;
    mocra_address_set set = {0};
    for (uint32_t i = 0; i < listed.count; i++) mocra_address_set_add(&set, &listed.list[i]);
    dns_system_order(system, &set, now, out);
    return true;
}

// The source address that the kernel would take for a host on the Internet; connect on a datagram socket
// sends nothing. False when there is none.
static bool find_source(const char *destination, mocra_address *out) {
    mocra_address address;
    if (!mocra_address_parse((const uint8_t *)destination, strlen(destination), &address)) return false;
    mocra_address_set_port(&address, 53);
    int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    socklen_t length = sizeof(*out);
    memset(out, 0, sizeof(*out));
    bool found = connect(fd, &address.any, address.length) == 0 && getsockname(fd, &out->any, &length) == 0;
    close(fd);
    return found;
}

// RFC 6724 in short: a family without a source address is not asked for; IPv6 comes first where its source is
// a global address (rules 1, 5 and 6: a unique local source does not match a global destination).
static void look_at_families(dns_system *system, uint64_t now) {
    if (system->families_looked != 0 && now < system->families_looked + FAMILIES_LOOK_NS) return;
    system->families_looked = now;
    mocra_address source;
    // Two root servers of DNS: any address of the Internet would do.
    bool has_v6 = find_source("2001:7fe::53", &source);
    system->v6_first = has_v6 && (source.v6.sin6_addr.s6_addr[0] & 0xe0) == 0x20;
    bool has_v4 = find_source("198.41.0.4", &source);
    system->has_v4 = has_v4 || !has_v6;  // without any route nothing is known: both
    system->has_v6 = has_v6 || !has_v4;
    if (system->families == MOCRA_FAMILIES_PROBED) return;
    system->has_v4 = system->families != MOCRA_FAMILIES_V6;
    system->has_v6 = system->families != MOCRA_FAMILIES_V4;
}

bool dns_system_has(dns_system *system, bool v6, uint64_t now) {
    look_at_families(system, now);
    return v6 ? system->has_v6 : system->has_v4;
}

void dns_system_order(dns_system *system, const mocra_address_set *set, uint64_t now, mocra_addresses *out) {
    look_at_families(system, now);
    mocra_address_set_order(set, system->v6_first, out);
}
