// SHA-256 by the instructions of x86 (SHA extensions) and of ARM (FEAT_SHA256): four rounds at a time.
#include <stdbool.h>

#include "sha256.h"

// For the tests: as on a processor that has none.
#if defined(WITHOUT_INSTRUCTIONS)
#elif defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// What the processor counts in: the halves of the state are kept as ABEF and CDGH.
__attribute__((target("sha,sse4.1"))) static void take_blocks(uint32_t state[8], const uint8_t *bytes,
                                                              size_t blocks) {
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i *constants = (const __m128i *)SHA256_CONSTANTS;
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i words[4];
        for (int index = 0; index < 4; index++)
            words[index] =
                _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * index)), order);
#pragma GCC unroll 16
        for (int index = 0; index < 16; index++) {
            __m128i now = words[index & 3];
            __m128i sums = _mm_add_epi32(now, constants[index]);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sums);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sums, 0x0e));
            if (index >= 12) continue;
            // The four words that come 16 after these.
            __m128i last = words[(index + 3) & 3];
            __m128i next = _mm_sha256msg1_epu32(now, words[(index + 1) & 3]);
            next = _mm_add_epi32(next, _mm_alignr_epi8(last, words[(index + 2) & 3], 4));
            words[index & 3] = _mm_sha256msg2_epu32(next, last);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static bool has_instructions(void) {
    unsigned int a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_SSE4_1) == 0 || (c & bit_SSSE3) == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
}

#elif defined(__aarch64__)
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

__attribute__((target("+crypto"))) static void take_blocks(uint32_t state[8], const uint8_t *bytes,
                                                           size_t blocks) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t words[4];
        for (int index = 0; index < 4; index++)
            words[index] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 16 * index)));
#pragma GCC unroll 16
        for (int index = 0; index < 16; index++) {
            uint32x4_t now = words[index & 3];
            uint32x4_t sums = vaddq_u32(now, vld1q_u32(SHA256_CONSTANTS + 4 * index));
            uint32x4_t abcd_now = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sums);
            efgh = vsha256h2q_u32(efgh, abcd_now, sums);
            if (index >= 12) continue;
            // The four words that come 16 after these.
            uint32x4_t next = vsha256su0q_u32(now, words[(index + 1) & 3]);
            words[index & 3] = vsha256su1q_u32(next, words[(index + 2) & 3], words[(index + 3) & 3]);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

static bool has_instructions(void) { return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0; }
#endif

sha256_blocks *sha256_instructions(void) {
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(WITHOUT_INSTRUCTIONS)
    if (has_instructions()) return take_blocks;
#endif
    return NULL;
}
