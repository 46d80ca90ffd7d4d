/** Whatever the text: no crash, no hang, and every span inside it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderDiagnostic } from '../../src/parser/render.js';
import { createSource } from '../../src/parser/source.js';
import { goodSpecs, nodesOf, parseText } from './walk.js';

const holds = (text: string): void => {
  const { spec, diagnostics, tokens } = parseText(text);
  const inside = (span: { readonly start: number; readonly end: number }): boolean =>
    0 <= span.start && span.start <= span.end && span.end <= text.length;
  const source = createSource(0, 'soup.ztrain', text);
  for (const diagnostic of diagnostics) {
    expect(inside(diagnostic.span), `${diagnostic.code} in ${JSON.stringify(text)}`).toBe(true);
    for (const { span } of diagnostic.related ?? []) expect(inside(span)).toBe(true);
    for (const { span } of diagnostic.fix?.edits ?? []) expect(inside(span)).toBe(true);
    expect(diagnostic.message).toMatch(/^[^A-Z]/);
    expect(diagnostic.message).not.toMatch(/\.$|undefined|NaN|Redundant|one of these possible/);
    expect(renderDiagnostic(diagnostic, [source], { color: false })).toContain(diagnostic.code);
  }
  expect(nodesOf(spec).filter((node) => !inside(node))).toEqual([]);
  expect(tokens.filter(({ span }, index) => span.start < (tokens[index - 1]?.span.end ?? 0))).toEqual([]);
};

const words =
  'let return if then else for in and or not true false as where on repeat import from extern const param assert block model layer data map schedule optimizer group step update minimize metric by every trainer addon fn -> |> ... .. ** <= >= == != | < > = + - * / % @ . , : # ( ) [ ] { } === !== && || ! => <- 1 2.5 1e 1. .5 10px "s" \'s\' "open x y row f32 // /// /* */ # ; \n ? § 😀 \\ \u0000 \uD800'.split(
    ' ',
  );
const soup = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(' '));
const good = fc.constantFrom(...goodSpecs.map(([, text]) => text).filter((text) => text.length < 8000));

describe('any text', () => {
  test('token soup', () => {
    fc.assert(fc.property(soup, holds), { numRuns: 800 });
  });

  test('letters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), holds), { numRuns: 500 });
  });

  test('good specs with a piece cut out', () => {
    const cuts = fc.tuple(good, fc.nat(8000), fc.nat(40)).map(([text, at, length]) => {
      const start = at % text.length;
      return text.slice(0, start) + text.slice(start + length);
    });
    fc.assert(fc.property(cuts, holds), { numRuns: 120 });
  });

  test('good specs that break off', () => {
    const cuts = fc.tuple(good, fc.nat(8000)).map(([text, at]) => text.slice(0, at % text.length));
    fc.assert(fc.property(cuts, holds), { numRuns: 80 });
  });

  test('good specs with a word put in', () => {
    const mixed = fc.tuple(good, fc.nat(8000), fc.constantFrom(...words)).map(([text, at, word]) => {
      const start = at % text.length;
      return `${text.slice(0, start)} ${word} ${text.slice(start)}`;
    });
    fc.assert(fc.property(mixed, holds), { numRuns: 120 });
  });

  test('one word taken out of a spec gives at most a few messages', () => {
    const [, text = ''] = goodSpecs.find(([path]) => path.endsWith('everything.ztrain')) ?? [];
    const { tokens } = parseText(text);
    const counts = tokens.map(
      ({ span }) => parseText(text.slice(0, span.start) + text.slice(span.end)).diagnostics.length,
    );
    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
    const many = counts.filter((count) => count > 1).length;
    expect(many / counts.length).toBeLessThan(0.05);
  });
});

describe('size and depth', () => {
  const nested = (open: string, close: string, count: number): string =>
    `const x = ${open.repeat(count)}1${close.repeat(count)}\nconst y = 2`;

  test.each([
    ['parentheses', '(', ')'],
    ['lists', '[', ']'],
    ['records', '{ a: ', '}'],
    ['calls', 'f(', ')'],
    ['open parentheses', '(', ''],
  ])('a hundred thousand %s', (_name, open, close) => {
    const { diagnostics } = parseText(nested(open, close, 100_000));
    expect(diagnostics.map(({ code }) => code)).toEqual(['ZT1032']);
  });

  test.each([
    ['parentheses', '(', ')'],
    ['records', '{ a: ', '}'],
    ['choices in calls', 'f(if a then ', ' else b)'],
  ])('two hundred %s parse', (_name, open, close) => {
    expect(parseText(nested(open, close, _name.startsWith('choices') ? 50 : 200)).diagnostics).toEqual([]);
  });

  test.each([
    ['choices', 'if a then b else '],
    ['signs', '- '],
    ['negations', 'not '],
    ['powers', '2 ** '],
    ['sums', '1 + '],
    ['members', 'f()()()'],
  ])('a hundred thousand %s without brackets', (name, part) => {
    const text = `const x = ${name === 'members' ? `f${'()'.repeat(100_000)}` : `${part.repeat(100_000)}1`}\nconst y = 2`;
    const { diagnostics, spec } = parseText(text);
    expect(diagnostics.map(({ code }) => code)).toEqual(['ZT1032']);
    expect(spec.decls).toHaveLength(1);
  });

  test('long words, strings and comments take linear time', () => {
    const size = 1_000_000;
    for (const text of [
      '"' + '\\n'.repeat(size),
      '1'.repeat(size),
      'x'.repeat(size),
      '/*'.repeat(size),
      '// '.repeat(size),
      ' '.repeat(size),
      '.'.repeat(size),
      '"\n'.repeat(size / 4),
      "'".repeat(size / 4),
      '§'.repeat(size / 4),
    ]) {
      expect(parseText(text).diagnostics.length).toBeLessThanOrEqual(51);
    }
  });
});
