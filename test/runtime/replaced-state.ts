/** Checkpoints as another version would have written them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/runtime/checkpoint/files.js';

const digestOf = (text: string): string => sha256([new TextEncoder().encode(text)]);

/** Puts another state into a checkpoint, with its checksums. */
export function replaceState(folder: string, text: string): void {
  const [path, about] = [join(folder, 'state.json'), join(folder, 'manifest.json')];
  const was = readFileSync(path, 'utf8');
  const manifest = readFileSync(about, 'utf8')
    .replace(digestOf(was), digestOf(text))
    .replace(`"bytes": ${Buffer.byteLength(was)},`, `"bytes": ${Buffer.byteLength(text)},`);
  writeFileSync(path, text);
  const body = manifest.slice(0, manifest.lastIndexOf(','));
  writeFileSync(
    about,
    manifest.replace(/"sha256": "[0-9a-f]{64}"\s*\}\s*$/, `"sha256": "${digestOf(body)}"\n}\n`),
  );
}
