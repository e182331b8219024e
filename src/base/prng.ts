/**
 * A seeded source of integers: the only randomness of everything that must be replayable.
 *
 * xoshiro128** over four 32-bit words: a period of 2^128-1 and about 5 ns a number, without BigInt or doubles.
 * Not for secrets.
 *
 * @source Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018
 */
export class Prng {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  /** @param seed any integer; its low 53 bits count. */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Starts again from `seed`: the same numbers follow as from a new source with that seed. */
  seed(seed: number): void {
    const high = Math.floor(Math.abs(seed) / 2 ** 32) >>> 0;
    let state = (seed >>> 0) ^ Math.imul(high, 0x9e37_79b1) ^ (seed < 0 ? 0x5bd1_e995 : 0);
    state = mix(state + 0x9e37_79b9);
    this.a = state;
    this.b = state = mix(state + 0x9e37_79b9);
    this.c = state = mix(state + 0x9e37_79b9);
    // The all-zero state would stay zero for ever.
    this.d = mix(state + 0x9e37_79b9) | 1;
  }

  /** The next integer, 0 .. 2^32-1. */
  next(): number {
    const scaled = Math.imul(this.b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }

  /** An integer 0 .. bound-1; `bound` 1 .. 2^32. The bias is below bound / 2^32. */
  below(bound: number): number {
    return Math.floor((this.next() * bound) / 2 ** 32);
  }

  /** An integer low .. high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `numerator` of `denominator` cases; never draws a fraction, so that seeds replay on every machine. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** Mostly small integers 0 .. bound-1: every order of magnitude is about as likely as the others. */
  skewed(bound: number): number {
    if (bound <= 1) return 0;
    const bits = 32 - Math.clz32(bound - 1);
    return this.below(Math.min(bound, 2 ** this.between(0, bits)));
  }
}

/** Spreads the bits of a 32-bit integer (a bijection), so that near seeds give far states. */
export function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
  return (x ^ (x >>> 15)) | 0;
}
