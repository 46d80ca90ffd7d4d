import { describe, expect, test } from 'vitest';
import type { ConstDecl, Decl, Expr } from '../../src/parser/ast.js';
import { createSource, textOf } from '../../src/parser/source.js';
import { goodSpecs, nodesOf, parseText } from './walk.js';

const kinds = (text: string): readonly string[] => parseText(text).spec.decls.map(({ kind }) => kind);

const first = <Kind extends Decl['kind']>(text: string, kind: Kind): Extract<Decl, { kind: Kind }> => {
  const { spec, diagnostics } = parseText(text);
  expect(diagnostics).toEqual([]);
  const isKind = (decl: Decl): decl is Extract<Decl, { kind: Kind }> => decl.kind === kind;
  const found = spec.decls.find(isKind);
  if (found === undefined) throw new Error(`no ${kind} in ${text}`);
  return found;
};

const valueOf = (expression: string): Expr => first(`const it = ${expression}`, 'const').value;

/** An expression with all its parentheses written. */
const shape = (expr: Expr): string => {
  switch (expr.kind) {
    case 'number':
      return expr.text;
    case 'ref':
      return expr.name;
    case 'binary':
      return `(${shape(expr.left)} ${expr.op} ${shape(expr.right)})`;
    case 'unary':
      return `(${expr.op} ${shape(expr.value)})`;
    case 'ifExpr':
      return `(if ${shape(expr.test)} then ${shape(expr.then)} else ${shape(expr.else)})`;
    case 'pipe':
      return `(${shape(expr.from)} |> ${expr.stages.length})`;
    case 'member':
      return `${shape(expr.object)}.${expr.name.text}`;
    default:
      return expr.kind;
  }
};

describe('well-formed specs', () => {
  test.each(goodSpecs)('%s parses', (_path, text) => {
    const { diagnostics, spec } = parseText(text);
    expect(diagnostics).toEqual([]);
    expect(spec.decls.length).toBeGreaterThan(0);
  });

  test.each(goodSpecs)(
    '%s is a tree: numbers in text order, children inside their parents',
    (_path, text) => {
      const nodes = nodesOf(parseText(text).spec);
      expect(new Set(nodes.map(({ id }) => id)).size).toBe(nodes.length);
      for (const { id, start, end, parent, kind } of nodes) {
        expect(end, kind).toBeGreaterThan(start);
        if (parent === null) continue;
        expect(start, `${kind} in ${parent.kind}`).toBeGreaterThanOrEqual(parent.start);
        expect(end, `${kind} in ${parent.kind}`).toBeLessThanOrEqual(parent.end);
        expect(id, `${kind} in ${parent.kind}`).toBeGreaterThan(parent.id);
      }
      const inOrder = [...nodes].sort((a, b) => a.id - b.id);
      inOrder.forEach((node, index) =>
        expect(node.start).toBeGreaterThanOrEqual(inOrder[index - 1]?.start ?? 0),
      );
    },
  );

  test('the tree is plain data', () => {
    const [, text = ''] = goodSpecs[0] ?? [];
    const { spec } = parseText(text);
    expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
  });

  test('every kind of node occurs in the spec of everything', () => {
    const [, text = ''] = goodSpecs.find(([path]) => path.endsWith('everything.ztrain')) ?? [];
    const found = new Set(nodesOf(parseText(text).spec).map(({ kind }) => kind));
    const all =
      'name string spec allow import extern externItem const param item assert signature fn block model modelAlias graph layer let config attribute group map data schedule phase optimizer trainer addon step body update minimize metric every for if return namedType literalType recordType unionType shape rest size number bool ref tuple list record unary binary ifExpr pipe apply repeat call arg member index ellipsis range at';
    expect([...found].sort()).toEqual(all.split(' ').sort());
  });

  test('tokens cover all of the text but space', () => {
    for (const [path, text] of goodSpecs) {
      const { tokens } = parseText(text);
      const source = createSource(0, path, text);
      expect(tokens.map(({ span }) => textOf(source, span).replace(/\s/g, '')).join('')).toBe(
        text.replace(/\s/g, ''),
      );
    }
  });
});

describe('expressions', () => {
  test.each([
    ['1 + 2 * 3 ** 4', '(1 + (2 * (3 ** 4)))'],
    ['2 ** 3 ** 4', '(2 ** (3 ** 4))'],
    ['-a ** 2', '(- (a ** 2))'],
    ['2 ** -a', '(2 ** (- a))'],
    ['a - b - c', '((a - b) - c)'],
    ['a / b @ c % d', '(((a / b) @ c) % d)'],
    ['not a == b and c or d', '(((not (a == b)) and c) or d)'],
    ['not not a', '(not (not a))'],
    ['- - a', '(- (- a))'],
    ['(a + b) * c', '((a + b) * c)'],
    ['if a then b else if c then d else e', '(if a then b else (if c then d else e))'],
    ['if a then b else c |> f()', '((if a then b else c) |> 1)'],
    ['a + b |> f() |> g', '((a + b) |> 2)'],
    ['1.epoch', '1.epoch'],
    ['0.25.epoch', '0.25.epoch'],
    ['step.data.model', 'step.data.model'],
  ])('%s', (text, expected) => {
    expect(shape(valueOf(text))).toBe(expected);
  });

  test('parentheses around one expression leave it and its span alone', () => {
    const text = 'const it = (1 + 2) * 3';
    const value = first(text, 'const').value;
    if (value.kind !== 'binary') throw new Error(value.kind);
    expect(text.slice(value.span.start, value.span.end)).toBe('(1 + 2) * 3');
    expect(text.slice(value.left.span.start, value.left.span.end)).toBe('1 + 2');
    expect(text.slice(value.opSpan.start, value.opSpan.end)).toBe('*');
  });

  test.each([
    ['10', 10, true],
    ['1_000', 1000, true],
    ['10.0', 10, false],
    ['1e1', 10, false],
    ['2.5e-3', 0.0025, false],
  ])('number %s', (text, value, integer) => {
    expect(valueOf(text)).toMatchObject({ kind: 'number', value, integer, text });
  });

  test('strings have escapes', () => {
    expect(valueOf('"a\\n\\t\\"\\\\\\u{1F600}é"')).toMatchObject({ kind: 'string', value: 'a\n\t"\\😀é' });
    expect(valueOf('"// no comment # /*"')).toMatchObject({ value: '// no comment # /*' });
  });

  test('ranges and slices', () => {
    const value = valueOf('x[..., :a, 1:, b, c:d, :]');
    if (value.kind !== 'index') throw new Error(value.kind);
    expect(value.slices.map(({ kind }) => kind)).toEqual([
      'ellipsis',
      'range',
      'range',
      'at',
      'range',
      'range',
    ]);
    expect(value.slices[1]).toMatchObject({ from: null, to: { name: 'a' } });
    expect(value.slices[2]).toMatchObject({ from: { value: 1 }, to: null });
  });
});

describe('words', () => {
  test('soft words are names wherever a name may stand', () => {
    const text =
      'const data = 1\nconst step = data\nconst model = step\ndata train = csv { map = 1 group = 2 every = 3 }';
    expect(kinds(text)).toEqual(['const', 'const', 'const', 'data']);
    expect(parseText(text).diagnostics).toEqual([]);
  });

  test('a name may start with a hard word', () => {
    expect(valueOf('assertion')).toMatchObject({ name: 'assertion' });
    expect(valueOf('order + format + islet')).toMatchObject({ kind: 'binary' });
    expect(first('assert on_time', 'assert').test).toMatchObject({ name: 'on_time' });
  });

  test('`;` is passed over', () => {
    expect(kinds('const a = 1; const b = 2;;')).toEqual(['const', 'const']);
  });

  test('a byte order mark and carriage returns are space', () => {
    expect(parseText('\uFEFFconst a = 1\r\n/// Doc.\r\nconst b = "x"\r\n').spec.decls[1]).toMatchObject({
      doc: 'Doc.',
    });
  });
});

describe('docs', () => {
  const docs = (text: string): readonly (string | null)[] => {
    const { spec } = parseText(text);
    return [spec.doc, ...spec.decls.map(({ doc }) => doc)];
  };

  test.each([
    ['the head of a file is its own', '/// File.\nconst a = 1', ['File.', null]],
    ['also over several lines', '/// One\n/// two\nconst a = 1', ['One\ntwo', null]],
    [
      'a blank line parts the file from the first declaration',
      '/// File.\n\n/// A.\nconst a = 1',
      ['File.', 'A.'],
    ],
    ['with two blank lines, the last part', '/// F\n\n/// G\n\n/// A.\nconst a = 1', ['F\n\nG', 'A.']],
    ['later ones belong to what follows', 'const a = 1\n/// B.\nconst b = 2', [null, null, 'B.']],
    ['past an allowance', 'const a = 1\n/// B.\n# allow ZT5002 "x"\nconst b = 2', [null, null, 'B.']],
    ['behind an allowance', 'const a = 1\n# allow ZT5002 "x"\n/// B.\nconst b = 2', [null, null, 'B.']],
    ['a plain comment is none', '// No.\nconst a = 1', [null, null]],
    ['a file without declarations keeps its doc', '/// Only.\n', ['Only.']],
  ])('%s', (_name, text, expected) => {
    expect(docs(text)).toEqual(expected);
  });

  test('items, extern items and layers have docs', () => {
    const { items } = first(
      'extern "./a.ts" {\n  /// F.\n  fn f(\n    /// X.\n    x: int\n  ) -> int\n}',
      'extern',
    );
    expect(items[0]).toMatchObject({ doc: 'F.', params: [{ doc: 'X.' }] });
    const { body } = first(
      'block B on x: f32 -> f32 {\n  /// L.\n  layer l = dense(1)\n  return l(x)\n}',
      'block',
    );
    expect(body.statements[0]).toMatchObject({ kind: 'layer', doc: 'L.' });
  });

  test('comments are kept in text order', () => {
    const { comments } = parseText('// a\n/// b\nconst x = 1 // c').spec;
    expect(comments.map(({ text, doc }) => [text, doc])).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
    ]);
  });
});

describe('recovery', () => {
  const names = (text: string): readonly string[] =>
    parseText(text).spec.decls.flatMap((decl) => (decl.kind === 'const' ? [decl.name.text] : []));

  test.each([
    ['const a = 1\nconst = 2\nconst c = 3', ['a', 'c'], 1],
    ['const a = 1\nconst b = (1\nconst c = 3', ['a', 'c'], 1],
    ['const a = 1\nmodel M on x: f32[n] -> f32[n] {\n  return x\nconst c = 3', ['a', 'c'], 1],
    ['const a = 1 }\nconst c = 3', ['a', 'c'], 1],
    ['const a = 1\nfoo bar {\n  x = 3\n}\nconst c = 3', ['a', 'c'], 1],
    ['const a = 1\nconst b =\nconst c = 3', ['a', 'c'], 1],
    ['const = 1\nconst = 2\nconst c = 3', ['c'], 2],
    ['const b = 1 2 const c = 3', ['b', 'c'], 1],
    ['const b = [1, const c = 3\nconst d = 4', ['d'], 1],
  ])('%j keeps what is whole', (text, expected, count) => {
    expect(names(text)).toEqual(expected);
    expect(parseText(text).diagnostics).toHaveLength(count);
  });

  test('of an unclosed body, the indentation says which brace', () => {
    const text = 'step train(batch in d) {\n  update opt {\n    minimize x\n}\nconst c = 3';
    const [diagnostic] = parseText(text).diagnostics;
    expect(diagnostic).toMatchObject({ code: 'ZT1002', span: { start: text.indexOf('{\n    min') } });
    expect(names(text)).toEqual(['c']);
  });

  test('reports stop at fifty', () => {
    const { diagnostics } = parseText('const = 1\n'.repeat(200));
    expect(diagnostics).toHaveLength(51);
    expect(diagnostics.at(-1)?.code).toBe('ZT1033');
  });
});

test('a const keeps its type apart from its value', () => {
  const decl: ConstDecl = first('const a: f32[n, ...] | none = 1', 'const');
  expect(decl.type).toMatchObject({
    kind: 'unionType',
    members: [{ shape: { dims: [{}, { kind: 'rest' }] } }, {}],
  });
});
