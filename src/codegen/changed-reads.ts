/** Updates that the start of a run tells of where its windows have several batches: those of the params that the run has. */
import type { ts } from 'ts-morph';
import type { Ir, IrExpr, IrExprKind, IrStepStmt, IrTrainer } from '../checker/ir.js';
import { walkIr } from '../checker/ir-walk.js';
import { changedReads, waysOf, type ChangedReads, type Ways } from '../checker/training/changed-weights.js';
import { visitExpressions, visitStatements } from '../checker/training/walk.js';
import { createPicked, createPlace, type Unit } from './context.js';
import { emitExpression } from './expressions.js';
import { camel } from './names.js';
import type { Entry } from './tree.js';

/** What params decide: whether a test holds, or whether a loop turns at all and more than once. */
type Choice =
  | { readonly kind: 'holds'; readonly key: string; readonly test: IrExpr }
  | { readonly kind: 'turns'; readonly key: string; readonly from: IrExpr; readonly to: IrExpr };

/** How the choices come out, by key: the turns of a loop (2 stands for more), 1 or 0 of a test. */
type Outcome = ReadonlyMap<string, number>;

/** With more choices, what depends on them is left out: there are too many ways to go. */
const most = 4;

const keyOf = (...parts: readonly IrExpr[]): string =>
  JSON.stringify(parts, (name, value: unknown) => (name === 'span' ? undefined : value));

/** Whether it can be told from the params, and not without them. */
const isOfParams = (parts: readonly IrExpr[]): boolean => {
  const kinds = new Set<unknown>();
  walkIr(parts, ({ kind, ref }) => {
    if (kind === 'ref' && typeof ref === 'object' && ref !== null && 'kind' in ref) kinds.add(ref.kind);
  });
  return kinds.has('param') && [...kinds].every((kind) => kind === 'param' || kind === 'const');
};

const choicesOf = (trainer: IrTrainer, known: Ways): readonly Choice[] => {
  const found = new Map<string, Choice>();
  const add = (choice: Choice, parts: readonly IrExpr[]): void => {
    if (isOfParams(parts) && !found.has(choice.key)) found.set(choice.key, choice);
  };
  const addTest = (test: IrExpr): void => {
    if (known.holds(test) === null) add({ kind: 'holds', key: keyOf(test), test }, [test]);
  };
  const body = trainer.steps.flatMap((step) => (step.stage === 'train' ? step.body : []));
  visitStatements(body, (each: IrStepStmt) => {
    if (each.kind === 'if' || each.kind === 'branch') addTest(each.test);
    if (each.kind !== 'for' || known.turns(each) !== null) return;
    const { from, to } = each;
    add({ kind: 'turns', key: keyOf(from, to), from, to }, [from, to]);
  });
  visitExpressions(body, (each) => {
    if (each.kind === 'choose') addTest(each.test);
  });
  return [...found.values()];
};

const outcomesOf = ([first, ...others]: readonly Choice[]): readonly Outcome[] =>
  first === undefined
    ? [new Map()]
    : outcomesOf(others).flatMap((rest) =>
        (first.kind === 'turns' ? [0, 1, 2] : [0, 1]).map((value) => new Map([...rest, [first.key, value]])),
      );

/** One way to go, of what is told there by text. */
interface Way {
  readonly outcome: Outcome;
  readonly told: ReadonlyMap<string, ChangedReads>;
}

const textOf = ({ update, span, reads }: ChangedReads): string =>
  JSON.stringify([span.start, update, [...reads].map(([model, { by }]) => [model, by])]);

type Condition = IrExpr | boolean;

const bool = (span: IrExpr['span'], kind: IrExprKind): IrExpr => ({ ...kind, span, type: { kind: 'bool' } });

const isSame = (a: Condition, b: Condition): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && keyOf(a) === keyOf(b));

/** `if test then yes else no`, as short as it can be said. */
const either = (test: IrExpr, yes: Condition, no: Condition): Condition => {
  const { span } = test;
  const host = (op: string, other: IrExpr): IrExpr => bool(span, { kind: 'host', op, args: [test, other] });
  if (isSame(yes, no)) return yes;
  if (no === false) return yes === true ? test : yes === false ? false : host('and', yes);
  if (yes === true) return no === true ? true : host('or', no);
  const not = bool(span, { kind: 'hostCall', fn: 'not', args: [test] });
  if (yes === false) return no === true ? not : bool(span, { kind: 'host', op: 'and', args: [not, no] });
  if (no === true) return bool(span, { kind: 'host', op: 'or', args: [not, yes] });
  return bool(span, { kind: 'choose', test, then: yes, else: no });
};

/** What must hold of the params where an update is told of. */
const conditionOf = (
  [first, ...others]: readonly Choice[],
  ways: readonly Way[],
  isTold: (way: Way) => boolean,
): Condition => {
  if (first === undefined) return ways.some(isTold);
  const of = (value: number): Condition =>
    conditionOf(
      others,
      ways.filter(({ outcome }) => outcome.get(first.key) === value),
      isTold,
    );
  if (first.kind === 'holds') return either(first.test, of(1), of(0));
  const { from, to } = first;
  const isNone = from.kind === 'literal' && from.value === 0;
  const count: IrExpr = isNone
    ? to
    : { kind: 'host', op: '-', args: [to, from], span: to.span, type: { kind: 'int' } };
  const above = (value: number): IrExpr => {
    const literal: IrExpr = { kind: 'literal', value, span: to.span, type: { kind: 'int' } };
    return bool(to.span, { kind: 'host', op: '>', args: [count, literal] });
  };
  const some = either(above(0), of(1), of(0));
  // Where more turns than one change nothing, whether there is one decides.
  return isSame(of(1), of(2)) ? some : either(above(1), of(2), some);
};

/** `readsChanged` of a spec: a list, or a function of the params where they decide. */
export const emitChangedReads = (
  unit: Unit,
  trainer: IrTrainer,
  { modules }: Pick<Ir, 'modules'>,
): readonly Entry[] => {
  const { tree } = unit;
  const consts = new Map(modules.flatMap((module) => module.consts.map(({ name, value }) => [name, value])));
  const known = waysOf({ params: new Map(), consts });
  const all = choicesOf(trainer, known);
  const choices = all.length > most ? [] : all;
  const ways = outcomesOf(choices).map((outcome): Way => {
    const found = changedReads(trainer, {
      turns: (loop) => known.turns(loop) ?? outcome.get(keyOf(loop.from, loop.to)) ?? null,
      holds: (test) => {
        const value = outcome.get(keyOf(test));
        return known.holds(test) ?? (value === undefined ? null : value === 1);
      },
    });
    return { outcome, told: new Map(found.map((each) => [textOf(each), each])) };
  });
  const told = new Map(ways.flatMap((way) => [...way.told]));
  if (told.size === 0 || all.length > most) return [];
  const names = unit.names.child();
  const params = trainer.params.map((param) => param.name);
  const picked = createPicked(tree, names, 'param', params, camel);
  const place = createPlace(unit, names, { param: picked.read });
  const texts = (of: Iterable<string>): ts.Expression =>
    tree.array([...new Set(of)].map((each) => tree.text(each)));
  const entry = ({ update, reads }: ChangedReads): ts.Expression =>
    tree.object([
      { key: 'update', value: tree.text(update) },
      { key: 'weights', value: texts(reads.keys()) },
      { key: 'by', value: texts([...reads.values()].map(({ by }) => by)) },
    ]);
  const groups = new Map<string, { readonly condition: Condition; readonly of: ChangedReads[] }>();
  for (const [text, each] of [...told].sort(([, a], [, b]) => a.span.start - b.span.start)) {
    const condition = conditionOf(choices, ways, (way) => way.told.has(text));
    const key = typeof condition === 'boolean' ? '' : keyOf(condition);
    const group = groups.get(key) ?? { condition, of: [] };
    group.of.push(each);
    groups.set(key, group);
  }
  const lists = [...groups.values()].map(({ condition, of }) => {
    const list = tree.array(of.map(entry), true);
    if (typeof condition === 'boolean') return list;
    const test = emitExpression(place, condition);
    return tree.factory.createConditionalExpression(test, undefined, list, undefined, tree.array([]));
  });
  const [only, ...more] = lists;
  const value =
    only !== undefined && more.length === 0
      ? only
      : tree.array(
          lists.map((list) => tree.factory.createSpreadElement(list)),
          true,
        );
  return [
    {
      key: 'readsChanged',
      value: picked.isEmpty() ? value : tree.arrow([tree.param(tree.pick(picked.names()))], value),
    },
  ];
};
