/** `x |> repeat … { … }`: a fold, unrolled where its count is a constant. */
import type { RepeatStage, Stage } from '../parser/ast.js';
import { repeatChangesShape, wrongType } from '../parser/messages.gen.js';
import { applyPipe } from './calls.js';
import { isGraphStmt, makeSink } from './classes.js';
import { assume, withLower } from './dims/facts.js';
import { asConstant, constant, mul, sub, symbol } from './dims/size.js';
import { bindValue, childScope, lookup, type Env, type Weight, type WeightSink } from './env.js';
import { expand, type Expanded } from './expansion.js';
import { checkExpr } from './expressions.js';
import { hoist } from './graphs.js';
import type { IrContent, IrExpr, IrExprKind, IrSlot, IrSlotRef, IrStepStmt, IrStmt } from './ir.js';
import { walkIr } from './ir-walk.js';
import { addSlot, takeName } from './layers.js';
import { sizeOfValue } from './patterns.js';
import { aType, intType, showType, type Type } from './types.js';
import { isUnknown, literal, unknownValue, value, type Value } from './value.js';
import { judgeSizes } from './judging.js';

const isOwner = (env: Env, stage: Stage): boolean => {
  if (stage.kind === 'repeat') return true;
  const name = stage.path[0]?.text ?? '';
  const binding = lookup(env.scope, name);
  if (binding)
    return (
      binding.kind === 'decl' &&
      (binding.decl.kind === 'block' || (binding.decl.kind === 'externItem' && binding.decl.what === 'layer'))
    );
  return env.checker.prelude.find('layer', name) !== null;
};

/** A turn of one unnamed layer or block: its weights are `blocks.0.*`, without a name between. */
const isDirect = (env: Env, stages: readonly Stage[]): boolean => {
  const owners = stages.filter((stage) => isOwner(env, stage));
  const [only] = owners;
  return owners.length === 1 && only?.kind === 'apply' && only.as === null;
};

const sameShape = (env: Env, a: Type, b: Type): boolean =>
  a.kind === 'tensor' &&
  b.kind === 'tensor' &&
  a.dtype === b.dtype &&
  a.shape.length === b.shape.length &&
  a.shape.every((size, axis) => {
    const other = b.shape[axis];
    return other !== undefined && judgeSizes(env, size, other).verdict === 'proven';
  });

/** Each turn of a constant count is checked by itself. */
const mostTurns = 1000;

interface Turn {
  readonly result: Value;
  readonly body: readonly IrStmt[];
  readonly content: IrContent | null;
  readonly weights: readonly Weight[];
}

const expanded = (stage: RepeatStage): Expanded => ({
  key: stage,
  what: 'this `repeat`',
  span: stage.from.span,
  help: 'repeat it less often; turns that a `param` counts are one loop, however many they are',
});

export const applyRepeat = (env: Env, input: Value, stage: RepeatStage): Value =>
  expand(env, expanded(stage), () => turnsOf(env, input, stage), unknownValue(stage.span));

const turnsOf = (env: Env, input: Value, stage: RepeatStage): Value => {
  if (isUnknown(input)) return unknownValue(stage.span);
  const from = checkExpr(env, stage.from);
  const to = stage.to ? checkExpr(env, stage.to) : null;
  if (isUnknown(from) || (to && isUnknown(to))) return unknownValue(stage.span);
  const list = !stage.to && from.type.kind === 'list' ? from.items : null;
  if (!list && from.type.kind !== 'int' && !from.ratio) {
    env.checker.report(
      wrongType(stage.from.span, {
        what: 'the count of `repeat`',
        found: aType(from.type),
        expected: 'an int, a range or a list',
      }),
    );
    return unknownValue(stage.span);
  }
  const first = list ? null : stage.to ? sizeOfValue(env, from, stage.from.span) : constant(0);
  const last = list
    ? null
    : stage.to && to
      ? sizeOfValue(env, to, stage.to.span)
      : sizeOfValue(env, from, stage.from.span);
  if (!list && (!first || !last)) return unknownValue(stage.span);
  const count = list ? list.length : first && last ? asConstant(sub(last, first)) : null;
  const start = first ? asConstant(first) : 0;
  if (count !== null && count > mostTurns) {
    env.checker.report(
      wrongType(stage.from.span, {
        what: 'the count of `repeat`',
        found: `${count}`,
        expected: `at most ${mostTurns}`,
      }),
    );
    return unknownValue(stage.span);
  }
  const { place } = env;
  const outer = place.weights;
  const direct = isDirect(env, stage.stages);
  const item = place.unique('item');
  const local = place.unique('h');
  const index = stage.binder?.text ?? null;

  const turn = (
    at: Value,
    binder: Value | null,
    conditionalFacts: Env['facts'],
    item: string,
    start: IrExprKind,
  ): Turn => {
    const refer: WeightSink['refer'] = (slot, conditional, free) => ({
      kind: 'item',
      item,
      slot: direct ? null : slot,
      conditional,
      free,
    });
    const sink = outer ? makeSink(outer.owner, refer) : null;
    const before = place.statements;
    place.statements = [];
    const inner = childScope({
      ...env,
      facts: conditionalFacts,
      place: { ...place, statements: place.statements, weights: sink },
    });
    if (stage.binder && binder) bindValue(inner, stage.binder.text, stage.binder.span, 'turn', binder);
    const result = expand(
      env,
      expanded(stage),
      () => {
        let result: Value = value(input.span, at.type, start);
        for (const each of stage.stages) result = applyPipe(inner, result, each);
        return result;
      },
      unknownValue(stage.span),
    );
    const body = inner.place.statements.filter(isGraphStmt);
    place.statements = before;
    const slots = sink?.slots ?? [];
    const [only] = slots;
    const content: IrContent | null =
      slots.length === 0 ? null : direct && only ? only.content : { kind: 'group', slots };
    return { result, body, content, weights: sink?.weights ?? [] };
  };

  /** One turn after the other, each with code of its own. */
  const unroll = (): Value => {
    const slots: IrSlot[] = [];
    const weights: Weight[] = [];
    const items: { readonly key: string; readonly name: string }[] = [];
    const statements = place.statements;
    const body: IrStepStmt[] = [];
    place.statements = body;
    let at = input;
    for (let number = 0; number < (count ?? 0); number += 1) {
      const from = hoist(env, 'h', at);
      const name = place.unique('item');
      const binder = list?.[number] ?? literal(stage.from.span, (start ?? 0) + number);
      const made = turn(from, binder, env.facts, name, from.ir);
      if (isUnknown(made.result)) {
        place.statements = statements;
        return unknownValue(stage.span);
      }
      body.push(...made.body);
      const key = `${number}`;
      if (made.content) {
        slots.push({
          span: stage.span,
          doc: null,
          name: key,
          named: true,
          when: null,
          content: made.content,
        });
        items.push({ key, name });
      }
      weights.push(...made.weights.map((weight) => ({ ...weight, path: `${key}.${weight.path}` })));
      at = made.result;
    }
    place.statements = statements;
    if (slots.length > 0 && outer) {
      const taken = takeName(env, outer, stage.as, 'repeat');
      if (!taken) return unknownValue(stage.span);
      const named = taken.named || weights.length === 0;
      addSlot(outer, stage.span, null, { name: taken.name, named }, { kind: 'group', slots }, weights);
      const slot = outer.refer(taken.name, outer.when !== null, false);
      place.statements.push({ kind: 'items', span: stage.span, slot, items });
    }
    place.statements.push(...body);
    return { ...at, span: stage.span };
  };

  const turns: Turn[] = [];
  let type: Type = input.type;
  let weights: readonly Weight[] = [];
  let content: IrContent | null = null;
  const h = { kind: 'ref' as const, ref: { kind: 'local' as const, name: local } };
  if (count !== null) {
    const bound = (number: number): Value =>
      list?.[number] ?? literal(stage.from.span, (start ?? 0) + number);
    const looped = env.checker.capture((): boolean => {
      let at = input;
      for (let number = 0; number < count; number += 1) {
        const ref = { kind: 'ref' as const, ref: { kind: 'index' as const, name: index ?? 'i' } };
        const binder = list
          ? bound(number)
          : value(stage.from.span, intType, ref, {
              size: constant((start ?? 0) + number),
              constant: (start ?? 0) + number,
            });
        const made = turn(at, binder, env.facts, item, h);
        if (isUnknown(made.result)) return false;
        turns.push(made);
        at = made.result;
      }
      type = at.type;
      return true;
    });
    if (looped.result && !alike(turns)) return unroll();
    looped.diagnostics.forEach(env.checker.report);
    if (!looped.result) return unknownValue(stage.span);
    const contents = turns.flatMap((made, number) =>
      made.content ? [bindIndex(made.content, index, (start ?? 0) + number)] : [],
    );
    content = contents.length > 0 ? { kind: 'list', items: contents } : null;
    weights = turns.flatMap((made, number) =>
      made.weights.map((weight) => ({ ...weight, path: `${number}.${weight.path}` })),
    );
  } else if (first && last) {
    const name = index ?? `turn_${stage.id}`;
    const low = asConstant(first) ?? -Infinity;
    // Turns are counted from 0, in lists of modules as in loops.
    const turnNumber = { kind: 'ref' as const, ref: { kind: 'index' as const, name } };
    const counted: IrExprKind =
      start === 0
        ? turnNumber
        : {
            kind: 'host',
            op: '+',
            args: [from.ir, { ...turnNumber, span: stage.from.span, type: { kind: 'int' } }],
          };
    place.symbols.set(name, counted);
    const binder = value(stage.from.span, intType, counted, { size: symbol(name) });
    const bounded = withLower(env.facts, name, low);
    const above = start === null ? assume(bounded, first, '<=', symbol(name)) : bounded;
    // A turn that there is has a number below the end.
    const facts = assume(above, symbol(name), '<', last);
    const made = turn(input, binder, facts, item, h);
    if (isUnknown(made.result)) return unknownValue(stage.span);
    if (!sameShape(env, input.type, made.result.type)) {
      env.checker.report(
        repeatChangesShape(
          stage.span,
          { before: showType(input.type), after: showType(made.result.type) },
          { related: [{ span: stage.from.span, label: 'not a constant' }] },
        ),
      );
      return unknownValue(stage.span);
    }
    turns.push(made);
    const size = sub(last, first);
    weights = made.weights.map((weight) => ({
      ...weight,
      path: `*.${weight.path}`,
      count: weight.count ? mul(weight.count, size) : size,
    }));
    content = made.content
      ? {
          kind: 'repeat',
          count: countCode(from, to, stage),
          index: index && usesIndex(made.content, index) ? index : null,
          item: made.content,
        }
      : null;
  }
  const [sample] = turns;
  if (!sample) return input;
  let slot: IrSlotRef | null = null;
  if (content && outer) {
    const taken = takeName(env, outer, stage.as, 'repeat');
    if (!taken) return unknownValue(stage.span);
    slot = outer.refer(taken.name, outer.when !== null, false);
    const empty = weights.length === 0;
    addSlot(outer, stage.span, null, { name: taken.name, named: taken.named || empty }, content, weights);
  }
  place.statements.push({
    kind: 'fold',
    span: stage.span,
    name: local,
    from: input.ir,
    slot,
    count: slot ? null : list ? literal(stage.from.span, list.length).ir : countCode(from, to, stage),
    index: index && usesIndex([sample.body, sample.result.ir], index) ? index : null,
    start: count === null ? 0 : (start ?? 0),
    item,
    body: sample.body,
    value: sample.result.ir,
  });
  return value(stage.span, type, { kind: 'ref', ref: { kind: 'local', name: local } });
};

/** Whether all turns are the same code, so that one text serves for all: but for sizes in types, and for local names. */
const alike = (turns: readonly Turn[]): boolean => new Set(turns.map(turnText)).size <= 1;

const turnText = (turn: Turn): string => {
  const locals = new Map<string, string>();
  const own = (name: unknown): void => {
    if (typeof name === 'string' && !locals.has(name)) locals.set(name, `$${locals.size}`);
  };
  walkIr(turn.body, (node) => {
    if (node['kind'] === 'let' || node['kind'] === 'fold' || node['kind'] === 'branch') own(node['name']);
    if (node['kind'] === 'fold') own(node['item']);
    if (node['kind'] === 'items' && Array.isArray(node['items'])) {
      for (const each of node['items']) if (isItem(each)) own(each.name);
    }
  });
  return JSON.stringify(
    { body: turn.body, value: turn.result.ir, weighted: turn.content !== null },
    (key, each: unknown) => {
      if (key === 'span') return null;
      if (key === 'type' && isTensor(each)) return { ...each, shape: each.shape.length };
      return (key === 'name' || key === 'item') && typeof each === 'string'
        ? (locals.get(each) ?? each)
        : each;
    },
  );
};

const isItem = (each: unknown): each is { readonly name: string } =>
  typeof each === 'object' && each !== null && 'name' in each && typeof each.name === 'string';

const isTensor = (each: unknown): each is { readonly kind: 'tensor'; readonly shape: readonly unknown[] } =>
  typeof each === 'object' &&
  each !== null &&
  'kind' in each &&
  each.kind === 'tensor' &&
  'shape' in each &&
  Array.isArray(each.shape);

const countCode = (from: Value, to: Value | null, stage: RepeatStage): IrExpr =>
  to
    ? { kind: 'host', op: '-', args: [to.ir, from.ir], span: stage.from.span, type: { kind: 'int' } }
    : from.ir;

const usesIndex = (node: unknown, name: string): boolean =>
  JSON.stringify(node).includes(`{"kind":"index","name":${JSON.stringify(name)}}`);

/** The turn's number written into what is made for it. */
const bindIndex = (content: IrContent, name: string | null, number: number): IrContent =>
  name === null ? content : replaceIndex(content, name, number);

const replaceIndex = <T>(node: T, name: string, number: number): T => {
  const isIndex = (each: unknown): boolean =>
    typeof each === 'object' &&
    each !== null &&
    'kind' in each &&
    each.kind === 'ref' &&
    'ref' in each &&
    typeof each.ref === 'object' &&
    each.ref !== null &&
    'kind' in each.ref &&
    each.ref.kind === 'index' &&
    'name' in each.ref &&
    each.ref.name === name;
  // The tree is plain data, so a copy with the numbers in place has the same type.
  return JSON.parse(
    JSON.stringify(node, (_key, each: unknown) => {
      if (!isIndex(each) || typeof each !== 'object' || each === null) return each;
      const { ref: _ref, ...rest } = { ...each, ref: null };
      return { ...rest, kind: 'literal', value: number };
    }),
  );
};
