import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPage, root } from './markdown.js';
import { loadPrelude } from '../../src/checker/prelude.js';

test('the reference is what the prelude gives', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts/generate-reference.mjs'), '--check'],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('the reference names every built-in', () => {
  const page = readPage('docs/reference.md');
  const missing = loadPrelude().all.filter(
    ({ name, settings }) =>
      name !== 'options' && settings.get('spelled') === undefined && !page.includes(name),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});
