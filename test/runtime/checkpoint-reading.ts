/** What the tests look at of checkpoints and their files, read as the library reads them. */
import { createHash } from 'node:crypto';
import { sha256 } from '../../src/runtime/checkpoint/files.js';
import { newestWhole, type Skipped } from '../../src/runtime/checkpoint/newest.js';
import { verifyCheckpoint, type Checkpoint } from '../../src/runtime/checkpoint/read.js';
import { readBytes } from '../../src/runtime/checkpoint/read-ahead.js';
import { littleEndian } from '../../src/runtime/checkpoint/safetensors.js';
import { inDataOrder, openTensorFile } from '../../src/runtime/checkpoint/tensor-file.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';

/** The newest checkpoint that verifies, or null, and newer ones that do not. */
export async function newestVerified(
  folder: string,
): Promise<{ readonly checkpoint: Checkpoint | null; readonly skipped: readonly Skipped[] }> {
  const { found, skipped } = await newestWhole(folder, verifyCheckpoint);
  return { checkpoint: found?.checkpoint ?? null, skipped };
}

/** SHA-256 of a tensor: of its values as little-endian bytes. */
export const tensorChecksum = ({ values }: HostTensor): string => sha256([littleEndian(values)]);

/** All tensors of a file of `size` bytes, read at most `most` at once, with the SHA-256 of each and of the whole. */
export async function readTensorFile(
  path: string,
  size: number,
  most = readBytes,
): Promise<{
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly checksums: ReadonlyMap<string, string>;
  readonly sha256: string;
}> {
  const whole = createHash('sha256');
  const file = await openTensorFile(path, size, { most, hash: whole, checksum: 'sha256' });
  try {
    const tensors = new Map<string, HostTensor>();
    const sums = new Map<string, string>();
    for await (const some of file.each(inDataOrder(file.entries), () => true))
      for (const each of some) {
        sums.set(each.entry.name, each.checksum?.digits ?? '');
        if (each.tensor !== null) tensors.set(each.entry.name, each.tensor);
      }
    return { tensors, checksums: sums, sha256: whole.digest('hex') };
  } finally {
    await file.close();
  }
}
