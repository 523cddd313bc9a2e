// Prints the digests of the beginnings of standard input, whose lengths are the arguments, each digested in
// pieces of 77 bytes and at once.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../native/sha256.h"

static char bytes[4 << 20];

static void print_digest(size_t length, size_t piece) {
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    sha256_begin(&hash);
    for (size_t at = 0; at < length; at += piece)
        sha256_add(&hash, bytes + at, length - at < piece ? length - at : piece);
    sha256_end(&hash, digest);
    for (int index = 0; index < SHA256_BYTES; index++) printf("%02x", digest[index]);
    printf("\n");
}

int main(int count, char **arguments) {
    ssize_t length;
    for (size_t at = 0; (length = read(0, bytes + at, sizeof bytes - at)) > 0;) at += length;
    for (int index = 1; index < count; index++) {
        print_digest(atol(arguments[index]), 77);
        print_digest(atol(arguments[index]), sizeof bytes);
    }
    return 0;
}
