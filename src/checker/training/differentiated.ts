/** Values that gradients of a step or class are taken by: `gradient(of = …, by = x)`. */
import { walkIr } from '../ir-walk.js';
import type { IrExpr, IrStepStmt } from '../ir.js';
import { localsOf, type Locals } from './walk.js';

export interface Aliases {
  /** Their tokens. */
  readonly wanted: ReadonlySet<string>;
  readonly locals: Locals;
}

const isExpr = (node: unknown): node is IrExpr =>
  typeof node === 'object' && node !== null && 'kind' in node && 'span' in node;

const isRead = (expr: IrExpr): boolean =>
  expr.kind === 'ref' || (expr.kind === 'field' && expr.of.kind === 'ref');

/** What stands for a value on its way: the same for a name and another name of it. Null for what is no value with a name. */
export const tokenOf = (expr: IrExpr, { locals }: Pick<Aliases, 'locals'>): string | null => {
  let at = expr;
  for (const seen = new Set<string>(); at.kind === 'ref' && at.ref.kind === 'local';) {
    const { name } = at.ref;
    const found = locals.get(name);
    if (!found || found.kind === 'fold' || !isRead(found) || seen.has(name)) return `value:${name}`;
    seen.add(name);
    at = found;
  }
  if (at.kind === 'ref') return at.ref.kind === 'input' ? `in:${at.ref.name}` : null;
  if (at.kind !== 'field' || at.of.kind !== 'ref') return null;
  const { ref } = at.of;
  return ref.kind === 'batch' || ref.kind === 'local' ? `value:${ref.kind}.${ref.name}.${at.name}` : null;
};

const empty: Aliases = { wanted: new Set(), locals: new Map() };

export const aliasesIn = (body: readonly IrStepStmt[], value: IrExpr | null): Aliases => {
  const by: IrExpr[] = [];
  walkIr([body, value], ({ kind, home, name, args }) => {
    if (kind !== 'op' || home !== 'ops' || name !== 'gradient' || !Array.isArray(args)) return;
    const [, second]: unknown[] = args;
    if (isExpr(second)) by.push(second);
  });
  if (by.length === 0) return empty;
  const locals = localsOf(body);
  return { locals, wanted: new Set(by.flatMap((each) => tokenOf(each, { locals }) ?? [])) };
};
