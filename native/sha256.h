// SHA-256 (FIPS 180-4), by the processor's own instructions where it has them.
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    // What is left of the last piece, and does not fill a block.
    uint8_t rest[SHA256_BLOCK];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t length);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);

// Takes whole blocks into the state.
typedef void sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks);

extern const uint32_t SHA256_CONSTANTS[64];

// NULL where the processor has no instructions for it.
sha256_blocks *sha256_instructions(void);

#endif
