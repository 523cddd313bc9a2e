#include "sha256.h"

#include <string.h>

const uint32_t SHA256_CONSTANTS[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, int count) { return word >> count | word << (32 - count); }

static void expand(uint32_t words[64], const uint8_t *block) {
    for (int index = 0; index < 16; index++) {
        uint32_t word;
        memcpy(&word, block + 4 * index, sizeof word);
        words[index] = __builtin_bswap32(word);
    }
    for (int index = 16; index < 64; index++) {
        uint32_t early = words[index - 15], late = words[index - 2];
        words[index] = words[index - 16] + words[index - 7] +
                       (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3) +
                       (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
    }
}

static void take_block(uint32_t state[8], const uint8_t *block) {
    uint32_t words[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    expand(words, block);
    for (int index = 0; index < 64; index++) {
        uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                         SHA256_CONSTANTS[index] + words[index];
        uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void take_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks) {
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK) take_block(state, bytes);
}

static sha256_blocks *get_blocks(void) {
    // Threads may set it at once: to the same.
    static sha256_blocks *chosen;
    sha256_blocks *blocks = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (blocks != NULL) return blocks;
    blocks = sha256_instructions();
    if (blocks == NULL) blocks = take_blocks;
    __atomic_store_n(&chosen, blocks, __ATOMIC_RELAXED);
    return blocks;
}

void sha256_begin(struct sha256 *hash) {
    *hash = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                      0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t length) {
    sha256_blocks *blocks = get_blocks();
    const uint8_t *at = bytes;
    size_t filled = hash->length % SHA256_BLOCK;
    hash->length += length;
    if (filled > 0) {
        size_t missing = SHA256_BLOCK - filled, taken = length < missing ? length : missing;
        memcpy(hash->rest + filled, at, taken);
        if (taken < missing) return;
        blocks(hash->state, hash->rest, 1);
        at += taken;
        length -= taken;
    }
    blocks(hash->state, at, length / SHA256_BLOCK);
    memcpy(hash->rest, at + length / SHA256_BLOCK * SHA256_BLOCK, length % SHA256_BLOCK);
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES]) {
    static const uint8_t padding[SHA256_BLOCK] = {0x80};
    uint64_t bits = __builtin_bswap64(hash->length * 8);
    size_t filled = hash->length % SHA256_BLOCK;
    // The length is the end of a block.
    sha256_add(hash, padding, (filled < 56 ? 56 : 120) - filled);
    sha256_add(hash, &bits, sizeof bits);
    for (int index = 0; index < 8; index++) {
        uint32_t word = __builtin_bswap32(hash->state[index]);
        memcpy(digest + 4 * index, &word, sizeof word);
    }
}
