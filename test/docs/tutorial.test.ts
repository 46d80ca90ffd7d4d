/**
 * The tutorial is followed: its commands run in an empty folder, its edits (`diff` blocks) are made, and what it shows is
 * compared with what comes out. `…` stands for lines left out; numbers may differ, but not in messages about a spec.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { blocksOf, readPage, root, type Block } from './markdown.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ztrain-tutorial-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `npx` of a project that has ztrain installed, without npm. */
const makeDesk = (): void => {
  for (const name of ['flowers', 'bin', 'cache']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'flowers/package.json'), '{ "private": true }\n');
  const npx = join(folder, 'bin/npx');
  writeFileSync(
    npx,
    `#!/bin/sh\nshift\nexport npm_lifecycle_event=npx npm_lifecycle_script=ztrainc\nexec '${process.execPath}' '${join(root, 'dist/ztrainc.mjs')}' "$@"\n`,
  );
  chmodSync(npx, 0o755);
};
makeDesk();

let current = join(folder, 'flowers');

const runCommands = (text: string) => {
  const place = join(folder, 'place');
  const script = `set -e\ncd '${current}'\n${text}\npwd > '${place}'\n`;
  const { status, stdout } = spawnSync('bash', ['-c', `(${script}) 2>&1`], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      XDG_CACHE_HOME: join(folder, 'cache'),
      NO_COLOR: '1',
    },
  });
  if (status === 0) current = readFileSync(place, 'utf8').trim();
  return { status, output: stdout };
};

/** Makes an edit: lines with `-` become those with `+`; without any before, they go to the end. */
const edit = (block: Block): void => {
  const path = join(current, block.options.get('file') ?? '');
  const lines = block.text.replace(/\n$/, '').split('\n');
  const side = (mark: string): string =>
    lines
      .flatMap((line) => (line.startsWith(mark) || line.startsWith(' ') ? [`${line.slice(1)}\n`] : []))
      .join('');
  const before = readFileSync(path, 'utf8');
  const [from, to] = [side('-'), side('+')];
  if (from !== '') expect(before.split(from)).toHaveLength(2);
  writeFileSync(path, from === '' ? before + to : before.replace(from, () => to));
};

const masked = (line: string): string =>
  line.replaceAll(/-?\d[\d.,]*(?:e-?\d+)?/g, '#').replaceAll(/ +/g, ' ');

/** Each shown line comes out, in this order. */
const expectShown = (shown: string, output: string): void => {
  const exact = shown.startsWith('error[');
  const form = (text: string): readonly string[] =>
    text.split('\n').map((line) => (exact ? line : masked(line)));
  let rest = form(output);
  for (const line of form(shown).filter((each) => each !== '…' && each !== '')) {
    const at = rest.indexOf(line);
    expect(at, `${line}\nis not in\n${output}`).toBeGreaterThanOrEqual(0);
    rest = rest.slice(at + 1);
  }
};

const blocks = blocksOf(readPage('docs/tutorial.md')).filter(({ options }) => !options.has('setup'));

describe('the tutorial', () => {
  test.each(blocks.map((block, index) => [`${block.language}, line ${block.line}`, block, index] as const))(
    '%s',
    (_, block, index) => {
      if (block.language === 'diff') edit(block);
      if (block.language !== 'sh') return;
      const { status, output } = runCommands(block.text);
      expect(status, output).toBe(Number(block.options.get('fails') ?? 0));
      const next = blocks[index + 1];
      if (next?.language === 'text') expectShown(next.text, output);
    },
  );
  test('what it quotes of the trainer is there', () => {
    const trainer = readFileSync(join(folder, 'flowers/generated/classifier.ts'), 'utf8').split('\n');
    const quoted = blocks.find(({ text }) => text.startsWith('export class Classifier'));
    for (const line of (quoted?.text ?? '').split('\n').filter((each) => each.trim() !== '…'))
      expect(trainer).toContain(line);
  });
});
