/**
 * ZT4103: from a loss back to weights. A flow says whose weights a value depends on with a gradient, and what cut off
 * the others on the way. Blocks and models are followed once each, with their inputs as names.
 */
import { gradientOfNothing, lossReachesNothing } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import type {
  IrClass,
  IrContent,
  IrExpr,
  IrFold,
  IrReduction,
  IrSlot,
  IrSlotRef,
  IrStepStmt,
} from '../ir.js';
import { aliasesIn, tokenOf, type Aliases } from './differentiated.js';
import { listed, trainableWeights, type TrainingInput } from './input.js';

/** A place where a gradient ends that would have gone on to `hides`. */
interface Cut {
  readonly span: Span;
  readonly label: string;
  readonly help: string;
  readonly hides: ReadonlySet<string>;
}

interface Flow {
  /** Models by name; inside a class `own` and `in:x`; values that something is differentiated by, as `tokenOf` names them. */
  readonly reached: ReadonlySet<string>;
  readonly cuts: readonly Cut[];
  /** Of records: each field by itself. */
  readonly fields: ReadonlyMap<string, Flow> | null;
}

const none: Flow = { reached: new Set(), cuts: [], fields: null };
const ofToken = (token: string): Flow => ({ reached: new Set([token]), cuts: [], fields: null });

/** One cut for each place and reason. */
const distinct = (cuts: readonly Cut[]): readonly Cut[] => {
  const found = new Map<string, Cut>();
  for (const cut of cuts) {
    const key = `${cut.span.file}:${cut.span.start}:${cut.span.end}:${cut.label}`;
    const known = found.get(key);
    found.set(key, known ? { ...cut, hides: new Set([...known.hides, ...cut.hides]) } : cut);
  }
  return [...found.values()];
};

const union = (flows: readonly Flow[]): Flow => {
  const [only, ...others] = flows;
  if (only && others.length === 0) return only;
  return {
    reached: new Set(flows.flatMap((flow) => [...flow.reached])),
    cuts: distinct(flows.flatMap((flow) => flow.cuts)),
    fields: null,
  };
};

const cutAt = (flow: Flow, span: Span, label: string, help: string): Flow =>
  flow.reached.size === 0
    ? { ...flow, fields: null }
    : {
        reached: new Set(),
        cuts: distinct([...flow.cuts, { span, label, help, hides: flow.reached }]),
        fields: null,
      };

const nameOf = (expr: IrExpr): string =>
  expr.kind === 'field'
    ? `${nameOf(expr.of)}.${expr.name}`
    : expr.kind === 'ref' && 'name' in expr.ref
      ? expr.ref.name
      : 'by';

/** What a class makes of its inputs, at one use. */
const substitute = (flow: Flow, own: ReadonlySet<string>, inputs: ReadonlyMap<string, Flow>): Flow => {
  const replaced = (tokens: ReadonlySet<string>): ReadonlySet<string> =>
    new Set(
      [...tokens].flatMap((token) =>
        token === 'own' ? [...own] : [...(inputs.get(token.slice('in:'.length))?.reached ?? [])],
      ),
    );
  const cuts = flow.cuts
    .map((cut) => ({ ...cut, hides: replaced(cut.hides) }))
    .filter((cut) => cut.hides.size > 0);
  return {
    reached: replaced(flow.reached),
    cuts: distinct([...[...inputs.values()].flatMap((input) => input.cuts), ...cuts]),
    fields: null,
  };
};

interface Known {
  readonly flow: Flow;
  readonly span: Span;
}

/** Names at one place of a step or class. */
interface Scope {
  readonly locals: Map<string, Known>;
  readonly reductions: Map<string, Known>;
  /** The modules of each turn, by the local name of the turn's item. */
  readonly items: Map<string, readonly IrContent[]>;
  readonly owner: IrClass | null;
  /** What gradients as values are taken by. */
  readonly by: Aliases;
}

export interface Reach {
  /** Models that the loss reaches, for each update that reaches none of an optimizer's weights. */
  readonly strayed: ReadonlySet<string>;
}

export const checkReach = (input: TrainingInput): Reach => {
  const classes = new Map<string, Flow>();
  const strayed = new Set<string>();

  const newScope = (owner: IrClass | null, body: readonly IrStepStmt[], value: IrExpr | null): Scope => ({
    locals: new Map(),
    reductions: new Map(),
    items: new Map(),
    owner,
    by: aliasesIn(body, value),
  });

  const classFlow = (name: string): Flow => {
    const known = classes.get(name);
    if (known) return known;
    // Recursion is refused before; an empty flow ends it here all the same.
    classes.set(name, none);
    const found = input.classes.get(name);
    if (!found) return none;
    const scope = newScope(found, found.body, found.value);
    for (const statement of found.body) bind(statement, scope);
    const flow = flowOf(found.value, scope);
    classes.set(name, flow);
    return flow;
  };

  const slotMaps = new Map<IrClass, ReadonlyMap<string, IrSlot>>();
  const slotsOf = (owner: IrClass): ReadonlyMap<string, IrSlot> => {
    const known = slotMaps.get(owner) ?? new Map(owner.slots.map((slot) => [slot.name, slot]));
    slotMaps.set(owner, known);
    return known;
  };

  /** What a slot may hold: several where turns of a `repeat` differ. */
  const contentsOf = (ref: IrSlotRef, scope: Scope): readonly IrContent[] => {
    if (ref.kind === 'own') {
      const slot = scope.owner ? slotsOf(scope.owner).get(ref.slot) : undefined;
      return slot ? [slot.content] : [];
    }
    const items = scope.items.get(ref.item) ?? [];
    const { slot } = ref;
    return slot === null ? items : items.flatMap((item) => slotIn(item, slot));
  };

  const slotIn = (content: IrContent, name: string): readonly IrContent[] => {
    const slot = content.kind === 'group' ? content.slots.find((each) => each.name === name) : undefined;
    return slot ? [slot.content] : [];
  };

  const contentFlow = (content: IrContent, inputs: readonly Flow[]): Flow => {
    if (content.kind === 'block') return blockFlow(content.block, inputs, new Set(['own']));
    const trained = content.kind === 'layer' && content.weights.some((weight) => weight.trainable);
    return union([...inputs, ...(trained ? [ofToken('own')] : [])]);
  };

  const blockFlow = (name: string, inputs: readonly Flow[], own: ReadonlySet<string>): Flow => {
    const names = (input.classes.get(name)?.inputs ?? []).map((each) => each.name);
    const given = new Map(names.map((each, index) => [each, inputs[index] ?? none]));
    return substitute(classFlow(name), own, given);
  };

  /** What is read with the token of its own, where a gradient is taken by it. */
  const marked = (expr: IrExpr, flow: Flow, scope: Scope): Flow => {
    const token = tokenOf(expr, scope.by);
    if (token === null || !scope.by.wanted.has(token)) return flow;
    return { ...union([flow, ofToken(token)]), fields: flow.fields };
  };

  const refFlow = (expr: Extract<IrExpr, { kind: 'ref' }>, scope: Scope): Flow => {
    const { ref } = expr;
    switch (ref.kind) {
      case 'local':
        return marked(expr, scope.locals.get(ref.name)?.flow ?? none, scope);
      case 'input':
        return ofToken(`in:${ref.name}`);
      case 'weight':
        return ofToken('own');
      default:
        return none;
    }
  };

  const opFlow = (expr: Extract<IrExpr, { kind: 'op' }>, scope: Scope): Flow => {
    const args = [...expr.args, ...expr.options.map((option) => option.value)];
    const flow = union([none, ...args.map((each) => flowOf(each, scope))]);
    if (expr.name === 'gradient' && expr.home === 'ops') judgeGradient(expr, scope);
    const builtin = expr.home.startsWith('extern:') ? null : input.prelude.find('fn', expr.name);
    if (builtin?.settings.get('gradient') !== 'none') return flow;
    return cutAt(
      flow,
      expr.span,
      `\`${expr.name}\` lets no gradient through`,
      `leave \`${expr.name}\` out of the loss`,
    );
  };

  const judged = new Set<string>();

  /** ZT4118: whether a value that is differentiated depends on what it is differentiated by. */
  const judgeGradient = ({ args, span }: Extract<IrExpr, { kind: 'op' }>, scope: Scope): void => {
    const [of, by] = args;
    const token = by ? tokenOf(by, scope.by) : null;
    const key = `${span.file}:${span.start}:${span.end}`;
    if (!of || !by || token === null || judged.has(key)) return;
    const { reached, cuts } = flowOf(of, scope);
    if (reached.has(token)) return;
    judged.add(key);
    const own = cuts.filter((cut) => cut.hides.has(token));
    const shown = own.filter((cut) => cut.span.file >= 0).slice(0, 3);
    input.report(
      gradientOfNothing(
        by.span.file >= 0 ? by.span : span,
        { name: nameOf(by) },
        {
          related: shown.map((cut) => ({ span: cut.span, label: cut.label })),
          help: own[0]?.help ?? 'make `of` of this value, by its name',
        },
      ),
    );
  };

  const plainFlow = (expr: IrExpr, scope: Scope): Flow => {
    switch (expr.kind) {
      case 'ref':
        return refFlow(expr, scope);
      case 'record': {
        const fields = new Map(expr.fields.map((field) => [field.name, flowOf(field.value, scope)]));
        return { ...union([none, ...fields.values()]), fields };
      }
      case 'field': {
        const of = flowOf(expr.of, scope);
        return marked(expr, of.fields?.get(expr.name) ?? of, scope);
      }
      case 'items':
        return union([none, ...expr.items.map((each) => flowOf(each, scope))]);
      case 'choose':
        return union([flowOf(expr.then, scope), flowOf(expr.else, scope)]);
      case 'element':
      case 'slice':
        return flowOf(expr.of, scope);
      case 'op':
        return opFlow(expr, scope);
      case 'apply': {
        const inputs = expr.inputs.map((each) => flowOf(each, scope));
        return union([none, ...contentsOf(expr.slot, scope).map((content) => contentFlow(content, inputs))]);
      }
      case 'model': {
        const inputs = expr.inputs.map((each) => flowOf(each, scope));
        return blockFlow(expr.model, inputs, new Set([expr.model]));
      }
      default:
        return none;
    }
  };

  const flowOf = (expr: IrExpr, scope: Scope): Flow => {
    const flow = plainFlow(expr, scope);
    if (expr.type.kind !== 'tensor' || expr.type.dtype === 'f32') return flow;
    const what =
      expr.kind === 'op' ? `\`${expr.name}\`` : expr.kind === 'model' ? `\`${expr.model}\`` : 'this';
    return cutAt(
      flow,
      expr.span,
      `${what} gives ${expr.type.dtype}, through which no gradient passes`,
      `make the loss of f32 values before ${what}`,
    );
  };

  const reductionFlow = (reduction: IrReduction, scope: Scope): Flow => {
    switch (reduction.kind) {
      case 'mean':
      case 'sum':
        return union([
          flowOf(reduction.values, scope),
          ...(reduction.weight ? [flowOf(reduction.weight, scope)] : []),
        ]);
      case 'each':
      case 'last':
        return flowOf(reduction.value, scope);
      case 'times':
        return union([flowOf(reduction.by, scope), reductionFlow(reduction.of, scope)]);
      case 'joined':
        return union([none, flowOf(reduction.values, scope)]);
      case 'metric':
        return union([none, ...reduction.args.map((each) => flowOf(each, scope))]);
      case 'derive':
        return union([none, ...reduction.parts.map((part) => reductionFlow(part.of, scope))]);
      case 'named':
        return scope.reductions.get(reduction.name)?.flow ?? none;
    }
  };

  const itemsOf = (fold: IrFold, scope: Scope): readonly IrContent[] => {
    const { slot } = fold;
    if (slot === null) return [];
    return contentsOf(slot, scope).flatMap((content) =>
      content.kind === 'repeat' ? [content.item] : content.kind === 'list' ? content.items : [content],
    );
  };

  const bindFold = (fold: IrFold, scope: Scope): void => {
    scope.items.set(fold.item, itemsOf(fold, scope));
    let flow = flowOf(fold.from, scope);
    // What a turn makes of a value is what the next one gets; reached models only grow, so this ends.
    for (let before = -1; before < flow.reached.size;) {
      before = flow.reached.size;
      scope.locals.set(fold.name, { flow, span: fold.span });
      for (const statement of fold.body) bind(statement, scope);
      flow = union([flow, flowOf(fold.value, scope)]);
    }
    // A value that each turn cuts off does not come out of the last one.
    const last = flowOf(fold.value, scope);
    scope.locals.set(fold.name, { flow: last, span: fold.span });
  };

  /** Values from before an update carry no gradient in. */
  const inside = (scope: Scope): Scope => {
    const cutOff = (all: ReadonlyMap<string, Known>): Map<string, Known> =>
      new Map(
        [...all].map(([name, { flow, span }]) => [
          name,
          {
            span,
            flow: cutAt(
              flow,
              span,
              'made outside the `update`, so that no gradient passes',
              'move it into the `update`',
            ),
          },
        ]),
      );
    return { ...scope, locals: cutOff(scope.locals), reductions: cutOff(scope.reductions) };
  };

  const bind = (statement: IrStepStmt, scope: Scope): void => {
    switch (statement.kind) {
      case 'let':
        scope.locals.set(statement.name, { flow: flowOf(statement.value, scope), span: statement.span });
        return;
      case 'fold':
        bindFold(statement, scope);
        return;
      case 'branch': {
        const flows = [statement.then, statement.else].map(({ body, value }) => {
          for (const each of body) bind(each, scope);
          return flowOf(value, scope);
        });
        scope.locals.set(statement.name, { flow: union([none, ...flows]), span: statement.span });
        return;
      }
      case 'items':
        for (const { key, name } of statement.items) {
          const contents = contentsOf(statement.slot, scope).flatMap((each) => slotIn(each, key));
          scope.items.set(name, contents);
        }
        return;
      case 'reduce':
        scope.reductions.set(statement.name, {
          flow: reductionFlow(statement.value, scope),
          span: statement.span,
        });
        return;
      case 'update': {
        const region = inside(scope);
        for (const each of statement.body) {
          bind(each, region);
          if (each.kind === 'minimize')
            judge(
              statement,
              each.span,
              union([none, ...each.terms.map((term) => reductionFlow(term, region))]),
            );
        }
        return;
      }
      case 'every':
      case 'for':
        for (const each of statement.body) bind(each, scope);
        return;
      case 'if':
        for (const each of [...statement.then, ...statement.else]) bind(each, scope);
        return;
      // Looked at for the gradients in it alone.
      case 'minimize':
        if (scope.by.wanted.size > 0) for (const term of statement.terms) reductionFlow(term, scope);
        return;
      case 'log':
        if (scope.by.wanted.size > 0) reductionFlow(statement.value, scope);
        return;
      case 'measure':
        if (scope.by.wanted.size > 0) flowOf(statement.values, scope);
        return;
      case 'return':
        if (scope.by.wanted.size > 0) for (const { value } of statement.fields) flowOf(value, scope);
        return;
    }
  };

  // Several updates may share an optimizer: what none of them reaches is told when all are known.
  const updated = new Map<
    string,
    { readonly span: Span; readonly used: Span; readonly reached: Set<string> }
  >();
  const modelsOf = (name: string): readonly string[] =>
    (input.trainer.optimizers.find((each) => each.name === name)?.of ?? [])
      .map((each) => each.model)
      .filter((model) => trainableWeights(input, model).length > 0);

  const judge = (update: Extract<IrStepStmt, { kind: 'update' }>, span: Span, loss: Flow): void => {
    for (const { name, span: used } of update.optimizers) {
      const models = modelsOf(name);
      const all = updated.get(name) ?? { span, used, reached: new Set() };
      updated.set(name, all);
      for (const model of loss.reached) all.reached.add(model);
      if (models.length === 0 || models.some((model) => loss.reached.has(model))) continue;
      const cuts = loss.cuts.filter((cut) => models.some((model) => cut.hides.has(model)));
      // What is cut inside a function of the standard library has no place in the spec to point at.
      const shown = cuts.filter((cut) => cut.span.file >= 0);
      const others = [...loss.reached].filter((model) => trainableWeights(input, model).length > 0);
      const free = others.filter(
        (model) => !input.trainer.optimizers.some((each) => each.of.some((of) => of.model === model)),
      );
      for (const model of free) strayed.add(model);
      const notes = [
        ...(cuts.length === 0
          ? [`the loss uses nothing that ${listed(models)} ${models.length === 1 ? 'gives' : 'give'}`]
          : []),
        ...(shown.length === 0 ? cuts.slice(0, 3).map((cut) => cut.label) : []),
        ...(others.length > 0 ? [`it reaches the weights of ${listed(others)}`] : []),
      ];
      const help =
        cuts[0]?.help ??
        (free.length > 0
          ? `let \`${name}\` own ${listed(free)}: \`of = ${free.length === 1 ? free[0] : `[${free.join(', ')}]`}\``
          : null);
      input.report(
        lossReachesNothing(
          span,
          { models: listed(models), optimizer: name },
          {
            related: [
              ...shown.slice(0, 3).map((cut) => ({ span: cut.span, label: cut.label })),
              ...(shown.length === 0 ? [{ span: used, label: `owns ${listed(models)}` }] : []),
            ],
            notes,
            ...(help === null ? {} : { help }),
          },
        ),
      );
    }
  };

  for (const step of input.trainer.steps) {
    const scope = newScope(null, step.body, null);
    for (const statement of step.body) bind(statement, scope);
  }
  for (const [name, { span, used, reached }] of updated) {
    const models = modelsOf(name);
    const missed = models.filter((model) => !reached.has(model));
    // Where none is reached, that was told.
    if (missed.length === 0 || missed.length === models.length) continue;
    input.report(
      lossReachesNothing(
        span,
        { models: listed(missed), optimizer: name },
        {
          related: [{ span: used, label: `owns ${listed(models)}` }],
          notes: [
            `no loss of \`${name}\` uses what ${listed(missed)} ${missed.length === 1 ? 'gives' : 'give'}`,
          ],
          help: `leave ${listed(missed)} out of \`of\`, or use ${missed.length === 1 ? 'it' : 'them'} in the loss`,
        },
      ),
    );
  }
  return { strayed };
};
