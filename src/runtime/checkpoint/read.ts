/** Reads checkpoints, strictly: checksums first, then names and shapes against the models. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { HostTensor, StateVariable } from '../engine/engine.js';
import { record } from '../../values/json-record.js';
import { newestRunIn } from '../run/about-run.js';
import { RunError } from '../run/run-error.js';
import { sameChecksum } from './checksum.js';
import { codeOf, isThere, sha256 } from './files.js';
import { fileEnding, insteadOf, isCheckpointName, isFile, isFolder, whyUnread } from './list.js';
import {
  manifestLimit,
  Misfit,
  readManifest,
  stateLimit,
  type Checkpoint,
  type TensorRecord,
} from './manifest.js';
import { SafetensorsError, storedName } from './safetensors.js';
import { parseStrictJson, type StrictValue } from './strict-json.js';
import { hashFile, inDataOrder, openTensorFile, readTextFile, type OpenTensorFile } from './tensor-file.js';

export type { Checkpoint } from './manifest.js';

/** Files of a checkpoint; in one that is a single file, parts of it. */
export type TensorFileName = 'model.safetensors' | 'optimizer.safetensors';

/**
 * Finds a checkpoint: `path` is one, also as `checkpoints/best` or `checkpoints/last`, or a run's folder, of which the best is taken, else
 * the last. Rejects with a RunError
 * that says what was looked for and which checkpoints there are.
 */
export async function findCheckpoint(path: string): Promise<Checkpoint> {
  const folder = dirname(resolve(path));
  if (/^(?:best|last)$/.test(basename(path)) && basename(folder) === 'checkpoints' && (await isFile(path)))
    return pointedAt(dirname(folder), path);
  if (path.endsWith(fileEnding) && (await isFile(path))) return openCheckpoint(path);
  if (await isFile(join(path, 'manifest.json'))) return openCheckpoint(path);
  for (const pointer of ['best', 'last']) {
    const file = join(path, 'checkpoints', pointer);
    if (await isFile(file)) return pointedAt(path, file);
  }
  if (await isFile(join(path, 'sweep.json'))) throw new RunError(await sweepAdvice(path));
  if (await isFile(join(folder, 'sweep.json'))) {
    const runs = await runsOfPoint(path);
    if (runs.length > 0)
      throw new RunError(
        `${path} is a point of a sweep, not a run; give one of its runs: ${shortList(runs)}`,
      );
  }
  const isOne = await isFile(path);
  if (isOne && (await isFile(join(dirname(path), 'manifest.json'))))
    throw new RunError(`${path} is a file of a checkpoint; give the checkpoint, ${dirname(path)}`);
  const what = (await isFolder(path))
    ? `${path} is no checkpoint and no run with one`
    : `${isOne ? '' : 'there is no folder '}${path}${isOne ? ' is a file' : ''}`;
  const run = newestRunIn(path);
  const wanted =
    run === null
      ? `give the folder of a run, or of a checkpoint with its manifest.json${isOne ? `; a checkpoint that is one file has a name that ends in ${fileEnding}` : ''}`
      : `give a run in it, such as ${run}`;
  throw new RunError(`${what}; ${await insteadOf(path, wanted)}`);
}

/** A checkpoint that was there when it was looked for. */
export class Removed extends RunError {}

/**
 * What `read` makes of the checkpoint that `path` names. Where that is a run, which removes its checkpoint meanwhile because it has a newer
 * one, `read` is called again with that: it must have done nothing by then that cannot be done again.
 */
export async function withCheckpoint<T>(
  path: string,
  read: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  for (let before: string | null = null; ;) {
    const checkpoint = await findCheckpoint(path);
    try {
      return await read(checkpoint);
    } catch (error) {
      const { folder } = checkpoint;
      if (!(error instanceof Removed) || folder === before || resolve(folder) === resolve(path)) throw error;
      before = folder;
    }
  }
}

/** Which run of a sweep to take: those of the point that was picked, as its `sweep.json` says. */
async function sweepAdvice(path: string): Promise<string> {
  const what = `${path} is a sweep, not a run`;
  try {
    const sweep = record(
      'sweep.json',
      JSON.parse(await readTextFile(join(path, 'sweep.json'), manifestLimit)),
    );
    // Before its last run had ended, older versions wrote what was best so far.
    const { point } = record('picked', sweep['ended'] === false ? null : sweep['picked']);
    const { points } = sweep;
    const { runs } = record('a point', Array.isArray(points) ? points[Number(point) - 1] : null);
    const names = (Array.isArray(runs) ? runs : []).map((run: unknown) =>
      String(record('a run', run)['folder']),
    );
    // What a file says is a name below its folder, of a point or of a run in it, or nothing.
    const found = names.filter(
      (name) => /^\w[\w.-]*(?:[/\\]\w[\w.-]*)?$/.test(name) && existsSync(join(path, name, 'run.json')),
    );
    if (found.length > 0)
      return `${what}; give one of its runs: point ${String(point)} was picked, ${shortList(found.map((name) => join(path, name)))}`;
  } catch {
    // It has picked none yet, or cannot be read.
  }
  return `${what}; give one of the runs in it`;
}

/** The runs of a point of a sweep that averages over several; empty where it is none. */
async function runsOfPoint(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch((): string[] => []);
  return names
    .filter((name) => /^run-\d+$/.test(name) && existsSync(join(path, name, 'run.json')))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    .map((name) => join(path, name));
}

const shownRuns = 10;

function shortList(runs: readonly string[]): string {
  const rest = runs.length - shownRuns;
  return `${runs.slice(0, shownRuns).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

async function pointerText(pointer: string): Promise<string> {
  try {
    return await readTextFile(pointer, manifestLimit);
  } catch (error) {
    const why = error instanceof SafetensorsError ? error.message : whyUnread(error);
    throw new RunError(`cannot read ${pointer}: ${why}; ${await insteadOf(dirname(dirname(pointer)))}`, {
      cause: error,
    });
  }
}

/** While a run goes on, what `last` names may be deleted before it is read: by then `last` names another. */
async function pointedAt(path: string, pointer: string): Promise<Checkpoint> {
  for (let before: string | null = null; ;) {
    const name = (await pointerText(pointer)).trim();
    if (!isCheckpointName(name))
      throw new RunError(
        `${pointer} names ${JSON.stringify(name)}, which is no checkpoint; ${await insteadOf(path)}`,
      );
    const found = join(path, 'checkpoints', name);
    const isLast = name === before;
    before = name;
    try {
      const kind = await lstat(found).catch(() => null);
      const fits = name.endsWith(fileEnding) ? kind?.isFile() : kind?.isDirectory();
      if (fits !== true)
        throw new RunError(`${pointer} names ${name}, which is not there; ${await insteadOf(path)}`);
      return await openCheckpoint(found);
    } catch (error) {
      if (isLast) throw error;
    }
  }
}

/** Reads what a checkpoint, a folder or a file, says of itself. */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const inOneFile = path.endsWith(fileEnding);
  const file = inOneFile ? path : join(path, 'manifest.json');
  // Under another name, a link to a folder is its maker's own.
  if ((inOneFile || isCheckpointName(basename(resolve(path)))) && (await isLink(resolve(path))))
    throw new RunError(`cannot read ${path}: it is a link; give the path of what it leads to`);
  try {
    return inOneFile
      ? await readHeadOf(path)
      : readManifest(path, file, await readTextFile(file, manifestLimit), false);
  } catch (error) {
    if (error instanceof RunError) throw error;
    const instead = await insteadOf(path);
    if (error instanceof Misfit)
      throw new RunError(`${file} is not a manifest as a trainer writes it: ${error.message}; ${instead}`, {
        cause: error,
      });
    const isDamaged = error instanceof SyntaxError || error instanceof SafetensorsError;
    const why = isDamaged ? `it is damaged, ${error.message}` : whyUnread(error);
    throw new RunError(`cannot read ${file}: ${why}; ${instead}`, { cause: error });
  }
}

const isLink = (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );

async function readHeadOf(path: string): Promise<Checkpoint> {
  const file = await openTensorFile(path, null);
  try {
    const text = file.metadata.get('manifest');
    if (text === undefined) throw new Misfit('its metadata has no "manifest"');
    const checkpoint = readManifest(path, path, text, true);
    const all = [...checkpoint.tensors.values()].flatMap((part) => [...part]);
    const records = new Map(all);
    if (records.size < all.length) throw new Misfit('two parts have a tensor of one name');
    compareLayout(file, records);
    return checkpoint;
  } finally {
    await file.close();
  }
}

/** What the header of a file says must be what the manifest does, before anything large is read. */
function compareLayout({ entries }: OpenTensorFile, records: ReadonlyMap<string, TensorRecord>): void {
  const names = new Set(entries.map(({ name }) => name));
  for (const name of records.keys())
    if (!names.has(name)) throw new SafetensorsError(`it lacks tensor ${name}, which the manifest lists`);
  for (const { name, type, shape } of entries) {
    const record = records.get(name);
    if (record === undefined)
      throw new SafetensorsError(`the manifest does not list its tensor ${JSON.stringify(name)}`);
    const own = `${type.name}[${shape.join(', ')}]`;
    const listed = `${storedName(record.dtype)}[${record.shape.join(', ')}]`;
    if (own !== listed)
      throw new SafetensorsError(`tensor ${name} is ${own} there and ${listed} in the manifest`);
  }
}

/** A tensor by its name; null where its values were not wanted. */
type Named = readonly [name: string, tensor: HostTensor | null];

/**
 * Tensors of a file whose header agrees with the manifest, one after the other, small neighbours together: null where only their checksums are wanted, and none of
 * the `head` alone; in memory that they share where they are wanted `together`. All of it is verified once the last was taken. Rejects with a RunError that names the file; what goes wrong with a
 * tensor that was handed on is none of its errors.
 */
async function* tensorsOf(
  checkpoint: Checkpoint,
  name: string,
  reads: 'together' | 'values' | 'checksums' | 'head',
): AsyncGenerator<readonly Named[], void, void> {
  const { folder, inOneFile } = checkpoint;
  const path = inOneFile ? folder : join(folder, name);
  const listed = checkpoint.files.get(name);
  const records = checkpoint.tensors.get(name) ?? new Map<string, TensorRecord>();
  if (!inOneFile && listed === undefined)
    throw new RunError(`the manifest of ${folder} lists no ${name}; ${await insteadOf(folder)}`);
  try {
    const hash = listed === undefined ? null : createHash('sha256');
    const [first] = records.values();
    const file = await openTensorFile(path, listed?.bytes ?? null, {
      hash,
      hashes: listed?.of,
      checksum: first?.checksum.kind ?? null,
    });
    try {
      if (!inOneFile) compareLayout(file, records);
      const entries = inDataOrder(file.entries).filter((entry) => records.has(entry.name));
      const read =
        reads === 'head' ? [] : file.each(entries, () => reads !== 'checksums', reads === 'together');
      for await (const some of read)
        yield some.map(({ entry, tensor, checksum }): Named => {
          const listedAs = records.get(entry.name)?.checksum;
          if (checksum === null || listedAs === undefined || !sameChecksum(checksum, listedAs))
            throw new SafetensorsError(`the checksum of tensor ${entry.name} differs`);
          return [entry.name, tensor];
        });
      if (hash !== null && hash.digest('hex') !== listed?.sha256)
        throw new SafetensorsError('its checksum differs');
    } finally {
      await file.close();
    }
  } catch (error) {
    await unusable(checkpoint, path, error);
  }
}

/** Reads them to the end, for what is verified on the way. */
async function verifyTensors(
  checkpoint: Checkpoint,
  name: string,
  reads: 'checksums' | 'head',
): Promise<void> {
  const tensors = tensorsOf(checkpoint, name, reads);
  while ((await tensors.next()).done !== true);
}

/** The error about a file that cannot be used, which names another checkpoint to take. */
async function unusable({ folder }: Checkpoint, path: string, error: unknown): Promise<never> {
  if (error instanceof RunError) throw error;
  const instead = await insteadOf(folder);
  if (codeOf(error) === 'ENOENT' && !(await isThere(folder)))
    throw new Removed(
      `${folder} was removed while it was read, as a run removes its older checkpoints when it saves; read the run again, or ${instead}`,
      { cause: error },
    );
  const isDamaged = error instanceof SafetensorsError || error instanceof SyntaxError;
  throw new RunError(
    isDamaged
      ? `${path} is damaged: ${error.message}; ${instead}`
      : `cannot read ${path}: ${whyUnread(error)}; ${instead}`,
    { cause: error },
  );
}

/** The tensors of one file, checksums verified, in memory that they share. Rejects with a RunError that names file and tensor. */
export async function readTensors(
  checkpoint: Checkpoint,
  name: TensorFileName,
): Promise<ReadonlyMap<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>();
  for await (const some of tensorsOf(checkpoint, name, 'together'))
    for (const [tensor, value] of some) if (value !== null) tensors.set(tensor, value);
  return tensors;
}

/** Both files beside each other: while the head of one is looked at, the other is read. Rejects as `readTensors` does, once nothing is read any more. */
export async function readAllTensors(
  checkpoint: Checkpoint,
): Promise<Readonly<Record<'model' | 'optimizer', ReadonlyMap<string, HostTensor>>>> {
  const [model, optimizer] = await Promise.allSettled([
    readTensors(checkpoint, 'model.safetensors'),
    readTensors(checkpoint, 'optimizer.safetensors'),
  ]);
  if (model.status === 'rejected') throw model.reason;
  if (optimizer.status === 'rejected') throw optimizer.reason;
  return { model: model.value, optimizer: optimizer.value };
}

/**
 * Hands the tensors of one file on, one after the other: no more than one is held, or what
 * one read brings of small ones, and the first bytes of the next. What was handed on
 * counts only once this has resolved, for the whole is verified at its end.
 */
export async function eachTensor(
  checkpoint: Checkpoint,
  name: TensorFileName,
  take: (name: string, tensor: HostTensor) => Promise<void>,
): Promise<void> {
  for await (const some of tensorsOf(checkpoint, name, 'values'))
    for (const [tensor, value] of some) if (value !== null) await take(tensor, value);
}

/** What `state.json` holds, checksum verified. Rejects with a RunError that names the file. */
export async function readState(checkpoint: Checkpoint): Promise<StrictValue> {
  const text = await readStateText(checkpoint);
  try {
    return parseStrictJson(text);
  } catch (error) {
    return unusable(checkpoint, statePath(checkpoint), error);
  }
}

const statePath = ({ folder, inOneFile }: Checkpoint): string =>
  inOneFile ? folder : join(folder, 'state.json');

/** Its text, checksum verified. Rejects with a RunError that names the file. */
export async function readStateText(checkpoint: Checkpoint): Promise<string> {
  const { folder, inOneFile } = checkpoint;
  const path = statePath(checkpoint);
  const listed = checkpoint.files.get('state.json');
  if (listed === undefined)
    throw new RunError(`the manifest of ${folder} lists no state.json; ${await insteadOf(folder)}`);
  try {
    const text = inOneFile ? await stateIn(path) : await readTextFile(path, stateLimit, listed.bytes);
    if (sha256([new TextEncoder().encode(text)]) !== listed.sha256)
      throw new SafetensorsError('the checksum of its state differs');
    return text;
  } catch (error) {
    return unusable(checkpoint, path, error);
  }
}

async function stateIn(path: string): Promise<string> {
  const file = await openTensorFile(path, null);
  try {
    return file.metadata.get('state') ?? '';
  } finally {
    await file.close();
  }
}

/**
 * Opens a checkpoint that was written just now and has no checkpoint's name yet, and reads all but its tensors: what its reader would
 * refuse must not take the place of an older one.
 */
export async function verifyHeads(path: string, inOneFile: boolean): Promise<void> {
  const checkpoint = inOneFile
    ? await readHeadOf(path)
    : readManifest(path, path, await readTextFile(join(path, 'manifest.json'), manifestLimit), false);
  if (!inOneFile)
    for (const name of checkpoint.files.keys())
      if (name.endsWith('.safetensors')) await verifyTensors(checkpoint, name, 'head');
  await readState(checkpoint);
}

/** Reads all of a checkpoint, one piece at a time, and rejects with a RunError where any of it is not as it was written. */
export async function verifyCheckpoint(checkpoint: Checkpoint): Promise<void> {
  const { files, tensors } = checkpoint;
  for (const name of ['model.safetensors', 'optimizer.safetensors'] as const) {
    if (!files.has(name) && !tensors.has(name)) continue;
    await verifyTensors(checkpoint, name, 'checksums');
  }
  await readState(checkpoint);
  await verifyOthers(checkpoint);
}

/** The same of the files that hold neither tensors nor state. */
export async function verifyOthers(checkpoint: Checkpoint): Promise<void> {
  const { folder, inOneFile, files } = checkpoint;
  if (inOneFile) return;
  for (const [name, { bytes, sha256: digest }] of files) {
    if (name.endsWith('.safetensors') || name === 'state.json') continue;
    const path = join(folder, name);
    try {
      if ((await hashFile(path, bytes)) !== digest) throw new SafetensorsError('its checksum differs');
    } catch (error) {
      await unusable(checkpoint, path, error);
    }
  }
}

/**
 * Puts tensors into variables. All names and shapes must agree; nothing is changed otherwise. Throws a RunError that lists
 * the differences. Why there are some is told by whoever looks before, with `checkFits`.
 */
export function loadInto(
  variables: readonly StateVariable[],
  tensors: ReadonlyMap<string, HostTensor>,
  from: string,
): void {
  checkFits(variables, tensors, from);
  const own = new Map(variables.map((variable) => [variable.path, variable]));
  for (const [path, tensor] of tensors) own.get(path)?.upload(tensor);
}

/**
 * Throws the RunError of `loadInto` where tensors do not fit, of which the manifest tells before any is read. `why` ends its message: what
 * can be the cause, and what to do.
 */
export function checkFits(
  variables: readonly StateVariable[],
  tensors: ReadonlyMap<string, Pick<HostTensor, 'dtype' | 'shape'>>,
  from: string,
  why: () => string = () => '',
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
      ...reshaped.slice(0, shownNames),
      ...(reshaped.length > shownNames ? [`and so are ${reshaped.length - shownNames} more`] : []),
    ];
    throw new RunError(`the checkpoint does not fit the models: ${parts.join('; ')}${why()}`);
  }
}

const show = ({ dtype, shape }: { readonly dtype: string; readonly shape: readonly number[] }): string =>
  `${dtype}[${shape.join(', ')}]`;

const shownNames = 5;

function some(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).join(', ');
  return names.length > shownNames ? `${shown} and ${names.length - shownNames} more` : shown;
}
