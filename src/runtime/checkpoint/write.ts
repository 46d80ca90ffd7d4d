/**
 * Writes checkpoints: a folder `step-N` with `model.safetensors`, `optimizer.safetensors` (unless it holds weights only),
 * `state.json` and, last, `manifest.json` with a checksum of every file and tensor; or the same in one file, `step-N.ckpt`. What
 * has such a name is complete.
 */
import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import type { Json } from '../addons/addon.js';
import { RunError } from '../run/run-error.js';
import {
  FileRefused,
  fileError,
  isThere,
  makeFile,
  makeFolder,
  removeWhole,
  replaceText,
  sha256,
  sumInTurns,
  sweepTemporaries,
  systemErrorIn,
  writeNew,
  type Written,
} from './files.js';
import { checksums, digitsIn, sha256Sums, type Checksum, type Checksums } from './checksum.js';
import { fileEnding, isDamage, whyNone } from './list.js';
import {
  checkpointFormat,
  manifestLimit,
  manifestText,
  NewerFormat,
  stateLimit,
  tensorChecksum,
} from './manifest.js';
import { openCheckpoint, verifyCheckpoint, verifyHeads } from './read.js';
import {
  bytesOf,
  headerLimit,
  inFileOrder,
  littleEndian,
  planSafetensors,
  SafetensorsError,
  writeSafetensors,
  type TensorShape,
} from './safetensors.js';
import { jsonText } from './strict-json.js';

export { checkpointFormat } from './manifest.js';

/** What a manifest says of a run. */
export interface CheckpointHead {
  readonly spec: {
    readonly name: string;
    readonly trainer: string;
    readonly sha256: string;
    readonly language: number;
    readonly compiler: string;
    readonly files: readonly { readonly path: string; readonly text: string }[];
  };
  readonly params: Readonly<Record<string, Json>>;
  readonly engine: string;
  readonly seed: number;
}

/** `folder`: several files; `ckpt`: one, with the same in it. */
export type CheckpointLayout = 'folder' | 'ckpt';

export interface CheckpointContents {
  readonly head: CheckpointHead;
  readonly step: number;
  readonly epoch: number;
  readonly model: ReadonlyMap<string, HostTensor>;
  /** Null in a checkpoint of weights only. */
  readonly optimizer: ReadonlyMap<string, HostTensor> | null;
  /** Why the run failed that left this state; null in the checkpoints of a run. */
  readonly error?: string | null;
  /** Counters, data position, add-ons' state. */
  readonly state: Readonly<Record<string, Json>>;
  /** A folder unless given. */
  readonly layout?: CheckpointLayout;
}

/** `step-00001200`. */
export const checkpointName = (step: number): string => `step-${String(step).padStart(8, '0')}`;

/**
 * `failed-00001200`: the state that a failed run left is none of its checkpoints. A run that goes on and fails there once more leaves
 * `failed-00001200-2` beside it.
 */
async function failedName(parent: string, step: number): Promise<string> {
  const first = `failed-${String(step).padStart(8, '0')}`;
  for (let turn = 1; ; turn += 1) {
    const name = turn === 1 ? first : `${first}-${turn}`;
    const path = join(parent, name);
    if (!(await isThere(path)) && !(await isThere(`${path}${fileEnding}`))) return name;
  }
}

/** Memory for copies of variables, by their paths: that of older copies, which nobody reads any more. */
export type Rooms = ReadonlyMap<string, ArrayBuffer>;

/** Copies variables to the host, into `rooms` where they fit. `look` is shown each while the processor's cache may have it still. */
export async function downloadAll(
  variables: readonly StateVariable[],
  look: (path: string, tensor: HostTensor) => void,
  rooms: Rooms,
): Promise<ReadonlyMap<string, HostTensor>> {
  const values = new Map<string, HostTensor>();
  for (const variable of variables) {
    const tensor = await variable.download(rooms.get(variable.path));
    look(variable.path, tensor);
    values.set(variable.path, tensor);
  }
  return values;
}

/** Weights are read by who trained them, and by who is let read them: models remember what they were trained on. */
const privateMode = 0o600;

/**
 * Writes a checkpoint below `parent` and returns its folder (its file, in the layout `ckpt`). Rejects with a RunError where the disk
 * refuses or a whole checkpoint of this step exists; nothing that existed is touched, but what is no whole one and has its name gets
 * another.
 */
export async function writeCheckpoint(parent: string, contents: CheckpointContents): Promise<string> {
  const { step, error: failure = null, layout = 'folder' } = contents;
  const name = failure === null ? checkpointName(step) : await failedName(parent, step);
  const path = join(parent, layout === 'ckpt' ? `${name}${fileEnding}` : name);
  try {
    await sweepTemporaries(parent);
    for (const other of [join(parent, name), join(parent, `${name}${fileEnding}`)]) await makeWay(other);
    await (layout === 'ckpt' ? writeOneFile(path, contents) : writeFolder(path, contents));
  } catch (error) {
    if (error instanceof TooLarge || error instanceof SafetensorsError)
      throw new RunError(`cannot save the checkpoint ${path}: ${error.message}`, { cause: error });
    throw fileError(`cannot save the checkpoint ${path}`, systemErrorIn(error) ?? error);
  }
  return path;
}

/** What a checkpoint would hold is more than is read. */
class TooLarge extends Error {}

/**
 * A run that goes on from an older checkpoint comes to the step of a damaged one, which it did not take, again. What stands there
 * is kept under another name, for whoever knows more of it.
 */
async function makeWay(path: string): Promise<void> {
  if (!(await isThere(path))) return;
  const refused = (what: string): RunError =>
    new FileRefused(`cannot save the checkpoint ${path}: ${what}`, null, 'another --run-dir');
  if ((await whyNone(path)) === 'it is a link') throw refused('a link stands there');
  try {
    await verifyCheckpoint(await openCheckpoint(path));
  } catch (error) {
    if (error instanceof NewerFormat) throw refused('one of a newer ztrain stands there');
    // It may be whole.
    if (!isDamage(error)) throw error;
    for (let number = 1; ; number += 1) {
      const aside = `${path}.damaged-${number}`;
      if (await isThere(aside)) continue;
      await rename(path, aside);
      return;
    }
  }
  throw refused('something else stands there');
}

/** A tensor's entry in the manifest. */
const tensorEntry = (
  name: string,
  file: string,
  { dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>,
  { kind, digits }: Checksum,
): Json => ({
  name,
  file,
  dtype,
  shape,
  [kind]: digits,
});

/** The files of tensors that a checkpoint has; in one that is a single file, parts of it. */
function tensorFilesOf({
  model,
  optimizer,
}: CheckpointContents): readonly (readonly [string, ReadonlyMap<string, HostTensor>])[] {
  return [
    ['model.safetensors', model],
    ...(optimizer === null ? [] : [['optimizer.safetensors', optimizer] as const]),
  ];
}

/** The checksum of a piece that was written with one. */
function checksumOf({ pieces }: Written, index: number): Checksum {
  const checksum = pieces[index];
  if (checksum === undefined) throw new Error(`piece ${index} has no checksum`);
  return checksum;
}

async function writeFolder(folder: string, contents: CheckpointContents): Promise<void> {
  await makeFolder(folder, async (temporary) => {
    const files: Json[] = [];
    const tensors: Json[] = [];
    const ofTensors = await checksums(tensorChecksum);
    // What comes first in a file, or is all of it, is text.
    const sums = (piece: number): Checksums => (piece === 0 ? sha256Sums : ofTensors);
    const write = (name: string, pieces: readonly Uint8Array[]): Promise<Written> =>
      writeNew(join(temporary, name), pieces, { mode: privateMode, sums });
    for (const [name, values] of tensorFilesOf(contents)) {
      // Its head and its tensors are all of a file, so that each byte is hashed once.
      const written = await write(name, writeSafetensors(values));
      files.push({ name, bytes: written.bytes, headSha256: checksumOf(written, 0).digits });
      for (const [index, [tensor, value]] of inFileOrder(values).entries())
        tensors.push(tensorEntry(tensor, name, value, checksumOf(written, index + 1)));
    }
    const state = await write('state.json', [stateBytes(contents)]);
    files.push({ name: 'state.json', bytes: state.bytes, sha256: checksumOf(state, 0).digits });
    const manifest = manifestBytes(manifestOf(contents, files, tensors));
    await writeNew(join(temporary, 'manifest.json'), [manifest], { mode: privateMode });
    await verifyHeads(temporary, false);
  });
}

/** A safetensors file of all tensors, with the manifest and the state among its metadata. */
async function writeOneFile(path: string, contents: CheckpointContents): Promise<void> {
  const tensors: Json[] = [];
  const parts = tensorFilesOf(contents);
  const all = new Map(parts.flatMap(([, values]) => [...values]));
  if (all.size < parts.reduce((sum, [, { size }]) => sum + size, 0))
    throw new Error('a weight and a slot of an optimizer have one name, and a single file holds one of them');
  const sums = await checksums(tensorChecksum);
  for (const [file, values] of parts)
    for (const [name, value] of values)
      tensors.push(tensorEntry(name, file, value, await sumInTurns(sums, littleEndian(value.values))));
  const state = stateBytes(contents);
  const files: Json[] = [{ name: 'state.json', bytes: state.length, sha256: sha256([state]) }];
  const manifest = manifestBytes(manifestOf(contents, files, tensors));
  const pieces = writeSafetensors(all, textsInOneFile(manifest, state));
  await makeFile(path, async (temporary) => {
    await writeNew(temporary, pieces, { mode: privateMode });
    await verifyHeads(temporary, true);
  });
}

/** The metadata of a single file. Throws where it has no room for them. */
function textsInOneFile(manifest: Uint8Array, state: Uint8Array): Readonly<Record<string, string>> {
  const bytes = manifest.length + state.length;
  if (bytes > headerLimit)
    throw new TooLarge(
      `its manifest and state have ${bytes} bytes, and one file has room for ${headerLimit}; take format = "folder"`,
    );
  const decoder = new TextDecoder();
  return { manifest: decoder.decode(manifest), state: decoder.decode(state) };
}

/** What has limits in a checkpoint: all of it but the values of its tensors. */
export interface CheckpointPlan extends Pick<CheckpointContents, 'head' | 'step' | 'epoch' | 'state'> {
  readonly model: readonly TensorShape[];
  readonly optimizer: readonly TensorShape[] | null;
  readonly layout: CheckpointLayout;
}

/** Throws the RunError of `writeCheckpoint` where what is planned would not be read again, before any of it is there to be written. */
export function refuseTooLarge(plan: CheckpointPlan): void {
  const { model, optimizer, layout } = plan;
  const parts = [
    ['model.safetensors', model],
    ...(optimizer === null ? [] : [['optimizer.safetensors', optimizer] as const]),
  ] as const;
  // Of a length that does not depend on what is summed up.
  const sum: Checksum = { kind: tensorChecksum, digits: '0'.repeat(digitsIn[tensorChecksum]) };
  const sha = '0'.repeat(digitsIn.sha256);
  try {
    const state = stateBytes(plan);
    const bytes = (all: readonly TensorShape[]): number =>
      all.reduce((total, each) => total + bytesOf(each), planSafetensors(all).start.length);
    const files: readonly Json[] = [
      ...(layout === 'ckpt'
        ? []
        : parts.map(([name, all]) => ({ name, bytes: bytes(all), headSha256: sha }))),
      { name: 'state.json', bytes: state.length, sha256: sha },
    ];
    const tensors = parts.flatMap(([file, all]) =>
      all.map((each) => tensorEntry(each.name, file, each, sum)),
    );
    const manifest = manifestBytes(manifestOf(plan, files, tensors));
    if (layout === 'ckpt')
      planSafetensors(
        parts.flatMap(([, all]) => all),
        textsInOneFile(manifest, state),
      );
  } catch (error) {
    if (!(error instanceof TooLarge || error instanceof SafetensorsError)) throw error;
    throw new RunError(`no checkpoint of this run could be saved: ${error.message}`, { cause: error });
  }
}

function stateBytes({ state }: Pick<CheckpointContents, 'state'>): Uint8Array {
  let text: string | null = null;
  try {
    text = `${jsonText(state)}\n`;
  } catch (error) {
    // A text longer than any can be.
    if (!(error instanceof RangeError)) throw error;
  }
  const bytes = text === null ? null : new TextEncoder().encode(text);
  if (bytes !== null && bytes.length <= stateLimit) return bytes;
  throw new TooLarge(
    `its state has ${bytes === null ? 'far more' : `${bytes.length} bytes, more`} than ${stateLimit} bytes; let metrics of the train step and add-ons keep less`,
  );
}

function manifestBytes(fields: Readonly<Record<string, Json>>): Uint8Array {
  const bytes = new TextEncoder().encode(manifestText(fields));
  if (bytes.length <= manifestLimit) return bytes;
  throw new TooLarge(
    `its manifest has ${bytes.length} bytes, more than ${manifestLimit}; let models have fewer weights, each larger`,
  );
}

function manifestOf(
  {
    head,
    step,
    epoch,
    optimizer,
    error = null,
  }: Pick<CheckpointContents, 'head' | 'step' | 'epoch' | 'error'> & { readonly optimizer: object | null },
  files: readonly Json[],
  tensors: readonly Json[],
): Readonly<Record<string, Json>> {
  return {
    format: checkpointFormat,
    step,
    epoch,
    ...(error === null ? {} : { error }),
    ...(optimizer === null ? { holds: 'weights' } : {}),
    spec: { ...head.spec, files: head.spec.files.map(({ path, text }) => ({ path, text })) },
    params: head.params,
    engine: head.engine,
    seed: head.seed,
    files,
    tensors,
  };
}

/** Points `last` or `best` at a checkpoint, in one step. */
export async function pointTo(parent: string, name: 'last' | 'best', step: number): Promise<void> {
  const own = checkpointName(step);
  try {
    const isOneFile = await isThere(join(parent, `${own}${fileEnding}`));
    await replaceText(join(parent, name), `${own}${isOneFile ? fileEnding : ''}\n`);
  } catch (error) {
    throw fileError(`cannot write ${join(parent, name)}`, error);
  }
}

/**
 * Deletes a checkpoint, in one step as far as anyone sees. Rejects with a RunError where the disk refuses.
 */
export async function deleteCheckpoint(path: string): Promise<void> {
  try {
    await removeWhole(path);
  } catch (error) {
    throw fileError(`cannot delete the checkpoint ${basename(path)} in ${dirname(path)}`, error);
  }
}
