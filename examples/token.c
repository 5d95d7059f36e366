/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gets the caller's own token, as a program would that shows it to a service, and has it verified, as the service
 * would. Prints what is known of it, never the token itself.
 *
 *     cc token.c $(pkg-config --cflags --libs hwvault) -o token && ./token
 */
#include <stdio.h>

#include <hwvault/hwvault.h>

static int fail(int code) {
    fprintf(stderr, "%s: %s\n", hwvault_error_word(code), hwvault_error_message());
    return 1;
}

static int verify(hwvault_client *client, const hwvault_secret *token) {
    hwvault_verification result = HWVAULT_VERIFICATION_INIT;
    int code = hwvault_verify(client, hwvault_secret_data(token), hwvault_secret_size(token), &result);
    if (code != HWVAULT_OK) return fail(code);
    if (!result.active) {
        puts("not active");
        return 1;
    }
    printf("active: %s/%s, generation %llu\n", result.account, result.name, (unsigned long long)result.generation);
    return 0;
}

int main(void) {
    hwvault_client *client = NULL;
    hwvault_secret *token = NULL;
    int status;
    int code = hwvault_open(NULL, &client);
    if (code == HWVAULT_OK) code = hwvault_retrieve(client, NULL, &token);
    status = code == HWVAULT_OK ? verify(client, token) : fail(code);
    hwvault_secret_free(token);
    hwvault_close(client);
    return status;
}
