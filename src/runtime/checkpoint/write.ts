/**
 * Writes checkpoints: a folder `step-N` with `model.safetensors`, `optimizer.safetensors`, `state.json` and, last,
 * `manifest.json` with a checksum of every file and tensor. A folder with a manifest is complete.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import type { Json } from '../addons/addon.js';
import { fileError, makeFolder, replaceText, sha256, writeNew } from './files.js';
import { littleEndian, writeSafetensors } from './safetensors.js';

/** The version of the layout. A reader refuses a newer one. */
export const checkpointFormat = 1;

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

export interface CheckpointContents {
  readonly head: CheckpointHead;
  readonly step: number;
  readonly epoch: number;
  readonly model: ReadonlyMap<string, HostTensor>;
  readonly optimizer: ReadonlyMap<string, HostTensor>;
  /** Why the run failed that left this state; null in the checkpoints of a run. */
  readonly error?: string | null;
  /** Counters, data position, add-ons' state. */
  readonly state: Readonly<Record<string, Json>>;
}

/** `step-00001200`. */
export const checkpointName = (step: number): string => `step-${String(step).padStart(8, '0')}`;

/** `failed-00001200`: the state that a failed run left is none of its checkpoints. */
const failedName = (step: number): string => `failed-${String(step).padStart(8, '0')}`;

/** Copies variables to the host. */
export async function downloadAll(
  variables: readonly StateVariable[],
): Promise<ReadonlyMap<string, HostTensor>> {
  const values = new Map<string, HostTensor>();
  for (const variable of variables) values.set(variable.path, await variable.download());
  return values;
}

/** Checksum of a tensor: its values as little-endian bytes. */
export function tensorChecksum({ values }: HostTensor): string {
  return sha256([littleEndian(values)]);
}

/**
 * Writes a checkpoint below `parent` and returns its folder. Rejects with a RunError where the disk refuses or a checkpoint
 * of this step exists; nothing that existed is touched.
 */
export async function writeCheckpoint(parent: string, contents: CheckpointContents): Promise<string> {
  const { step, error: failure = null } = contents;
  const folder = join(parent, failure === null ? checkpointName(step) : failedName(step));
  const files = new Map<string, readonly Uint8Array[]>([
    ['model.safetensors', writeSafetensors(contents.model)],
    ['optimizer.safetensors', writeSafetensors(contents.optimizer)],
    ['state.json', [json(contents.state)]],
  ]);
  try {
    await makeFolder(folder, async (temporary) => {
      for (const [name, pieces] of files) await writeNew(join(temporary, name), pieces);
      await writeNew(join(temporary, 'manifest.json'), [json(manifestOf(contents, files))]);
    });
  } catch (error) {
    throw fileError(`cannot save the checkpoint ${folder}`, error);
  }
  return folder;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}

function manifestOf(
  contents: CheckpointContents,
  files: ReadonlyMap<string, readonly Uint8Array[]>,
): unknown {
  const { head, step, epoch, model, optimizer, error = null } = contents;
  const tensors = (file: string, values: ReadonlyMap<string, HostTensor>): unknown[] =>
    [...values].map(([name, tensor]) => ({
      name,
      file,
      dtype: tensor.dtype,
      shape: tensor.shape,
      sha256: tensorChecksum(tensor),
    }));
  return {
    format: checkpointFormat,
    step,
    epoch,
    ...(error === null ? {} : { error }),
    ...head,
    files: [...files].map(([name, pieces]) => ({
      name,
      bytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
      sha256: sha256(pieces),
    })),
    tensors: [...tensors('model.safetensors', model), ...tensors('optimizer.safetensors', optimizer)],
  };
}

/** Points `last` or `best` at a checkpoint, in one step. */
export async function pointTo(parent: string, name: 'last' | 'best', step: number): Promise<void> {
  try {
    await replaceText(join(parent, name), `${checkpointName(step)}\n`);
  } catch (error) {
    throw fileError(`cannot write ${join(parent, name)}`, error);
  }
}

/** Deletes a checkpoint: its manifest first, so that no half of it is ever taken for a whole. */
export async function deleteCheckpoint(folder: string): Promise<void> {
  await rm(join(folder, 'manifest.json'), { force: true });
  await rm(folder, { recursive: true, force: true });
}
