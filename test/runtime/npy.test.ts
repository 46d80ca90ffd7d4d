/** Arrays of NumPy's: what NumPy itself wrote, and files that are not what they say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { npy, npz, type Data } from '../../src/runtime/data/index.js';

const root = mkdtempSync(path.join(tmpdir(), 'ztrain-npy-'));
afterAll(() => rmSync(root, { recursive: true }));

// NumPy 2.4.6: savez_compressed(image=arange(12.0).reshape(3, 2, 2) / 4, label=[3, -1, 7], on=[True, False, True], extra=zeros(2))
const compressed = [
  'UEsDBC0AAAAIAAAAIQCskZ8V//////////8JABQAaW1hZ2UubnB5AQAQAOAAAAAAAAAAaQAAAAAAAACb7BfqGxDJyFDGUK2e',
  'klqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOgpGQKSpo1CrQB7gYkABF+wh9AMo/QJKf4DS',
  'X6D0Dyj9B0ozOEAoJijNAqXZHABQSwMELQAAAAgAAAAhABD76sP//////////wkAFABsYWJlbC5ucHkBABAAmAAAAAAAAABN',
  'AAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6mjoKtQoU',
  'AC5mBgj4DwXsUD4AUEsDBC0AAAAIAAAAIQAWk4y7//////////8GABQAb24ubnB5AQAQAIMAAAAAAAAARwAAAAAAAACb7Bfq',
  'GxDJyFDGUK2eklqcXKRupaBek2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RrGOpo6CrUKFAAuRgZGAFBLAwQt',
  'AAAACAAAACEAbpmyKP//////////CQAUAGV4dHJhLm5weQEAEACQAAAAAAAAAEcAAAAAAAAAm+wX6hsQychQxlCtnpJanFyk',
  'bqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1ChQALgY0AABQSwECLQMtAAAACAAAACEArJGf',
  'FWkAAADgAAAACQAAAAAAAAAAAAAAgAEAAAAAaW1hZ2UubnB5UEsBAi0DLQAAAAgAAAAhABD76sNNAAAAmAAAAAkAAAAAAAAA',
  'AAAAAIABpAAAAGxhYmVsLm5weVBLAQItAy0AAAAIAAAAIQAWk4y7RwAAAIMAAAAGAAAAAAAAAAAAAACAASwBAABvbi5ucHlQ',
  'SwECLQMtAAAACAAAACEAbpmyKEcAAACQAAAACQAAAAAAAAAAAAAAgAGrAQAAZXh0cmEubnB5UEsFBgAAAAAEAAQA2QAAAC0C',
  'AAAAAA==',
].join('');
// save(asfortranarray(arange(4, dtype=float32).reshape(2, 2)))
const fortran = [
  'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMiksIH0gICAg',
  'ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAQAAAgD8AAEBA',
].join('');

function write(name: string, content: Uint8Array): string {
  writeFileSync(path.join(root, name), content);
  return name;
}

async function read(set: Data<unknown>): Promise<readonly unknown[]> {
  const open = await set.withOptions({ batch: 100 }).open({ root, seed: 0, label: 'd' });
  return (await open.batch(0, 0)).tensors.map(({ dtype, shape, values }) => [dtype, shape, [...values]]);
}

/** A file of format 1 with this header and these bytes. */
function file(descr: string, shape: string, values: Uint8Array): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = text.padEnd(117, ' ') + '\n';
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length, 0]);
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), values]);
}

const record = {
  label: { dtype: 'i32', shape: [] },
  image: { dtype: 'f32', shape: [2, 2] },
  on: { dtype: 'bool', shape: [] },
} as const;

describe('npz', () => {
  test('what NumPy wrote, by the names of the fields', async () => {
    const name = write('a.npz', Buffer.from(compressed, 'base64'));
    expect(await read(npz({ file: name, record }))).toEqual([
      ['i32', [3], [3, -1, 7]],
      ['f32', [3, 2, 2], Array.from({ length: 12 }, (_, at) => at / 4)],
      ['bool', [3], [1, 0, 1]],
    ]);
  });

  test.each([
    [
      { mask: record.on },
      "a.npz: column 'mask': there is no array 'mask' in it; it has 'image', 'label', 'on', 'extra'",
    ],
    [
      { label: record.label, extra: { dtype: 'f32', shape: [] } },
      "there are 2 rows in 'extra' and 3 in 'label'",
    ],
    [
      { image: record.on },
      "column 'image': the array holds <f8, the field is bool; convert it, as with x.astype('bool')",
    ],
    [{ image: record.label }, "the array holds <f8, the field is i32; convert it, as with x.astype('int32')"],
    [
      { label: { dtype: 'f32', shape: [] } },
      "the array holds <i8, the field is f32; convert it, as with x.astype('float32')",
    ],
    [{ image: { dtype: 'f32', shape: [4] } }, 'a row of the array has shape [2, 2], the field is f32[4]'],
    [
      { label: { dtype: 'u8', shape: [] } },
      "a.npz: row 2, column 'label': -1 is not a whole number from 0 to 255",
    ],
  ] as const)('%j', async (wrong, message) => {
    await expect(read(npz({ file: 'a.npz', record: wrong }))).rejects.toThrow(message);
  });

  test('a damaged file, and one that is none', async () => {
    const bytes = Buffer.from(compressed, 'base64');
    write('cut.npz', bytes.subarray(0, 300));
    await expect(read(npz({ file: 'cut.npz', record }))).rejects.toThrow(
      'cut.npz: the file is no npz file, or is damaged',
    );
    const flipped = Buffer.from(bytes);
    flipped.fill(0xff, 60, 80);
    write('flip.npz', flipped);
    await expect(read(npz({ file: 'flip.npz', record }))).rejects.toThrow('flip.npz: ');
  });
});

describe('npy', () => {
  const one = { x: { dtype: 'f32', shape: [2] } } as const;
  const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

  test('one array is the one field', async () => {
    write('x.npy', file('<f4', '2, 2', floats(1, 2, 3, 4)));
    expect(await read(npy({ file: 'x.npy', record: one }))).toEqual([['f32', [2, 2], [1, 2, 3, 4]]]);
    write('y.npy', file('|u1', '3,', Uint8Array.of(0, 7, 255)));
    expect(await read(npy({ file: 'y.npy', record: { y: { dtype: 'u8', shape: [] } } }))).toEqual([
      ['u8', [3], [0, 7, 255]],
    ]);
    expect(() => npy({ file: 'x.npy', record })).toThrow(
      'a record of npy has one field, got label, image, on',
    );
  });

  test.each([
    [
      'fortran',
      Buffer.from(fortran, 'base64'),
      'the array is in the order of Fortran; save numpy.ascontiguousarray(x)',
    ],
    ['big-endian', file('>f4', '1, 2', floats(1, 2)), 'the array holds >f4'],
    ['halves', file('<f2', '1, 2', Uint8Array.of(0, 0, 0, 0)), 'the array holds <f2'],
    [
      'too short',
      file('<f4', '2, 2', floats(1, 2, 3)),
      'the header promises 4 values of 4 bytes, there are 12 bytes',
    ],
    [
      'too long',
      file('<f4', '1, 2', floats(1, 2, 3)),
      'the header promises 2 values of 4 bytes, there are 12 bytes',
    ],
    ['one number', file('<f4', '', floats(1)), 'the array is one number; its first axis must be the rows'],
    [
      'not a number',
      file('<f4', '2, 2', floats(1, 2, 3, Number.NaN)),
      "row 2, column 'x': NaN is not a finite number",
    ],
    ['a table', Buffer.from('a,b\n1,2\n3,4\n5,6'), 'this is no array of NumPy'],
    [
      'cut in the header',
      file('<f4', '1, 2', floats(1, 2)).subarray(0, 60),
      'the file ends within its header',
    ],
    ['objects', file("|O', 'x': [('a", '1', Uint8Array.of()), 'the array holds |O'],
  ])('%s', async (name, content, message) => {
    write('bad.npy', content);
    await expect(read(npy({ file: 'bad.npy', record: one })), name).rejects.toThrow(message);
  });
});
