/** Folders are made with what is missing above them, or refused with a reason. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/values/folders.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-folders-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const codeOf = (make: () => void): unknown => {
  try {
    make();
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
};

test('makes all that is missing, again and again', () => {
  const path = join(root, 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  expect(existsSync(path)).toBe(true);
});

test('a file in the way is told from a file system that makes no folders', () => {
  writeFileSync(join(root, 'file'), '');
  expect(codeOf(() => makeFolder(join(root, 'file', 'under')))).toBe('ENOTDIR');
  expect(codeOf(() => makeFolder(join(root, 'file')))).toBe('EEXIST');
  const refusing = existsSync('/proc/self') ? '/proc/nowhere/run' : join(root, 'file', 'under');
  expect(codeOf(() => makeFolder(refusing))).toMatch(/ENOTSUP|EACCES|ENOTDIR/);
});
