/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libhwvault: access tokens from a vault whose keys live in hardware, over the vault's Unix socket.
 *
 * Thread-safety: a client may be used from any number of threads at once; every other object from one thread at a
 * time. After fork() a child opens clients and watchers of its own; the parent's refuse with
 * HWVAULT_ERROR_INVALID_ARGUMENT, and the parent's secrets are not in the child: their data is NULL, their size 0.
 * Ownership: what comes out through a pointer to a pointer is the caller's and goes back with the function named
 * beside its type; what an accessor returns belongs to the object asked and lives as long as it. No function takes
 * ownership of an argument. Strings are UTF-8 and end with a NUL; secrets are bytes with a size.
 * Errors: a function that can fail returns HWVAULT_OK or one of the HWVAULT_ERROR_ codes, and leaves its outputs
 * as they were; hwvault_error_message() has the sentence. No function prints, exits, raises a signal or changes one.
 * Units: times are Unix seconds, spans are seconds, time limits are milliseconds, sizes are bytes.
 */
#ifndef HWVAULT_HWVAULT_H
#define HWVAULT_HWVAULT_H

#include <stddef.h>
#include <stdint.h>

#define HWVAULT_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ---------------------------------------------------------------------------------------------- */

/* The vault's own words, the same on every door, and from 64 on what only a client can find. */
enum {
    HWVAULT_OK = 0,
    HWVAULT_ERROR_NOT_FOUND = 1,
    HWVAULT_ERROR_ACCESS_DENIED = 2,
    HWVAULT_ERROR_INVALID_ARGUMENT = 3,
    HWVAULT_ERROR_ALREADY_EXISTS = 4,
    HWVAULT_ERROR_QUOTA_EXCEEDED = 5,
    HWVAULT_ERROR_EXPIRED = 6,
    HWVAULT_ERROR_BUSY = 7,
    HWVAULT_ERROR_HARDWARE_UNAVAILABLE = 8,
    HWVAULT_ERROR_HARDWARE_LOCKED = 9,
    HWVAULT_ERROR_NOT_INITIALISED = 10,
    HWVAULT_ERROR_STORE_TAMPERED = 11,
    HWVAULT_ERROR_ROLLED_BACK = 12,
    HWVAULT_ERROR_AUDIT_UNAVAILABLE = 13,
    HWVAULT_ERROR_INTERNAL = 14,
    /* No vault listens at the address, or the connection was lost. A change may then have been made or not: the
     * message says which of the two is known. */
    HWVAULT_ERROR_UNREACHABLE = 64,
    /* No answer within the time limit. The same holds for a change. */
    HWVAULT_ERROR_TIMEOUT = 65,
    /* What answered does not speak org.hwvault.Vault, or another version of it. */
    HWVAULT_ERROR_BAD_ANSWER = 66
};

/* "NotFound", "Unreachable", ...; "Internal" for a number that is no code. Static. */
HWVAULT_API const char *hwvault_error_word(int code);

/* The sentence of the calling thread's last failed call: what happened, and what to do. Never a secret. Empty before
 * the first. Valid until this thread's next call of a function that can fail. */
HWVAULT_API const char *hwvault_error_message(void);

/* ---- Which token ------------------------------------------------------------------------------------------ */

/* NULL for a whole target is the caller's own `default`. */
typedef struct hwvault_target {
    const char *account;  /* "user:NAME", "unit:NAME.service", "app:NAME"; NULL or "": the caller's own user account */
    const char *name;     /* NULL or "": `default` */
    uint64_t generation;  /* for hwvault_revoke() and hwvault_rotate(); 0: whichever is current; at most 2^63 - 1 */
} hwvault_target;

/* ---- Secrets: locked memory, wiped when they go ------------------------------------------------------------- */

typedef struct hwvault_secret hwvault_secret;
typedef struct hwvault_info hwvault_info;

HWVAULT_API const void *hwvault_secret_data(const hwvault_secret *secret); /* not ended by a NUL */
HWVAULT_API size_t hwvault_secret_size(const hwvault_secret *secret);      /* 1 byte to 1 MiB; 0 after fork() */
/* Account, name, id, generation, expiry and scopes of the token. */
HWVAULT_API const hwvault_info *hwvault_secret_info(const hwvault_secret *secret);
HWVAULT_API void hwvault_secret_free(hwvault_secret *secret); /* wipes; NULL is fine */

/* ---- What is known of a token -------------------------------------------------------------------------------- */

HWVAULT_API const char *hwvault_info_account(const hwvault_info *info);
HWVAULT_API const char *hwvault_info_name(const hwvault_info *info);
HWVAULT_API const char *hwvault_info_id(const hwvault_info *info);          /* names the token in logs; not secret */
HWVAULT_API const char *hwvault_info_origin(const hwvault_info *info);      /* "issued", "imported", "" if not told */
HWVAULT_API const char *hwvault_info_description(const hwvault_info *info); /* "" if none */
HWVAULT_API uint64_t hwvault_info_generation(const hwvault_info *info);
/* Unix seconds; 0 if not told, and for the last two: never. */
HWVAULT_API int64_t hwvault_info_created_at(const hwvault_info *info);
HWVAULT_API int64_t hwvault_info_changed_at(const hwvault_info *info);
HWVAULT_API int64_t hwvault_info_last_used_at(const hwvault_info *info);
HWVAULT_API int64_t hwvault_info_expires_at(const hwvault_info *info);
HWVAULT_API size_t hwvault_info_scope_count(const hwvault_info *info);
HWVAULT_API const char *hwvault_info_scope(const hwvault_info *info, size_t index); /* NULL from the count on */
/* Who that last use was by: "unit:NAME", "user:NAME" or "uid:N"; "" if never, not told, or not known, as of a verification.
 * Uses are known as far as the vault has observed them. */
HWVAULT_API const char *hwvault_info_last_used_by(const hwvault_info *info);
/* The uid that the user of a `user:` account had when the account was made; -1 if it is none, or not told. */
HWVAULT_API int64_t hwvault_info_uid(const hwvault_info *info);
/* Of an `app:` account: "user:NAME", "group:NAME", "unit:NAME.service". */
HWVAULT_API size_t hwvault_info_owner_count(const hwvault_info *info); /* 0 if it has none, or not told */
HWVAULT_API const char *hwvault_info_owner(const hwvault_info *info, size_t index); /* NULL from the count on */
/* 1 when the current generation is dead and has no successor, else 0. */
HWVAULT_API int hwvault_info_revoked(const hwvault_info *info);
/* After a change: 1 when it holds against a disk put back to an older state, 0 when not yet; -1 if not told. */
HWVAULT_API int hwvault_info_rollback_protected(const hwvault_info *info);
HWVAULT_API void hwvault_info_free(hwvault_info *info); /* not for what hwvault_secret_info() gave; NULL is fine */

/* ---- The client ------------------------------------------------------------------------------------------- */

typedef struct hwvault_client hwvault_client;

/* `address` is the path of the vault's socket; NULL: $HWVAULT_ADDRESS (not in a set-uid program), else the system's.
 * Does not connect: each call takes a connection from a small pool, and makes a new one where there is none alive.
 * HWVAULT_ERROR_INVALID_ARGUMENT when the path is empty or longer than 107 bytes. */
HWVAULT_API int hwvault_open(const char *address, hwvault_client **client);
/* After every call has returned and every listing and watcher is freed. NULL is fine. */
HWVAULT_API void hwvault_close(hwvault_client *client);

/* How long each later call may take as a whole, its reconnection included: 1 to 3,600,000 ms. 10,000 at first. */
HWVAULT_API int hwvault_set_timeout(hwvault_client *client, int64_t milliseconds);

/* ---- Verbs ---------------------------------------------------------------------------------------------------
 * All return any code of the above. `info` may be NULL wherever it is an output. */

/* The token, or the imported secret. The first call for your own `default` makes it. */
HWVAULT_API int hwvault_retrieve(hwvault_client *client, const hwvault_target *target, hwvault_secret **secret);

/* When this returns HWVAULT_OK no verifier accepts the generation any more.
 *
 * Generation 0 is looked up first, so that when the connection is lost after the request was sent, the retry names
 * the generation that was meant, and a revocation that did happen does not kill the successor. Where the look-up is
 * refused there is no retry: HWVAULT_ERROR_UNREACHABLE says that the outcome is not known. docs/library.md has the
 * whole argument. */
HWVAULT_API int hwvault_revoke(hwvault_client *client, const hwvault_target *target, hwvault_info **info);

/* Kills the token that is shown, `size` bytes. An unknown one is a success. */
HWVAULT_API int hwvault_revoke_token(hwvault_client *client, const void *token, size_t size);

/* A new generation; the old one lives on for `overlap` seconds (0: not at all). Retried as hwvault_revoke() is. */
HWVAULT_API int hwvault_rotate(hwvault_client *client, const hwvault_target *target, uint64_t overlap,
                               hwvault_info **info);

/* What a verifier learns. Written by the library into the caller's memory, so that nothing is allocated or freed.
 * Set `struct_size` before the call, or start from HWVAULT_VERIFICATION_INIT. */
typedef struct hwvault_verification {
    size_t struct_size;   /* sizeof(hwvault_verification) */
    int active;           /* 1 or 0; what follows is empty and zero when it is 0 */
    uint32_t scope_count;
    uint64_t generation;
    int64_t expires_at;   /* Unix seconds; 0: never */
    char id[16];
    char name[72];
    char account[272];
    char scopes[2112];    /* `scope_count` strings, one after the other, each with its NUL */
} hwvault_verification;

#define HWVAULT_VERIFICATION_INIT \
    { sizeof(hwvault_verification), 0, 0, 0, 0, {0}, {0}, {0}, {0} }

/* Whether `token`, `size` bytes without a final newline, is good. HWVAULT_OK for a token that is not active too, and
 * for bytes that can be no token, none at all among them: look at result->active. Set result->struct_size first
 * (HWVAULT_VERIFICATION_INIT does). On an error `result` says not active.
 *
 * Who may verify any token - root, the group `hwvault-verify`, or whom a rule gives it - is given the vault's verify
 * index with the first call, and is answered from it in this process: without a system call, a lock or an allocation,
 * and as exact as the vault itself, also about a revocation that was made a moment ago. The first call, and each one
 * while there is no index to trust, as when the vault restarts, asks the vault, and may wait as long as the time limit
 * says: not in an event loop. Everybody else asks each time, of tokens of one's own accounts; of any other the answer
 * is HWVAULT_ERROR_ACCESS_DENIED. */
HWVAULT_API int hwvault_verify(hwvault_client *client, const void *token, size_t size, hwvault_verification *result);

typedef struct hwvault_token {
    const void *data;
    size_t size;
} hwvault_token;

/* The same for `count` tokens: results[i] is that of tokens[i], and has its own struct_size. In this process they
 * overlap, so that many take less time than one after the other where the index is larger than a processor's cache;
 * where the vault is asked, it is one by one, all within one time limit. An error may leave some of them verified; the
 * others say not active. HWVAULT_ERROR_INVALID_ARGUMENT leaves none: a struct_size is wrong, or a token NULL with a
 * size. */
HWVAULT_API int hwvault_verify_many(hwvault_client *client, const hwvault_token *tokens, size_t count,
                                    hwvault_verification *results);
/* 1 when `result` is active and has exactly this scope, else 0. */
HWVAULT_API int hwvault_verification_has_scope(const hwvault_verification *result, const char *scope);

/* For hwvault_create() and hwvault_import(). Zeros mean "not given". */
typedef struct hwvault_options {
    const char *const *scopes; /* `scope_count` strings */
    size_t scope_count;
    uint64_t expires_in;       /* seconds from now; 0: never */
    const char *description;
    const char *const *owners; /* of an `app:` account: "user:NAME", "group:NAME", "unit:NAME.service" */
    size_t owner_count;
    const void *secret;        /* for hwvault_import() alone: 1 byte to 1 MiB of anything */
    size_t secret_size;
} hwvault_options;

/* Neither is retried once it was sent. `options` may be NULL for hwvault_create(). */
HWVAULT_API int hwvault_create(hwvault_client *client, const hwvault_target *target, const hwvault_options *options,
                               hwvault_info **info);
HWVAULT_API int hwvault_import(hwvault_client *client, const hwvault_target *target, const hwvault_options *options,
                               hwvault_info **info);
/* Not retried once it was sent. */
HWVAULT_API int hwvault_delete(hwvault_client *client, const hwvault_target *target);
HWVAULT_API int hwvault_describe(hwvault_client *client, const hwvault_target *target, hwvault_info **info);

/* ---- Listing ---------------------------------------------------------------------------------------------- */

typedef struct hwvault_listing hwvault_listing;

/* `account` as in a target, or "*" for all that you may see. Fetches the first page; `client` must outlive it. */
HWVAULT_API int hwvault_list(hwvault_client *client, const char *account, hwvault_listing **listing);
/* The next token, or NULL at the end; valid until the next call for this listing. Fetches pages as it goes. */
HWVAULT_API int hwvault_listing_next(hwvault_listing *listing, const hwvault_info **info);
HWVAULT_API void hwvault_listing_free(hwvault_listing *listing); /* NULL is fine */

/* ---- Status ------------------------------------------------------------------------------------------------ */

typedef struct hwvault_report hwvault_report;

HWVAULT_API int hwvault_status(hwvault_client *client, hwvault_report **report);
HWVAULT_API size_t hwvault_report_count(const hwvault_report *report);
HWVAULT_API const char *hwvault_report_key(const hwvault_report *report, size_t index);   /* NULL from the count on */
HWVAULT_API const char *hwvault_report_value(const hwvault_report *report, size_t index); /* NULL from the count on */
HWVAULT_API const char *hwvault_report_get(const hwvault_report *report, const char *key); /* NULL if not there */
HWVAULT_API void hwvault_report_free(hwvault_report *report); /* NULL is fine */

/* ---- Watching ---------------------------------------------------------------------------------------------- */

typedef struct hwvault_watcher hwvault_watcher;

/* First one event "present" for each token that you may see, then "state-complete", then changes as they are made:
 * "created", "revoked", "rotated", "imported", "deleted", "owners-changed". */
typedef struct hwvault_event {
    const char *event;
    const char *account;  /* "" in "state-complete" */
    const char *name;
    uint64_t generation;
} hwvault_event;

/* `account` as for hwvault_list(). Takes a connection of its own, which is not re-made when it is lost: what happened
 * in between would be missing, so watch anew. */
HWVAULT_API int hwvault_watch(hwvault_client *client, const char *account, hwvault_watcher **watcher);
/* Waits for the next event, at most `timeout` ms (negative: without limit), and points `event` at strings that are
 * valid until the next call for this watcher. HWVAULT_ERROR_TIMEOUT when none came: call again. After any other error
 * the watcher has ended. HWVAULT_ERROR_BUSY: this watcher was too slow and was dropped. */
HWVAULT_API int hwvault_watcher_next(hwvault_watcher *watcher, int64_t timeout, hwvault_event *event);
/* For poll(): when it is readable, call hwvault_watcher_next() with timeout 0 until HWVAULT_ERROR_TIMEOUT. The
 * watcher's own: do not read or close it. */
HWVAULT_API int hwvault_watcher_fd(const hwvault_watcher *watcher);
HWVAULT_API void hwvault_watcher_free(hwvault_watcher *watcher); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
