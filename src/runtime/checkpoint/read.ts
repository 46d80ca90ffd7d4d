/** Reads checkpoints, strictly: checksums first, then names and shapes against the models. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import { readSafetensors } from './safetensors.js';
import { parseStrictJson, type StrictValue } from './strict-json.js';
import { checkpointFormat, tensorChecksum } from './write.js';

/** A checkpoint that was found and whose manifest was read. */
export interface Checkpoint {
  readonly folder: string;
  readonly step: number;
  readonly epoch: number;
  readonly trainer: string;
  readonly specSha256: string;
  /** Params by name, as the run had them. */
  readonly params: ReadonlyMap<string, StrictValue>;
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly sha256: string }>;
  readonly tensors: ReadonlyMap<string, string>;
}

/**
 * Finds a checkpoint: `path` is one, or a run's folder, of which the best is taken, else the last. Rejects with a RunError
 * that says what was looked for.
 */
export async function findCheckpoint(path: string): Promise<Checkpoint> {
  if (await exists(join(path, 'manifest.json'))) return readManifest(path);
  for (const pointer of ['best', 'last']) {
    const file = join(path, 'checkpoints', pointer);
    if (!(await exists(file))) continue;
    const name = (await readFile(file, 'utf8')).trim();
    if (!/^step-\d+$/.test(name))
      throw new RunError(`${file} names ${JSON.stringify(name)}, which is no checkpoint`);
    return readManifest(join(path, 'checkpoints', name));
  }
  throw new RunError(
    `${path} is no checkpoint and no run with one; give the folder of a run, or of a checkpoint with its manifest.json`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

type Fields = ReadonlyMap<string, StrictValue>;

async function readManifest(folder: string): Promise<Checkpoint> {
  const file = join(folder, 'manifest.json');
  let manifest: StrictValue;
  try {
    manifest = parseStrictJson(await readFile(file, 'utf8'));
  } catch (error) {
    throw new RunError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const fields = asMap(file, manifest);
  const format = fields.get('format');
  if (format !== checkpointFormat) {
    throw new RunError(
      typeof format === 'number' && format > checkpointFormat
        ? `${file} has format ${format}; this trainer reads up to ${checkpointFormat}, build it with a newer ztrainc`
        : `${file} has no format that is known, got ${JSON.stringify(format)}`,
    );
  }
  const spec = asMap(file, fields.get('spec'));
  return {
    folder,
    step: asNumber(file, fields.get('step')),
    epoch: asNumber(file, fields.get('epoch')),
    trainer: asText(file, spec.get('trainer')),
    specSha256: asText(file, spec.get('sha256')),
    params: asMap(file, fields.get('params')),
    files: new Map(
      asList(file, fields.get('files')).map((entry) => {
        const own = asMap(file, entry);
        const value = { bytes: asNumber(file, own.get('bytes')), sha256: asText(file, own.get('sha256')) };
        return [asText(file, own.get('name')), value];
      }),
    ),
    tensors: new Map(
      asList(file, fields.get('tensors')).map((entry) => {
        const own = asMap(file, entry);
        return [asText(file, own.get('name')), asText(file, own.get('sha256'))];
      }),
    ),
  };
}

function wrong(file: string): never {
  throw new RunError(`${file} is not a manifest as this trainer writes it; take another checkpoint`);
}
const asMap = (file: string, value: StrictValue | undefined): Fields =>
  value instanceof Map ? value : wrong(file);
const asList = (file: string, value: StrictValue | undefined): readonly StrictValue[] =>
  Array.isArray(value) ? value : wrong(file);
const asText = (file: string, value: StrictValue | undefined): string =>
  typeof value === 'string' ? value : wrong(file);
const asNumber = (file: string, value: StrictValue | undefined): number =>
  typeof value === 'number' ? value : wrong(file);

/** The tensors of one file, checksums verified. Rejects with a RunError that names file and tensor. */
export async function readTensors(
  checkpoint: Checkpoint,
  name: string,
): Promise<ReadonlyMap<string, HostTensor>> {
  const path = join(checkpoint.folder, name);
  const expected = checkpoint.files.get(name);
  if (expected === undefined)
    throw new RunError(`the manifest of ${checkpoint.folder} lists no ${name}; take another checkpoint`);
  const damaged = (how: string): never => {
    throw new RunError(`${path} is damaged: ${how}; take another checkpoint of the run`);
  };
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new RunError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (bytes.length !== expected.bytes)
    damaged(`it has ${bytes.length} bytes, the manifest says ${expected.bytes}`);
  const whole = createHash('sha256').update(bytes).digest('hex') === expected.sha256;
  let tensors: ReadonlyMap<string, HostTensor>;
  try {
    ({ tensors } = readSafetensors(bytes));
  } catch (error) {
    return damaged(error instanceof Error ? error.message : String(error));
  }
  for (const [tensor, value] of tensors) {
    if (tensorChecksum(value) !== checkpoint.tensors.get(tensor))
      damaged(`the checksum of tensor ${tensor} differs`);
  }
  if (!whole) damaged('its checksum differs');
  return tensors;
}

/**
 * Puts tensors into variables. All names and shapes must agree; nothing is changed otherwise. Throws a RunError that lists
 * the differences.
 */
export function loadInto(
  variables: readonly StateVariable[],
  tensors: ReadonlyMap<string, HostTensor>,
  from: string,
): void {
  const own = new Map(variables.map((variable) => [variable.path, variable]));
  const missing = [...own.keys()].filter((path) => !tensors.has(path));
  const extra = [...tensors.keys()].filter((path) => !own.has(path));
  const reshaped = [...tensors].flatMap(([path, tensor]) => {
    const variable = own.get(path);
    const same =
      variable === undefined ||
      (variable.dtype === tensor.dtype && variable.shape.join() === tensor.shape.join());
    return same ? [] : [`${path} is ${show(tensor)} there and ${show(variable)} here`];
  });
  if (missing.length + extra.length + reshaped.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`${from} lacks ${some(missing)}`] : []),
      ...(extra.length > 0 ? [`the models lack ${some(extra)}`] : []),
      ...reshaped.slice(0, 5),
    ];
    throw new RunError(
      `the checkpoint does not fit the models: ${parts.join('; ')}; use the params that it was trained with`,
    );
  }
  for (const [path, tensor] of tensors) own.get(path)?.upload(tensor);
}

const show = ({ dtype, shape }: { readonly dtype: string; readonly shape: readonly number[] }): string =>
  `${dtype}[${shape.join(', ')}]`;

function some(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
