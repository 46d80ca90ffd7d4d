/** The registry, its examples, and what people write wrong. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readRegistry } from '../../scripts/diagnostic-registry.mjs';
import type { Diagnostic } from '../../src/parser/diagnostic.js';
import { explanations } from '../../src/parser/explanations.gen.js';
import { SpecParser } from '../../src/parser/grammar.js';
import { codes } from '../../src/parser/messages.gen.js';
import { parseText } from './walk.js';

const root = new URL('../../', import.meta.url);
const registry = readRegistry(readFileSync(new URL('grammar/diagnostics.md', root), 'utf8'));
const own = registry.filter(({ code }) => code.startsWith('ZT1'));

const applyFix = (text: string, diagnostic: Diagnostic): string =>
  [...(diagnostic.fix?.edits ?? [])]
    .sort((a, b) => b.span.start - a.span.start)
    .reduce((sofar, edit) => sofar.slice(0, edit.span.start) + edit.text + sofar.slice(edit.span.end), text);

describe('the registry', () => {
  test.each(['generate-messages', 'generate-grammar'])('%s has nothing to write', (name) => {
    const script = fileURLToPath(new URL(`scripts/${name}.mjs`, root));
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
  });

  test('every code has a name and an explanation', () => {
    expect(Object.keys(codes)).toEqual(registry.map(({ code }) => code));
    expect(Object.keys(explanations)).toEqual(Object.keys(codes));
  });

  test.each([
    ['## ZT1 short\n> text', 'expected `## ZT0000 some_name`'],
    ['## ZT1001 a\n> text\n## ZT1001 b\n> text', 'ZT1001 stands twice'],
    ['## ZT1001 a\n> text\n## ZT1002 a\n> text', 'name a stands twice'],
    ['## ZT1001 a\nno message', 'has no `> message`'],
    ['## ZT1001 a\n> text.', 'full stop'],
    ['## ZT1001 import\n> text', 'reserved word'],
    ['## ZT1001 a\n> text\n### wrong\n~~~ztrain\nx', 'no closing'],
    ['## ZT1001 a\n> text\n~~~ztrain\nx\n~~~', 'under `### wrong`'],
    ['## ZT1001 a\nseverity: fatal\n> text', 'unknown severity'],
  ])('%j is refused', (text, problem) => {
    expect(() => readRegistry(text)).toThrow(problem);
  });

  test.each(own.flatMap(({ code, wrong }) => wrong.map(({ text }) => [code, text] as const)))(
    '%s: its wrong example has just that mistake',
    (code, text) => {
      expect(parseText(text).diagnostics.map((each) => each.code)).toEqual([code]);
    },
  );

  test.each(registry.flatMap(({ code, right }) => right.map(({ text }) => [code, text] as const)))(
    '%s: its right example parses',
    (_code, text) => {
      expect(parseText(text).diagnostics).toEqual([]);
    },
  );

  test('examples of the other codes parse, right and wrong', () => {
    const others = registry.filter(({ code }) => !code.startsWith('ZT1'));
    for (const { code, wrong, right } of others) {
      for (const { text, files } of [...wrong, ...right]) {
        const specs = Object.entries(files).flatMap(([path, each]) =>
          path.endsWith('.ztrain') ? [each] : [],
        );
        for (const each of [text, ...specs]) expect(parseText(each).diagnostics, code).toEqual([]);
      }
    }
  });

  test('a fix leaves a spec that parses', () => {
    for (const { code, wrong } of own) {
      for (const { text } of wrong) {
        for (const diagnostic of parseText(text).diagnostics) {
          if (diagnostic.fix === undefined || diagnostic.code === 'ZT1019') continue;
          const fixed = applyFix(text, diagnostic);
          expect(
            parseText(fixed).diagnostics.filter((each) => each.code === code),
            fixed,
          ).toEqual([]);
        }
      }
    }
  });
});

const inStep = (text: string): string => `step train(batch in d) { ${text} }`;
const inFn = (text: string): string => `fn f(x: f32) -> f32 { ${text} }`;
const inTrainer = (text: string): string => `trainer X { ${text} }`;

describe('what people write wrong', () => {
  test.each([
    // text, code, the text under the mark, a part of message or help
    ['modle M on x: f32[n] -> f32[n] { return x }', 'ZT1009', 'modle', 'write `model`'],
    ['model M on (x: f32[n]) -> f32[n] { return x }', 'ZT1001', '(', 'without parentheses'],
    ['model M on x: f32[n] { return x }', 'ZT1001', '{', 'expected `->`'],
    ['model M(x: f32[n]) { return x }', 'ZT1001', '{', 'expected `on`'],
    ['const x = f(a b)', 'ZT1001', 'b', 'expected `,` or `)`, found `b`'],
    ['const x = (1, 2]\nconst y = 2', 'ZT1002', '(', 'never closed'],
    ['const x', 'ZT1001', '', 'expected `=`, found the end of the file'],
    ['const x =', 'ZT1001', '', 'expected a value'],
    ['const x = ()', 'ZT1001', ')', 'expected a value, found `)`'],
    ['const in = 3', 'ZT1016', 'in', 'cannot be a name'],
    ['x = 3', 'ZT1019', 'x', 'write `const x = …`'],
    ['let x = 3', 'ZT1021', 'let', 'write `const`'],
    ['const a = 1, b = 2', 'ZT1011', ',', 'between declarations'],
    ['const x = 500 steps', 'ZT1035', 'steps', 'write `500.steps`'],
    ['const x = 80%', 'ZT1035', '%', 'write `80.percent`'],
    ['const x = 0x1F', 'ZT1023', '0x1F', 'decimal'],
    ['const x = 1e', 'ZT1023', '1e', 'exponent'],
    ['const x = 1.', 'ZT1023', '1.', 'write `1.0`'],
    ['const x = 10px', 'ZT1023', '10px', '`10.px`'],
    ['const a = 5 ^ 2', 'ZT1025', '^', '`a ** b`'],
    ['const a = !b', 'ZT1006', '!', 'write `not`'],
    ['const a = b || c', 'ZT1006', '||', 'write `or`'],
    ['const a = b !== c', 'ZT1006', '!==', 'write `!=`'],
    ['const x = 2 * if a then b else c', 'ZT1039', 'if', 'parentheses'],
    ['param lr = 3', 'ZT1042', 'lr', '`lr: float`'],
    ['param lr: float 3', 'ZT1014', '', 'write `= 3`'],
    ['class M { }', 'ZT1010', 'class', 'write `model`'],
    ['function f(x: f32) -> f32 = x', 'ZT1010', 'function', 'write `fn`'],
    ['var x = 3', 'ZT1010', 'var', 'write `const`'],
    ['const x = 3 }', 'ZT1003', '}', 'closes nothing'],
    ['fn f(x: f32) => f32 = x', 'ZT1007', '=>', 'write `->`'],
    ['fn f(x: f32) <- f32 = x', 'ZT1007', '<-', 'write `->`'],
    ['fn f(x) -> f32 = x', 'ZT1042', 'x', 'no type'],
    ['optimizer opt adam { }', 'ZT1014', '', 'no `=`'],
    ['optimizer opt = adam(lr = 3)', 'ZT1001', '(', 'expected `{`'],
    ['schedule s { }', 'ZT1001', '}', 'expected a phase'],
    ['schedule s { warmup(to = 3), cosine(to = 1) }', 'ZT1011', ',', 'between phases'],
    ['step train(batch: d) { }', 'ZT1045', ':', 'batch in'],
    ['import a from "x"', 'ZT1001', 'a', 'import { Name }'],
    ['# allow "x"\nconst a = 3', 'ZT1046', '"x"', 'a code and a reason'],
    [inStep('x = 3'), 'ZT1019', 'x', 'write `let x = …`'],
    [inStep('x += 3'), 'ZT1019', 'x', 'let next = x + …'],
    [inStep('print(x)'), 'ZT1044', 'print', 'write `metric name'],
    [inStep('if a then minimize x'), 'ZT1001', 'then', 'takes braces'],
    [inStep('if a { } elif b { }'), 'ZT1031', 'elif', 'else { if'],
    [inStep('if a { } else if b { }'), 'ZT1031', 'if', 'else { if'],
    [inStep('for i in range(3) { }'), 'ZT1001', '{', '0..4'],
    [inStep('layer x = f()'), 'ZT1021', 'layer', 'a step'],
    [inStep('var x = 3'), 'ZT1010', 'var', 'write `let`'],
    [inStep('let if = 3'), 'ZT1016', 'if', 'name'],
    [inStep('every 500 steps { }'), 'ZT1035', 'steps', '500.steps'],
    [inStep('let x = a |> f() > y'), 'ZT1017', '>', 'parentheses'],
    [inStep('let y = x |> 3'), 'ZT1018', '3', 'a layer or function'],
    [inStep('let y = x |> if a then b else c'), 'ZT1018', 'if', 'choose the whole value'],
    [inStep('let x = if a { b } else { c }'), 'ZT1030', '{', 'expected `then`'],
    [inStep('let x = f(where = 3)'), 'ZT1016', 'where', 'name'],
    [inStep('let x = a.in'), 'ZT1016', 'in', 'name'],
    [inStep('let x = f(a, )'), 'ZT1037', ',', 'comma'],
    [inStep('assert a = b'), 'ZT1038', '=', 'write `==`'],
    [inStep('data x = csv {}'), 'ZT1021', 'data', 'outside of all braces'],
    [inFn('let y = x'), 'ZT1028', '}', 'return'],
    [inFn('x * 2'), 'ZT1028', 'x', 'return'],
    [inFn('minimize x'), 'ZT1021', 'minimize', 'in a step'],
    [inFn('if a { return x }'), 'ZT1021', 'if', 'if test then a else b'],
    [inFn('layer e = f() return x'), 'ZT1021', 'layer', 'block'],
    [inFn('lyer e = f() return x'), 'ZT1044', 'lyer', 'write `layer`'],
    [inTrainer('a { b = 3 }'), 'ZT1014', '', 'group a'],
    [inTrainer('a == 3'), 'ZT1001', '==', 'expected `=`'],
    [inTrainer('a = 3 4'), 'ZT1001', '4', 'expected an attribute or `}`'],
    [inTrainer('let a = 3'), 'ZT1001', 'let', 'expected an attribute or `}`'],
    ['const x = "a\nconst y = 2', 'ZT1005', '"', 'no end'],
    ['const x = “a”'.slice(0, 12), 'ZT1025', '“', 'straight quotes'],
    ['const x = "\\u{110000}"', 'ZT1024', '\\u{110000}', 'means nothing'],
  ])('%j', (text, code, marked, words) => {
    const { diagnostics } = parseText(text);
    expect(diagnostics.map((each) => each.code)).toEqual([code]);
    const [diagnostic] = diagnostics;
    expect(text.slice(diagnostic?.span.start, diagnostic?.span.end)).toBe(marked);
    expect(`${diagnostic?.message} / ${diagnostic?.help}`).toContain(words);
  });
});

test('the grammar has no ambiguity that Chevrotain can find', () => {
  expect(() => new SpecParser(true)).not.toThrow();
});
