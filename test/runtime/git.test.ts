import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { gitState } from '../../src/runtime/run/git.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-git-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const git = (...args: readonly string[]): string =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
    encoding: 'utf8',
  }).trim();

test('a run knows the commit that it started from, and whether files differ from it', () => {
  expect(gitState(folder)).toBeNull();
  git('init', '-q');
  writeFileSync(join(folder, 'a.ztrain'), 'const a = 1\n');
  git('add', 'a.ztrain');
  git('commit', '-qm', 'first');
  const commit = git('rev-parse', 'HEAD');
  expect(gitState(folder)).toEqual({ commit, changed: false });
  writeFileSync(join(folder, 'a.ztrain'), 'const a = 2\n');
  expect(gitState(folder)).toEqual({ commit, changed: true });
});
