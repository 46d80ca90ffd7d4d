/**
 * Random numbers that depend on nothing but their key and place: Philox4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", 2011). The key is (seed, hash of the label); the counter's low 64 bits are the block of four
 * elements, its high words are (step, micro), so that neither neighbouring steps nor neighbouring labels share a block.
 * Products of 32-bit words are made from 16-bit halves: the same bits on every engine.
 */

/** What keys a draw. Words are taken modulo 2^32. */
export interface DrawKey {
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  readonly label: string;
  readonly step?: number | undefined;
  readonly micro?: number | undefined;
  /** Index of the first element: 4·k + j is word j of block k. */
  readonly offset?: number | undefined;
}

/** Where the words of a draw's own seed lie: no step has this micro-batch, so they repeat no step's words. */
export const seededMicro = 0xffffffff;

/** 32-bit FNV-1a of the label's UTF-16 code units, low byte first. */
export function labelHash(label: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < label.length; i++) {
    const unit = label.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

/** The key's two words: seed, and label with what of the seed is above 32 bits. */
function keyWords(seed: number, label: string): readonly [number, number] {
  const high = Math.floor(seed / 2 ** 32);
  return [seed >>> 0, (labelHash(label) ^ Math.imul(high, 0x9e3779b1)) >>> 0];
}

/**
 * Philox4x32 with ten rounds: writes blocks `first`, `first + 1`, … of the counter (block low, block high, c2, c3) to `out`,
 * whose length is a multiple of 4.
 */
export function philoxBlocks(
  out: Uint32Array,
  key0: number,
  key1: number,
  first: number,
  c2: number,
  c3: number,
): void {
  const blocks = out.length >>> 2;
  for (let block = 0; block < blocks; block++) {
    const index = first + block;
    let a = index | 0;
    let b = Math.floor(index / 4294967296) | 0;
    let c = c2 | 0;
    let d = c3 | 0;
    let k0 = key0 | 0;
    let k1 = key1 | 0;
    for (let round = 0; round < 10; round++) {
      // High words of 0xd2511f53 · a and 0xcd9e8d57 · c from 16-bit halves.
      const al = a & 0xffff;
      const ah = a >>> 16;
      const p = Math.imul(0x1f53, al);
      const q = Math.imul(0xd251, al);
      const r = Math.imul(0x1f53, ah);
      const middle0 = (p >>> 16) + (q & 0xffff) + (r & 0xffff);
      const high0 = (Math.imul(0xd251, ah) + (q >>> 16) + (r >>> 16) + (middle0 >>> 16)) | 0;
      const low0 = Math.imul(0xd2511f53, a);
      const cl = c & 0xffff;
      const ch = c >>> 16;
      const s = Math.imul(0x8d57, cl);
      const t = Math.imul(0xcd9e, cl);
      const u = Math.imul(0x8d57, ch);
      const middle1 = (s >>> 16) + (t & 0xffff) + (u & 0xffff);
      const high1 = (Math.imul(0xcd9e, ch) + (t >>> 16) + (u >>> 16) + (middle1 >>> 16)) | 0;
      const low1 = Math.imul(0xcd9e8d57, c);
      a = high1 ^ b ^ k0;
      b = low1;
      c = high0 ^ d ^ k1;
      d = low0;
      k0 = (k0 + 0x9e3779b9) | 0;
      k1 = (k1 + 0xbb67ae85) | 0;
    }
    const at = block << 2;
    out[at] = a;
    out[at + 1] = b;
    out[at + 2] = c;
    out[at + 3] = d;
  }
}

/** `count` words of the draw `key`. */
export function hostBits(key: DrawKey, count: number): Uint32Array {
  const offset = key.offset ?? 0;
  const first = Math.floor(offset / 4);
  const skip = offset - 4 * first;
  const words = new Uint32Array(4 * Math.ceil((skip + count) / 4));
  const [key0, key1] = keyWords(key.seed, key.label);
  philoxBlocks(words, key0, key1, first, key.step ?? 0, key.micro ?? 0);
  return words.subarray(skip, skip + count);
}

/** Where in a run a host draw belongs. */
export interface DrawPlace {
  readonly step?: number;
  readonly micro?: number;
  /** Index of the first element. */
  readonly offset?: number;
}

/** `count` uniform numbers from [0, 1), multiples of 2^-24. */
export function hostUniform(seed: number, label: string, count: number, place: DrawPlace = {}): Float32Array {
  return uniformValues({ seed, label, ...place }, count);
}

/** `count` standard normal numbers. */
export function hostNormal(seed: number, label: string, count: number, place: DrawPlace = {}): Float32Array {
  return normalValues({ seed, label, ...place }, count);
}

/** 0, …, n - 1 in random order: Fisher and Yates' shuffle. */
export function hostPermutation(seed: number, label: string, n: number, place: DrawPlace = {}): Int32Array {
  const bits = hostBits({ seed, label, ...place }, n);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(((bits[i] ?? 0) * (i + 1)) / 4294967296);
    const held = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = held;
  }
  return order;
}

export function uniformValues(key: DrawKey, count: number): Float32Array {
  const bits = hostBits(key, count);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    values[i] = ((bits[i] ?? 0) >>> 8) * 2 ** -24;
  }
  return values;
}

/** Box and Muller (1958) on the pairs of elements 2i and 2i + 1. */
export function normalValues(key: DrawKey, count: number): Float32Array {
  const offset = key.offset ?? 0;
  const skip = offset % 2;
  const pairs = Math.ceil((skip + count) / 2);
  const bits = hostBits({ ...key, offset: offset - skip }, 2 * pairs);
  const values = new Float32Array(2 * pairs);
  for (let i = 0; i < 2 * pairs; i += 2) {
    // 1 - u is in (0, 1], so that the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - ((bits[i] ?? 0) >>> 8) * 2 ** -24));
    const angle = 2 * Math.PI * ((bits[i + 1] ?? 0) >>> 8) * 2 ** -24;
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  return values.subarray(skip, skip + count);
}
