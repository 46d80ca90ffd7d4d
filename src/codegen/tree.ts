/**
 * Nodes of the emitted TypeScript. After this: text of a spec is only ever in string literals (escaped by TypeScript's
 * printer) and in comments that it cannot close, and each node knows the span that it comes from.
 */
import type { ts } from 'ts-morph';
import type { Span } from '../parser/source.js';

export type TypeScript = typeof ts;

/** One property of an object literal. */
export interface Entry {
  readonly key: string;
  readonly value: ts.Expression;
  readonly span?: Span | undefined;
}

/** One member of a type literal or interface. */
export interface TypeEntry {
  readonly key: string;
  readonly type: ts.TypeNode;
  readonly optional?: boolean;
  readonly doc?: string | null;
  readonly span?: Span;
}

/** A comment line that stands for a blank line until the tree is printed. No text of a spec is on a line of its own. */
export const BLANK_LINE = '//~blank';

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
/**
 * Characters that would not survive a file, or that a reader cannot see: text that has any is written in ASCII. Those
 * below the space are escaped in any case.
 */
const UNSEEN = /[\u007f-\u009f\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Text that may stand in a comment: it cannot close it, end its line, or be read as a directive by a tool. */
export const commentText = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/[\p{Cf}\p{Cs}]/gu, '\u{fffd}')
    .replaceAll('*/', '*\\/')
    .replace(/(?<!\w)@(?=[a-z_])/gi, '\\@')
    .replace(/#(?=__|\s*source)/g, '# ')
    .trimEnd();

export const createTree = (compiler: TypeScript) => {
  const f = compiler.factory;
  const spans = new WeakMap<ts.Node, Span>();

  /** Remembers where a node comes from; the first word counts, which is the innermost. */
  const at = <N extends ts.Node>(span: Span | undefined, node: N): N => {
    if (span !== undefined && !spans.has(node)) spans.set(node, span);
    return node;
  };

  const id = (name: string): ts.Identifier => {
    if (!IDENTIFIER.test(name)) throw new Error(`not an identifier: ${JSON.stringify(name)}`);
    return f.createIdentifier(name);
  };

  const text = (value: string): ts.StringLiteral => {
    const literal = f.createStringLiteral(value, true);
    if (!UNSEEN.test(value)) compiler.setEmitFlags(literal, compiler.EmitFlags.NoAsciiEscaping);
    return literal;
  };

  const member = (of: ts.Expression, name: string): ts.Expression =>
    IDENTIFIER.test(name)
      ? f.createPropertyAccessExpression(of, name)
      : f.createElementAccessExpression(of, text(name));

  const number = (value: number): ts.Expression => {
    if (Number.isNaN(value)) return member(id('Number'), 'NaN');
    if (value < 0 || Object.is(value, -0)) {
      return f.createPrefixUnaryExpression(compiler.SyntaxKind.MinusToken, number(-value));
    }
    return value === Infinity
      ? member(id('Number'), 'POSITIVE_INFINITY')
      : f.createNumericLiteral(String(value));
  };

  const literal = (value: number | string | boolean | null): ts.Expression => {
    if (value === null) return f.createNull();
    if (typeof value === 'number') return number(value);
    if (typeof value === 'string') return text(value);
    return value ? f.createTrue() : f.createFalse();
  };

  const call = (
    of: ts.Expression,
    args: readonly ts.Expression[],
    types: readonly ts.TypeNode[] = [],
  ): ts.CallExpression => f.createCallExpression(of, types.length > 0 ? [...types] : undefined, [...args]);

  /** `__proto__` in an object literal would set the prototype: it is written as a computed key. */
  const key = (name: string): ts.PropertyName => {
    if (name === '__proto__') return f.createComputedPropertyName(text(name));
    return IDENTIFIER.test(name) ? f.createIdentifier(name) : text(name);
  };

  const object = (entries: readonly Entry[], multiLine = false): ts.ObjectLiteralExpression =>
    f.createObjectLiteralExpression(
      entries.map(({ key: name, value, span }) =>
        at(
          span,
          compiler.isIdentifier(value) && value.text === name && name !== '__proto__'
            ? f.createShorthandPropertyAssignment(at(spans.get(value), id(name)))
            : f.createPropertyAssignment(key(name), value),
        ),
      ),
      multiLine,
    );

  const array = (items: readonly ts.Expression[], multiLine = false): ts.Expression =>
    f.createArrayLiteralExpression([...items], multiLine);

  const type = (name: string, args: readonly ts.TypeNode[] = []): ts.TypeNode => {
    const [first = '', ...rest] = name.split('.');
    const entity = rest.reduce<ts.EntityName>((of, part) => f.createQualifiedName(of, id(part)), id(first));
    return f.createTypeReferenceNode(entity, args.length > 0 ? [...args] : undefined);
  };

  const keyword = (name: 'number' | 'string' | 'boolean' | 'void'): ts.TypeNode => {
    const { NumberKeyword, StringKeyword, BooleanKeyword, VoidKeyword } = compiler.SyntaxKind;
    const kinds = {
      number: NumberKeyword,
      string: StringKeyword,
      boolean: BooleanKeyword,
      void: VoidKeyword,
    } as const;
    return f.createKeywordTypeNode(kinds[name]);
  };

  const literalType = (value: string | null): ts.TypeNode =>
    f.createLiteralTypeNode(value === null ? f.createNull() : text(value));

  const listType = (of: ts.TypeNode): ts.TypeNode =>
    f.createTypeOperatorNode(compiler.SyntaxKind.ReadonlyKeyword, f.createArrayTypeNode(of));

  /** A TSDoc comment of lines that are made safe here; nothing where all are empty. */
  const doc = <N extends ts.Node>(node: N, text: string | null | undefined): N => {
    const lines = (text ?? '').split(/\r\n|[\n\r\u2028\u2029]/).map(commentText);
    while (lines.length > 0 && lines.at(-1) === '') lines.pop();
    if (lines.length === 0) return node;
    const words =
      lines.length === 1
        ? `* ${(lines[0] ?? '').trim()} `
        : `*\n${lines.map((line) => ` * ${line}`.trimEnd()).join('\n')}\n `;
    return compiler.addSyntheticLeadingComment(node, compiler.SyntaxKind.MultiLineCommentTrivia, words, true);
  };

  /** `// text` on the line before. */
  const note = <N extends ts.Node>(node: N, text: string): N =>
    compiler.addSyntheticLeadingComment(
      node,
      compiler.SyntaxKind.SingleLineCommentTrivia,
      ` ${commentText(text)}`,
      true,
    );

  /** `// text` at the end of the statement's line. */
  const remark = <N extends ts.Node>(node: N, text: string): N =>
    compiler.addSyntheticTrailingComment(
      node,
      compiler.SyntaxKind.SingleLineCommentTrivia,
      ` ${commentText(text)}`,
      true,
    );

  /** A blank line before the node. */
  const apart = <N extends ts.Node>(node: N): N => {
    const others = compiler.getSyntheticLeadingComments(node) ?? [];
    compiler.setSyntheticLeadingComments(node, undefined);
    const { SingleLineCommentTrivia } = compiler.SyntaxKind;
    compiler.addSyntheticLeadingComment(node, SingleLineCommentTrivia, BLANK_LINE.slice(2), true);
    const own = compiler.getSyntheticLeadingComments(node) ?? [];
    return compiler.setSyntheticLeadingComments(node, [...own, ...others]);
  };

  const typeMembers = (entries: readonly TypeEntry[]): ts.TypeElement[] =>
    entries.map((each) =>
      doc(
        at(
          each.span,
          f.createPropertySignature(
            [f.createModifier(compiler.SyntaxKind.ReadonlyKeyword)],
            IDENTIFIER.test(each.key) ? f.createIdentifier(each.key) : text(each.key),
            each.optional === true ? f.createToken(compiler.SyntaxKind.QuestionToken) : undefined,
            each.type,
          ),
        ),
        each.doc,
      ),
    );

  const recordType = (entries: readonly TypeEntry[]): ts.TypeNode =>
    entries.length === 0
      ? type('Record', [keyword('string'), f.createKeywordTypeNode(compiler.SyntaxKind.NeverKeyword)])
      : compiler.setEmitFlags(f.createTypeLiteralNode(typeMembers(entries)), compiler.EmitFlags.SingleLine);

  const param = (
    name: string | ts.BindingName,
    of?: ts.TypeNode,
    modifiers: readonly ts.ModifierLike[] = [],
  ) =>
    f.createParameterDeclaration(
      modifiers.length > 0 ? [...modifiers] : undefined,
      undefined,
      typeof name === 'string' ? id(name) : name,
      undefined,
      of,
    );

  const arrow = (params: readonly ts.ParameterDeclaration[], body: ts.ConciseBody): ts.ArrowFunction =>
    f.createArrowFunction(
      undefined,
      undefined,
      [...params],
      undefined,
      f.createToken(compiler.SyntaxKind.EqualsGreaterThanToken),
      body,
    );

  /** `() => value`, or a block where statements come first. */
  const lambda = (
    params: readonly ts.ParameterDeclaration[],
    body: readonly ts.Statement[],
    value: ts.Expression,
  ): ts.ArrowFunction => arrow(params, body.length === 0 ? value : block([...body, giveBack(value)]));

  const block = (body: readonly ts.Statement[]): ts.Block => f.createBlock([...body], true);
  const giveBack = (value: ts.Expression): ts.Statement => f.createReturnStatement(value);

  const variable = (
    how: 'const' | 'let',
    name: string | ts.BindingName,
    value: ts.Expression,
    of?: ts.TypeNode,
  ) =>
    f.createVariableStatement(
      undefined,
      f.createVariableDeclarationList(
        [f.createVariableDeclaration(typeof name === 'string' ? id(name) : name, undefined, of, value)],
        how === 'const' ? compiler.NodeFlags.Const : compiler.NodeFlags.Let,
      ),
    );

  /** `{ latent, batch_size: batchSize, drop = 0.4 }` on the left of an assignment or in a parameter. */
  const pick = (
    entries: readonly {
      readonly key: string;
      readonly name: string;
      readonly value?: ts.Expression | undefined;
    }[],
  ): ts.BindingName =>
    f.createObjectBindingPattern(
      entries.map(({ key: from, name, value }) =>
        f.createBindingElement(undefined, from === name ? undefined : key(from), id(name), value),
      ),
    );

  /** `[n, , c]`. */
  const pickItems = (names: readonly (string | null)[]): ts.BindingName =>
    f.createArrayBindingPattern(
      names.map((name) =>
        name === null ? f.createOmittedExpression() : f.createBindingElement(undefined, undefined, id(name)),
      ),
    );

  /** `for (let i = from; i < to; i += 1)`. */
  const countTo = (name: string, from: ts.Expression, to: ts.Expression, body: readonly ts.Statement[]) =>
    f.createForStatement(
      f.createVariableDeclarationList(
        [f.createVariableDeclaration(id(name), undefined, undefined, from)],
        compiler.NodeFlags.Let,
      ),
      f.createBinaryExpression(id(name), compiler.SyntaxKind.LessThanToken, to),
      f.createBinaryExpression(id(name), compiler.SyntaxKind.PlusEqualsToken, number(1)),
      block(body),
    );

  const forOf = (binding: string | ts.BindingName, items: ts.Expression, body: readonly ts.Statement[]) =>
    f.createForOfStatement(
      undefined,
      f.createVariableDeclarationList(
        [f.createVariableDeclaration(typeof binding === 'string' ? id(binding) : binding)],
        compiler.NodeFlags.Const,
      ),
      items,
      block(body),
    );

  const self = (): ts.Expression => f.createThis();
  const modifiers = (...names: readonly ('export' | 'readonly' | 'protected' | 'override' | 'static')[]) => {
    const { ExportKeyword, ReadonlyKeyword, ProtectedKeyword, OverrideKeyword, StaticKeyword } =
      compiler.SyntaxKind;
    const kinds = {
      export: ExportKeyword,
      readonly: ReadonlyKeyword,
      protected: ProtectedKeyword,
      override: OverrideKeyword,
      static: StaticKeyword,
    } as const;
    return names.map((name) => f.createModifier(kinds[name]));
  };

  return {
    ts: compiler,
    factory: f,
    spanOf: (node: ts.Node): Span | undefined => spans.get(node),
    at,
    id,
    text,
    number,
    literal,
    member,
    call,
    key,
    object,
    array,
    type,
    keyword,
    literalType,
    listType,
    recordType,
    typeMembers,
    doc,
    note,
    remark,
    apart,
    param,
    arrow,
    lambda,
    block,
    giveBack,
    variable,
    pick,
    pickItems,
    countTo,
    forOf,
    self,
    modifiers,
  };
};

export type Tree = ReturnType<typeof createTree>;
