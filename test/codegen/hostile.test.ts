import { type ts, ts as compiler } from 'ts-morph';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Ir } from '../../src/checker/ir.js';
import { emit } from '../../src/codegen/emit.js';
import { commentText } from '../../src/codegen/tree.js';
import { digits, gan, gpt } from './examples.js';

const HOSTILE: readonly string[] = [
  '*/ process.exit(1) /*',
  '`${process.exit(1)}`',
  "'; process.exit(1); '",
  '"; process.exit(1); "',
  '\\',
  "\\'",
  '__proto__',
  'constructor',
  'line one\nline two\r\nline three\rline four',
  'a\u2028b\u2029c',
  '//~blank',
  '\n//~blank\n',
  '<script>alert(1)</script>',
  'lone \ud800 surrogate \udc00',
  'bell \u0007 null \u0000 bom \ufeff bidi \u202e end',
  '@ts-ignore\n@ts-nocheck @license @preserve',
  '//# sourceMappingURL=data:application/json;base64,e30=',
  '#__PURE__ @__NO_SIDE_EFFECTS__',
  'prettier-ignore',
  '🦆 é ü 漢字',
  '',
];

/** Fields of the IR that hold words of the user's own; names of declared things are held to a grammar instead. */
const TEXT_FIELDS = new Set(['doc', 'text', 'message', 'label', 'draw', 'metric', 'pattern', 'variable']);

/** Every text of a program replaced by `evil`, in docs only where there was one. */
const poison = (value: unknown, evil: string): unknown => {
  if (Array.isArray(value)) return value.map((each) => poison(each, evil));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      // A metric that is computed is called by its name; one that is watched is only named.
      const isCalled = key === 'metric' && 'kind' in value && value.kind === 'metric';
      if (TEXT_FIELDS.has(key) && typeof each === 'string' && !isCalled) return [key, evil];
      if (key === 'value' && typeof each === 'string') return [key, evil];
      if (key === 'values' && Array.isArray(each)) return [key, each.map((_, index) => `${evil}${index}`)];
      return [key, poison(each, evil)];
    }),
  );
};

const poisoned = (ir: Ir, evil: string): Ir => {
  const changed = poison(ir, evil);
  const isIr = (value: unknown): value is Ir =>
    typeof value === 'object' && value !== null && 'modules' in value;
  if (!isIr(changed)) throw new Error('the shape of the program changed');
  return changed;
};

/** Kinds of all nodes, in order; text and names are left out. */
const shapeOf = (text: string): string => {
  const file = compiler.createSourceFile('x.ts', text, compiler.ScriptTarget.ES2022);
  const kinds: string[] = [];
  const walk = (node: ts.Node): void => {
    kinds.push(compiler.SyntaxKind[node.kind]);
    compiler.forEachChild(node, walk);
    kinds.push('.');
  };
  walk(file);
  return kinds.join(' ');
};

const faultsOf = (text: string): readonly string[] =>
  (compiler.transpileModule(text, { reportDiagnostics: true }).diagnostics ?? []).map((each) =>
    compiler.flattenDiagnosticMessageText(each.messageText, '\n'),
  );

const literalsOf = (text: string): ReadonlySet<string> => {
  const file = compiler.createSourceFile('x.ts', text, compiler.ScriptTarget.ES2022);
  const found = new Set<string>();
  const walk = (node: ts.Node): void => {
    if (compiler.isStringLiteral(node)) found.add(node.text);
    compiler.forEachChild(node, walk);
  };
  walk(file);
  return found;
};

const emitTexts = async (ir: Ir): Promise<readonly string[]> =>
  (await emit(ir, { compilerVersion: '0.1.0' })).map((file) => file.text);

describe.each([
  ['digits', digits],
  ['gan', gan],
  ['gpt', gpt],
])('hostile text in %s', (_, make) => {
  let shapes: readonly string[] = [];
  beforeAll(async () => {
    shapes = (await emitTexts(poisoned(make(), 'plain'))).map(shapeOf);
  });

  test.each(HOSTILE.map((text) => [JSON.stringify(text), text]))('%s stays text', async (_name, evil) => {
    const texts = await emitTexts(poisoned(make(), evil));
    expect(texts.map(shapeOf)).toEqual(shapes);
    expect(texts.flatMap(faultsOf)).toEqual([]);
    expect(texts.some((text) => literalsOf(text).has(evil))).toBe(true);
    for (const text of texts) {
      // What is written must be what is read back: no lone surrogates, no characters that hide.
      expect(Buffer.from(text).toString('utf8')).toBe(text);
      expect(text).not.toMatch(/[\u2028\u2029\u202e\ufeff\0]/);
      expect(text).not.toMatch(/^\s*\/\/~blank/m);
    }
  });
});

test('a file path cannot leave its comment or its import', async () => {
  const ir = gan();
  const [blocks, main] = ir.modules;
  if (blocks === undefined || main === undefined) throw new Error('the example has two modules');
  const name = "it's\n*/ `x` ${y}";
  const texts = await emitTexts({ ...ir, modules: [{ ...blocks, name, path: `${name}.ztrain` }, main] });
  expect(texts.map(shapeOf)).toEqual((await emitTexts(ir)).map(shapeOf));
  expect([...literalsOf(texts[1] ?? '')]).toContain(`./${name}.js`);
});

test('fields called like parts of objects are plain fields', async () => {
  const ir = digits();
  const { trainer } = ir;
  if (trainer === null) throw new Error('the example has a trainer');
  const [train, ...others] = trainer.steps;
  if (train === undefined) throw new Error('the example has a train step');
  const log = others[0]?.body.find((statement) => statement.kind === 'log');
  if (log?.kind !== 'log') throw new Error('the example logs');
  const named = ['__proto__', 'constructor', 'toString', 'a b', '1'].map((name) => ({ ...log, name }));
  const validate = others[0];
  if (validate === undefined) throw new Error('the example validates');
  const body = [...validate.body.filter((statement) => statement.kind !== 'log'), ...named];
  const [text = ''] = await emitTexts({
    ...ir,
    trainer: { ...trainer, steps: [train, { ...validate, body }] },
  });
  expect(text).toContain("['__proto__']: loss");
  expect(faultsOf(text)).toEqual([]);
});

test('text of a comment cannot close it', () => {
  expect(commentText('a */ b')).toBe('a *\\/ b');
  expect(commentText('mail me@example.com, @ts-ignore')).toBe('mail me@example.com, \\@ts-ignore');
  expect(commentText('a\u0000b\u2028c')).toBe('a b c');
});
