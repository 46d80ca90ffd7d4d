/** Reads checkpoints, strictly: checksums first, then names and shapes against the models. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import { sha256 } from './files.js';
import { insteadOf, isFile, isFolder, whyUnread } from './list.js';
import { SafetensorsError } from './safetensors.js';
import { parseStrictJson, type StrictValue } from './strict-json.js';
import { readTensorFile, type TensorFile } from './tensor-file.js';
import { checkpointFormat } from './write.js';

/** A checkpoint that was found and whose manifest was read. */
export interface Checkpoint {
  readonly folder: string;
  readonly step: number;
  readonly epoch: number;
  readonly trainer: string;
  readonly specSha256: string;
  /** The engine that wrote it, with its version. */
  readonly engine: string;
  /** Params by name, as the run had them. */
  readonly params: ReadonlyMap<string, StrictValue>;
  readonly files: ReadonlyMap<string, { readonly bytes: number; readonly sha256: string }>;
  readonly tensors: ReadonlyMap<string, string>;
}

/**
 * Finds a checkpoint: `path` is one, or a run's folder, of which the best is taken, else the last. Rejects with a RunError
 * that says what was looked for and which checkpoints there are.
 */
export async function findCheckpoint(path: string): Promise<Checkpoint> {
  if (await isFile(join(path, 'manifest.json'))) return readManifest(path);
  for (const pointer of ['best', 'last']) {
    const file = join(path, 'checkpoints', pointer);
    if (!(await isFile(file))) continue;
    const name = (await readFile(file, 'utf8')).trim();
    const folder = join(path, 'checkpoints', name);
    if (!/^step-\d+$/.test(name)) {
      throw new RunError(
        `${file} names ${JSON.stringify(name)}, which is no checkpoint; ${await insteadOf(path)}`,
      );
    }
    if (!(await isFolder(folder)))
      throw new RunError(`${file} names ${name}, which is not there; ${await insteadOf(path)}`);
    return readManifest(folder);
  }
  const what = (await isFolder(path))
    ? `${path} is no checkpoint and no run with one`
    : (await isFile(path))
      ? `${path} is a file; --from takes the folder of a run or of a checkpoint`
      : `there is no folder ${path}`;
  const wanted = 'give the folder of a run, or of a checkpoint with its manifest.json';
  throw new RunError(`${what}; ${await insteadOf(path, wanted)}`);
}

type Fields = ReadonlyMap<string, StrictValue>;

async function readManifest(folder: string): Promise<Checkpoint> {
  const file = join(folder, 'manifest.json');
  let manifest: StrictValue;
  try {
    manifest = parseStrictJson(await readFile(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? `it is damaged, ${error.message}` : whyUnread(error);
    throw new RunError(`cannot read ${file}: ${why}; ${await insteadOf(folder)}`, { cause: error });
  }
  try {
    return checkpointOf(folder, file, manifest);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    throw new RunError(
      `${file} is not a manifest as a trainer writes it: ${error.message}; ${await insteadOf(folder)}`,
    );
  }
}

/** A manifest that lacks something. */
class Misfit extends Error {}

function checkpointOf(folder: string, file: string, manifest: StrictValue): Checkpoint {
  const fields = asMap('its text', manifest);
  const format = fields.get('format');
  if (typeof format === 'number' && format > checkpointFormat) {
    throw new RunError(
      `${file} has format ${format}; this trainer reads up to ${checkpointFormat}, build it with a newer ztrainc`,
    );
  }
  if (format !== checkpointFormat)
    throw new Misfit(`"format" must be ${checkpointFormat}, got ${shownValue(format)}`);
  const spec = asMap('"spec"', fields.get('spec'));
  return {
    folder,
    step: asNumber('"step"', fields.get('step')),
    epoch: asNumber('"epoch"', fields.get('epoch')),
    trainer: asText('"trainer" of "spec"', spec.get('trainer')),
    specSha256: asText('"sha256" of "spec"', spec.get('sha256')),
    engine: asText('"engine"', fields.get('engine')),
    params: asMap('"params"', fields.get('params')),
    files: new Map(
      asList('"files"', fields.get('files')).map((entry) => {
        const own = asMap('an entry of "files"', entry);
        const name = asText('"name" of a file', own.get('name'));
        const value = {
          bytes: asNumber(`"bytes" of ${name}`, own.get('bytes')),
          sha256: asText(`"sha256" of ${name}`, own.get('sha256')),
        };
        return [name, value];
      }),
    ),
    tensors: new Map(
      asList('"tensors"', fields.get('tensors')).map((entry) => {
        const own = asMap('an entry of "tensors"', entry);
        const name = asText('"name" of a tensor', own.get('name'));
        return [name, asText(`"sha256" of ${name}`, own.get('sha256'))];
      }),
    ),
  };
}

const shownValue = (value: StrictValue | undefined): string => {
  if (value === undefined) return 'nothing';
  if (value instanceof Map) return 'an object';
  return Array.isArray(value) ? 'a list' : JSON.stringify(value);
};

const misfit = (what: string, want: string, value: StrictValue | undefined): never => {
  throw new Misfit(`${what} must be ${want}, got ${shownValue(value)}`);
};
const asMap = (what: string, value: StrictValue | undefined): Fields =>
  value instanceof Map ? value : misfit(what, 'an object', value);
const asList = (what: string, value: StrictValue | undefined): readonly StrictValue[] =>
  Array.isArray(value) ? value : misfit(what, 'a list', value);
const asText = (what: string, value: StrictValue | undefined): string =>
  typeof value === 'string' ? value : misfit(what, 'text', value);
const asNumber = (what: string, value: StrictValue | undefined): number =>
  typeof value === 'number' ? value : misfit(what, 'a number', value);

/** The tensors of one file, checksums verified. Rejects with a RunError that names file and tensor. */
export async function readTensors(
  checkpoint: Checkpoint,
  name: string,
): Promise<ReadonlyMap<string, HostTensor>> {
  const path = join(checkpoint.folder, name);
  const expected = checkpoint.files.get(name);
  if (expected === undefined)
    throw new RunError(
      `the manifest of ${checkpoint.folder} lists no ${name}; ${await insteadOf(checkpoint.folder)}`,
    );
  const instead = await insteadOf(checkpoint.folder);
  const damaged = (how: string): never => {
    throw new RunError(`${path} is damaged: ${how}; ${instead}`);
  };
  let file: TensorFile;
  try {
    file = await readTensorFile(path, expected.bytes);
  } catch (error) {
    if (error instanceof SafetensorsError) return damaged(error.message);
    throw new RunError(`cannot read ${path}: ${whyUnread(error)}; ${instead}`, { cause: error });
  }
  for (const [tensor, checksum] of file.checksums) {
    if (checksum !== checkpoint.tensors.get(tensor)) damaged(`the checksum of tensor ${tensor} differs`);
  }
  if (file.sha256 !== expected.sha256) damaged('its checksum differs');
  return file.tensors;
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

/** What `state.json` says, its checksum verified: plain values. Rejects with a RunError where it is damaged. */
export async function readState(checkpoint: Checkpoint): Promise<Readonly<Record<string, unknown>>> {
  const path = join(checkpoint.folder, 'state.json');
  const expected = checkpoint.files.get('state.json');
  const instead = await insteadOf(checkpoint.folder);
  let text: Buffer;
  try {
    text = await readFile(path);
  } catch (error) {
    throw new RunError(`cannot read ${path}: ${whyUnread(error)}; ${instead}`, { cause: error });
  }
  if (expected === undefined || text.length !== expected.bytes || sha256([text]) !== expected.sha256)
    throw new RunError(`${path} is damaged: its checksum differs; ${instead}`);
  const state = plain(parseStrictJson(text.toString('utf8')));
  if (typeof state !== 'object' || state === null || Array.isArray(state))
    throw new RunError(`${path} is not what a trainer writes; ${instead}`);
  return Object.fromEntries(Object.entries(state));
}

/** Maps as records: every key is the record's own, `__proto__` too. */
function plain(value: StrictValue): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, each]: [string, StrictValue]) => [key, plain(each)]));
  return isList(value) ? value.map(plain) : value;
}

const isList = (value: StrictValue): value is readonly StrictValue[] => Array.isArray(value);
