/** Python's safetensors reads what is written here, writes what is read here, and agrees on what is no such file. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { readTensorFile, tensorChecksum } from './checkpoint-reading.js';
import { contents, weights } from './checkpoint-contents.js';
import { runPython } from './python.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-python-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
// The packages are fetched at the first call.
beforeAll(() => {
  writeFileSync(join(root, 'none'), '');
  expect(runPython('judge-tensors.py', ['accepts', join(root, 'none')])).toEqual([]);
}, 300_000);

const judge = (command: string, file: string): unknown => runPython('judge-tensors.py', [command, file]);

test('Python reads what is written here, bit for bit', async () => {
  const tensors: ReadonlyMap<string, HostTensor> = new Map<string, HostTensor>([
    ...weights,
    ['i', { dtype: 'i32', shape: [2, 1], values: Int32Array.of(-1, 2 ** 30) }],
    ['none', { dtype: 'f32', shape: [0, 3], values: new Float32Array() }],
    ['scalar', { dtype: 'u8', shape: [], values: Uint8Array.of(7) }],
    ['å😀 "quoted" \\', { dtype: 'bool', shape: [3], values: Uint8Array.of(1, 0, 1) }],
  ]);
  const path = join(root, 'ours.safetensors');
  writeFileSync(path, Buffer.concat(writeSafetensors(tensors, { by: 'ztrain', ä: 'ö' })));
  expect(judge('dump', path)).toEqual({
    tensors: Object.fromEntries(
      [...tensors].map(([name, tensor]) => [
        name,
        [tensor.dtype === 'bool' ? 'BOOL' : tensor.dtype.toUpperCase(), tensor.shape, tensorChecksum(tensor)],
      ]),
    ),
    metadata: { by: 'ztrain', ä: 'ö' },
    keys: [...tensors.keys()].sort(),
  });
});

test('Python reads checkpoints: the files of a folder, and one that is a file, with its manifest', async () => {
  const folder = await writeCheckpoint(root, contents(1));
  const expected = Object.fromEntries(
    [...weights].map(([name, tensor]) => [name, ['F32', tensor.shape, tensorChecksum(tensor)]]),
  );
  expect(judge('dump', join(folder, 'model.safetensors'))).toMatchObject({ tensors: expected });
  const file = await writeCheckpoint(root, contents(2, 'ckpt'));
  const dumped = judge('dump', file) as { readonly metadata: Readonly<Record<string, string>> };
  expect(dumped).toMatchObject({ tensors: expected });
  expect(JSON.parse(dumped.metadata['manifest'] ?? '')).toMatchObject({ format: 4, step: 2 });
  expect(JSON.parse(dumped.metadata['state'] ?? '')).toEqual({ step: 2 });
});

test('what Python writes is read, every element type of it as the value that it is', async () => {
  const path = join(root, 'theirs.safetensors');
  const expected = judge('write', path) as Readonly<Record<string, readonly number[]>>;
  const { tensors } = await readTensorFile(path, statSync(path).size);
  expect([...tensors.keys()].sort()).toEqual([...Object.keys(expected), 'f32'].sort());
  for (const [name, values] of Object.entries(expected))
    expect([...(tensors.get(name)?.values ?? [])], name).toEqual(values);
  expect(tensors.get('f32')?.values).toEqual(Float32Array.of(1.5, -0, Number.POSITIVE_INFINITY, 1e-45));
  expect(
    [...tensors].map(([name, { dtype }]) => [name, dtype]).filter(([name]) => /^[a-z]/.test(name ?? '')),
  ).toEqual(
    expect.arrayContaining([
      ['f16', 'f32'],
      ['i64', 'i32'],
      ['u8', 'u8'],
      ['bool', 'bool'],
    ]),
  );
});

test('bfloat16 that Python writes is read to the bit, what a NaN carries too, and f32 is written as it was read', async () => {
  const path = join(root, 'halves.safetensors');
  const nans = judge('bf16', path);
  const { tensors } = await readTensorFile(path, statSync(path).size);
  const bits = (name: string): readonly number[] => {
    const values = tensors.get(name)?.values;
    return values === undefined ? [] : [...new Uint32Array(values.buffer, values.byteOffset, values.length)];
  };
  expect(tensors.get('halves')).toMatchObject({ dtype: 'f32', shape: [2 ** 16] });
  expect(bits('halves')).toEqual(Array.from({ length: 2 ** 16 }, (_, half) => half * 2 ** 16));
  expect(bits('nans')).toEqual(nans);
  const again = readSafetensors(Buffer.concat(writeSafetensors(tensors)));
  for (const [name, { values }] of again.tensors)
    expect([...new Uint32Array(values.buffer, values.byteOffset, values.length)]).toEqual(bits(name));
});

/** What is refused here and accepted there, on purpose. */
const stricter =
  /does not begin with \{|stands twice|unknown fields|other than 0 and 1|has the element type|no whole number|shape \[[\d, ]+\] needs|holds a number that 32 bits do not hold|nested more than|__metadata__ is no object/;

const framed = (header: string | Uint8Array, data: Uint8Array, length?: number): Uint8Array => {
  const text = Buffer.from(header);
  const start = Buffer.alloc(8);
  start.writeUInt32LE(length ?? text.length);
  return Buffer.concat([start, text, data]);
};

const dtypes = ['F32', 'BF16', 'F16', 'I64', 'I32', 'U8', 'BOOL', 'F64', 'I8', 'F8_E4M3', 'f32', ''];
const number = fc.oneof(
  fc.nat({ max: 4 }).map(String),
  fc.constantFrom(
    '-1',
    '-0',
    '1.0',
    '1e0',
    '1E2',
    '01',
    '4294967296',
    '9007199254740993',
    '18446744073709551616',
    'null',
    '"1"',
    'true',
  ),
);
const key = fc.constantFrom(
  'a',
  'b',
  'a',
  '__proto__',
  '__metadata__',
  '',
  '../x',
  '\\u0000',
  '\\ud83d',
  '\\ud83d\\ude00',
  'é',
);
const entry = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(number, { maxLength: 3 }),
    offsets: fc.array(number, { minLength: 2, maxLength: 2 }),
    extra: fc.constantFrom('', '', '', ',"x":1', ',"dtype":"F32"', ',"shape":[]'),
  })
  .map(
    ({ dtype, shape, offsets, extra }) =>
      `{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offsets.join(',')}]${extra}}`,
  );
/** Headers that are right but for one or two things, and many that are not. */
const crafted = fc
  .record({
    entries: fc.array(
      fc.tuple(key, fc.oneof(entry, fc.constantFrom('{}', '[]', 'null', '{"a":"b"}', '{"a":1}'))),
      {
        maxLength: 3,
      },
    ),
    before: fc.constantFrom('', '', '', ' ', '\ufeff', '\n'),
    after: fc.constantFrom('', '', '', '   ', '\u0000', 'x', '\n'),
    data: fc.uint8Array({ maxLength: 8 }),
    length: fc.constantFrom(undefined, undefined, undefined, 0, 1, 2 ** 31),
  })
  .map(({ entries, before, after, data, length }) =>
    framed(
      `${before}{${entries.map(([name, value]) => `"${name}":${value}`).join(',')}}${after}`,
      data,
      length,
    ),
  );

const sizes: Readonly<Record<string, number>> = {
  F32: 4,
  BF16: 2,
  F16: 2,
  I64: 8,
  I32: 4,
  U8: 1,
  BOOL: 1,
  F64: 8,
};
/** Files whose tensors lie one after the other, in any order, with at most one thing that the format says nothing about or forbids. */
const fitting = fc
  .record({
    tensors: fc.array(
      fc.tuple(key, fc.constantFrom(...Object.keys(sizes)), fc.array(fc.nat({ max: 3 }), { maxLength: 3 })),
      { maxLength: 4 },
    ),
    twist: fc.constantFrom('', '', '', ' ', 'extra', 'backwards', 'metadata', 'one more', 'overlap'),
    value: fc.constantFrom(0, 1, 2),
  })
  .map(({ tensors, twist, value }) => {
    let at = 0;
    const entries = tensors.map(([name, dtype, shape], index) => {
      const size = shape.reduce((product, n) => product * n, sizes[dtype] ?? 1);
      const begin = twist === 'overlap' && index === 1 ? 0 : at;
      at = begin + size;
      const extra = twist === 'extra' && index === 0 ? ',"x":null' : '';
      return `"${name}":{"shape":[${shape.join(', ')}],"dtype":"${dtype}","data_offsets":[${begin},${at}]${extra}}`;
    });
    if (twist === 'backwards') entries.reverse();
    if (twist === 'metadata') entries.push('"__metadata__":{"a":"b","a":"c"}');
    const data = new Uint8Array(at + (twist === 'one more' ? 1 : 0)).fill(value);
    return framed(`${twist === ' ' ? ' ' : ''}{${entries.join(',')}}`, data);
  });

/** A file that is right, with bytes of its header or its length changed, taken out or put in. */
const spoilt = fc
  .record({
    tensors: fc.dictionary(
      fc.constantFrom('a', 'b', 'c.d', 'é'),
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
      { minKeys: 1 },
    ),
    changes: fc.array(
      fc.tuple(fc.nat({ max: 200 }), fc.constantFrom('flip', 'drop', 'insert'), fc.nat({ max: 255 })),
      { maxLength: 2 },
    ),
  })
  .map(({ tensors, changes }) => {
    const all = new Map<string, HostTensor>(
      Object.entries(tensors).map(([name, shape], index) => {
        const count = shape.reduce((product, n) => product * n, 1);
        return index % 2 === 0
          ? [name, { dtype: 'f32', shape, values: new Float32Array(count) }]
          : [name, { dtype: 'bool', shape, values: new Uint8Array(count) }];
      }),
    );
    const bytes = [...Buffer.concat(writeSafetensors(all))];
    for (const [place, how, value] of changes) {
      const at = place % bytes.length;
      if (how === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << (value % 8));
      else bytes.splice(at, how === 'drop' ? 1 : 0, ...(how === 'drop' ? [] : [value]));
    }
    return Uint8Array.from(bytes);
  });

const whyNot = (bytes: Uint8Array): string | null => {
  try {
    readSafetensors(bytes);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

describe('what is such a file', () => {
  test.each([
    ['crafted headers', crafted],
    ['tensors side by side', fitting],
    ['spoilt files', spoilt],
  ] as const)(
    'Python and this reader agree on %s, but where this one is meant to be stricter',
    (_name, files) => {
      const all = fc.sample(files, { numRuns: 4000, seed: 1 });
      const blob = join(root, 'blob');
      writeFileSync(
        blob,
        Buffer.concat(
          all.flatMap((bytes) => {
            const size = Buffer.alloc(4);
            size.writeUInt32LE(bytes.length);
            return [size, bytes];
          }),
        ),
      );
      const theirs = judge('accepts', blob) as readonly (string | null)[];
      expect(theirs).toHaveLength(all.length);
      let accepted = 0;
      const apart: string[] = [];
      for (const [index, bytes] of all.entries()) {
        const own = whyNot(bytes);
        const other = theirs[index] ?? null;
        if (own === null && other === null) accepted += 1;
        if (own === null && other !== null)
          apart.push(`only here accepted (${other}): ${Buffer.from(bytes).toString('latin1')}`);
        if (own !== null && other === null && !stricter.test(own))
          apart.push(`only here refused (${own}): ${Buffer.from(bytes).toString('latin1')}`);
      }
      expect(apart.slice(0, 5)).toEqual([]);
      // Both verdicts were seen.
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThan(all.length);
    },
  );
});
