import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { sha256Sums } from '../../src/runtime/checkpoint/checksum.js';
import { sha256, writeNew } from '../../src/runtime/checkpoint/files.js';
import { writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { fromBfloat16, fromFloat16, fromInt64 } from '../../src/runtime/checkpoint/narrow-numbers.js';
import {
  parseStrictJson,
  parseWrittenJson,
  type StrictValue,
} from '../../src/runtime/checkpoint/strict-json.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { readTensorFile, tensorChecksum } from './checkpoint-reading.js';

vi.mock('node:fs/promises', async (original) => ({ ...(await original<typeof fs>()) }));

const root = mkdtempSync(join(tmpdir(), 'ztrain-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const tensors: ReadonlyMap<string, HostTensor> = new Map([
  ['a', { dtype: 'f32', shape: [3], values: Float32Array.of(1, -0, Number.NaN) }],
  ['b', { dtype: 'i32', shape: [2, 1], values: Int32Array.of(-1, 2 ** 30) }],
  ['none', { dtype: 'f32', shape: [0], values: new Float32Array() }],
  ['c', { dtype: 'u8', shape: [], values: Uint8Array.of(7) }],
  ['d', { dtype: 'bool', shape: [3], values: Uint8Array.of(1, 0, 1) }],
]);

describe('a file in pieces', () => {
  test.each([1, 3, 8, 2 ** 20])('of at most %d bytes is written, hashed and read whole', async (most) => {
    const path = join(root, `pieces-${most}`);
    const taken: number[] = [];
    const reads: number[] = [];
    const writes: number[] = [];
    const opening = vi.spyOn(fs, 'open').mockImplementation(async (...given) => {
      const { open } = await vi.importActual<typeof fs>('node:fs/promises');
      const file = await open(...given);
      const counting = (all: readonly unknown[]): void => void taken.push(Number(all[2]));
      return new Proxy(file, {
        get: (target, name) => {
          const own: unknown = Reflect.get(target, name);
          if (typeof own !== 'function') return own;
          return (...args: readonly unknown[]): unknown => {
            if (name === 'read' || name === 'write') counting(args);
            if (name === 'read') reads.push(Number(args[2]));
            if (name === 'write') writes.push(Number(args[2]));
            return Reflect.apply(own, target, args);
          };
        },
      });
    });
    const pieces = writeSafetensors(tensors);
    await writeNew(path, pieces, { most });
    const bytes = readFileSync(path);
    expect(bytes).toEqual(Buffer.concat(pieces));
    const read = await readTensorFile(path, bytes.length, most);
    opening.mockRestore();
    expect(Math.max(...taken)).toBeLessThanOrEqual(most);
    expect(reads.length).toBeGreaterThanOrEqual(bytes.length / most);
    expect(writes.reduce((sum, count) => sum + count, 0)).toBe(bytes.length);
    // The length of the header, the header, and all tensors, which are small, together; so they are written.
    if (most >= bytes.length) {
      expect(reads).toHaveLength(3);
      expect(writes).toHaveLength(1);
    }
    expect(read.tensors).toEqual(tensors);
    expect(read.checksums).toEqual(new Map([...tensors].map(([name, one]) => [name, tensorChecksum(one)])));
    const plain = createHash('sha256').update(bytes).digest('hex');
    expect(read.sha256).toBe(plain);
    expect(sha256(pieces, most)).toBe(plain);
  });

  test('a disk that takes a part of each write, and gives a part of each read, changes nothing', async () => {
    const path = join(root, 'parts');
    const { open } = await vi.importActual<typeof fs>('node:fs/promises');
    const opening = vi.spyOn(fs, 'open').mockImplementation(async (...given) => {
      const file = await open(...given);
      return new Proxy(file, {
        get: (target, name) => {
          const own: unknown = Reflect.get(target, name);
          if (typeof own !== 'function') return own;
          return (...args: readonly unknown[]): unknown => {
            const [bytes, from, count, ...rest] = args;
            const less = name === 'read' || name === 'write' ? Math.ceil(Number(count) / 3) : count;
            return Reflect.apply(own, target, args.length < 3 ? args : [bytes, from, less, ...rest]);
          };
        },
      });
    });
    const pieces = writeSafetensors(tensors);
    const written = await writeNew(path, pieces, { sums: () => sha256Sums });
    const read = await readTensorFile(path, written.bytes);
    opening.mockRestore();
    expect(readFileSync(path)).toEqual(Buffer.concat(pieces));
    expect(read.tensors).toEqual(tensors);
    expect(written.pieces.map(({ digits }) => digits)).toEqual(pieces.map((piece) => sha256([piece])));
    expect(read.sha256).toBe(sha256(pieces));
  });

  test('cut anywhere, it is refused', async () => {
    const path = join(root, 'cut');
    await writeNew(path, writeSafetensors(tensors));
    for (let size = statSync(path).size - 1; size >= 0; size -= 1) {
      truncateSync(path, size);
      await expect(readTensorFile(path, size + 1, 7)).rejects.toThrow('the manifest says');
      await expect(readTensorFile(path, size, 7)).rejects.toThrow();
    }
  });
});

test('half of a surrogate pair is no text', () => {
  for (const text of ['"\\ud83d"', '"\ud83d"', '"\\ude00\\ud83d"', '{"\\udead":1}'])
    expect(() => parseStrictJson(text)).toThrow('half of a surrogate pair');
  expect(parseStrictJson('"\\ud83d\\ude00"')).toBe('😀');
});

describe('a text that was most likely written by JSON.stringify is read as any other', () => {
  const deep = (levels: number): string => `${'['.repeat(levels)}0${']'.repeat(levels)}`;
  const record = {
    b: [1, 0.5, -3, 1e21, []],
    a: { __proto__: null, 'x y': 'ü"\n\\', t: true, n: null },
    1: {},
  };
  const texts = [
    JSON.stringify(record),
    JSON.stringify(record, null, 2),
    `${JSON.stringify(record, null, 2)}\n`,
    `${JSON.stringify(record)}      `,
    '{"__proto__":1,"constructor":2}',
    '{"2":1,"1":2}',
    '{"a":1,"b":[1,2,3]}',
    '{"a":1,"a":1}',
    '{"a":{"b":1,"b":2}}',
    '{"a":-0}',
    '{"a":1.0}',
    '{"a":1e3}',
    '{"a":1e+21}',
    '{"a":12345678901234567890}',
    '{"a":1e400}',
    '{"a":0.1}',
    '{"a":"\\ud83d"}',
    '{"a":"\ud83d"}',
    '{"a":"\\u0001"}',
    '{"a":"\\/"}',
    '{"a":1}\u00a0',
    '{"a":1}{}',
    '{"a":1} x',
    '{"a":01}',
    '{"a":1',
    '{\n "a": 1\n}',
    '{\n  "a": [1]\n}',
    '',
    'null',
    '7',
    '"a"',
    deep(64),
    deep(65),
    deep(100_000),
  ];
  const outcome = (parse: () => StrictValue): unknown => {
    try {
      return { value: parse() };
    } catch (error) {
      return { error: String(error) };
    }
  };
  test.each(texts.map((text) => [text.slice(0, 40), text]))('%s', (_shown, text) => {
    for (const whole of [false, true])
      expect(outcome(() => parseWrittenJson(text, whole))).toEqual(
        outcome(() => parseStrictJson(text, whole)),
      );
  });

  test('without looking at its characters, where it was', () => {
    const looked = vi.spyOn(String.prototype, 'charCodeAt');
    const timesIn = (text: string): number => {
      const before = looked.mock.calls.length;
      parseWrittenJson(text);
      return looked.mock.calls.length - before;
    };
    const times = [timesIn(JSON.stringify(record, null, 2)), timesIn('{"a": 1}')];
    looked.mockRestore();
    expect(times[0]).toBe(0);
    expect(times[1]).toBeGreaterThan(0);
  });
});

describe('numbers that files have in other widths', () => {
  const bytesOf = (values: Uint16Array): Uint8Array => new Uint8Array(values.buffer);

  test('every f16 is the f32 of the same value, and of the same sign', () => {
    const every = Uint16Array.from({ length: 2 ** 16 }, (_value, index) => index);
    const read = fromFloat16(bytesOf(every));
    const wrong: number[] = [];
    for (const half of every) {
      const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
      const size =
        exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : exponent === 0
            ? fraction * 2 ** -24
            : (1 + fraction / 1024) * 2 ** (exponent - 15);
      if (!Object.is(read[half], half >= 2 ** 15 && !Number.isNaN(size) ? -size : size)) wrong.push(half);
    }
    expect(wrong).toEqual([]);
    // What a NaN carries is kept.
    expect(new Uint32Array(fromFloat16(bytesOf(Uint16Array.of(0xfe01))).buffer)[0]).toBe(0xffc0_2000);
  });

  test('a bf16 is the upper half of an f32', () => {
    const every = Uint16Array.from({ length: 2 ** 16 }, (_value, index) => index);
    expect([...new Uint32Array(fromBfloat16(bytesOf(every)).buffer)]).toEqual(
      [...every].map((one) => one * 2 ** 16),
    );
  });

  test('whole numbers of 64 bits are read where 32 hold them', () => {
    const read = (...values: readonly bigint[]) =>
      fromInt64(new Uint8Array(BigInt64Array.from(values).buffer));
    expect(read(0n, -1n, 2n ** 31n - 1n, -(2n ** 31n))).toEqual(
      Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31)),
    );
    for (const value of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n, 2n ** 62n])
      expect(read(1n, value)).toBeNull();
  });
});
