/**
 * What a spec became at its last run. After this: a start of the same spec, with externs that have not changed, needs
 * neither TypeScript nor esbuild. What externs import is known only to who bundled them, so it is written down then.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileHash, isKept } from './cache.js';

/** Emitted text by file name. */
export type Texts = Readonly<Record<string, string>>;

export interface KeptBundle {
  /** File of the bundle, named by its content. */
  readonly bundle: string;
  readonly texts: Texts;
  /** Files of the disk that went into it besides the spec and the runtime, and their hashes. */
  readonly inputs: Texts;
}

const isTexts = (value: unknown): value is Texts =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((text) => typeof text === 'string');

const isKeptBundle = (value: unknown): value is KeptBundle =>
  typeof value === 'object' &&
  value !== null &&
  'bundle' in value &&
  typeof value.bundle === 'string' &&
  'texts' in value &&
  isTexts(value.texts) &&
  'inputs' in value &&
  isTexts(value.inputs);

const hashIfThere = (path: string): string | null => {
  try {
    return fileHash(path);
  } catch {
    return null;
  }
};

/** The bundle that was made of a program, or null where there is none or an input is another now. */
export const readKept = (folder: string, key: string): KeptBundle | null => {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(join(folder, `${key}.json`), 'utf8'));
  } catch {
    return null;
  }
  if (!isKeptBundle(found) || !isKept(join(folder, found.bundle)) || !isKept(join(folder, `${key}.json`)))
    return null;
  return Object.entries(found.inputs).every(([path, hash]) => hashIfThere(path) === hash) ? found : null;
};

/** `since`, in milliseconds: an input that was written later is not what was bundled, and nothing is kept. */
export const keep = (
  folder: string,
  key: string,
  made: Omit<KeptBundle, 'inputs'>,
  inputs: readonly string[],
  since: number,
): void => {
  const hashes: Record<string, string> = {};
  for (const path of inputs) {
    const hash = hashIfThere(path);
    if (hash === null || statSync(path).mtimeMs >= since) return;
    hashes[path] = hash;
  }
  // Another process reads the old file or the new one.
  const temporary = join(folder, `${key}.${process.pid}.tmp`);
  writeFileSync(temporary, JSON.stringify({ ...made, inputs: hashes } satisfies KeptBundle));
  renameSync(temporary, join(folder, `${key}.json`));
};
