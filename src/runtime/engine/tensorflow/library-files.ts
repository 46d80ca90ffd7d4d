/** The files of a TensorFlow library in a folder. */
import { existsSync, readdirSync } from 'node:fs';

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

/** The library in a folder, or null. */
export function libraryIn(folder: string): LibraryFiles | null {
  if (!existsSync(folder)) return null;
  const present = readdirSync(folder);
  for (const set of sets) {
    const names = set.flatMap((wanted) => {
      const found = [`${wanted}.2`, wanted].find((name) => present.includes(name));
      return found === undefined ? [] : [found];
    });
    if (names.length === set.length) return { folder, names };
  }
  return null;
}
