/** Each section of the registry about training says what it claims: its first spec breaks, its second does not. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const registry = readFileSync(new URL('../../grammar/diagnostics.md', import.meta.url), 'utf8');

const codes = [
  ...['ZT4101', 'ZT4102', 'ZT4103', 'ZT4110', 'ZT4201', 'ZT4202', 'ZT4203', 'ZT4204', 'ZT4206'],
  ...['ZT5001', 'ZT5003', 'ZT5004', 'ZT5006', 'ZT5008'],
];

const specOf = (code: string, part: 'wrong' | 'right'): string => {
  const section = registry.split(`\n## ${code} `)[1]?.split('\n## ')[0] ?? '';
  return section.split(`### ${part}`)[1]?.split('~~~ztrain\n')[1]?.split('~~~')[0] ?? '';
};

const codesIn = (spec: string): readonly string[] =>
  checkProgram('spec.ztrain', memoryHost({ 'spec.ztrain': spec })).diagnostics.map(
    (each) => `${each.code}: ${each.message}`,
  );

describe.each(codes)('%s', (code) => {
  test('is reported for the wrong spec, and nothing else is', () => {
    expect(codesIn(specOf(code, 'wrong')).map((each) => each.slice(0, 6))).toEqual([code]);
  });
  test('is not reported for the right one', () => {
    expect(codesIn(specOf(code, 'right'))).toEqual([]);
  });
});
