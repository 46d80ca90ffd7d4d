/** Checksums of tensors: XXH64 as its specification has it, however the bytes come, and what it notices. */
import { describe, expect, test } from 'vitest';
import { checksums, sameChecksum, sha256Sums, type Checksum } from '../../src/runtime/checkpoint/checksum.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const made = (count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, at) => (at * 131 + (at >> 8)) % 256);

async function sumOf(pieces: readonly Uint8Array[]): Promise<Checksum> {
  const sum = (await checksums('xxh64')).begin();
  for (const piece of pieces) sum.update(piece);
  return sum.end();
}

describe('XXH64 of seed 0', () => {
  // Python: xxhash.xxh64(b'…').hexdigest(), xxhash 4.1.0.
  test.each([
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['xxhash', '32dd38952c4bc720'],
  ])('of %j', async (text, digits) => {
    expect(await sumOf([bytesOf(text)])).toEqual({ kind: 'xxh64', digits });
  });

  test('is that of the same bytes in whatever pieces they come', async () => {
    const bytes = made(3 * 2 ** 16 + 5);
    const whole = await sumOf([bytes]);
    expect(whole.digits).toBe('8718d412de54afc9');
    for (const size of [1000, 2 ** 16 - 1, 2 ** 16, 2 ** 17 + 3]) {
      const pieces = [];
      for (let from = 0; from < bytes.length; from += size) pieces.push(bytes.subarray(from, from + size));
      expect(await sumOf(pieces)).toEqual(whole);
    }
  });

  test('is the same of bytes that are there at once, however many', async () => {
    const { of } = await checksums('xxh64');
    for (const size of [0, 1, 31, 32, 33, 1000, 2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 3 * 2 ** 16 + 5]) {
      const all = made(size + 8);
      expect(of(all.subarray(3, 3 + size))).toEqual(await sumOf([all.slice(3, 3 + size)]));
    }
    expect(of(made(3 * 2 ** 16 + 5)).digits).toBe('8718d412de54afc9');
  });

  test('several at once do not meet', async () => {
    const { begin, of } = await checksums('xxh64');
    const sums = [begin(), begin()];
    const bytes = [made(100), made(2 ** 17)];
    for (let half = 0; half < 2; half += 1)
      for (const [index, sum] of sums.entries()) {
        const own = bytes[index] ?? made(0);
        sum.update(own.subarray((half * own.length) / 2, ((half + 1) * own.length) / 2));
        // Nor does one of what is there at once.
        of(bytes[1 - index] ?? made(0));
      }
    expect(sums.map((sum) => sum.end())).toEqual([await sumOf([made(100)]), await sumOf([made(2 ** 17)])]);
  });

  test('notices each flipped bit, and bytes that changed places', async () => {
    const bytes = made(97);
    const whole = await sumOf([bytes]);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const other = bytes.slice();
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(sameChecksum(await sumOf([other]), whole)).toBe(false);
    }
    for (let at = 8; at < bytes.length; at += 8) {
      const other = Uint8Array.of(...bytes.subarray(at), ...bytes.subarray(0, at));
      expect(sameChecksum(await sumOf([other]), whole)).toBe(false);
    }
  });
});

test('checksums of two kinds are never the same', () => {
  const { digits } = sha256Sums.begin().end();
  expect(sameChecksum({ kind: 'sha256', digits }, { kind: 'sha256', digits })).toBe(true);
  expect(sameChecksum({ kind: 'sha256', digits }, { kind: 'xxh64', digits })).toBe(false);
});
