/** Memory that tensors of one file share: each has its own bytes of it, aligned, however they are spread over pieces. */
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import type { Entry } from '../../src/runtime/checkpoint/safetensors.js';
import { sharedRooms } from '../../src/runtime/checkpoint/tensor-file.js';

afterEach(() => vi.unstubAllGlobals());

/** Tensors of U8, one after the other in a file. */
function entriesOf(sizes: readonly number[]): readonly Entry[] {
  let at = 64;
  return sizes.map((size, index) => {
    const begin = at;
    at += size;
    return { name: `t${index}`, type: { name: 'U8', dtype: 'u8', size: 1 }, shape: [size], begin, end: at };
  });
}

test('each tensor has bytes that no other has, and pieces hold as many as they may', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(9), fc.nat(300)), { maxLength: 40 }),
      fc.integer({ min: 1, max: 400 }),
      (sizes, most) => {
        const entries = entriesOf(sizes);
        const roomOf = sharedRooms(entries, most);
        const rooms = entries.map((entry) => roomOf(entry));
        for (const [index, own] of rooms.entries()) {
          expect(own?.length).toBe(sizes[index]);
          expect((own?.byteOffset ?? 1) % 8).toBe(0);
          own?.fill(index + 1);
        }
        for (const [index, own] of rooms.entries())
          expect(own?.every((byte) => byte === index + 1)).toBe(true);
        const pieces = new Set(rooms.map((own) => own?.buffer));
        for (const piece of pieces) {
          const holds = rooms.filter((own) => own?.buffer === piece && own?.length !== 0).length;
          // What is larger than a piece may be has one alone.
          if (holds > 1) expect(piece?.byteLength).toBeLessThanOrEqual(most);
        }
        // A new piece begins only with what the one before had no room for.
        for (const [index, own] of rooms.entries()) {
          const before = rooms[index - 1];
          if (before && own?.buffer !== before.buffer)
            expect(before.buffer.byteLength + Math.ceil((sizes[index] ?? 0) / 8) * 8).toBeGreaterThan(most);
        }
      },
    ),
  );
});

test('one piece of memory where that is enough, none for what nobody asked for', () => {
  const [first, second, third, other] = entriesOf([5, 16, 3, 8]);
  if (!first || !second || !third || !other) throw new Error('four were made');
  const roomOf = sharedRooms([first, second, third]);
  const rooms = [roomOf(first), roomOf(second), roomOf(third)];
  expect(new Set(rooms.map((own) => own?.buffer)).size).toBe(1);
  expect(rooms[0]?.buffer.byteLength).toBe(8 + 16 + 8);
  expect(roomOf(other)).toBeNull();
});

test('where there is no memory in one piece, each has its own', () => {
  vi.stubGlobal(
    'ArrayBuffer',
    new Proxy(globalThis.ArrayBuffer, {
      construct: () => {
        throw new RangeError('Array buffer allocation failed');
      },
    }),
  );
  const entries = entriesOf([5, 16, 3]);
  const roomOf = sharedRooms(entries);
  expect(entries.map((entry) => roomOf(entry)?.buffer.byteLength)).toEqual([5, 16, 3]);
});
