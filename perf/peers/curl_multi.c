// A peer of mocra-bench fetch: libcurl's multi interface on one thread, CONNECTIONS kept alive with one
// request under way on each, or STREAMS each over HTTP/2.
//   cc -std=gnu17 -O2 curl_multi.c -lcurl -o curl_multi
//   curl_multi URL CONNECTIONS SECONDS [gzip|identity [http2 STREAMS]]
// `gzip` (without a word too) asks for gzip and decodes it. Certificates are not verified.
// Prints one JSON object: requests, errors, seconds, CPU time a request in µs, decoded bytes of the last
// body.
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define TRANSFERS_MAX 20000

typedef struct plan {
    const char *url;
    const char *encoding;
    long connections;
    long streams;
    bool http2;
    double seconds;
} plan;

typedef struct transfer {
    CURL *handle;
    size_t body_bytes;
} transfer;

typedef struct counts {
    long requests;
    long errors;
    size_t body_bytes;
} counts;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static size_t take(char *data, size_t size, size_t count, void *context) {
    (void)data;
    ((transfer *)context)->body_bytes += size * count;
    return size * count;
}

static bool read_plan(int count, char **arguments, plan *out) {
    if (count != 4 && count != 5 && count != 7) return false;
    *out = (plan){.url = arguments[1], .encoding = "gzip", .streams = 1};
    out->connections = atol(arguments[2]);
    out->seconds = atof(arguments[3]);
    if (count > 4) out->encoding = arguments[4];
    if (count > 5) {
        out->http2 = strcmp(arguments[5], "http2") == 0;
        out->streams = atol(arguments[6]);
        if (!out->http2) return false;
    }
    return out->connections > 0 && out->streams > 0 && out->seconds > 0 &&
           out->connections <= TRANSFERS_MAX && out->streams <= TRANSFERS_MAX / out->connections;
}

static void prepare(transfer *item, const plan *what) {
    item->handle = curl_easy_init();
    if (item->handle == NULL) {
        fprintf(stderr, "curl_multi: no memory for a transfer\n");
        exit(1);
    }
    curl_easy_setopt(item->handle, CURLOPT_URL, what->url);
    curl_easy_setopt(item->handle, CURLOPT_ACCEPT_ENCODING, what->encoding);
    curl_easy_setopt(item->handle, CURLOPT_HTTP_VERSION,
                     what->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    // A transfer waits for a stream of a connection that is being made instead of making another.
    curl_easy_setopt(item->handle, CURLOPT_PIPEWAIT, what->http2 ? 1L : 0L);
    curl_easy_setopt(item->handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(item->handle, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(item->handle, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(item->handle, CURLOPT_WRITEDATA, item);
    curl_easy_setopt(item->handle, CURLOPT_PRIVATE, item);
    curl_easy_setopt(item->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(item->handle, CURLOPT_BUFFERSIZE, 65536L);
}

// What is over is counted and begins again.
static void turn_over(CURLM *multi, counts *all) {
    int left = 0;
    CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        transfer *done = NULL;
        long status = 0;
        CURL *handle = message->easy_handle;
        CURLcode result = message->data.result;
        curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&done);
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        all->requests++;
        if (result != CURLE_OK || status != 200) all->errors++;
        all->body_bytes = done->body_bytes;
        done->body_bytes = 0;
        curl_multi_remove_handle(multi, handle);
        curl_multi_add_handle(multi, handle);
    }
}

int main(int count, char **arguments) {
    plan what;
    if (!read_plan(count, arguments, &what)) {
        fprintf(stderr, "usage: curl_multi URL CONNECTIONS SECONDS [gzip|identity [http2 STREAMS]]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    long in_flight = what.connections * what.streams;
    transfer *transfers = calloc((size_t)in_flight, sizeof(*transfers));
    if (multi == NULL || transfers == NULL) return 1;
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, what.connections);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, what.connections);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, what.streams);
    for (long i = 0; i < in_flight; i++) {
        prepare(&transfers[i], &what);
        curl_multi_add_handle(multi, transfers[i].handle);
    }
    counts all = {0};
    double started = now_s();
    int running = 0;
    while (now_s() - started < what.seconds) {
        curl_multi_perform(multi, &running);
        turn_over(multi, &all);
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    double elapsed = now_s() - started;
    printf("{\"requests\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"cpu_us_per_request\": %.3f, "
           "\"body_bytes\": %zu}\n",
           all.requests, all.errors, elapsed, all.requests > 0 ? cpu_us() / (double)all.requests : 0.0,
           all.body_bytes);
    for (long i = 0; i < in_flight; i++) {
        curl_multi_remove_handle(multi, transfers[i].handle);
        curl_easy_cleanup(transfers[i].handle);
    }
    curl_multi_cleanup(multi);
    free(transfers);
    return 0;
}
