/** Arrays of NumPy's: what NumPy itself wrote, and files that are not what they say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
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

/** A ZIP file of one entry, of which its directory says these sizes. */
function zipOf(name: string, packed: Uint8Array, sizes: { packed?: number; unpacked: number }): Uint8Array {
  const fileName = Buffer.from(name);
  const wide = Buffer.alloc(20);
  wide.writeUInt16LE(1);
  wide.writeUInt16LE(16, 2);
  wide.writeBigUInt64LE(BigInt(sizes.unpacked), 4);
  wide.writeBigUInt64LE(BigInt(sizes.packed ?? packed.length), 12);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50);
  local.writeUInt16LE(45, 4);
  local.writeUInt16LE(8, 8);
  local.writeUInt16LE(fileName.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50);
  central.writeUInt16LE(45, 6);
  central.writeUInt16LE(8, 10);
  central.writeUInt32LE(0xffffffff, 20);
  central.writeUInt32LE(0xffffffff, 24);
  central.writeUInt16LE(fileName.length, 28);
  central.writeUInt16LE(wide.length, 30);
  const directory = Buffer.concat([central, fileName, wide]);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length + fileName.length + packed.length, 16);
  return Buffer.concat([local, fileName, packed, directory, end]);
}

describe('an npz file that unpacks to much', () => {
  const one = { x: { dtype: 'f32', shape: [2] } } as const;
  const real = file('<f4', '2, 2', new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  const mebibytes = 256;
  const large = deflateRawSync(
    Buffer.concat([file('<f4', '2, 2', new Uint8Array()), Buffer.alloc(mebibytes * 2 ** 20)]),
  );

  /** Why it is refused, and how much memory that took. */
  async function refused(name: string, zip: Uint8Array): Promise<{ why: string; bytes: number }> {
    write(name, zip);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 1);
    const why = await read(npz({ file: name, record: one })).then(
      () => 'it was not',
      (error: unknown) => String(error),
    );
    clearInterval(timer);
    return { why, bytes: Math.max(most, process.memoryUsage().arrayBuffers) - before };
  }

  test('is read where it is what it says', async () => {
    write('real.npz', zipOf('x.npy', deflateRawSync(real), { unpacked: real.length }));
    expect(await read(npz({ file: 'real.npz', record: one }))).toEqual([['f32', [2, 2], [1, 2, 3, 4]]]);
  });

  test('is refused at its header where the header needs less', async () => {
    const unpacked = real.length - 16 + mebibytes * 2 ** 20;
    const { why, bytes } = await refused('more.npz', zipOf('x.npy', large, { unpacked }));
    expect(why).toContain(`the header promises 4 values of 4 bytes, and has 268,435,456 bytes`);
    expect(bytes).toBeLessThan(64 * 2 ** 20);
  });

  test('is refused where it goes on after what its directory says', async () => {
    const { why, bytes } = await refused('lying.npz', zipOf('x.npy', large, { unpacked: real.length }));
    expect(why).toContain('lying.npz: the file is no npz file, or is damaged (too many bytes in the stream');
    expect(bytes).toBeLessThan(64 * 2 ** 20);
  });

  test('is refused unread above 4 GiB where it is a hundred times its size', async () => {
    const rows = 2 ** 30;
    const bomb = deflateRawSync(file('<f4', `${rows}, 2`, new Uint8Array(2 ** 20)));
    const unpacked = real.length - 16 + rows * 8;
    const { why, bytes } = await refused('bomb.npz', zipOf('x.npy', bomb, { unpacked }));
    expect(why).toContain(
      `the array unpacks to ${unpacked} bytes, from ${bomb.length}: so much out of so little is refused`,
    );
    expect(bytes).toBeLessThan(64 * 2 ** 20);
  });

  test('has a header of a size that headers have', async () => {
    const header = Buffer.alloc(2 ** 22, ' ');
    const wide = Buffer.concat([
      Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0]),
      Buffer.alloc(4),
      header,
    ]);
    wide.writeUInt32LE(header.length, 8);
    const zip = zipOf('x.npy', deflateRawSync(wide), { unpacked: wide.length });
    expect((await refused('header.npz', zip)).why).toContain(
      'its header has 4194316 bytes, more than 1048576',
    );
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
      'the header promises 4 values of 4 bytes, and has 12 bytes',
    ],
    [
      'too long',
      file('<f4', '1, 2', floats(1, 2, 3)),
      'the header promises 2 values of 4 bytes, and has 12 bytes',
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
