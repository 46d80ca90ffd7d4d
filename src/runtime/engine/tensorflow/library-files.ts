/** The files of a TensorFlow library in a folder. */
import { readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface LibraryFiles {
  readonly folder: string;
  /** In the order in which they are opened: what others need first. */
  readonly names: readonly string[];
}

// Wheels hold the first pair, the C library's own archive the second.
const sets: readonly (readonly string[])[] = [
  ['libtensorflow_framework.so', 'libtensorflow_cc.so'],
  ['libtensorflow_framework.so', 'libtensorflow.so'],
];

/** The names in a folder; none where it is not there, is a file or cannot be read. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The library in a folder, or null. */
export function libraryIn(folder: string): LibraryFiles | null {
  const present = namesIn(folder);
  for (const set of sets) {
    const names = set.flatMap((wanted) => {
      const found = [`${wanted}.2`, wanted].find((name) => present.includes(name));
      return found === undefined ? [] : [found];
    });
    if (names.length === set.length) return { folder, names };
  }
  return null;
}

/** The version that a file's name ends with once links are followed, as in the C library's archive: `libtensorflow.so.2.9.1`. */
export function versionOfNames({ folder, names }: LibraryFiles): string | null {
  for (const name of names) {
    try {
      const version = /\.so\.(\d+\.\d+\.\d+)$/.exec(basename(realpathSync(join(folder, name))))?.[1];
      if (version !== undefined) return version;
    } catch {
      // A link to nothing: the header's check says so.
    }
  }
  return null;
}
