/** Files of a library held against the checksums that came with them. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { reasonOf } from '../node-host.js';
import { readManifest, sizeFault, type InstalledFile } from '../runtime/engine/tensorflow/manifest.js';
import { isAbort } from './engine-fault.js';
import { readRecord } from './engine-package.js';
import type { Progress } from './engine-progress.js';

/** Files with what they must be. */
export interface Expected {
  readonly root: string;
  readonly files: readonly InstalledFile[];
}

const library = /^tensorflow\/libtensorflow_(?:framework|cc)\.so[.\d]*$/;

/** From the manifest of an install, or from what Python's tools wrote beside a package. Null where neither is there. */
export const expectedOf = (folder: string): Expected | null => {
  for (const root of [folder, dirname(folder)]) {
    const manifest = readManifest(root);
    if (manifest !== null) return { root, files: manifest.files };
  }
  const root = dirname(folder);
  try {
    for (const name of readdirSync(root).filter((one) => /^tensorflow.*\.dist-info$/.test(one))) {
      const files = readRecord(readFileSync(join(root, name, 'RECORD'), 'utf8')).filter(({ path }) =>
        library.test(path),
      );
      if (files.length > 0) return { root, files };
    }
  } catch {
    // A folder that cannot be listed tells nothing.
  }
  return null;
};

export const sha256Of = async (
  path: string,
  advance: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<string> => {
  const hash = createHash('sha256');
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  source.on('data', (part) => advance(part.length));
  await pipeline(source, hash, signal === undefined ? {} : { signal });
  return hash.digest('hex');
};

/** The first file that is not what was installed, in words; null where all are. */
export const checksumFault = async (
  { root, files }: Expected,
  progress: Progress,
  signal?: AbortSignal,
): Promise<string | null> => {
  const wrong = sizeFault(root, { files });
  if (wrong !== null) return wrong;
  const total = files.reduce((sum, { path }) => sum + statSync(join(root, path)).size, 0);
  const task = progress.begin('checking checksums', total);
  try {
    for (const { path, sha256 } of files) {
      const digest = await sha256Of(join(root, path), task.advance, signal);
      if (digest !== sha256) return `${join(root, path)} is damaged: its sha256 is not what was installed`;
    }
    return null;
  } catch (error) {
    if (isAbort(error)) throw error;
    return `${root} cannot be read: ${reasonOf(error)}`;
  } finally {
    task.end();
  }
};
