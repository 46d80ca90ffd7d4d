/** What the README shows is what one gets: its messages come from slips in the shipped specs, its commands exist. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';
import { renderDiagnostic } from '../../src/parser/render.js';
import { blocksOf, pages, readPage, root } from './markdown.js';

interface Slip {
  readonly code: string;
  readonly spec: string;
  readonly from: string;
  readonly to: string;
}

const slips: readonly Slip[] = [
  {
    code: 'ZT3103',
    spec: 'specs/dcgan.ztrain',
    from: 'reshape([n, 7, 7, 4 * width])',
    to: 'reshape([n, 7, 7, 8 * width])',
  },
  {
    code: 'ZT4103',
    spec: 'specs/dcgan.ztrain',
    from: 'Discriminator(Generator(normal([batch.size, latent])))',
    to: 'Discriminator(stop_gradient(Generator(normal([batch.size, latent]))))',
  },
  { code: 'ZT4202', spec: 'specs/digits.ztrain', from: 'over = 30.steps', to: 'over = 1000.steps' },
];

const messages = blocksOf(readPage('README.md')).filter(({ text }) => text.startsWith('error['));

describe('messages in the README', () => {
  test('are those of the slips', () => expect(messages).toHaveLength(slips.length));
  test.each(slips)('$code', ({ code, spec, from, to }) => {
    const text = readFileSync(join(root, spec), 'utf8');
    expect(text.split(from)).toHaveLength(2);
    const { diagnostics, files } = checkProgram(
      `/${spec}`,
      memoryHost({ [`/${spec}`]: text.replace(from, () => to) }),
    );
    const shown = files.map((file) => ({ ...file, path: file.path.slice(1) }));
    const rendered = diagnostics.map((each) => renderDiagnostic(each, shown, { color: false }));
    const message = messages.find((block) => block.text.includes(code));
    expect(`${rendered.join('\n\n')}\n`).toBe(message?.text);
  });
});

const record = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

describe('commands of npm in the pages', () => {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const scripts = Object.keys(record(new Map(Object.entries(record(manifest))).get('scripts')));
  test.each(pages)('%s', (page) => {
    const named = [...readPage(page).matchAll(/\bnpm (?:run (?:--\S+ )*([\w:]+)|(test)\b)/g)].map(
      (match) => match[1] ?? match[2] ?? '',
    );
    expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  });
});
