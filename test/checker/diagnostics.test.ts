import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readRegistry, type RegistryExample } from '../../scripts/diagnostic-registry.mjs';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const registry = readRegistry(readFileSync(new URL('../../grammar/diagnostics.md', import.meta.url), 'utf8'));

/** Codes whose wrong examples can't be files alone: they need a damaged program, a build or a run. */
const withoutWrong = (code: string): boolean => /^ZT[69]/.test(code);

/** Wrong examples too long to read on a page. */
const generated: Readonly<Record<string, string>> = {
  ZT1032: `const deep = ${'('.repeat(5000)}1${')'.repeat(5000)}\n`,
  ZT1033: 'const = 1\n'.repeat(500),
};

const codesOf = (example: RegistryExample): readonly string[] => {
  const files = Object.fromEntries(
    Object.entries(example.files).map(([path, text]) => [`/project/${path}`, text]),
  );
  const { diagnostics } = checkProgram(
    '/project/main.ztrain',
    memoryHost({ ...files, '/project/main.ztrain': example.text }),
  );
  return diagnostics.map((each) => each.code);
};

describe.each(registry.map((section) => [section.code, section] as const))('%s', (code, section) => {
  test('has a wrong example that gives exactly this code', () => {
    if (withoutWrong(code)) return;
    const text = generated[code];
    const wrong = text === undefined ? section.wrong : [{ text, files: {} }];
    expect(wrong.length).toBeGreaterThan(0);
    for (const example of wrong) {
      // Too many mistakes are, first of all, mistakes.
      const codes = [...new Set(codesOf(example))].filter((each) => code !== 'ZT1033' || each !== 'ZT1001');
      expect(codes).toEqual([code]);
    }
  });
  test('has right examples that give nothing', () => {
    for (const example of section.right) expect(codesOf(example)).toEqual([]);
  });
});
