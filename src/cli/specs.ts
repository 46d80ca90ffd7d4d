/** Specs as named on a command line. After this: paths are absolute, and each names a file that can be read. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Checked } from '../checker/check.js';
import type { Host } from '../checker/host.js';
import { check } from '../compiler.js';
import { compilerPath, nodeHost } from '../node-host.js';
import { nearest } from '../parser/nearest.js';
import type { SourceFile } from '../parser/source.js';
import { Misuse } from './streams.js';

export interface SpecFile {
  /** Absolute, with `/`. */
  readonly path: string;
  /** As a reader knows it, from the current folder. */
  readonly shown: string;
  /** The file's name without `.ztrain`. */
  readonly name: string;
}

/** A path as seen from the current folder where it lies below it. */
export const shownPath = (path: string): string => {
  const seen = relative(process.cwd(), path);
  return seen === '' || seen.startsWith('..') ? path : seen;
};

const specsIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.ztrain'));
  } catch {
    return [];
  }
};

export const specFile = (path: string): SpecFile => ({
  path: compilerPath(path),
  shown: shownPath(compilerPath(path)),
  name: basename(path).replace(/\.ztrain$/, ''),
});

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

/** The specs that arguments name; a folder stands for the specs in it. Throws where one cannot be read. */
export const findSpecs = (args: readonly string[]): readonly SpecFile[] =>
  args.flatMap((arg) => {
    if (arg === '' || !isFolder(arg)) return [findSpec(arg)];
    const inside = specsIn(arg);
    if (inside.length === 0) throw new Misuse(`there is no .ztrain file in ${arg}`);
    return inside.map((name) => specFile(join(arg, name)));
  });

export const findSpec = (arg: string): SpecFile => {
  if (arg === '') throw new Misuse('name a .ztrain file, got ""');
  const read = nodeHost.readText(compilerPath(arg));
  if ('text' in read) return specFile(arg);
  const folder = dirname(arg);
  const fail = (hint: string): never => {
    throw new Misuse(`cannot read ${arg}: ${read.error}${hint}`);
  };
  if (isFolder(arg)) {
    const [first] = specsIn(arg);
    return fail(
      first === undefined ? '; name a .ztrain file' : `; name a spec in it, such as ${join(arg, first)}`,
    );
  }
  // A file that is there was meant, whatever its neighbours are called.
  if (existsSync(arg)) return fail(arg.endsWith('.ztrain') ? '' : '; name a .ztrain file');
  const others = specsIn(folder);
  const [near] = nearest(basename(arg), others, 1);
  const found = others.find((name) => name === `${basename(arg)}.ztrain`) ?? near;
  return fail(found === undefined ? '; name a .ztrain file' : `; did you mean ${join(folder, found)}?`);
};

/** A checked spec, with its files under the names that messages print. */
export interface CheckedSpec extends Checked {
  readonly shownFiles: readonly SourceFile[];
}

export const checkSpec = (spec: SpecFile, host: Host = nodeHost): CheckedSpec => {
  const checked = check(spec.path, host);
  return { ...checked, shownFiles: checked.files.map((file) => ({ ...file, path: shownPath(file.path) })) };
};
