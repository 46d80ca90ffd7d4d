/** Both files of tensors of a checkpoint are read beside each other: what is told where they are damaged, and what is left open. */
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint, readAllTensors } from '../../src/runtime/checkpoint/read.js';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { contents, weights } from './checkpoint-contents.js';
import { workInFolder } from './temporary-folder.js';

workInFolder('both-files');

/** Files below a folder that this process has open. */
const openBelow = (folder: string): readonly string[] =>
  readdirSync('/proc/self/fd').flatMap((each) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${each}`);
      return path.startsWith(`${resolve(folder)}/`) ? [path] : [];
    } catch {
      return [];
    }
  });

function damage(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

test('each is there, and the first that is damaged is told once both were read', async () => {
  await writeCheckpoint('run', contents(3));
  const folder = join('run', 'step-00000003');
  const checkpoint = await openCheckpoint(folder);
  const { model, optimizer } = await readAllTensors(checkpoint);
  expect([...model.keys()].sort()).toEqual([...weights.keys()].sort());
  expect(optimizer.get('opt/count')?.values[0]).toBe(3);

  damage(join(folder, 'optimizer.safetensors'));
  await expect(readAllTensors(checkpoint)).rejects.toThrow(/optimizer\.safetensors is damaged/);
  expect(openBelow('run')).toEqual([]);
  damage(join(folder, 'model.safetensors'));
  await expect(readAllTensors(checkpoint)).rejects.toThrow(/model\.safetensors is damaged/);
  expect(openBelow('run')).toEqual([]);
});
