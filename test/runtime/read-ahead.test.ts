import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAhead, type Part } from '../../src/runtime/checkpoint/read-ahead.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-ahead-'));
const path = join(root, 'file');
const content = Uint8Array.from({ length: 5000 }, (_value, index) => (index * 37 + (index >> 8)) % 251);
beforeAll(() => writeFileSync(path, content));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Watched {
  readonly file: FileHandle;
  /** Lengths of all reads. */
  readonly reads: number[];
  /** Reads that have not ended now, and the most there were. */
  now: number;
  most: number;
}

/** The file, whose reads are counted. `refuse` may make the read at a byte fail, or give less. */
async function watched(change: (at: number, count: number) => number | Error): Promise<Watched> {
  const file = await open(path);
  const state: Watched = { file, reads: [], now: 0, most: 0 };
  const real = file.read.bind(file);
  const read = async (bytes: Uint8Array, from: number, count: number, at: number): Promise<unknown> => {
    state.reads.push(count);
    state.now += 1;
    state.most = Math.max(state.most, state.now);
    try {
      const less = change(at, count);
      if (less instanceof Error) throw less;
      return await real(bytes, from, less, at);
    } finally {
      state.now -= 1;
    }
  };
  Object.defineProperty(file, 'read', { value: read });
  return state;
}

const whole = (_at: number, count: number): number => count;

interface Wanted extends Part {
  readonly kept: Uint8Array<ArrayBuffer> | null;
}

/** Parts of the file: gaps before them, sizes, and whether they are kept. */
function partsOf(all: readonly (readonly [gap: number, size: number, keeps: boolean])[]): readonly Wanted[] {
  let at = 0;
  return all.map(([gap, size, keeps]) => {
    const begin = at + gap;
    at = begin + size;
    const kept = keeps ? new Uint8Array(size) : null;
    return { begin, end: at, kept, room: () => kept };
  });
}

describe('parts of a file', () => {
  test('arrive whole and in order, at most so many bytes at once, whatever their sizes and the disk gives', async () => {
    const part = fc.tuple(
      fc.oneof(fc.constant(0), fc.nat(9)),
      fc.oneof(fc.nat(4), fc.nat(150)),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 25 }),
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1, max: 4 }),
        async (shapes, most, share) => {
          const parts = partsOf(shapes);
          const state = await watched((_at, count) => Math.ceil(count / share));
          const seen = new Map<Wanted, number[]>();
          const ended: Wanted[] = [];
          for await (const arrived of readAhead(state.file, parts, most))
            for (const { part: of, memory, bytes, isFirst, isLast } of arrived) {
              expect(memory).toBe(of.kept);
              expect(isFirst).toBe(!seen.has(of));
              seen.set(of, [...(seen.get(of) ?? []), ...bytes]);
              if (isLast) ended.push(of);
            }
          await state.file.close();
          expect(ended).toEqual(parts);
          for (const each of parts) {
            const own = content.subarray(each.begin, each.end);
            expect(seen.get(each)).toEqual([...own]);
            if (each.kept !== null) expect([...each.kept]).toEqual([...own]);
          }
          expect(Math.max(0, ...state.reads)).toBeLessThanOrEqual(most);
          expect(state.most).toBeLessThanOrEqual(4);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('small neighbours come in one read, and what is large is read ahead', async () => {
    const small = await watched(whole);
    const neighbours = partsOf(Array.from({ length: 50 }, () => [0, 20, true] as const));
    const together = [];
    for await (const arrived of readAhead(small.file, neighbours, 1000)) together.push(arrived);
    await small.file.close();
    expect(together.map((arrived) => arrived.map(({ part }) => part))).toEqual([neighbours]);
    expect(small.reads).toEqual([1000]);

    const large = await watched(whole);
    const asked: number[] = [];
    const parts = Array.from({ length: 10 }, (_value, index) => ({
      begin: index * 500,
      end: index * 500 + 500,
      room: () => {
        asked.push(index);
        return new Uint8Array(500);
      },
    }));
    let index = 0;
    for await (const arrived of readAhead(large.file, parts, 500)) {
      expect(arrived.map(({ part }) => part)).toEqual([parts[index]]);
      index += 1;
      // Memory is asked for as late as reads begin.
      expect(asked.length).toBeLessThanOrEqual(index + 5);
    }
    await large.file.close();
    expect(large.most).toBe(4);
    expect(asked).toEqual(parts.map((_part, place) => place));
  });

  test('whoever stops, or meets an error, leaves no read behind', async () => {
    const parts = partsOf(Array.from({ length: 40 }, () => [0, 100, true] as const));
    const stopped = await watched(whole);
    for await (const [arrived] of readAhead(stopped.file, parts, 100)) if (arrived?.part === parts[2]) break;
    expect(stopped.now).toBe(0);
    expect(stopped.reads.length).toBeLessThan(10);
    await stopped.file.close();

    for (const failsAt of [0, 300, 1500]) {
      const refused = await watched((at, count) => (at === failsAt ? new Error('EIO') : count));
      let arrived = 0;
      const all = async (): Promise<void> => {
        for await (const some of readAhead(refused.file, parts, 100))
          for (const { bytes } of some) arrived += bytes.length;
      };
      await expect(all()).rejects.toThrow('EIO');
      expect(arrived).toBe(failsAt);
      expect(refused.now).toBe(0);
      await refused.file.close();
    }
  });

  test('a file that ends too soon is told by the byte', async () => {
    const file = await open(path);
    const all = async (): Promise<void> => {
      for await (const arrived of readAhead(file, partsOf([[4990, 30, false]]), 8))
        expect(arrived.map(({ bytes }) => bytes.length)).toEqual([8]);
    };
    await expect(all()).rejects.toThrow('it ends at byte 5000; it was cut off');
    await file.close();
  });
});
