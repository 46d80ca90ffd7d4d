/**
 * What a checkpoint says of itself: `manifest.json`, or the `manifest` among the metadata of a checkpoint in one file. Its last field
 * is a checksum of all text before that field, so that a flipped bit in a param or a step is noticed as one in a weight is.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../addons/addon.js';
import type { DType } from '../engine/engine.js';
import { RunError } from '../run/run-error.js';
import { digitsIn, type Checksum, type ChecksumKind } from './checksum.js';
import { parseWrittenJson, type StrictValue } from './strict-json.js';

/**
 * The version of the layout. A reader refuses a newer one, and takes every older one:
 * 1: without a checksum of the manifest itself;
 * 2: with a checksum of a whole file of tensors in the place of its head's;
 * 3: with SHA-256 of tensors in the place of XXH64.
 */
export const checkpointFormat = 4;

/** Which checksum tensors have. */
export const tensorChecksum: ChecksumKind = 'xxh64';

/** No manifest is longer. */
export const manifestLimit = 2 ** 26;

/** No `state.json` is longer. */
export const stateLimit = 2 ** 26;

/** A file as a manifest has it. */
export interface FileRecord {
  readonly bytes: number;
  readonly sha256: string;
  /** What that is the checksum of: of a file of tensors, which have checksums of their own, it is what comes before them. */
  readonly of: 'all' | 'head';
}

/** A tensor as a manifest has it. */
export interface TensorRecord {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly checksum: Checksum;
}

/** A checkpoint that was found and whose manifest was read. */
export interface Checkpoint {
  /** Its folder; the file itself, where it is one. */
  readonly folder: string;
  /** Whether it is one file, instead of a folder. */
  readonly inOneFile: boolean;
  readonly step: number;
  readonly epoch: number;
  /** Whether it has the weights alone, and nothing that training goes on from. */
  readonly weightsOnly: boolean;
  readonly trainer: string;
  readonly specSha256: string;
  /** The engine that wrote it, with its version. */
  readonly engine: string;
  /** The text of what the spec imports and, last, of the spec; none where the run did not know it. */
  readonly specFiles: readonly { readonly path: string; readonly text: string }[];
  /** Params by name, as the run had them. */
  readonly params: ReadonlyMap<string, StrictValue>;
  readonly files: ReadonlyMap<string, FileRecord>;
  /** Tensors by name, by the file that holds them. */
  readonly tensors: ReadonlyMap<string, ReadonlyMap<string, TensorRecord>>;
}

/** A checkpoint of a newer ztrain, which may be whole. */
export class NewerFormat extends RunError {}

/** A manifest that is none: damaged, or not as a trainer writes it. The message says how. */
export class Misfit extends Error {}

const ending = (digest: string): string => `,\n  "sha256": "${digest}"\n}\n`;
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The text of a manifest, with the checksum at its end. */
export function manifestText(fields: Readonly<Record<string, Json>>): string {
  const text = JSON.stringify(fields, null, 2).slice(0, -'\n}'.length);
  return `${text}${ending(digestOf(text))}`;
}

/** Whether the checksum at the end is that of the text before. */
function isSealed(text: string): boolean {
  const own = text.slice(-ending(digestOf('')).length);
  return own === ending(digestOf(text.slice(0, -own.length)));
}

type Fields = ReadonlyMap<string, StrictValue>;

/**
 * Reads a manifest of the checkpoint at `folder`, whose text came from `file`. Throws a Misfit, a SyntaxError where it is no JSON,
 * and a NewerFormat where a newer ztrain wrote it.
 */
export function readManifest(folder: string, file: string, text: string, inOneFile: boolean): Checkpoint {
  const fields = asMap('its text', parseWrittenJson(text));
  const format = fields.get('format');
  const sealed = isSealed(text);
  // One flipped bit makes a 6 of a 4.
  if (!sealed && /,\n  "sha256": "[0-9a-f]{64}"\n\}\n$/.test(text.slice(-100)))
    throw new Misfit('its own checksum differs, it was damaged or edited');
  if (typeof format === 'number' && Number.isSafeInteger(format) && format > checkpointFormat)
    throw new NewerFormat(
      `${file} has format ${format}; this trainer reads up to ${checkpointFormat}, build it with ${writerOf(fields)}`,
    );
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1)
    throw new Misfit(`"format" must be a whole number from 1 to ${checkpointFormat}, got ${shown(format)}`);
  if (format >= 2 && !sealed) throw new Misfit('its own checksum differs, it was damaged or edited');
  return checkpointOf(folder, fields, inOneFile, format > 3 ? tensorChecksum : 'sha256');
}

/** What wrote a newer manifest, as far as it says so where this version would look for it. */
function writerOf(fields: Fields): string {
  const spec = fields.get('spec');
  const version = spec instanceof Map ? spec.get('compiler') : undefined;
  return typeof version === 'string' && /^[\w.+-]{1,40}$/.test(version)
    ? `ztrainc ${version} or newer`
    : 'a newer ztrainc';
}

function checkpointOf(folder: string, fields: Fields, inOneFile: boolean, kind: ChecksumKind): Checkpoint {
  const spec = asMap('"spec"', fields.get('spec'));
  const files = new Map<string, FileRecord>();
  for (const entry of asList('"files"', fields.get('files'))) {
    const own = asMap('an entry of "files"', entry);
    const name = asText('"name" of a file', own.get('name'));
    // Names of files that are looked up in the folder.
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(name))
      throw new Misfit(`"name" of a file must be a plain name, got ${JSON.stringify(name)}`);
    if (files.has(name)) throw new Misfit(`"files" has ${name} twice`);
    const of = own.has('headSha256') ? 'head' : 'all';
    const key = of === 'head' ? 'headSha256' : 'sha256';
    files.set(name, {
      bytes: asWhole(`"bytes" of ${name}`, own.get('bytes')),
      sha256: asDigits(`"${key}" of ${name}`, own.get(key), 'sha256'),
      of,
    });
  }
  const tensors = new Map<string, Map<string, TensorRecord>>();
  for (const entry of asList('"tensors"', fields.get('tensors'))) {
    const own = asMap('an entry of "tensors"', entry);
    const name = asText('"name" of a tensor', own.get('name'));
    const file = asText(`"file" of ${name}`, own.get('file'));
    const ofFile = tensors.get(file) ?? new Map<string, TensorRecord>();
    tensors.set(file, ofFile);
    if (ofFile.has(name)) throw new Misfit(`"tensors" has ${JSON.stringify(name)} of ${file} twice`);
    ofFile.set(name, {
      dtype: asDType(`"dtype" of ${name}`, own.get('dtype')),
      shape: asList(`"shape" of ${name}`, own.get('shape')).map((size) => asWhole(`a size of ${name}`, size)),
      checksum: { kind, digits: asDigits(`"${kind}" of ${name}`, own.get(kind), kind) },
    });
  }
  return {
    folder,
    inOneFile,
    step: asWhole('"step"', fields.get('step')),
    epoch: asWhole('"epoch"', fields.get('epoch')),
    weightsOnly: holdsWeightsOnly(fields.get('holds')),
    trainer: asText('"trainer" of "spec"', spec.get('trainer')),
    specSha256: asText('"sha256" of "spec"', spec.get('sha256')),
    engine: asText('"engine"', fields.get('engine')),
    specFiles: asList('"files" of "spec"', spec.get('files')).map((entry) => {
      const own = asMap('an entry of "files" of "spec"', entry);
      return {
        path: asText('"path" of a file of "spec"', own.get('path')),
        text: asText('"text" of a file of "spec"', own.get('text')),
      };
    }),
    params: asMap('"params"', fields.get('params')),
    files,
    tensors,
  };
}

const shown = (value: StrictValue | undefined): string => {
  if (value === undefined) return 'nothing';
  if (value instanceof Map) return 'an object';
  return Array.isArray(value) ? 'a list' : JSON.stringify(value);
};

const misfit = (what: string, want: string, value: StrictValue | undefined): never => {
  throw new Misfit(`${what} must be ${want}, got ${shown(value)}`);
};
const asMap = (what: string, value: StrictValue | undefined): Fields =>
  value instanceof Map ? value : misfit(what, 'an object', value);
const asList = (what: string, value: StrictValue | undefined): readonly StrictValue[] =>
  Array.isArray(value) ? value : misfit(what, 'a list', value);
const asText = (what: string, value: StrictValue | undefined): string =>
  typeof value === 'string' ? value : misfit(what, 'text', value);
const asWhole = (what: string, value: StrictValue | undefined): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : misfit(what, 'a whole number of at least 0', value);
/** All of a run's state unless it says otherwise. */
const holdsWeightsOnly = (value: StrictValue | undefined): boolean =>
  value === undefined ? false : value === 'weights' || misfit('"holds"', '"weights"', value);
const asDigits = (what: string, value: StrictValue | undefined, kind: ChecksumKind): string =>
  typeof value === 'string' && value.length === digitsIn[kind] && /^[0-9a-f]+$/.test(value)
    ? value
    : misfit(what, `${digitsIn[kind]} hexadecimal digits`, value);
const dtypes: readonly DType[] = ['f32', 'i32', 'u8', 'bool'];
const asDType = (what: string, value: StrictValue | undefined): DType =>
  dtypes.find((one) => one === value) ?? misfit(what, `one of ${dtypes.join(', ')}`, value);
