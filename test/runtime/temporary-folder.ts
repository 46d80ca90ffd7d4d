/** A folder of a test file's own, which is gone after its last test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** Makes it; `name` is a part of its name. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `ztrain-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The same as the current folder of all tests of the file. */
export function workInFolder(name: string): string {
  const before = process.cwd();
  const folder = temporaryFolder(name);
  beforeAll(() => process.chdir(folder));
  afterAll(() => process.chdir(before));
  return folder;
}
