/** Numbers that belong to one batch alone: what mixes its rows, or its size. No metric over many batches is made of them. */
import type { Place } from './env.js';
import type { IrExpr, IrReduction, IrStepStmt } from './ir.js';
import { walkIr } from './ir-walk.js';
import { holdsRows, losesRows, meetsRows, piles, rowAxes } from './row-axes.js';

/** Where a number of one batch comes from. */
export type Figure =
  | { readonly kind: 'size'; readonly expr: IrExpr; readonly batch: string }
  | { readonly kind: 'mixed'; readonly expr: IrExpr; readonly name: string };

/** What the names of a step stand for. Bodies of `every`, `if` and `for` read those around them. */
interface Named {
  readonly of: Map<string, IrStepStmt>;
  read: number;
}

const namedIn = new WeakMap<object, Named>();
const around = new WeakMap<object, IrStepStmt[]>();

/** Says that statements stand inside of others, whose names they read. */
export const standsIn = (statements: readonly IrStepStmt[], outer: IrStepStmt[]): void => {
  around.set(statements, outer);
};

const namesOf = (statements: readonly IrStepStmt[]): ReadonlyMap<string, IrStepStmt> => {
  const known = namedIn.get(statements) ?? { of: new Map(), read: 0 };
  namedIn.set(statements, known);
  for (; known.read < statements.length; known.read += 1) {
    const statement = statements[known.read];
    if (statement === undefined) continue;
    if (statement.kind === 'let' || statement.kind === 'reduce' || statement.kind === 'branch')
      known.of.set(statement.name, statement);
    if (statement.kind === 'fold') known.of.set(statement.name, statement);
  }
  return known.of;
};

/** The statement that gives a name to a value or a reduction, from here or around it. */
export const lookUp = (statements: readonly IrStepStmt[], name: string): IrStepStmt | undefined => {
  let at: readonly IrStepStmt[] | undefined = statements;
  while (at) {
    const found = namesOf(at).get(name);
    if (found) return found;
    at = around.get(at);
  }
  return undefined;
};

/**
 * Gives a part of a `let` a name of its own, in a `let` before it: what else is made of that part then reads it, and does not compute
 * it again. Null where no such `let` is in reach.
 */
export const splitLet = (
  statements: IrStepStmt[],
  name: string,
  part: IrExpr,
  unique: (name: string) => string,
): IrExpr | null => {
  let list: IrStepStmt[] | undefined = statements;
  while (list && !namesOf(list).has(name)) list = around.get(list);
  const place = list?.findIndex((each) => each.kind === 'let' && each.name === name) ?? -1;
  const found = list?.[place];
  if (!list || found?.kind !== 'let') return null;
  const own = unique(`${name}_of`);
  const { span, type } = part;
  const read: IrExpr = { kind: 'ref', ref: { kind: 'local', name: own }, span, type };
  list.splice(
    place,
    1,
    { kind: 'let', span: found.span, name: own, value: part },
    { ...found, value: replaced(found.value, part, read) },
  );
  namedIn.delete(list);
  return read;
};

const isNode = (each: unknown): each is object => typeof each === 'object' && each !== null;

const isExpr = (each: unknown): each is IrExpr =>
  isNode(each) && 'kind' in each && 'type' in each && 'span' in each;

/** An expression with a part in place of another, which stands somewhere in it. */
const replaced = (expr: IrExpr, part: IrExpr, by: IrExpr): IrExpr => {
  // What does not hold the part stays the same object: what is known of it is known by that.
  const within = (node: unknown): unknown => {
    if (node === part) return by;
    if (Array.isArray(node)) {
      const made = node.map(within);
      return made.some((each, at) => each !== node[at]) ? made : node;
    }
    if (!isNode(node)) return node;
    const entries = Object.entries(node);
    const made = entries.map(([key, each]) => (key === 'span' || key === 'type' ? each : within(each)));
    return made.some((each, at) => each !== entries[at]?.[1])
      ? Object.fromEntries(entries.map(([key], at) => [key, made[at]]))
      : node;
  };
  const made = within(expr);
  return isExpr(made) ? made : expr;
};

/** Lets of the bodies of branches and turns, which only those bodies read. */
const inner = (statement: IrStepStmt): readonly IrExpr[] => {
  const exprs: IrExpr[] = [];
  if (statement.kind === 'let') exprs.push(statement.value);
  else if (statement.kind === 'branch') {
    for (const side of [statement.then, statement.else]) exprs.push(...side.body.flatMap(inner), side.value);
  } else if (statement.kind === 'fold')
    exprs.push(statement.from, ...statement.body.flatMap(inner), statement.value);
  return exprs;
};

const localsIn = (exprs: readonly IrExpr[]): readonly string[] => {
  const names = new Set<string>();
  walkIr(exprs, ({ kind, ref }) => {
    if (kind !== 'ref' || typeof ref !== 'object' || ref === null) return;
    if ('kind' in ref && ref.kind === 'local' && 'name' in ref && typeof ref.name === 'string')
      names.add(ref.name);
  });
  return [...names];
};

/** What a model or a block computes of its inputs, with the sizes of one use. */
export interface Body {
  readonly statements: readonly IrStepStmt[];
  readonly value: IrExpr;
}

const bodies = new WeakMap<IrExpr, Body>();

/**
 * Says what a call computes. Of a layer nothing is known but its result: where rows meet in it, as in `batch_norm`, they do while weights
 * are trained, and running statistics keep them apart in what is measured.
 */
export const computes = (call: IrExpr, body: Body): void => {
  bodies.set(call, body);
};

/** What a name stands for, where that is a `let`. */
const behind = (expr: IrExpr, statements: readonly IrStepStmt[]): IrExpr => {
  let at = expr;
  while (at.kind === 'ref' && at.ref.kind === 'local') {
    const statement = lookUp(statements, at.ref.name);
    if (statement?.kind !== 'let') return at;
    at = statement.value;
  }
  return at;
};

export type FigureIn = (node: IrExpr | IrReduction) => Figure | null;

const searches = new WeakMap<Place, FigureIn>();

/** Looks for the first number of one batch in what a step computes. Results are kept: names are read often. */
export const figuresOf = (place: Place): FigureIn => {
  const before = searches.get(place);
  if (before) return before;
  const made = searchIn(place);
  searches.set(place, made);
  return made;
};

type Searched = Pick<Place, 'statements' | 'batchSizes' | 'stage'>;

const searchIn = (place: Searched): FigureIn => {
  const { batchSizes } = place;
  const within = new WeakMap<Body, FigureIn>();
  const known = new Map<string, Figure | null>();
  const seen = new WeakMap<IrExpr, Figure | null>();
  const first = (exprs: readonly IrExpr[]): Figure | null => {
    for (const expr of exprs) {
      const found = find(expr);
      if (found) return found;
    }
    return null;
  };
  const entered = new Set<string>();
  /** What a name is made of is looked at first: by recursion a chain of a thousand lets would not fit the stack. */
  const local = (name: string): Figure | null => {
    const open = [name];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const statement = known.has(top) ? undefined : lookUp(place.statements, top);
      const exprs = statement ? inner(statement) : [];
      const below = entered.has(top) ? [] : localsIn(exprs).filter((each) => !entered.has(each));
      entered.add(top);
      open.push(...below);
      if (below.length > 0) continue;
      open.pop();
      if (known.has(top)) continue;
      known.set(top, null);
      known.set(top, first(exprs));
    }
    return known.get(name) ?? null;
  };
  const find = (expr: IrExpr): Figure | null => {
    const before = seen.get(expr);
    if (before !== undefined) return before;
    const found = search(expr);
    seen.set(expr, found);
    return found;
  };
  /** In what is differentiated: rows that are only added up keep a gradient each. */
  const summed = (of: IrExpr): Figure | null => {
    if (of.kind !== 'op' || of.home !== 'ops') return find(of);
    const isLinear = of.name === 'add' || of.name === 'sub' || of.name === 'neg';
    if (isLinear) return of.args.reduce<Figure | null>((found, each) => found ?? summed(each), null);
    return of.name === 'sum' && of.options.length === 0 ? first(of.args) : find(of);
  };
  /** Whether what was made of each row lies together: rows that were put behind others do not. */
  const isGrouped = (of: IrExpr): boolean => {
    let grouped = true;
    const names = new Set<string>();
    const look = (node: unknown): void =>
      walkIr(node, (each) => {
        if (!isExpr(each)) return;
        if (each.kind === 'op' && piles(each, batchSizes)) grouped = false;
        if (each.kind !== 'ref') return;
        if (each.ref.kind === 'local') names.add(each.ref.name);
        if (each.ref.kind !== 'input' || each.type.kind !== 'tensor') return;
        const [own] = rowAxes(each.type, batchSizes);
        // Whoever calls knows what more rows than a batch has are.
        if (own !== undefined && !batchSizes.has(each.type.shape[own] ?? '')) grouped = false;
      });
    look(of);
    // Names that are found on the way are gone through as well.
    for (const name of names) look(lookUp(place.statements, name));
    return grouped;
  };
  /** What rows meet in where a model or a block is called, or where one field of its result is made. */
  const called = (
    expr: IrExpr & { readonly kind: 'model' | 'apply' },
    name: string,
    field: string | null,
  ): Figure | null => {
    const below = first(expr.inputs);
    if (below) return below;
    const mixed: Figure = { kind: 'mixed', expr, name };
    const type =
      field !== null && expr.type.kind === 'record'
        ? expr.type.fields.find((each) => each.name === field)?.type
        : expr.type;
    const rows = expr.inputs.some((input) => holdsRows(input.type, batchSizes));
    if (rows && type && losesRows(type, batchSizes)) return mixed;
    const body = bodies.get(expr);
    if (body === undefined) return null;
    const { statements } = body;
    const inside =
      within.get(body) ?? searchIn({ statements: [...statements], batchSizes, stage: place.stage });
    within.set(body, inside);
    const whole = behind(body.value, statements);
    const part =
      field !== null && whole.kind === 'record'
        ? whole.fields.find((each) => each.name === field)?.value
        : undefined;
    return inside(part ?? body.value) ? mixed : null;
  };
  const search = (expr: IrExpr): Figure | null => {
    switch (expr.kind) {
      case 'batchSize':
        return { kind: 'size', expr, batch: expr.batch };
      case 'items':
        return first(expr.items);
      case 'record':
        return first(expr.fields.map((field) => field.value));
      case 'field': {
        const of = behind(expr.of, place.statements);
        if (of.kind === 'model') return called(of, of.model, expr.name);
        if (of.kind === 'apply') return called(of, 'a block', expr.name);
        const part = of.kind === 'record' ? of.fields.find((each) => each.name === expr.name) : undefined;
        return find(part?.value ?? expr.of);
      }
      case 'element':
        return first([expr.of, expr.index]);
      case 'host':
      case 'hostCall':
        return first(expr.args);
      case 'choose':
        return first([expr.test, expr.then, expr.else]);
      case 'ref':
        return expr.ref.kind === 'local' ? local(expr.ref.name) : null;
      case 'slice': {
        const below = find(expr.of);
        if (below) return below;
        const [axis] = rowAxes(expr.of.type, batchSizes);
        if (axis === undefined) return null;
        const slice = expr.slices[axis];
        const open = expr.slices.slice(0, axis + 1).some((each) => each.kind === 'ellipsis');
        const some =
          !open &&
          slice !== undefined &&
          (slice.kind === 'at' || (slice.kind === 'range' && (slice.from !== null || slice.to !== null)));
        return some || rowAxes(expr.type, batchSizes).length === 0
          ? { kind: 'mixed', expr, name: 'a part of the rows' }
          : null;
      }
      case 'op': {
        if (expr.name === 'gradient' && expr.home === 'ops') {
          const [of, by] = expr.args;
          return (of ? summed(of) : null) ?? (by ? find(by) : null);
        }
        // A batch's size in a shape makes as many rows as there are.
        const tensors = expr.options.flatMap(({ value }) => (value.type.kind === 'tensor' ? [value] : []));
        const below = first([...expr.args, ...tensors]);
        if (below) return below;
        return meetsRows(expr, batchSizes, place.stage === 'train', isGrouped)
          ? { kind: 'mixed', expr, name: expr.name }
          : null;
      }
      case 'model':
        return called(expr, expr.model, null);
      case 'apply':
        return called(expr, 'a block', null);
      default: {
        let size: Figure | null = null;
        walkIr(expr, (each) => {
          if (each['kind'] === 'batchSize' && typeof each['batch'] === 'string')
            size ??= { kind: 'size', expr, batch: each['batch'] };
        });
        return size;
      }
    }
  };
  const reduced = (reduction: IrReduction): Figure | null => {
    switch (reduction.kind) {
      case 'mean':
      case 'sum':
      case 'joined':
        return first(reduction.weight ? [reduction.values, reduction.weight] : [reduction.values]);
      case 'each':
        return find(reduction.value);
      case 'last':
        return null;
      case 'times':
        return reduced(reduction.of) ?? find(reduction.by);
      case 'metric':
        return first(reduction.args);
      case 'derive': {
        for (const part of reduction.parts) {
          const found = reduced(part.of);
          if (found) return found;
        }
        return find(reduction.value);
      }
      case 'named': {
        const statement = lookUp(place.statements, reduction.name);
        return statement?.kind === 'reduce' ? reduced(statement.value) : null;
      }
    }
  };
  const reductions = new Set(['mean', 'sum', 'each', 'last', 'times', 'metric', 'derive', 'named', 'joined']);
  const isReduction = (node: IrExpr | IrReduction): node is IrReduction => reductions.has(node.kind);
  return (node) => (isReduction(node) ? reduced(node) : find(node));
};

const meetings = new WeakMap<IrReduction, Figure>();

/** Says of the terms of a loss in which of them rows of a batch meet, or count. */
export const noteMeetings = (terms: readonly IrReduction[], place: Place): void => {
  for (const term of terms) {
    const figure = figuresOf(place)(term);
    if (figure) meetings.set(term, figure);
  }
};

/** What makes a term of a loss one of its batch, if anything does. */
export const meetingIn = (term: IrReduction): Figure | null => meetings.get(term) ?? null;

/** What to write in place of a number of one batch. */
export const exactInstead = (figure: Figure, metric: string): string => {
  if (figure.kind === 'size')
    return 'write `mean(…)`, which divides by all rows, also where batches differ in size';
  const exact: Readonly<Record<string, string>> = {
    log_sum_exp: 'write `log(sum(exp(x)))`',
    mean: 'write one `mean` of everything, outside of what else is computed',
    sum: 'write one `sum` of everything, outside of what else is computed',
  };
  const own = exact[figure.name];
  const mean = `write \`metric ${metric} = … by mean\` for the mean of the batches' numbers`;
  return own ? `${own}, or ${mean.slice('write '.length)}` : mean;
};
