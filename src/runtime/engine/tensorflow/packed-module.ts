/** Native modules that an executable carries: a file of their own is needed to load one. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { makeFolder } from '../../../values/folders.js';

/** Writes the packed module to the user's cache, unless it is there already, and loads it. */
export function loadPacked(name: string, sha256: string, packed: Uint8Array): unknown {
  const path = unpacked(`${name}-${sha256.slice(0, 16)}.node`, sha256, () => gunzipSync(packed));
  return createRequire(path)(path);
}

function isWhole(path: string, sha256: string): boolean {
  return existsSync(path) && createHash('sha256').update(readFileSync(path)).digest('hex') === sha256;
}

function unpacked(file: string, sha256: string, unpack: () => Uint8Array): string {
  const base = process.env['XDG_CACHE_HOME'] ?? '';
  const folder = join(isAbsolute(base) ? base : join(homedir(), '.cache'), 'ztrain');
  try {
    makeFolder(folder);
    const path = join(folder, file);
    // A file that another process is writing has another name until it is whole; one that was changed is written anew.
    if (!isWhole(path, sha256)) place(folder, path, unpack());
    return path;
  } catch {
    // No cache to write to: a folder for this process.
    const own = mkdtempSync(join(tmpdir(), 'ztrain-'));
    const path = join(own, file);
    place(own, path, unpack());
    return path;
  }
}

function place(folder: string, path: string, bytes: Uint8Array): void {
  const temporary = join(folder, `.${process.pid}-${Date.now()}.tmp`);
  writeFileSync(temporary, bytes, { mode: 0o600 });
  chmodSync(temporary, 0o700);
  renameSync(temporary, path);
}
