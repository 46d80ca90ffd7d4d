/** Weights out of checkpoints: NumPy, Python's safetensors and TensorFlow.js read them back bit for bit. */
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import '@tensorflow/tfjs-backend-wasm';
import { io, setBackend } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exportFormats, exportWeights } from '../../src/runtime/checkpoint/export.js';
import { crc32, npyHeader } from '../../src/runtime/checkpoint/npz.js';
import { pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { tensorChecksum } from './checkpoint-reading.js';
import { contents, layouts, weights } from './checkpoint-contents.js';
import { runPython } from './python.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-export-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const model: ReadonlyMap<string, HostTensor> = new Map<string, HostTensor>([
  ...weights,
  ['measured/seen.mu', { dtype: 'f32', shape: [], values: Float32Array.of(3) }],
  ['none', { dtype: 'f32', shape: [0, 3], values: new Float32Array() }],
  ['seen', { dtype: 'u8', shape: [3], values: Uint8Array.of(0, 7, 255) }],
  ['mask', { dtype: 'bool', shape: [1, 3], values: Uint8Array.of(1, 0, 1) }],
  ['count', { dtype: 'i32', shape: [2], values: Int32Array.of(-1, 2 ** 30) }],
  // Over two shards of 4 MiB, and more than is read at once.
  [
    'large',
    { dtype: 'f32', shape: [3, 2 ** 20], values: Float32Array.from({ length: 3 * 2 ** 20 }, Math.sin) },
  ],
]);

let runs: readonly string[] = [];
beforeAll(async () => {
  expect(await setBackend('wasm')).toBe(true);
  runs = await Promise.all(
    layouts.map(async (layout) => {
      const run = join(root, layout);
      const folder = join(run, 'checkpoints');
      await writeCheckpoint(folder, { ...contents(7, layout), model });
      await pointTo(folder, 'best', 7);
      return run;
    }),
  );
}, 300_000);

const bytesOf = (values: ArrayBufferView = new Uint8Array()): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

const judge = (command: string, file: string): unknown => runPython('judge-tensors.py', [command, file]);

describe.each([0, 1])('of a run in layout %d', (index) => {
  test('NumPy reads the archive', async () => {
    const out = join(root, `${index}.npz`);
    const made = await exportWeights(runs[index] ?? '', 'npz', out);
    expect(made).toMatchObject({ path: out, tensors: model.size });
    const names = { f32: 'float32', i32: 'int32', u8: 'uint8', bool: 'bool' } as const;
    expect(judge('npz', out)).toEqual(
      Object.fromEntries(
        [...model].map(([name, tensor]) => [
          name,
          [names[tensor.dtype], tensor.shape, tensorChecksum(tensor)],
        ]),
      ),
    );
  }, 300_000);

  test('Python’s safetensors reads the file', async () => {
    const out = join(root, `${index}.safetensors`);
    await exportWeights(runs[index] ?? '', 'safetensors', out);
    expect(judge('dump', out)).toMatchObject({
      tensors: Object.fromEntries(
        [...model].map(([name, tensor]) => [
          name,
          [tensor.dtype.toUpperCase(), tensor.shape, tensorChecksum(tensor)],
        ]),
      ),
      metadata: { trainer: 'T', step: '7', spec_sha256: 'abc' },
    });
  }, 300_000);

  test('TensorFlow.js loads the folder', async () => {
    const out = join(root, `${index}-tfjs`);
    await exportWeights(runs[index] ?? '', 'tfjs', out);
    expect(readdirSync(out).sort()).toEqual([
      ...[1, 2, 3, 4].map((shard) => `group1-shard${shard}of4.bin`),
      'weights_manifest.json',
    ]);
    const manifest = JSON.parse(
      readFileSync(join(out, 'weights_manifest.json'), 'utf8'),
    ) as io.WeightsManifestConfig;
    const load = io.weightsLoaderFactory((urls) =>
      Promise.resolve(
        urls.map((url) => {
          const bytes = readFileSync(url);
          return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
        }),
      ),
    );
    const loaded = await load(manifest, out);
    expect(Object.keys(loaded).sort()).toEqual([...model.keys()].sort());
    for (const [name, tensor] of model) {
      const read = loaded[name];
      expect(read?.shape).toEqual(tensor.shape);
      const expected = tensor.dtype === 'u8' ? Int32Array.from(tensor.values) : tensor.values;
      const values = await read?.data();
      expect(values?.constructor, name).toBe(expected.constructor);
      expect(bytesOf(values).equals(bytesOf(expected)), name).toBe(true);
    }
  });
});

test('without a name it is called what it is; what is there is not replaced', async () => {
  const before = process.cwd();
  process.chdir(root);
  try {
    for (const [to, name] of [
      ['safetensors', 'T-step-00000007.safetensors'],
      ['npz', 'T-step-00000007.npz'],
      ['tfjs', 'T-step-00000007-tfjs'],
    ] as const) {
      expect((await exportWeights(runs[0] ?? '', to)).path).toBe(name);
      expect(statSync(join(root, name)).size).toBeGreaterThan(0);
      await expect(exportWeights(runs[0] ?? '', to)).rejects.toThrow(
        `cannot write ${name}: a ${to === 'tfjs' ? 'folder' : 'file'} of that name is there; remove it, or choose another --out`,
      );
    }
    const { spec, ...head } = contents(8).head;
    const hostile = { ...contents(8), head: { ...head, spec: { ...spec, trainer: '../../x' } } };
    const path = await writeCheckpoint(join(root, 'hostile'), hostile);
    expect((await exportWeights(path, 'npz')).path).toBe('weights-step-00000008.npz');
  } finally {
    process.chdir(before);
  }
});

const devices = ['CON', 'nul.weight', 'net/Aux', 'COM1.bias', 'lpt9', 'prn .x'];

test.each(['../x', '/abs', 'a//b', 'a/./b', 'C:x', 'a\\b', 'a\u0000b', 'x'.repeat(300), ...devices])(
  'an archive has no member of a name that is a path elsewhere, or too long (%#)',
  async (name) => {
    const folder = join(root, `names-${Buffer.from(name).toString('hex').slice(0, 20)}`);
    const tensor: HostTensor = { dtype: 'f32', shape: [], values: Float32Array.of(1) };
    const path = await writeCheckpoint(folder, { ...contents(1), model: new Map([[name, tensor]]) });
    await expect(exportWeights(path, 'npz', join(folder, 'x.npz'))).rejects.toThrow(
      'would be a path out of the archive, or a file that some system does not have; export it --to safetensors',
    );
    await exportWeights(path, 'safetensors', join(folder, 'x.safetensors'));
    expect(readdirSync(folder).sort()).toEqual(['step-00000001', 'x.safetensors']);
  },
);

test('an archive has no two members that are one file where case does not count', async () => {
  const folder = join(root, 'twins');
  const tensor: HostTensor = { dtype: 'f32', shape: [], values: Float32Array.of(1) };
  const names = ['Net.Conv.weight', 'Net.conv.weight', 'Net.console', 'Net.con'];
  const model = new Map(names.map((name) => [name, tensor] as const));
  const path = await writeCheckpoint(folder, { ...contents(1), model });
  await expect(exportWeights(path, 'npz', join(folder, 'x.npz'))).rejects.toThrow(
    'the tensors "Net.Conv.weight" and "Net.conv.weight" would be one file where case does not count; export it --to safetensors',
  );
  model.delete('Net.conv.weight');
  const others = await writeCheckpoint(folder, { ...contents(2), model });
  expect((await exportWeights(others, 'npz', join(folder, 'x.npz'))).tensors).toBe(3);
});

test.each(exportFormats)('of a damaged checkpoint nothing is left as %s', async (to) => {
  const folder = join(root, `damaged-${to}`);
  const path = await writeCheckpoint(folder, contents(1));
  const file = join(path, 'model.safetensors');
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  writeFileSync(file, bytes);
  await expect(exportWeights(path, to, join(folder, 'out'))).rejects.toThrow(
    /is damaged: the checksum of tensor M\.a\.weight differs/,
  );
  truncateSync(file, bytes.length - 1);
  await expect(exportWeights(path, to, join(folder, 'out'))).rejects.toThrow('the manifest says');
  expect(readdirSync(folder)).toEqual(['step-00000001']);
});

test('checksums of archives are those of zlib, and headers of arrays begin their data at a multiple of 64', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_value, index) => (index * index) % 251);
  expect(crc32(bytes)).toBe(zlibCrc32(bytes));
  expect(crc32(bytes.subarray(300), crc32(bytes.subarray(0, 300)))).toBe(zlibCrc32(bytes));
  for (let axes = 0; axes < 40; axes += 1)
    expect(npyHeader({ dtype: 'f32', shape: Array.from({ length: axes }, () => 1) }).length % 64).toBe(0);
});
