/** Weights out of a checkpoint, for other programs: one tensor after the other, verified, in a file that is whole or absent. */
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import { codeOf, fileError, makeFile, makeFolder, pieceBytes, sweepBesides, writeNew } from './files.js';
import type { Checkpoint } from './manifest.js';
import { planNpz } from './npz.js';
import { eachTensor, withCheckpoint } from './read.js';
import { bytesOf, littleEndian, planSafetensors, type TensorShape } from './safetensors.js';
import { checkpointName } from './write.js';

export const exportFormats = ['safetensors', 'npz', 'tfjs'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface Exported {
  /** The file; of `tfjs`, a folder. */
  readonly path: string;
  readonly checkpoint: string;
  readonly tensors: number;
  readonly bytes: number;
}

const part = 'model.safetensors';

/**
 * Writes the weights of a checkpoint, or of a run's best one, to `out`, or under a name that says what they are in the current
 * folder. Rejects with a RunError where that exists, where the checkpoint does not verify, and where the disk refuses: then nothing is
 * left of it.
 */
export async function exportWeights(from: string, to: ExportFormat, out?: string): Promise<Exported> {
  return withCheckpoint(from, (checkpoint) => exportCheckpoint(checkpoint, to, out));
}

async function exportCheckpoint(
  checkpoint: Checkpoint,
  to: ExportFormat,
  out: string | undefined,
): Promise<Exported> {
  const tensors = [...(checkpoint.tensors.get(part) ?? [])]
    .map(([name, { dtype, shape }]): TensorShape => ({ name, dtype, shape }))
    .sort((a, b) => elementOrder(a) - elementOrder(b) || (a.name < b.name ? -1 : 1));
  const path = out ?? defaultName(checkpoint, to);
  await sweepBesides(path);
  try {
    if (to === 'safetensors') await toSafetensors(path, checkpoint, tensors);
    else if (to === 'npz') await toNpz(path, checkpoint, tensors);
    else await toTfjs(path, checkpoint, tensors);
  } catch (error) {
    if (['EEXIST', 'ENOTEMPTY', 'EISDIR'].includes(codeOf(error) ?? ''))
      throw new RunError(
        `cannot write ${path}: a ${await kindOf(path)} of that name is there; remove it, or choose another --out`,
        { cause: error },
      );
    throw fileError(`cannot write ${path}`, error, 'another --out');
  }
  const bytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  return { path, checkpoint: checkpoint.folder, tensors: tensors.length, bytes };
}

const kindOf = (path: string): Promise<string> =>
  lstat(path).then(
    (found) => (found.isDirectory() ? 'folder' : found.isSymbolicLink() ? 'link' : 'file'),
    () => 'file',
  );

/** Those of 4 bytes first, so that each is aligned. */
const elementOrder = ({ dtype }: TensorShape): number => (dtype === 'f32' || dtype === 'i32' ? 0 : 1);

const endings: Readonly<Record<ExportFormat, string>> = {
  safetensors: '.safetensors',
  npz: '.npz',
  tfjs: '-tfjs',
};

/** `DigitsTrainer-step-00000675.npz`. What a checkpoint says is no path. */
const defaultName = ({ trainer, step }: Checkpoint, to: ExportFormat): string =>
  `${/^\w{1,100}$/.test(trainer) ? trainer : 'weights'}-${checkpointName(step)}${endings[to]}`;

const mode = 0o644;

/** Writes into a file at known places, and flushes it. */
async function withFile(path: string, work: (put: Put) => Promise<void>): Promise<void> {
  await makeFile(path, async (temporary) => {
    const file = await open(temporary, 'wx', mode);
    try {
      await work((bytes, at) => putAt(file, bytes, at));
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

type Put = (bytes: Uint8Array, at: number) => Promise<void>;

async function putAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    const { bytesWritten } = await file.write(
      bytes,
      from,
      Math.min(pieceBytes, bytes.length - from),
      at + from,
    );
    from += bytesWritten;
  }
}

async function toSafetensors(
  path: string,
  checkpoint: Checkpoint,
  tensors: readonly TensorShape[],
): Promise<void> {
  const { trainer, step, specSha256 } = checkpoint;
  const about = { trainer, step: String(step), spec_sha256: specSha256 };
  const { start, begins } = planSafetensors(tensors, about);
  await withFile(path, async (put) => {
    await put(start, 0);
    await eachTensor(checkpoint, part, (name, { values }) =>
      put(littleEndian(values), begins.get(name) ?? 0),
    );
  });
}

async function toNpz(path: string, checkpoint: Checkpoint, tensors: readonly TensorShape[]): Promise<void> {
  // Who unpacks the archive makes files of these names.
  const seen = new Map<string, string>();
  for (const { name } of tensors) {
    const twin = seen.get(name.toLowerCase());
    if (twin !== undefined)
      throw new RunError(
        `cannot write ${path}: the tensors ${JSON.stringify(twin)} and ${JSON.stringify(name)} would be one file where case does not count; export it --to safetensors`,
      );
    seen.set(name.toLowerCase(), name);
    if (!isPlain(name))
      throw new RunError(
        `cannot write ${path}: the tensor ${JSON.stringify(name)} would be a path out of the archive, or a file that some system does not have; export it --to safetensors`,
      );
  }
  const plan = planNpz(tensors);
  await withFile(path, async (put) => {
    await eachTensor(checkpoint, part, async (name, { values }) => {
      const bytes = littleEndian(values);
      const before = plan.before(name, bytes);
      await put(before.bytes, before.at);
      await put(bytes, plan.begins.get(name) ?? 0);
    });
    const end = plan.end();
    await put(end.bytes, end.at);
  });
}

/** Whether a name stays in the folder that it is unpacked into, on every system. */
const isPlain = (name: string): boolean =>
  name.length <= 200 &&
  !/[\u0000-\u001f\\:]/.test(name) &&
  name
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !devices.test(segment));

/** Devices of Windows, whatever follows a dot. */
const devices = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\s*\.|\s*$)/i;

const shardBytes = 4 * 2 ** 20;

/**
 * What `tf.io.loadWeights` of TensorFlow.js takes: `weights_manifest.json`, and the values one after the other in shards of 4 MiB.
 * u8 becomes int32, which it has.
 */
async function toTfjs(path: string, checkpoint: Checkpoint, tensors: readonly TensorShape[]): Promise<void> {
  const total = tensors.reduce((sum, tensor) => sum + tfjsBytes(tensor), 0);
  const count = Math.max(1, Math.ceil(total / shardBytes));
  const paths = Array.from({ length: count }, (_value, index) => `group1-shard${index + 1}of${count}.bin`);
  await makeFolder(path, async (temporary) => {
    const shard = new Uint8Array(Math.min(shardBytes, total));
    let filled = 0;
    let written = 0;
    const flush = async (): Promise<void> => {
      await writeNew(join(temporary, paths[written] ?? ''), [shard.subarray(0, filled)], { mode });
      written += 1;
      filled = 0;
    };
    const weights: { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[] =
      [];
    await eachTensor(checkpoint, part, async (name, tensor) => {
      weights.push({ name, shape: tensor.shape, dtype: tfjsNames[tensor.dtype] });
      const bytes = littleEndian(tensor.dtype === 'u8' ? Int32Array.from(tensor.values) : tensor.values);
      for (let from = 0; from < bytes.length;) {
        const piece = bytes.subarray(from, from + shard.length - filled);
        shard.set(piece, filled);
        filled += piece.length;
        from += piece.length;
        if (filled === shard.length) await flush();
      }
    });
    if (filled > 0 || written === 0) await flush();
    const manifest = new TextEncoder().encode(`${JSON.stringify([{ paths, weights }], null, 2)}\n`);
    await writeNew(join(temporary, 'weights_manifest.json'), [manifest], { mode });
  });
}

const tfjsNames: Readonly<Record<HostTensor['dtype'], string>> = {
  f32: 'float32',
  i32: 'int32',
  u8: 'int32',
  bool: 'bool',
};

const tfjsBytes = (tensor: TensorShape): number => bytesOf(tensor) * (tensor.dtype === 'u8' ? 4 : 1);
