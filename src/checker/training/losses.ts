/** ZT5003 and ZT5006: what goes into a cross entropy, or a metric of logits, are logits, one for each class of the labels. */
import { activationBeforeLoss, headWidth } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { evaluateIr, type HostNames } from '../evaluate.js';
import type { IrClass, IrData, IrExpr, IrReduction, IrStep, IrStepStmt } from '../ir.js';
import { preludeFile, type Prelude } from '../prelude.js';
import { optionOf, type TrainingInput } from './input.js';
import { localsOf, partsOf, visitExpressions, visitStatements, type Locals } from './walk.js';
import { counted } from '../../values/counted.js';

const losses: ReadonlySet<string> = new Set(['softmax_cross_entropy', 'sigmoid_cross_entropy']);
/** Metrics that hold a logit of each row against a threshold, 0 unless said otherwise. */
const thresholded: ReadonlySet<string> = new Set([
  'binary_accuracy',
  'f1',
  'precision',
  'recall',
  'confusion_matrix',
]);
/** Metrics that take the softmax of several classes themselves; the order of single scores is the same for probabilities. */
const ranking: ReadonlySet<string> = new Set(['auroc', 'average_precision']);
const activations: ReadonlySet<string> = new Set(['softmax', 'sigmoid']);
/** Functions that only change how values are laid out. */
const layout: ReadonlySet<string> = new Set([
  'reshape',
  'flatten',
  'squeeze',
  'expand_dims',
  'transpose',
  'cast',
]);

interface Place {
  readonly locals: Locals;
  readonly owner: IrClass | null;
  /** Expressions for the inputs of the class, where it was called. */
  readonly inputs: ReadonlyMap<string, { readonly expr: IrExpr; readonly place: Place }>;
}

interface Found {
  readonly activation: string;
  readonly span: Span;
}

/** The activation that made a value, if nothing but layout came after it. */
const activationOf = (
  input: TrainingInput,
  expr: IrExpr,
  place: Place,
  seen = new Set<IrExpr>(),
): Found | null => {
  // What was looked at before led nowhere, or this is a part of it.
  if (seen.has(expr)) return null;
  seen.add(expr);
  const next = (at: IrExpr | undefined, where = place): Found | null =>
    at ? activationOf(input, at, where, seen) : null;
  const enter = (name: string, args: readonly IrExpr[]): Found | null => {
    const owner = input.classes.get(name);
    if (!owner) return null;
    const inputs = new Map(
      owner.inputs.flatMap((each, index) => {
        const arg = args[index];
        return arg ? [[each.name, { expr: arg, place }] as const] : [];
      }),
    );
    return next(owner.value, { locals: localsOf(owner.body), owner, inputs });
  };
  switch (expr.kind) {
    case 'op':
      if (expr.home.startsWith('extern:')) return null;
      if (activations.has(expr.name)) return { activation: expr.name, span: expr.span };
      return layout.has(expr.name) ? next(expr.args[0]) : null;
    case 'slice':
      return next(expr.of);
    case 'choose':
      return next(expr.then) ?? next(expr.else);
    case 'field':
      return expr.of.kind === 'record' ? next(fieldOf(expr.of, expr.name)) : null;
    case 'ref': {
      const { ref } = expr;
      if (ref.kind === 'input') {
        const given = place.inputs.get(ref.name);
        return given ? next(given.expr, given.place) : null;
      }
      const local = ref.kind === 'local' ? place.locals.get(ref.name) : undefined;
      if (!local) return null;
      return next(local.kind === 'fold' ? local.value : local);
    }
    case 'model':
      return enter(expr.model, expr.inputs);
    case 'apply': {
      const { slot } = expr;
      const content =
        slot.kind === 'own' ? place.owner?.slots.find((each) => each.name === slot.slot)?.content : undefined;
      if (content?.kind === 'block') return enter(content.block, expr.inputs);
      return content?.kind === 'layer' && content.layer === 'dropout' && !content.extern
        ? next(expr.inputs[0])
        : null;
    }
    default:
      return null;
  }
};

const fieldOf = (record: IrExpr, name: string): IrExpr | undefined =>
  record.kind === 'record' ? record.fields.find((each) => each.name === name)?.value : undefined;

/** What takes logits, and something else for a mistake. */
interface Taker {
  readonly name: string;
  readonly logits: IrExpr;
  /** What else to write. */
  readonly besides: string;
}

const rankOf = ({ type }: IrExpr): number | null => (type.kind === 'tensor' ? type.shape.length : null);

/** Whether a threshold is one for logits: every probability lies above one that is not above 0. */
const isForLogits = (threshold: IrExpr | null, names: HostNames): boolean => {
  const value = threshold ? evaluateIr(threshold, names) : 0;
  return typeof value === 'number' && value <= 0;
};

/** A metric whose result is another one for probabilities. Where the largest of several logits counts, it is the same. */
const metricTaker = (reduction: IrReduction, names: HostNames): readonly Taker[] => {
  switch (reduction.kind) {
    case 'times':
      return metricTaker(reduction.of, names);
    case 'derive':
      return reduction.parts.flatMap((part) => metricTaker(part.of, names));
    case 'metric': {
      const { metric: name, args, options } = reduction;
      const [logits, label] = args;
      if (!logits || !label) return [];
      const isOfClasses = rankOf(logits) !== rankOf(label);
      if (ranking.has(name)) return isOfClasses ? [{ name, logits, besides: '' }] : [];
      if (isOfClasses || !thresholded.has(name) || !isForLogits(optionOf(options, 'threshold'), names))
        return [];
      return [{ name, logits, besides: ', or write `threshold = 0.5`' }];
    }
    default:
      return [];
  }
};

/** The function of the prelude that a comparison was written in, where it compares logits with a threshold. */
const comparisonIn = ({ span }: IrExpr, { fns }: Prelude): string | null => {
  if (span.file !== preludeFile) return null;
  const own = [...fns].find(([, fn]) => fn.span.start <= span.start && span.end <= fn.span.end);
  return own && thresholded.has(own[0]) ? own[0] : null;
};

/** Of a statement and of those inside it. */
const takersIn = (input: TrainingInput, statement: IrStepStmt, names: HostNames): readonly Taker[] => {
  const takers: Taker[] = [];
  visitExpressions([statement], (expr) => {
    if (expr.kind !== 'op' || expr.home.startsWith('extern:')) return;
    const [logits, threshold] = expr.args;
    if (logits && losses.has(expr.name)) takers.push({ name: expr.name, logits, besides: '' });
    const name = expr.name === 'greater' ? comparisonIn(expr, input.prelude) : null;
    if (logits && threshold && name !== null && isForLogits(threshold, names))
      takers.push({ name, logits, besides: ', or write `threshold = 0.5`' });
  });
  visitStatements([statement], (each) => {
    if (each.kind === 'log' || each.kind === 'reduce') takers.push(...metricTaker(each.value, names));
  });
  return takers;
};

/** The first place in the spec's own text, of an expression that may have come through a function of the prelude. */
const ownSpan = (expr: IrExpr): Span | null => {
  if (expr.span.file >= 0) return expr.span;
  for (const part of partsOf(expr)) {
    const found = ownSpan(part);
    if (found) return found;
  }
  return null;
};

export const checkActivations = (input: TrainingInput, names: HostNames): void => {
  // Each activation is one mistake, in however many losses it ends.
  const reported = new Set<string>();
  for (const step of input.trainer.steps) {
    const place: Place = { locals: localsOf(step.body), owner: null, inputs: new Map() };
    for (const statement of step.body) {
      for (const { name, logits, besides } of takersIn(input, statement, names)) {
        const found = activationOf(input, logits, place);
        if (!found) continue;
        const span = ownSpan(logits) ?? statement.span;
        const at = found.span.file >= 0 ? found.span : span;
        const key = `${at.file}:${at.start}:${at.end}`;
        if (reported.has(key)) continue;
        reported.add(key);
        input.report(
          activationBeforeLoss(
            span,
            { loss: name, activation: found.activation },
            {
              related:
                found.span.file >= 0
                  ? [{ span: found.span, label: `\`${found.activation}\` is applied here` }]
                  : [],
              help: `leave \`${found.activation}\` out here, and apply it where probabilities are wanted${besides}`,
            },
          ),
        );
      }
    }
  }
};

// ---- the number of classes

/** Classes of labels whose sources are fixed. */
const fixedClasses: ReadonlyMap<string, number> = new Map([
  ['digits', 10],
  ['fashion_mnist', 10],
]);

interface Labels {
  readonly classes: number;
  readonly data: IrData;
  readonly field: string;
  readonly values: readonly string[];
}

/** How many classes a field of a batch has, where each `map` hands it on as it is. */
const labelsOf = (data: IrData, field: string): Labels | null => {
  let name = field;
  for (const map of [...data.maps].reverse()) {
    const locals = localsOf(map.body);
    let at = map.fields.find((each) => each.name === name)?.value;
    while (at && (at.kind === 'op' || at.kind === 'ref')) {
      if (at.kind === 'op') at = layout.has(at.name) ? at.args[0] : undefined;
      else {
        const local = at.ref.kind === 'local' ? locals.get(at.ref.name) : undefined;
        at = local?.kind === 'fold' ? undefined : local;
      }
    }
    if (at?.kind !== 'field' || at.of.kind !== 'ref' || at.of.ref.kind !== 'row') return null;
    name = at.name;
  }
  const type = data.row.find((each) => each.name === name)?.type;
  if (type?.kind === 'choice') return { classes: type.values.length, data, field: name, values: type.values };
  const classes =
    data.source.kind === 'prelude' && name === 'label' ? fixedClasses.get(data.source.name) : undefined;
  return classes === undefined ? null : { classes, data, field: name, values: [] };
};

const lossesOf = (step: IrStep): readonly Extract<IrExpr, { kind: 'op' }>[] => {
  const found: Extract<IrExpr, { kind: 'op' }>[] = [];
  visitExpressions(step.body, (expr) => {
    if (expr.kind === 'op' && !expr.home.startsWith('extern:') && losses.has(expr.name)) found.push(expr);
  });
  return found;
};

const labelsIn = (
  input: TrainingInput,
  step: IrStep,
  locals: Locals,
  label: IrExpr | undefined,
): Labels | null => {
  let at = label;
  while (at && (at.kind === 'op' || at.kind === 'ref')) {
    if (at.kind === 'op') at = layout.has(at.name) ? at.args[0] : undefined;
    else {
      const local = at.ref.kind === 'local' ? locals.get(at.ref.name) : undefined;
      at = local?.kind === 'fold' ? undefined : local;
    }
  }
  if (at?.kind !== 'field' || at.of.kind !== 'ref' || at.of.ref.kind !== 'batch') return null;
  const { name: batch } = at.of.ref;
  const data = step.inputs.find((each) => each.name === batch)?.data;
  const found = input.trainer.data.find((each) => each.name === data);
  return found ? labelsOf(found, at.name) : null;
};

/** A size as a number: written as one, or a param's default. */
const widthOf = (logits: IrExpr | undefined, names: HostNames): number | null => {
  const last = logits?.type.kind === 'tensor' ? logits.type.shape.at(-1) : undefined;
  if (last === undefined) return null;
  const value = /^\d+$/.test(last) ? Number(last) : names.params.get(last);
  return typeof value === 'number' ? value : null;
};

export const checkHeads = (input: TrainingInput, names: HostNames): void => {
  const reported = new Set<string>();
  for (const step of input.trainer.steps) {
    const locals = localsOf(step.body);
    for (const loss of lossesOf(step)) {
      const [logits, label] = loss.args;
      if (
        loss.name !== 'softmax_cross_entropy' ||
        !logits ||
        label?.type.kind !== 'tensor' ||
        label.type.dtype !== 'i32'
      )
        continue;
      const width = widthOf(logits, names);
      const labels = labelsIn(input, step, locals, label);
      if (width === null || !labels || width === labels.classes) continue;
      // A head of the wrong width is one mistake, however many steps use it.
      const key = `${width} ${labels.data.source.name} ${labels.field}`;
      if (reported.has(key)) continue;
      reported.add(key);
      const of =
        labels.values.length > 0
          ? `: ${labels.values
              .slice(0, 8)
              .map((each) => JSON.stringify(each))
              .join(', ')}${labels.values.length > 8 ? ', …' : ''}`
          : '';
      input.report(
        headWidth(
          logits.span,
          { width, classes: labels.classes },
          {
            related:
              label.span.file === logits.span.file
                ? [{ span: label.span, label: counted(labels.classes, 'class', 'classes') }]
                : [],
            notes: [
              `\`${labels.field}\` of \`${labels.data.name}\` has ${counted(labels.classes, 'class', 'classes')}${of}`,
            ],
            help: `give the last layer ${counted(labels.classes, 'unit')}`,
          },
        ),
      );
    }
  }
};
