/** ZT5004 and ZT5015: validation reads other rows than training, and than what is measured before it. */
import {
  measuresHeldOut,
  randomEvaluation,
  validatesOnTrainingData,
  validationOverlaps,
} from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { evaluateIr, type HostNames } from '../evaluate.js';
import type { IrData, IrExpr, IrStep } from '../ir.js';
import { walkIr } from '../ir-walk.js';
import { preludeFile, type Prelude } from '../prelude.js';
import { optionOf, type TrainingInput } from './input.js';
import { builtinDefault } from './run.js';

/** An expression without its place, so that two that say the same are equal. */
const textOf = (expr: IrExpr, names: HostNames): string => {
  const value = evaluateIr(expr, names);
  if (value !== undefined) return JSON.stringify(value);
  return JSON.stringify(expr, (key, each: unknown) => (key === 'span' ? undefined : each));
};

const argumentsOf = (input: TrainingInput, data: IrData, names: HostNames): ReadonlyMap<string, string> => {
  const all = new Map<string, string>();
  for (const param of input.prelude.find('data', data.source.name)?.params ?? []) {
    const fallback = builtinDefault(input, 'data', data.source.name, param.name.text);
    if (fallback !== undefined && data.source.kind === 'prelude')
      all.set(param.name.text, JSON.stringify(fallback));
  }
  for (const { name, value } of data.arguments) all.set(name, textOf(value, names));
  return all;
};

type Overlap = 'same' | 'part' | 'none';

/** Two data sets over the same rows: whether the parts that they read share some. */
const partsOverlap = (a: IrData, b: IrData, names: HostNames): Overlap => {
  const said = (data: IrData, name: string): string => {
    const given = optionOf(data.options, name);
    return given ? textOf(given, names) : '';
  };
  const [left, right] = [optionOf(a.options, 'part'), optionOf(b.options, 'part')];
  const alike = ['parts', 'split_seed', 'stratify'].every((name) => said(a, name) === said(b, name));
  if (!left && !right) return 'same';
  // Another split of the same rows shares some with every part of this one.
  if (!left || !right || !alike) return 'part';
  if (left.kind !== 'part' || right.kind !== 'part')
    return textOf(left, names) === textOf(right, names) ? 'same' : 'none';
  const same = textOf(left.fold, names) === textOf(right.fold, names);
  if (left.how === right.how) return same ? 'same' : left.how === 'only' ? 'none' : 'part';
  return same ? 'none' : 'part';
};

const overlapOf = (input: TrainingInput, names: HostNames, a: IrData, b: IrData): Overlap => {
  // Rows that are harvested anew are others; one set for both is refused as such.
  if (a.source.live === true) return 'none';
  if (a.name === b.name) return 'same';
  if (
    a.source.kind !== b.source.kind ||
    a.source.name !== b.source.name ||
    a.source.module !== b.source.module
  )
    return 'none';
  const [left, right] = [argumentsOf(input, a, names), argumentsOf(input, b, names)];
  const differs = [...new Set([...left.keys(), ...right.keys()])].filter(
    (key) => left.get(key) !== right.get(key),
  );
  if (differs.length === 0) return partsOverlap(a, b, names);
  const all = JSON.stringify('all');
  const splits = [left.get('split'), right.get('split')];
  return differs.length === 1 && differs[0] === 'split' && splits.includes(all) && !splits.includes(undefined)
    ? 'part'
    : 'none';
};

const hasParts = (data: IrData): boolean => optionOf(data.options, 'parts') !== null;

/** What reads rows that `base` does not. */
const otherPart = (data: IrData, base: IrData): string => {
  const [parts, part] = [optionOf(base.options, 'parts'), optionOf(base.options, 'part')];
  const own = optionOf(data.options, 'parts');
  if (part?.kind === 'part' && own?.kind === 'folds')
    return `the other folds are \`${part.how === 'only' ? 'all_but' : 'only'}(…)\` of the same fold`;
  const names =
    parts?.kind === 'record' && own?.kind === 'record' ? parts.fields.map(({ name }) => name) : [];
  const others = names.filter((name) => part?.kind !== 'literal' || part.value !== name);
  return part && others.length > 0
    ? `read another part here: \`part = "${others[0] ?? ''}"\``
    : 'read one part here, and train on another';
};

export const checkValidationData = (input: TrainingInput, names: HostNames): void => {
  const { trainer, report } = input;
  const dataOf = (name: string): IrData | undefined => trainer.data.find((each) => each.name === name);
  const trained = trainer.steps.filter((step) => step.stage === 'train').flatMap((step) => step.inputs);
  for (const step of trainer.steps) {
    if (step.stage !== 'validate' && step.stage !== 'test') continue;
    for (const own of step.inputs) {
      const data = dataOf(own.data);
      for (const other of trained) {
        const base = dataOf(other.data);
        const overlap = data && base ? overlapOf(input, names, data, base) : 'none';
        if (!data || !base || overlap === 'none') continue;
        const details = {
          related: [{ span: other.span, label: 'trained on here' }],
          ...(data.name === base.name
            ? {}
            : {
                notes: [
                  overlap === 'same'
                    ? `\`${data.name}\` and \`${base.name}\` have the same source with the same arguments`
                    : hasParts(data) || hasParts(base)
                      ? `\`${data.name}\` and \`${base.name}\` share rows of one source`
                      : `\`split = "all"\` holds the rows of every split`,
                ],
              }),
          help: hasParts(data)
            ? otherPart(data, base)
            : data.source.name === 'digits' || data.source.name === 'fashion_mnist'
              ? 'read `split = "test"` here'
              : 'read rows here that the train step does not read',
        };
        report(
          overlap === 'same'
            ? validatesOnTrainingData(own.span, { step: `step ${step.name}` }, details)
            : validationOverlaps(own.span, { step: `step ${step.name}` }, details),
        );
        break;
      }
    }
  }
};

/** What is measured of held-out rows is known to the model before it is held against them. */
export const checkMeasuredData = (input: TrainingInput, names: HostNames): void => {
  const { trainer, report } = input;
  const dataOf = (name: string): IrData | undefined => trainer.data.find((each) => each.name === name);
  const inputsOf = (...stages: readonly string[]) =>
    trainer.steps
      .filter(({ stage }) => stages.includes(stage))
      .flatMap((step) => step.inputs.map((own) => ({ step, own })));
  const trained = inputsOf('train').map(({ own }) => dataOf(own.data));
  for (const { step, own } of inputsOf('measure')) {
    const measured = dataOf(own.data);
    for (const { step: other, own: held } of inputsOf('validate', 'test')) {
      const data = dataOf(held.data);
      if (!measured || !data || overlapOf(input, names, measured, data) === 'none') continue;
      // Validating on what is trained on is told of by itself.
      if (trained.some((each) => each && overlapOf(input, names, each, data) !== 'none')) continue;
      report(
        measuresHeldOut(
          own.span,
          { step: `step ${step.name}`, other: `step ${other.name}` },
          {
            related: [{ span: held.span, label: 'held out here' }],
            help: 'measure the part that is trained on',
          },
        ),
      );
      break;
    }
  }
};

/** The first function of a data set's maps that draws random numbers, or null. */
const drawIn = (data: IrData): string | null => {
  let found: string | null = null;
  walkIr(data.maps, ({ draw, name }) => {
    if (typeof draw === 'string' && typeof name === 'string') found ??= name;
  });
  return found;
};

/**
 * The function of the prelude by which a step mixes the rows of its batch at random (`mixup`, `cutmix`), or null. A step that draws
 * otherwise makes something of its own, such as the noise that a generator starts from.
 */
const mixedIn = (step: IrStep, { fns }: Prelude): string | null => {
  let found: string | null = null;
  walkIr(step.body, ({ kind, name, span }) => {
    if (kind !== 'op' || name !== 'shuffle_rows' || !isSpan(span) || span.file !== preludeFile) return;
    const own = [...fns].find(([, fn]) => fn.span.start <= span.start && span.end <= fn.span.end);
    found ??= own?.[0] ?? null;
  });
  return found;
};

const isSpan = (each: unknown): each is Span =>
  typeof each === 'object' && each !== null && 'file' in each && 'start' in each && 'end' in each;

/** What is measured or predicted is of rows as they are. */
export const checkRandomData = ({ trainer, prelude, report }: TrainingInput): void => {
  for (const step of trainer.steps) {
    if (step.stage === 'train' || step.stage === 'measure') continue;
    const mixed = mixedIn(step, prelude);
    const [first] = step.inputs;
    if (mixed !== null && first)
      report(
        randomEvaluation(
          first.span,
          { step: `step ${step.name}`, name: mixed },
          { help: `compute on the rows as they are here, and leave \`${mixed}\` to the train step` },
        ),
      );
    for (const { data: name, span } of step.inputs) {
      const data = trainer.data.find((each) => each.name === name);
      const draw = data ? drawIn(data) : null;
      if (draw !== null)
        report(
          randomEvaluation(
            span,
            { step: `step ${step.name}`, name: draw },
            { help: 'read a data set whose `map` draws nothing' },
          ),
        );
    }
  }
};
