/** What is left of a text without its comments and blank space says all that it means. */
import { expect, test } from 'vitest';
import { meantTokens } from '../../src/parser/lexical.js';
import { goodSpecs, parseText } from './walk.js';

/** What is said about a spec, and where it stands. */
const about = /^(?:id|\w*[sS]pan|doc|allows|comments)$/;

/** The tree of a text without mistakes, as far as it means something. */
const meaningOf = (text: string): string => {
  const { spec, diagnostics } = parseText(text);
  expect(diagnostics).toEqual([]);
  return JSON.stringify(spec, (key, value: unknown) => (about.test(key) ? undefined : value));
};

const gaps = [' ', '\n', '\r\n\t', ' // a remark, "quoted" #\n', '\n/// Said of it.\n', '\n\n\n', ' ; '];

test.each(goodSpecs)('%s', (_path, text) => {
  const tokens = meantTokens(text);
  expect(tokens.length).toBeGreaterThan(0);
  for (const shift of [0, 3]) {
    const other = tokens.map((token, at) => `${token}${gaps[(at + shift) % gaps.length] ?? ''}`).join('');
    expect(meantTokens(other)).toEqual(tokens);
    // A difference is a page long.
    expect(meaningOf(other) === meaningOf(text)).toBe(true);
  }
});

test('comments, layout, `;` and `# allow` are no part of it', () => {
  const tokens = meantTokens('const a = 1\nconst b = "x // y"\nparam lr: float = 1e-3');
  expect(tokens).toEqual('const|a|=|1|const|b|=|"x // y"|param|lr|:|float|=|1e-3'.split('|'));
  for (const same of [
    '\uFEFFconst a=1; const b="x // y"\r\n  param lr : float = 1e-3\n',
    '/// A number.\nconst a = 1 // one\n\n// Two.\nconst b = "x // y" param lr: float = 1e-3 // end',
    '# allow ZT5001 "kept"\n# allow ZT5002 "for the next run"\nconst a = 1\n#  allow ZT5001 "kept too"\nconst b = "x // y"\nparam lr: float = 1e-3',
  ])
    expect(meantTokens(same)).toEqual(tokens);
});

test('whatever is written otherwise is', () => {
  const of = (text: string): string => JSON.stringify(meantTokens(text));
  const tokens = of('const b = "x  y"\nconst a = b - 10');
  for (const other of [
    'const b = "x y"\nconst a = b - 10',
    'const b = "x  y" // \nconst a = b - 1',
    'const b = "x  y"\n// const a = b - 10',
    'const a = b - 10\nconst b = "x  y"',
    'const b = "x  y"\nconst a = b -> 10',
  ])
    expect(of(other)).not.toBe(tokens);
});
