/** What an install left: every file with its size and checksum, in `manifest.json` beside them. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const manifestName = 'manifest.json';

export interface InstalledFile {
  /** From the install's folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
}

export interface Manifest {
  /** TensorFlow's. */
  readonly version: string;
  readonly cuda: boolean;
  /** The packages that the files are from, e.g. `tensorflow_cpu-2.21.0`. */
  readonly packages: readonly string[];
  readonly files: readonly InstalledFile[];
}

/** The manifest of an install, or null where there is none that can be read. */
export function readManifest(root: string): Manifest | null {
  try {
    const read: unknown = JSON.parse(readFileSync(join(root, manifestName), 'utf8'));
    return isManifest(read) ? read : null;
  } catch {
    return null;
  }
}

/** Whether all files are there with their sizes; the content is not read. Null where they are, else the first fault. */
export function sizeFault(root: string, { files }: Pick<Manifest, 'files'>): string | null {
  for (const { path, bytes } of files) {
    const size = statSync(join(root, path), { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${join(root, path)} is missing`;
    if (size !== bytes) return `${join(root, path)} has ${size} bytes, not the ${bytes} that were installed`;
  }
  return null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isManifest(value: unknown): value is Manifest {
  return (
    isRecord(value) &&
    typeof value['version'] === 'string' &&
    typeof value['cuda'] === 'boolean' &&
    Array.isArray(value['packages']) &&
    Array.isArray(value['files']) &&
    value['files'].every(
      (file: unknown) =>
        isRecord(file) &&
        typeof file['path'] === 'string' &&
        typeof file['bytes'] === 'number' &&
        typeof file['sha256'] === 'string',
    )
  );
}
