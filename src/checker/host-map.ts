/**
 * The part of a `map` that runs on the host, row by row: functions of images and what feeds them. What is left of the map is
 * computed on batches in the step, from what the host gives.
 */
import { notBuilt, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { symbolsOf, type Size } from './dims/size.js';
import type { Env } from './env.js';
import type { IrExpr, IrField, IrMap, IrNamed, IrStmt, IrType } from './ir.js';
import { walkIr } from './ir-walk.js';
import { irType, type RecordType, type Type } from './types.js';

/** A size that differs from row to row. */
export const ragged = (name: string): string => `${name}?`;

export const isRagged = (size: Size): boolean => [...symbolsOf(size)].some((name) => name.endsWith('?'));

/** Whether rows of this type have different shapes, so that no batch can be made of them. */
export const differs = (type: Type): boolean => type.kind === 'tensor' && type.shape.some(isRagged);

/** A type as code has it: sizes that differ from row to row are -1. */
const inCode = (type: IrType): IrType =>
  type.kind === 'tensor' || type.kind === 'text'
    ? { ...type, shape: type.shape.map((size) => (size.includes('?') ? '-1' : size)) }
    : type;

export const recordType = (type: Type): IrField['type'] => inCode(irType(type));

/** Namespace of the functions of `map` that run on the host. */
export const hostHome = 'transforms';

/** Functions of the step that the host computes as well, between its own. */
const shared = new Set([
  ...['cast', 'add', 'sub', 'mul', 'div', 'neg', 'not', 'and', 'or', 'ones_like', 'zeros_like'],
  ...['equal', 'not_equal', 'less', 'less_equal', 'greater', 'greater_equal'],
]);

const isHostOp = (expr: IrExpr): boolean => expr.kind === 'op' && expr.home === hostHome;

/** Whether no step can have a value of this type of a row. */
const isOfHost = (type: IrType): boolean =>
  type.kind === 'tensor'
    ? type.shape.some((size) => size.includes('?'))
    : type.kind === 'text' && type.shape.length > 0;

const isRowField = (expr: IrExpr): boolean =>
  expr.kind === 'field' && expr.of.kind === 'ref' && expr.of.ref.kind === 'row';

/** Whether it is one whole number, which may be that of a class. */
const isClass = (type: IrType): boolean =>
  type.kind === 'tensor' && type.dtype === 'i32' && type.shape.length === 0;

/** The file of words that a number is looked up in, and the number of those that are not there. */
const wordsOf = (expr: IrExpr): Pick<IrField, 'words' | 'unknown'> => {
  if (expr.kind !== 'op' || expr.home !== hostHome || expr.name !== 'lookup') return {};
  const [words, unknown] = ['file', 'unknown'].map((option) =>
    expr.options.find(({ name }) => name === option),
  );
  if (words === undefined) return {};
  return { words: words.value, ...(unknown === undefined ? {} : { unknown: unknown.value }) };
};

type Lets = ReadonlyMap<string, IrExpr>;

const letOf = (expr: IrExpr, lets: Lets): IrExpr | null =>
  expr.kind === 'ref' && expr.ref.kind === 'local' ? (lets.get(expr.ref.name) ?? null) : null;

/** The sizes of a tensor; null of one number, which the host takes beside any of them. */
const shapeOf = (expr: IrExpr): string | null =>
  expr.type.kind === 'tensor' && expr.type.shape.length > 0 ? expr.type.shape.join() : null;

/** The first part that only a step can compute, or null. */
const stepPart = (expr: IrExpr, lets: Lets): IrExpr | null => {
  const first = (parts: readonly IrExpr[]): IrExpr | null => {
    for (const part of parts) {
      const found = stepPart(part, lets);
      if (found) return found;
    }
    return null;
  };
  switch (expr.kind) {
    case 'literal':
    case 'host':
    case 'hostCall':
    case 'element':
      return null;
    case 'items':
      return first(expr.items);
    case 'field':
      return isRowField(expr) || isRowField(expr.of) ? null : expr;
    case 'ref': {
      if (['param', 'const'].includes(expr.ref.kind)) return null;
      const own = letOf(expr, lets);
      return own ? stepPart(own, lets) : expr;
    }
    case 'op': {
      const parts = [...expr.args, ...expr.options.map((option) => option.value)];
      if (expr.home === hostHome) return first(parts);
      const shapes = new Set(expr.args.flatMap((arg) => shapeOf(arg) ?? []));
      const isShared = expr.home === 'ops' && shared.has(expr.name) && shapes.size <= 1;
      return isShared ? first(parts) : expr;
    }
    default:
      return expr;
  }
};

/** Copies a part of the IR with some of its nodes replaced. */
const rewrite = <T>(part: T, replace: (expr: IrExpr) => IrExpr | null): T => {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node !== 'object' || node === null) return node;
    const found = isExpr(node) ? replace(node) : null;
    if (found) return found;
    return Object.fromEntries(
      Object.entries(node).map(([key, each]: [string, unknown]) => [
        key,
        key === 'span' || key === 'type' ? each : walk(each),
      ]),
    );
  };
  return walk(part) as T;
};

const isExpr = (node: object): node is IrExpr => 'kind' in node && 'span' in node && 'type' in node;

/** An expression as the host computes it: what it shares with the step has another home there. */
const onHost = <T>(part: T): T =>
  rewrite(part, (expr) =>
    expr.kind === 'op'
      ? { ...expr, home: hostHome, free: false, args: onHost(expr.args), options: onHost(expr.options) }
      : null,
  );

export interface SplitMap {
  /** What runs on the host, or null where nothing of the map does. */
  readonly host: IrMap | null;
  /** What runs in the step; null where the batch is what the host gives. */
  readonly step: { readonly statements: readonly IrStmt[]; readonly values: readonly IrNamed[] } | null;
}

export interface MapParts {
  readonly span: Span;
  readonly row: string;
  readonly statements: readonly IrStmt[];
  readonly values: readonly IrNamed[];
  /** The rows that it gets. */
  readonly before: RecordType['fields'];
  /** Whether an earlier map computes them in the step. */
  readonly inStep: boolean;
}

const hasHostOp = (part: unknown): boolean => {
  let found = false;
  walkIr(part, ({ kind, home }) => {
    if (kind === 'op' && home === hostHome) found = true;
  });
  return found;
};

const localOf = (expr: IrExpr): string | null =>
  expr.kind === 'ref' && expr.ref.kind === 'local' ? expr.ref.name : null;

/** Names of lets that are read outside of what the host gives. */
const neededIn = (
  statements: readonly IrStmt[],
  values: readonly IrNamed[],
  isGiven: (expr: IrExpr) => boolean,
): ReadonlySet<string> => {
  const needed = new Set<string>();
  const look = (part: unknown): void => {
    rewrite(part, (expr) => {
      if (isGiven(expr)) return expr;
      const name = localOf(expr);
      if (name !== null) needed.add(name);
      return null;
    });
  };
  look(values);
  for (const statement of [...statements].reverse())
    if (statement.kind !== 'let' || needed.has(statement.name)) look(statement);
  return needed;
};

/** Shares a map out between the host and the step. Null after an error. */
export const splitMap = (
  env: Env,
  { span, row, statements, values, before, inStep }: MapParts,
): SplitMap | null => {
  // Batches have no place for texts, and for what differs in size: the host hands on the others.
  const isHeld = before.some(({ type }) => type.kind === 'text' || differs(type));
  if (!hasHostOp([statements, values]) && (inStep || !isHeld))
    return { host: null, step: { statements, values } };
  const lets = new Map(
    statements.flatMap((each) => (each.kind === 'let' ? [[each.name, each.value] as const] : [])),
  );
  const fields = new Map<string, Omit<IrField, 'name'> & { readonly value: IrExpr }>();
  let wrong = false;
  const report = (at: Span, what: string): void => {
    if (!wrong) env.checker.report(notBuilt(at, { what }, { help: 'do it after the functions of images' }));
    wrong = true;
  };
  const fresh = (name: string): string => {
    for (let turn = 1; ; turn += 1) {
      const made = turn === 1 ? name : `${name}${turn}`;
      if (!fields.has(made)) return made;
    }
  };
  const read = (expr: IrExpr, name: string): IrExpr => ({
    kind: 'field',
    of: { kind: 'ref', ref: { kind: 'row' }, span: expr.span, type: { kind: 'record', fields: [] } },
    name,
    span: expr.span,
    type: expr.type,
  });
  const made = new Map<string, string>();
  /** A host's value under a name; the same local has one. */
  const give = (expr: IrExpr, hint: string): IrExpr => {
    const local = expr.kind === 'ref' && expr.ref.kind === 'local' ? expr.ref.name : null;
    const known = local === null ? undefined : made.get(local);
    if (known !== undefined) return read(expr, known);
    const bad = stepPart(expr, lets);
    if (bad)
      report(bad.span, 'a value that the step computes, as an input of a function that runs on the host,');
    const name = fresh(hint);
    if (local !== null) made.set(local, name);
    fields.set(name, {
      value: onHost(expr),
      type: inCode(expr.type),
      ...(isClass(expr.type) ? wordsOf(expr) : {}),
    });
    return read(expr, name);
  };
  const isGiven = (expr: IrExpr): boolean => {
    const own = letOf(expr, lets);
    if (isHostOp(expr) || (own !== null && isHostOp(own))) return true;
    return isOfHost(expr.type) && !isRowField(expr) && stepPart(expr, lets) === null;
  };
  /** Lets of the step that are read there, themselves or by others. */
  const needed = neededIn(statements, values, isGiven);
  const hostly = new Set(
    values.flatMap((each) => (hasHostOp(each.value) || isGiven(each.value) ? [each.name] : [])),
  );
  const passed = new Map<string, string>();
  /** A field of the row that the step reads itself: the host hands it on. */
  const pass = (expr: IrExpr, isWhole = false): IrExpr => {
    if (expr.kind !== 'field') return expr;
    if (!isWhole && !wrong && expr.type.kind === 'tensor' && isOfHost(expr.type)) {
      env.checker.report(
        wrongType(
          expr.span,
          {
            what: `\`${expr.name}\``,
            found: `${expr.type.dtype}[${expr.type.shape.join(', ')}], whose sizes differ from row to row`,
            expected: 'one size for all rows, as the step that computes this wants it,',
          },
          {
            help:
              expr.type.shape.length === 3
                ? `resize or crop it first: \`resize(row.${expr.name}, [224, 224])\``
                : `pad it first: \`pad(row.${expr.name}, to = 64)\``,
          },
        ),
      );
      wrong = true;
    }
    const known = passed.get(expr.name);
    if (known !== undefined) return { ...expr, name: known };
    const name = fresh(hostly.has(expr.name) ? `${expr.name}_row` : expr.name);
    passed.set(expr.name, name);
    const type = before.find((each) => each.name === expr.name)?.type;
    const own = type ? recordType(type) : expr.type;
    fields.set(name, { value: expr, type: own, ...(isClass(own) ? { from: expr.name } : {}) });
    return { ...expr, name };
  };
  const cut =
    (hint: string) =>
    (expr: IrExpr): IrExpr | null =>
      isGiven(expr) ? give(expr, hint) : isRowField(expr) ? pass(expr) : null;
  const finished = {
    statements: statements
      .filter((each) => each.kind !== 'let' || (!isHostOp(each.value) && needed.has(each.name)))
      .map((each) => rewrite(each, cut(each.kind === 'let' || each.kind === 'fold' ? each.name : 'value'))),
    values: values.map((each) => ({
      name: each.name,
      value: isRowField(each.value) ? pass(each.value, true) : rewrite(each.value, cut(each.name)),
    })),
  };
  if (inStep) report(span, 'a function that runs on the host, after a `map` that runs in the step,');
  if (wrong) return null;
  const isSame =
    finished.values.length === fields.size &&
    finished.values.every(
      ({ name, value }) => isRowField(value) && value.kind === 'field' && value.name === name,
    );
  const body = statements.filter((each) => each.kind === 'let' && stepPart(each.value, lets) === null);
  return {
    host: {
      span,
      row,
      body: onHost(body),
      fields: [...fields].map(([name, { value }]) => ({ name, value })),
      host: [...fields].map(([name, { value: _, ...field }]) => ({ name, ...field })),
    },
    step: isSame ? null : finished,
  };
};
